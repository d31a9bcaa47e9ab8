-- How one sample's number comes about: from the baseline's output, feature by feature, to the sample's. Of
-- explanations whose values sum to that difference; the greatest come last, next to the output, and
-- features beyond them are one bar.
local core = require "core"
local figure = require "plot/figure"
local panels = require "plot/panels"

local ROW, BESIDE = 22, 58
local MORE, LESS = figure.colours[2], figure.colours[1]

-- The attributions of a sample and target: one, or one for each of the model's inputs.
local SAMPLE = [[SELECT a.sample, coalesce(a.target, -1) AS target, a.output, a.baseline_output, s.idx AS row,
a.baseline_output IS NOT NULL AND count(a.total) = count(*) AND coalesce(abs(sum(a.total)) < 9e999, 0) AS whole,
(SELECT count(DISTINCT b.target) FROM attribution b WHERE b.explanation = a.explanation AND b.sample = a.sample) AS targets
FROM attribution a JOIN sample s ON s.id = a.sample
WHERE a.explanation = :explanation
GROUP BY a.sample, a.target ORDER BY min(a.seq) LIMIT 1 OFFSET :sample]]
local ELEMENTS = [[SELECT e.idx, e.name, e.raw, e.value, a.input FROM attribution a, element e
WHERE a.explanation = :explanation AND a.sample = :sample AND coalesce(a.target, -1) = :target
AND e.attribution = a.id ORDER BY abs(e.value) DESC, a.seq, e.idx]]

-- What the values leave of the difference between both outputs, where it can be seen beside them.
local SEEN = 0.005

local function residual_bar(one, rows)
  local left, size = one.to - one.from, math.abs(one.to - one.from)
  for _, row in ipairs(rows) do
    left, size = left - row.value, math.max(size, math.abs(row.value))
  end
  if math.abs(left) > SEEN * size then
    table.insert(one.bars, 1, { name = "residual", value = left, residual = true })
  end
end

local function draw(canvas, x, y, wide, one, top)
  local names, low, high, at = {}, one.from, one.from, one.from
  for i, bar in ipairs(one.bars) do
    names[i] = bar.name
    at = at + bar.value
    low, high = math.min(low, at), math.max(high, at)
  end
  local width = panels.name_width(canvas, names, wide)
  local box = { x = x + width + 10, y = y, width = wide - width - 24, height = ROW * top }
  local room = math.max(high - low, 1e-12) * BESIDE / (box.width - 2 * BESIDE) -- for the numbers beside the bars
  local ticks = {}
  for i, bar in ipairs(one.bars) do ticks[i] = { at = i - 0.5, text = bar.name } end
  local px = figure.axes(canvas, box, { low = low - room, high = high + room,
      ticks = figure.ticks(low - room, high + room, math.max(4, box.width // 45)) },
    { low = 0, high = top, ticks = ticks, no_grid = true, most = width })
  figure.text(canvas, x + wide / 2, box.y + box.height + 26, ("%s: from %s at the baseline to %s"):format(
    one.row, figure.minus(figure.number(one.from)), figure.minus(figure.number(one.to))),
    { size = 11.5, x = 0.5, colour = figure.soft, most = wide })
  at = one.from
  for i, bar in ipairs(one.bars) do
    local left, right = px(math.min(at, at + bar.value)), px(math.max(at, at + bar.value))
    local bottom = box.y + box.height - i * ROW
    core.draw_rectangle(canvas, left, bottom + 4, math.max(1, right - left), ROW - 8,
      { fill = bar.residual and figure.edge or bar.value >= 0 and MORE or LESS })
    local text = figure.minus((bar.value > 0 and "+" or "") .. figure.number(bar.value))
    figure.text(canvas, bar.value >= 0 and right + 4 or left - 4, bottom + ROW / 2, text,
      { size = 10.5, x = bar.value >= 0 and 0 or 1, y = 0.5, colour = figure.soft })
    at = at + bar.value
    if i < #one.bars then
      core.draw_line(canvas, { px(at), bottom + 4, px(at), bottom - 4 },
        { stroke = figure.edge })
    end
  end
end

return function(context)
  local options = context.options
  local list = panels.list(context, 12, function(one)
    local sample = core.store_rows(context.store, SAMPLE,
      { explanation = one.id, sample = options.sample })[1]
    if not sample or sample.whole == 0 then return false end -- no baseline, or numbers that are not finite
    one.from, one.to = sample.baseline_output, sample.output
    one.row = sample.targets > 1 and ("row %d, target %d"):format(sample.row, sample.target)
      or ("row %d"):format(sample.row)
    local rows = core.store_rows(context.store, ELEMENTS,
      { explanation = one.id, sample = sample.sample, target = sample.target })
    one.bars = panels.bars(rows, options.top)
    residual_bar(one, rows)
    return #rows > 0
  end)
  if #list == 0 then
    return figure.message(context.title, ("The run has no explanation of sample %d with a baseline and finite "
      .. "numbers: a waterfall goes from the baseline's output to the sample's."):format(options.sample))
  end
  local top = 1
  for _, one in ipairs(list) do top = math.max(top, #one.bars) end
  return panels.canvas(context, "what each feature adds, from the baseline's output up to the sample's", list,
    24 + ROW * top + 52, function(canvas, x, y, wide, one) draw(canvas, x, y, wide, one, top) end)
end
