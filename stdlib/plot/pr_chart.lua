-- Precision against recall over all thresholds, from the greatest score down; the line at the share of
-- positives is chance. Average precision is the sum of precision times the gain in recall, without
-- interpolation (as in scikit-learn). J. Davis and M. Goadrich, 2006.
local curve = require "plot/curve"
local figure = require "plot/figure"
local scores = require "plot/scores"

-- Recall rises in steps, and precision belongs to the step's end.
local function average(points)
  local sum = 0
  for i = 2, #points do sum = sum + (points[i].x - points[i - 1].x) * points[i].y end
  return sum
end

-- A stored curve, from recall 0 on.
local function rising(points)
  if #points < 2 or points[1].x <= points[#points].x then return points end
  local turned = {}
  for i = #points, 1, -1 do turned[#turned + 1] = points[i] end
  return turned
end

return function(context)
  local stored = scores.stored(context, "pr_curve")
  local found, why = scores.binary(context)
  local curves = {}
  for i, one in ipairs(stored) do
    curves[i] = { text = scores.curve_name(context, stored, i, "precision"), points = rising(one.points) }
  end
  if #curves == 0 then
    if not found then return figure.message(context.title, why) end
    local points = {}
    for i, step in ipairs(scores.order(found)) do
      points[i + 1] = { x = step.positives / found.positives,
                        y = step.positives / (step.positives + step.negatives) }
    end
    points[1] = { x = 0, y = points[2].y }
    curves[1] = { text = "precision", points = points }
  end
  local exact = #curves == 1 and scores.metric(context, "average_precision")
  for _, one in ipairs(curves) do
    one.note = ("average %.3f"):format(exact or average(one.points))
  end
  local share = found and found.positives / found.n
  return curve { title = context.title, subtitle = found and scores.subject(found)
      or #stored > 1 and "each class against the rest" or nil,
    x = { low = 0, high = 1, label = "recall" }, y = { low = 0, high = 1, label = "precision" },
    curves = curves,
    reference = share and { text = "chance", note = ("share of positives %.3f"):format(share),
      points = { { x = 0, y = share }, { x = 1, y = share } } } or nil }
end
