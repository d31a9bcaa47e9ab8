-- Calibration (reliability): what was said against what was so. Predictions are sorted into bins of equal
-- width by their probability; a point has the mean probability of its bin and the share that was true.
-- Of two classes the probability of class 1 is meant, of more that of the predicted class. Below: how
-- many predictions each bin has. A. Niculescu-Mizil and R. Caruana, 2005.
local core = require "core"
local figure = require "plot/figure"
local scores = require "plot/scores"

local BOX = { x = 78, y = 72, width = 352, height = 264 }
local BELOW = { x = 78, y = 350, width = 352, height = 62 }

-- { probability, 1 or 0 } of each prediction and what the two are called.
local function said(context)
  local found = scores.two_classes(context)
  if found then
    local list = {}
    for i, row in ipairs(found.rows) do list[i] = { row.score, row.label } end
    return list, ("probability of %s"):format(found.names[2]), ("share of %s"):format(found.names[2])
  end
  local list = {}
  for _, row in ipairs(scores.predictions(context)) do
    if math.type(row.label) ~= "integer" or row.class == nil then
      return nil, "Calibration is about probabilities, and the run is a regression."
    end
    list[#list + 1] = { row.score, row.label == row.class and 1 or 0 }
  end
  if #list == 0 then return nil, "There are no predictions with labels in the store." end
  return list, "probability of the predicted class", "share that is right"
end

local function binned(list, count)
  local bins = {}
  for i = 1, count do bins[i] = { n = 0, said = 0, so = 0 } end
  for _, one in ipairs(list) do
    local bin = bins[math.max(1, math.min(count, math.ceil(one[1] * count)))]
    bin.n, bin.said, bin.so = bin.n + 1, bin.said + one[1], bin.so + one[2]
  end
  return bins
end

return function(context)
  local list, x_label, y_label = said(context)
  if not list then return figure.message(context.title, x_label) end
  local bins = binned(list, context.options.bins)
  local points, dots, most, expected_error = {}, {}, 0, 0
  for _, bin in ipairs(bins) do
    if bin.n > 0 then
      points[#points + 1] = { x = bin.said / bin.n, y = bin.so / bin.n }
      most = math.max(most, bin.n)
      expected_error = expected_error + math.abs(bin.said - bin.so) / #list
    end
  end
  local canvas = figure.new()
  figure.title(canvas, context.title, ("%d predictions in %d bins"):format(#list, #bins))
  local px, py = figure.axes(canvas, BOX, { low = 0, high = 1, ticks = {} },
    { low = 0, high = 1, label = y_label })
  figure.line(canvas, BOX, px, py, { { x = 0, y = 0 }, { x = 1, y = 1 } },
    { stroke = figure.edge, width = 1.5, dash = { 5, 4 } })
  figure.line(canvas, BOX, px, py, points, { stroke = figure.colours[1], width = 2 })
  for i, point in ipairs(points) do dots[2 * i - 1], dots[2 * i] = px(point.x), py(point.y) end
  core.draw_circles(canvas, dots, 3.5, { fill = figure.colours[1] })
  local _, top = figure.limits(0, most, 3)
  local bx, by = figure.axes(canvas, BELOW, { low = 0, high = 1, label = x_label, no_grid = true },
    { low = 0, high = top, ticks = figure.ticks(0, top, 3), label = "rows" })
  for i, bin in ipairs(bins) do
    local left, right = bx((i - 1) / #bins) + 1, bx(i / #bins) - 1
    core.draw_rectangle(canvas, left, by(bin.n), right - left, by(0) - by(bin.n), { fill = "#bcd7ea" })
  end
  figure.legend(canvas, 452, 76, 172, {
    { text = "model", colour = figure.colours[1],
      note = ("expected error %.3f"):format(expected_error) },
    { text = "perfect", colour = figure.edge, dash = { 5, 4 }, width = 1.5 },
    { text = "rows a bin", colour = "#bcd7ea", square = true },
  })
  return canvas
end
