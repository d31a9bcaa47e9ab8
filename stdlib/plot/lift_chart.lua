-- Lift: the share of positives among the first x % by falling score, over that among all; and by decile
-- as the scorecard has it: bars of each tenth of the rows. 1 is chance.
local core = require "core"
local figure = require "plot/figure"
local scores = require "plot/scores"

local BOX = { x = 78, y = 72, width = 352, height = 340 }

-- How many positives the first `share` of the rows hold; inside equal scores they are spread evenly.
local function positives_in(steps, found, share)
  local rows, before, counted = share * found.n, 0, 0
  for _, step in ipairs(steps) do
    local here = step.positives + step.negatives
    if here >= rows then
      return counted + (step.positives - counted) * (rows - before) / (here - before)
    end
    before, counted = here, step.positives
  end
  return counted
end

local function curve_of(context, steps, found)
  local stored = scores.stored(context, "lift_curve")
  if stored[1] then return stored[1].points end
  local points = {}
  for i, step in ipairs(steps) do
    local share = (step.positives + step.negatives) / found.n
    points[i] = { x = share, y = step.positives / found.positives / share }
  end
  table.insert(points, 1, { x = 0, y = points[1].y })
  return points
end

return function(context)
  local found, why = scores.binary(context)
  if not found then return figure.message(context.title, why) end
  local steps = scores.order(found)
  local points = curve_of(context, steps, found)
  local deciles, high, before = {}, 1, 0
  for i = 1, 10 do
    local here = positives_in(steps, found, i / 10)
    deciles[i] = (here - before) / found.positives * 10
    high, before = math.max(high, deciles[i]), here
  end
  for _, point in ipairs(points) do
    if point.y == point.y then high = math.max(high, point.y) end
  end
  local _, top = figure.limits(0, high, 6)
  local canvas = figure.new()
  figure.title(canvas, context.title, scores.subject(found))
  local px, py = figure.axes(canvas, BOX, { low = 0, high = 1, no_grid = true,
    label = "share of rows, by falling score" }, { low = 0, high = top, label = "lift" })
  for i, lift in ipairs(deciles) do
    local left, right = px((i - 1) / 10) + 2, px(i / 10) - 2
    core.draw_rectangle(canvas, left, py(lift), right - left, py(0) - py(lift), { fill = "#bcd7ea" })
  end
  figure.line(canvas, BOX, px, py, { { x = 0, y = 1 }, { x = 1, y = 1 } },
    { stroke = figure.edge, width = 1.5, dash = { 5, 4 } })
  figure.line(canvas, BOX, px, py, points, { stroke = figure.colours[1], width = 2 })
  figure.legend(canvas, 452, 76, 172, {
    { text = "lift of the first x %", colour = figure.colours[1] },
    { text = "each tenth alone", colour = "#bcd7ea", square = true,
      note = ("first tenth %.2f"):format(deciles[1]) },
    { text = "chance", colour = figure.edge, dash = { 5, 4 }, width = 1.5 },
  })
  return canvas
end
