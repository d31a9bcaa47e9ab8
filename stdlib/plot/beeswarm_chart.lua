-- Every attribution of the greatest columns: a dot a sample, moved aside where dots would cover each other,
-- coloured by the column's own value from its least to its greatest; grey where it is no number.
local core = require "core"
local figure = require "plot/figure"
local panels = require "plot/panels"

local ROW, RADIUS = 30, 2
local SHADES = { "#2c7bb6", "#6aa6cf", "#a8c4d8", "#e0a8a0", "#dd6a5b", "#d7191c" } -- least to greatest
local GREY = "#9a9a9a"

local IMPORTANCE = [[SELECT idx, name, input FROM explanation_importance(:explanation)
ORDER BY mean_abs DESC, rowid LIMIT :top]]
local VALUES = [[SELECT e.value, e.raw FROM attribution a, element e WHERE a.explanation = :explanation
AND coalesce(a.input, '') = :input AND e.attribution = a.id AND e.idx = :idx AND abs(e.value) < 9e999 ORDER BY a.seq LIMIT 2000]]

-- The shade of each value by its rank among the different numbers of the column.
local function shades_of(rows)
  local seen, numbers = {}, {}
  for _, row in ipairs(rows) do
    if type(row.raw) == "number" and not seen[row.raw] then
      seen[row.raw] = true
      numbers[#numbers + 1] = row.raw
    end
  end
  table.sort(numbers)
  local rank = {}
  for i, number in ipairs(numbers) do
    rank[number] = #numbers > 1 and 1 + math.floor((i - 1) / (#numbers - 1) * (#SHADES - 1) + 0.5) or nil
  end
  return rank
end

-- Dots by shade: { [shade] = { x, y, x, y ... } }, each as near to the line as those before it let it.
local function swarm(rows, px, middle)
  local columns, dots, rank = {}, {}, shades_of(rows)
  for _, row in ipairs(rows) do
    local x = px(row.value)
    local column = math.floor(x / RADIUS)
    local there = columns[column] or 0
    columns[column] = there + 1
    local away = (there + 1) // 2 * RADIUS * 1.2 * (there % 2 == 0 and 1 or -1)
    local y = middle + math.max(-ROW / 2 + 4, math.min(ROW / 2 - 4, away))
    local shade = type(row.raw) == "number" and rank[row.raw] or 0
    local list = dots[shade] or {}
    dots[shade] = list
    list[#list + 1], list[#list + 2] = x, y
  end
  return dots
end

local function draw(canvas, x, y, wide, one, top)
  local names, low, high = {}, 0, 0
  for i, column in ipairs(one.columns) do
    names[i] = panels.name(column)
    for _, row in ipairs(column.rows) do
      low, high = math.min(low, row.value), math.max(high, row.value)
    end
  end
  local width = panels.name_width(canvas, names, wide)
  local box = { x = x + width + 10, y = y, width = wide - width - 24, height = ROW * top }
  if high == low then low, high = -1, 1 end -- every attribution is 0
  local room = (high - low) * 0.03
  low, high = low - room, high + room
  local ticks = {}
  for i, name in ipairs(names) do ticks[i] = { at = top - i + 0.5, text = name } end
  local px = figure.axes(canvas, box, { low = low, high = high, label = "attribution",
      ticks = figure.ticks(low, high, math.max(3, box.width // 50)) },
    { low = 0, high = top, ticks = ticks, no_grid = true, most = width })
  core.draw_line(canvas, { px(0), box.y, px(0), box.y + box.height }, { stroke = figure.edge })
  for i, column in ipairs(one.columns) do
    local dots = swarm(column.rows, px, box.y + (i - 0.5) * ROW)
    for shade = 0, #SHADES do
      if dots[shade] then
        core.draw_circles(canvas, dots[shade], RADIUS, { fill = SHADES[shade] or GREY })
      end
    end
  end
end

return function(context)
  local top = 1
  local list = panels.list(context, 12, function(one)
    one.columns = core.store_rows(context.store, IMPORTANCE,
      { explanation = one.id, top = context.options.top })
    for _, column in ipairs(one.columns) do
      column.rows = core.store_rows(context.store, VALUES,
        { explanation = one.id, idx = column.idx, input = column.input or "" })
    end
    top = math.max(top, #one.columns)
    return #one.columns > 0
  end)
  if #list == 0 then
    return figure.message(context.title, "The run has no explanations to draw.")
  end
  return panels.canvas(context, "a dot a sample; blue: the column's value is low, red: high, grey: no number",
    list, 24 + ROW * top + 52, function(canvas, x, y, wide, one) draw(canvas, x, y, wide, one, top) end)
end
