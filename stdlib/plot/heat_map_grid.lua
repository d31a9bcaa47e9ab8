-- A grid of heat maps: a row a sample (and target, where each has several), a column an explanation, the
-- inputs themselves in the first.
-- Colour images and feature maps are summed over their channels. Signed maps are centred at 0, maps
-- without negative numbers (saliency) use the one-sided colours, unless `colours` says otherwise. A
-- map's darkest colour is its own greatest |value| (written beneath it), or with scale = "shared" that
-- of its explanation over the samples drawn. `outlines` draws what is stored as the groups of each map.
local core = require "core"
local figure = require "plot/figure"

local GAP, HEAD, LEFT, BAR = 14, 92, 156, 96
local SMALL, LARGE = 112, 176 -- width of a map of up to 56 pixels, and of more

local EXPLANATIONS = [[SELECT id, label FROM explanation WHERE run = :run ORDER BY seq]]
local IS_INPUT = "SELECT 1 FROM attribution WHERE explanation = :explanation AND kind = 'input' LIMIT 1"
local SAMPLES = [[
SELECT s.idx, s.label, p.class, p.score, r.input, r.input_row, d.meta FROM run_sample r
JOIN sample s ON s.id = r.sample JOIN dataset d ON d.id = s.dataset
LEFT JOIN prediction p ON p.run = r.run AND p.sample = r.sample
WHERE r.run = :run AND r.input IS NOT NULL ORDER BY r.input_row]]

local grid = {}

local function slice(shape, from)
  return { table.unpack(shape, from) }
end

local function product(shape)
  local n = 1
  for _, dim in ipairs(shape) do n = n * dim end
  return n
end

-- A row of a tensor (N, *shape), as (*shape).
local function row_of(tensor, row)
  local shape = core.tensor_info(tensor).shape
  return core.tensor_reshape(core.tensor_rows(tensor, row, 1), slice(shape, 2))
end

-- Whether rows of this shape can be drawn: (N, H, W) or (N, C, H, W).
function grid.drawable(shape) return #shape == 3 or #shape == 4 end

local PAIRS = "SELECT 1 FROM attribution WHERE explanation = :explanation AND kind = 'interaction' LIMIT 1"

-- The attributions of an explanation by row of the data set: { [row] = { map a target } }, and all of
-- them as `list`; nil where they are no pictures.
function grid.maps(store, explanation)
  if #core.store_rows(store, PAIRS, { explanation = explanation }) > 0 then return nil end
  local values, rows, targets = core.store_explanation(store, explanation)
  if not values then return nil end
  local shape = core.tensor_info(values).shape
  if shape[1] ~= #rows then -- (samples, targets, *shape)
    shape = { #rows, table.unpack(shape, 3) }
    if product(shape) ~= product(core.tensor_info(values).shape) then return nil end
    values = core.tensor_reshape(values, shape)
  end
  if not grid.drawable(shape) then return nil end
  local maps = { list = {}, several = false }
  for i, row in ipairs(rows) do
    local map = { values = row_of(values, i - 1), row = row, target = targets[i] }
    map.low, map.high, map.most, map.nan = core.heat_range(map.values, true)
    maps.list[i] = map
    maps[row] = maps[row] or {}
    table.insert(maps[row], map)
    maps.several = maps.several or #maps[row] > 1
  end
  return maps
end

local GROUPS = [[SELECT s.idx, a.target, a.groups FROM attribution a JOIN sample s ON s.id = a.sample
WHERE a.explanation = :explanation AND a.space = 'group']]

-- The lines between an explanation's groups, given to each of its maps.
local function add_outlines(store, explanation, maps)
  local lines, by = {}, {}
  for _, row in ipairs(core.store_rows(store, GROUPS, { explanation = explanation })) do
    lines[row.groups] = lines[row.groups]
      or core.group_outlines(core.store_get_tensor(store, row.groups))
    by[("%d %d"):format(row.idx, row.target or -1)] = lines[row.groups]
  end
  for _, map in ipairs(maps.list) do
    map.lines = by[("%d %d"):format(map.row, map.target)]
  end
end

-- The explained samples with their images, by row of the data set.
function grid.samples(store, run)
  local list, tensors = {}, {}
  local low, high = math.huge, -math.huge
  for i, row in ipairs(core.store_rows(store, SAMPLES, { run = run })) do
    tensors[row.input] = tensors[row.input] or core.store_get_tensor(store, row.input)
    local tensor = tensors[row.input]
    local info = core.tensor_info(tensor)
    if not grid.drawable(info.shape) then return nil end
    tensor = core.tensor_convert(tensor, "f32")
    tensors[row.input] = tensor
    row.image = row_of(tensor, row.input_row)
    local l, h = core.heat_range(row.image, false)
    low, high = math.min(low, l), math.max(high, h)
    row.classes = row.meta and core.json_parse(row.meta).classes or nil
    list[i], list[row.idx + 0.5] = row, row -- by place, and by row of the data set
  end
  return list, low, high
end

function grid.sample(samples, row) return samples[row + 0.5] end

local function class_name(sample, class)
  if class == nil then return nil end
  local names = sample.classes
  if type(names) == "table" and math.type(class) == "integer" and names[class + 1] then
    return tostring(names[class + 1])
  end
  return math.type(class) == "integer" and ("class %d"):format(class) or figure.number(class)
end

-- What stands beside a row: which sample, what it is, what the model says; the class that is explained,
-- where it is one of several.
function grid.caption(sample, target)
  local lines = { ("row %d"):format(sample.idx) }
  if target and target >= 0 then
    lines[2] = ("explained: %s"):format(sample.classes and class_name(sample, target) or target)
  end
  local label, predicted = class_name(sample, sample.label), class_name(sample, sample.class)
  if label then lines[#lines + 1] = "true: " .. label end
  if predicted then
    lines[#lines + 1] = ("predicted: %s"):format(predicted)
    if sample.score then lines[#lines + 1] = ("p = %.3f"):format(sample.score) end
  elseif sample.score then
    lines[#lines + 1] = ("predicted: %s"):format(figure.number(sample.score))
  end
  return lines
end

-- signed or absolute, for all maps of an explanation.
function grid.colours(list, wanted)
  if wanted == "signed" or wanted == "absolute" then return wanted end
  local any = false
  for _, map in ipairs(list) do
    if map.low < 0 then return "signed" end
    any = any or map.high > 0
  end
  return any and "absolute" or "signed"
end

-- One map in a box, keeping the image's proportions, with a thin frame.
function grid.draw(canvas, x, y, width, height, map, style)
  local shape = core.tensor_info(map).shape
  local rows, columns = shape[#shape - 1], shape[#shape]
  local scale = math.min(width / columns, height / rows)
  local place = { x = x + (width - columns * scale) / 2, y = y + (height - rows * scale) / 2,
                  width = columns * scale, height = rows * scale }
  for key, value in pairs(style) do place[key] = value end
  if style.image then core.draw_image(canvas, map, place) else core.draw_heat(canvas, map, place) end
  if style.lines then
    local points = {}
    for i, at in ipairs(style.lines) do points[i] = (i % 2 == 1 and place.x or place.y) + at * scale end
    core.draw_line(canvas, points, { stroke = "#404040", width = 0.5 })
  end
  core.draw_rectangle(canvas, place.x, place.y, place.width, place.height,
    { stroke = "#b3b3b3", width = 0.75 })
end

-- The colours of a kind of map from top to bottom, with `text` below.
function grid.bar(canvas, x, y, kind, text)
  core.draw_colours(canvas, { x = x, y = y, width = 12, height = BAR, map = kind })
  core.draw_rectangle(canvas, x, y, 12, BAR, { stroke = "#b3b3b3", width = 0.75 })
  local marks = kind == "signed" and { "+max", "0", "\u{2212}max" } or { "max", "", "0" }
  for i, mark in ipairs(marks) do
    figure.text(canvas, x + 18, y + (i - 1) * BAR / 2, mark,
      { size = 10.5, y = (i - 1) / 2, colour = figure.ink })
  end
  figure.text(canvas, x, y + BAR + 8, text, { size = 10.5, colour = figure.soft })
end

local function note(map, limit, shared)
  local text = shared and "" or ("max %s"):format(figure.minus(figure.number(limit)))
  if map.most == 0 and map.nan == 0 then return "all 0" end
  if map.nan > 0 then text = text .. (text == "" and "" or ", ") .. ("%d NaN"):format(map.nan) end
  return text
end

-- An attack's rows are images like the inputs, from the darkest to the brightest number of those drawn.
local function as_images(column, list)
  column.kind, column.low, column.high = "image", math.huge, -math.huge
  for _, map in ipairs(list) do
    local low, high = core.heat_range(map.values, false)
    column.low, column.high = math.min(column.low, low), math.max(column.high, high)
  end
end

local function columns_of(context, chosen)
  local columns, nan = {}, false
  local list = context.explanations
    or core.store_rows(context.store, EXPLANATIONS, { run = context.run })
  for _, one in ipairs(list) do
    local maps = grid.maps(context.store, one.id)
    if maps then
      if context.options.outlines then add_outlines(context.store, one.id, maps) end
      local list, most = {}, 0
      for _, sample in ipairs(chosen) do
        for _, map in ipairs(maps[sample.idx] or {}) do
          list[#list + 1] = map
          most = math.max(most, map.most)
          nan = nan or map.nan > 0
        end
      end
      columns[#columns + 1] = { label = one.label, maps = maps, most = most,
                                kind = grid.colours(list, context.options.colours) }
      if core.store_rows(context.store, IS_INPUT, { explanation = one.id })[1] then
        as_images(columns[#columns], list)
      end
    end
  end
  return columns, nan
end

local function header(canvas, x, cell, text, below)
  figure.text(canvas, x + cell / 2, HEAD - (below and 22 or 12), text, figure.fitting(canvas, text,
    { size = 11.5, bold = true, x = 0.5, y = 0.5, colour = figure.ink }, cell + GAP - 4, 9))
  if below then
    figure.text(canvas, x + cell / 2, HEAD - 8, below,
      { size = 9.5, x = 0.5, y = 0.5, colour = figure.soft, most = cell + GAP - 4 })
  end
end

-- { sample =, nth = } a row of the grid: the targets of a sample one below the other.
local function rows_of(chosen, columns)
  local rows = {}
  for _, sample in ipairs(chosen) do
    local count = 1
    for _, column in ipairs(columns) do
      count = math.max(count, column.maps[sample.idx] and #column.maps[sample.idx] or 0)
    end
    for nth = 1, count do rows[#rows + 1] = { sample = sample, nth = nth, several = count > 1 } end
  end
  return rows
end

local function map_of(column, row)
  local maps = column.maps[row.sample.idx]
  return maps and maps[row.nth]
end

-- The target that a row's maps explain; some, as layer_activation's, explain none.
local function target_of(columns, row)
  for _, column in ipairs(columns) do
    local map = map_of(column, row)
    if map and map.target >= 0 then return map.target end
  end
end

-- A layer's map is as large as the layer: it does not lie on the image.
local function same_size(map, image)
  local a, b = core.tensor_info(map).shape, core.tensor_info(image).shape
  return a[#a] == b[#b] and a[#a - 1] == b[#b - 1]
end

local function draw_row(canvas, y, cell, height, row, columns, context, low, high)
  local shared, sample = context.options.scale == "shared", row.sample
  local lines = grid.caption(sample, row.several and target_of(columns, row) or nil)
  figure.text(canvas, LEFT - 14, y + height / 2, table.concat(lines, "\n"),
    { size = 11, x = 1, y = 0.5, colour = figure.ink, most = LEFT - 30 })
  grid.draw(canvas, LEFT, y, cell, height, sample.image, { image = true, low = low, high = high })
  for i, column in ipairs(columns) do
    local x = LEFT + i * (cell + GAP)
    local map = map_of(column, row)
    if map and column.kind == "image" then
      grid.draw(canvas, x, y, cell, height, map.values, { image = true, low = column.low, high = column.high })
    elseif map then
      local limit = shared and column.most or map.most
      grid.draw(canvas, x, y, cell, height, map.values, { limit = limit, map = column.kind, low = low,
        high = high, lines = map.lines,
        overlay = context.options.overlay and same_size(map.values, sample.image) and sample.image or nil })
      figure.text(canvas, x + cell / 2, y + height + 2, note(map, limit, shared),
        { size = 9.5, x = 0.5, colour = figure.soft, most = cell })
    end
  end
end

-- The samples to draw: those that the caller names by their rows, else the first ones, or in turn one of
-- each true class, sorted.
function grid.choice(samples, context)
  local options, chosen, round, first = context.options, {}, {}, {}
  for _, row in ipairs(context.rows or {}) do chosen[#chosen + 1] = grid.sample(samples, row) end
  if context.rows then return chosen end
  for i, sample in ipairs(samples) do
    local class = math.type(sample.label) == "integer" and sample.label or 0
    round[class] = (round[class] or 0) + 1
    first[i] = { sample = sample, place = i, class = class,
                 round = options.by_class and round[class] or 1 }
  end
  local function key(one) return options.by_class and one.class or 0 end
  table.sort(first, function(a, b)
    if a.round ~= b.round then return a.round < b.round end
    if key(a) ~= key(b) then return key(a) < key(b) end
    return a.place < b.place
  end)
  for i = 1, math.min(options.samples, #first) do chosen[i] = first[i].sample end
  return chosen
end

-- context: store, run, options, title; also `explanations`, a list of { id, label } in place of all of
-- the run's, and `rows`, the rows of the data set to draw.
function grid.chart(context)
  local samples, low, high = grid.samples(context.store, context.run)
  if not samples or #samples == 0 then
    return figure.message(context.title, "There are no inputs of shape (H, W) or (C, H, W) to draw.")
  end
  local chosen = grid.choice(samples, context)
  local columns, nan = columns_of(context, chosen)
  if #columns == 0 then
    return figure.message(context.title, "The run has no explanations that are pictures.")
  end
  local rows = rows_of(chosen, columns)
  local kinds, both = {}, {}
  for _, column in ipairs(columns) do
    if not kinds[column.kind] and column.kind ~= "image" then
      kinds[column.kind] = true
      both[#both + 1] = column.kind
    end
  end
  local shape = core.tensor_info(chosen[1].image).shape -- wide images need less height
  local cell = math.max(shape[#shape - 1], shape[#shape]) > 56 and LARGE or SMALL
  local height = math.max(60, math.min(cell, cell * shape[#shape - 1] / shape[#shape]))
  local legend = LEFT + (#columns + 1) * (cell + GAP) + 16
  local width, line = legend + 92, height + GAP + 8
  local canvas = figure.new(width, math.max(HEAD + #rows * line + 12,
    HEAD + #both * (BAR + 50) + (nan and 24 or 0)))
  figure.title(canvas, context.title, #both == 0 and "what attacks made of each sample"
    or context.options.scale == "shared" and "attribution of each pixel; each column has one scale"
    or "attribution of each pixel; each map has its own scale", 24, width - 48)
  header(canvas, LEFT, cell, "input")
  for i, column in ipairs(columns) do
    header(canvas, LEFT + i * (cell + GAP), cell, column.label, context.options.scale == "shared"
      and ("max %s"):format(figure.number(column.most)) or nil)
  end
  for i, row in ipairs(rows) do
    draw_row(canvas, HEAD + (i - 1) * line, cell, height, row, columns, context, low, high)
  end
  for i, kind in ipairs(both) do grid.bar(canvas, legend, HEAD + (i - 1) * (BAR + 50), kind, kind) end
  if nan then
    local y = HEAD + #both * (BAR + 50)
    core.draw_rectangle(canvas, legend, y, 12, 12, { fill = "#9e9e9e" })
    figure.text(canvas, legend + 18, y + 6, "not a\nnumber", { size = 10.5, y = 0.5 })
  end
  return canvas
end

return grid
