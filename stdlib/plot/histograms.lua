-- What the numbers of each layer are like: its parameters after the training, on an axis of its own, and the
-- sizes of their gradients in the last batch of the last epoch, powers of two on one axis for all layers, so
-- that gradients that vanish or explode towards the input are seen as a drift. From the model's row and from
-- training_layer.
local core = require "core"
local figure = require "plot/figure"
local weights = require "plot/weights"

local LAYERS = [[
SELECT layer, gradient, bins, epoch FROM training_layer WHERE run = :run AND bins IS NOT NULL ORDER BY seq]]
local FINDINGS = [[
SELECT layer, group_concat(DISTINCT finding) AS text FROM training_layer WHERE run = :run AND finding IS NOT NULL
GROUP BY layer]]

local HEAD, ROW, GAP, WIDE, BINS = 104, 56, 16, 300, 60
local NAME, BETWEEN = 110, 40 -- room for names, and between the two columns
local BLUE, ORANGE = figure.colours[1], figure.colours[2]

-- Bars of counts { [place] = count } from place 0 to `last`, as wide together as a panel; the tallest is as
-- high as its row.
local function bars(canvas, x, y, counts, last, colour)
  local most, step = 1, WIDE / (last + 1)
  for _, count in pairs(counts) do most = math.max(most, count) end
  for place = 0, last do
    local height = math.max((ROW - GAP) * (counts[place] or 0) / most, 0.75)
    if counts[place] and counts[place] > 0 then
      core.draw_rectangle(canvas, x + place * step, y + ROW - GAP - height, step * 0.92, height, { fill = colour })
    end
  end
  core.draw_line(canvas, { x, y + ROW - GAP, x + WIDE, y + ROW - GAP }, { stroke = figure.edge })
end

local function draw_parameters(canvas, x, y, all, node)
  local own = core.tensor_rows(all, node.first, node.parameters)
  local _, _, most = core.heat_range(core.tensor_reshape(own, { 1, node.parameters }), false)
  local counts = {}
  for place, count in ipairs(core.draw_histogram(own, most, BINS)) do counts[place - 1] = count end
  bars(canvas, x, y, counts, BINS - 1, BLUE)
  local text = { size = 9.5, y = 0, colour = figure.soft }
  for i, mark in ipairs { -most, 0, most } do
    text.x = (i - 1) / 2
    figure.text(canvas, x + (i - 1) * WIDE / 2, y + ROW - GAP + 2, figure.minus(figure.number(mark)), text)
  end
end

-- The powers of two that any layer's gradients have.
local function range_of(rows)
  local low, high = math.huge, -math.huge
  for _, row in pairs(rows) do
    for name in pairs(row.counts) do low, high = math.min(low, name), math.max(high, name) end
  end
  return low, high
end

local function draw_gradients(canvas, x, y, row, low, high)
  local counts = {}
  for power, count in pairs(row.counts) do counts[power - low] = count end
  bars(canvas, x, y, counts, high - low, ORANGE)
  local text = ("r.m.s. %s"):format(figure.minus(figure.number(row.gradient or 0)))
  if row.zero > 0 then text = ("%s, %.0f %% are 0"):format(text, 100 * row.zero / row.all) end
  figure.text(canvas, x + WIDE, y + ROW - GAP + 2, text, { size = 9.5, x = 1, colour = figure.soft })
end

local function trained(context)
  local rows, epoch = {}, 0
  for _, row in ipairs(core.store_rows(context.store, LAYERS, { run = context.run })) do
    row.counts, row.zero, row.all = {}, 0, 0
    for name, count in pairs(core.json_parse(row.bins)) do
      row.all = row.all + count
      if name == "zero" then row.zero = count else row.counts[math.tointeger(tonumber(name))] = count end
    end
    rows[row.layer], epoch = row, row.epoch
  end
  return rows, epoch
end

-- Powers of ten above the gradients; not all of them where there are many.
local function draw_axis(canvas, x, y, low, high)
  local first, last = math.ceil(low * math.log(2, 10)), math.floor((high + 1) * math.log(2, 10))
  for power = first, last, math.max(1, math.ceil((last - first + 1) / 7)) do
    local at = x + (power * math.log(10, 2) - low) * WIDE / (high - low + 1)
    core.draw_line(canvas, { at, y - 4, at, y }, { stroke = figure.edge })
    figure.text(canvas, at, y - 6, figure.minus(("1e%d"):format(power)),
      { size = 9.5, x = 0.5, y = 1, colour = figure.soft })
  end
end

-- Nodes with parameters, at most so many, and how many are left out.
local function choose(nodes, most)
  local list, more = {}, 0
  for _, node in ipairs(nodes) do
    if (node.parameters or 0) > 0 then
      if #list < most then list[#list + 1] = node else more = more + 1 end
    end
  end
  return list, more
end

local function found(context)
  local findings = {}
  for _, row in ipairs(core.store_rows(context.store, FINDINGS, { run = context.run })) do
    findings[row.layer] = row.text:gsub(",", ", ")
  end
  return findings
end

-- The name of a layer, and below it what was wrong with it, else its size.
local function draw_name(canvas, x, y, node, finding)
  figure.text(canvas, x, y + 20, node.name,
    { size = 11, bold = true, x = 1, y = 0.5, colour = figure.ink, most = NAME, middle = true })
  figure.text(canvas, x, y + 34, finding or ("%d"):format(node.parameters),
    { size = 9.5, x = 1, y = 0.5, most = NAME, colour = finding and ORANGE or figure.soft })
end

local function draw_heads(canvas, x, with, low, high, more)
  local head = { size = 11.5, bold = true, colour = figure.ink }
  figure.text(canvas, x, 66, "parameters", head)
  if with then figure.text(canvas, x + WIDE + BETWEEN, 66, "|gradient|", head) end
  if with and low <= high then draw_axis(canvas, x + WIDE + BETWEEN, HEAD - 4, low, high) end
  if more > 0 then
    figure.text(canvas, x + WIDE, 66, ("the first layers; %d more"):format(more),
      { size = 10.5, x = 1, colour = figure.soft })
  end
end

return function(context)
  local all, nodes = weights(context.store, context.run)
  if not all then return figure.message(context.title, nodes) end
  local list, more = choose(nodes, context.options.most)
  if #list == 0 then return figure.message(context.title, "The network has no parameters.") end
  local rows, epoch = trained(context)
  local low, high = range_of(rows)
  local with, findings, x = next(rows) ~= nil, found(context), 24 + NAME + 14
  local width = x + WIDE + (with and BETWEEN + WIDE or 0) + 40
  local canvas = figure.new(width, HEAD + #list * ROW + 12)
  figure.title(canvas, context.title, with
    and ("of each layer, and the gradients of its parameters in the last batch of epoch %d"):format(epoch)
    or "of each layer; this run trained nothing, so it has no gradients", 24, width - 48)
  draw_heads(canvas, x, with, low, high, more)
  for i, node in ipairs(list) do
    local y, row = HEAD + (i - 1) * ROW, rows[node.name]
    draw_name(canvas, x - 14, y, node, findings[node.name])
    draw_parameters(canvas, x, y, all, node)
    if row then draw_gradients(canvas, x + WIDE + BETWEEN, y, row, low, high) end
  end
  return canvas
end
