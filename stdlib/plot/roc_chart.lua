-- Receiver operating characteristic: true positive rate against false positive rate over all
-- thresholds, equal scores as one step; the diagonal is chance. T. Fawcett, An introduction to ROC
-- analysis, 2006. The curve of roc_curve where `evaluate` has it, else from the predictions.
local curve = require "plot/curve"
local figure = require "plot/figure"
local scores = require "plot/scores"

local RATE = { low = 0, high = 1, label = "false positive rate" }

return function(context)
  local stored = scores.stored(context, "roc_curve")
  local found, why = scores.binary(context)
  local curves = {}
  for i, one in ipairs(stored) do
    curves[i] = { text = scores.curve_name(context, stored, i, "ROC curve"), points = one.points }
  end
  if #curves == 0 then
    if not found then return figure.message(context.title, why) end
    local points = { { x = 0, y = 0 } }
    for i, step in ipairs(scores.order(found)) do
      points[i + 1] = { x = step.negatives / found.negatives, y = step.positives / found.positives }
    end
    curves[1] = { text = "ROC curve", points = points }
  end
  local exact = #curves == 1 and scores.metric(context, "roc_auc")
  for _, one in ipairs(curves) do
    one.note = ("area %.3f"):format(exact or scores.area(one.points))
  end
  return curve { title = context.title, subtitle = found and scores.subject(found)
      or #stored > 1 and "each class against the rest" or nil, x = RATE,
    y = { low = 0, high = 1, label = "true positive rate (recall)" }, curves = curves,
    reference = { text = "chance", note = "area 0.5", points = { { x = 0, y = 0 }, { x = 1, y = 1 } } } }
end
