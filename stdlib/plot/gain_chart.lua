-- Cumulative gain: the share of all positives among the first x % by falling score; the best possible
-- order and chance for comparison. Inside a run of equal scores positives are shared out evenly.
local curve = require "plot/curve"
local figure = require "plot/figure"
local scores = require "plot/scores"

return function(context)
  local found, why = scores.binary(context)
  local stored = scores.stored(context, "gain_curve")
  local curves = {}
  for i, one in ipairs(stored) do
    curves[i] = { text = #stored == 1 and "model" or one.series, points = one.points }
  end
  if #curves == 0 then
    if not found then return figure.message(context.title, why) end
    local points = { { x = 0, y = 0 } }
    for i, step in ipairs(scores.order(found)) do
      points[i + 1] = { x = (step.positives + step.negatives) / found.n,
                        y = step.positives / found.positives }
    end
    curves[1] = { text = "model", points = points }
  end
  if found then
    curves[#curves + 1] = { text = "best possible", colour = figure.colours[3], dash = { 2, 3 },
      points = { { x = 0, y = 0 }, { x = found.positives / found.n, y = 1 }, { x = 1, y = 1 } } }
  end
  return curve { title = context.title, subtitle = found and scores.subject(found),
    x = { low = 0, high = 1, label = "share of rows, by falling score" },
    y = { low = 0, high = 1, label = "share of all positives" }, curves = curves,
    reference = { text = "chance", points = { { x = 0, y = 0 }, { x = 1, y = 1 } } } }
end
