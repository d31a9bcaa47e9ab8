-- Kolmogorov-Smirnov: which share of each class has a score up to x; KS is the greatest distance between
-- the two, marked where it is.
local core = require "core"
local figure = require "plot/figure"
local scores = require "plot/scores"

local BOX = { x = 78, y = 72, width = 352, height = 340 }

-- Cumulative shares by rising score as steps, and where they are furthest apart.
local function shares(found)
  local order = scores.order(found)
  local negative, positive = { { x = 0, y = 0 } }, { { x = 0, y = 0 } }
  local best = { distance = -1 }
  for i = #order, 1, -1 do
    local above = order[i - 1] or { positives = 0, negatives = 0 }
    local n = 1 - above.negatives / found.negatives
    local p = 1 - above.positives / found.positives
    local x = order[i].score
    negative[#negative + 1] = { x = x, y = negative[#negative].y }
    negative[#negative + 1] = { x = x, y = n }
    positive[#positive + 1] = { x = x, y = positive[#positive].y }
    positive[#positive + 1] = { x = x, y = p }
    if math.abs(n - p) > best.distance then
      best = { distance = math.abs(n - p), x = x, low = math.min(n, p), high = math.max(n, p) }
    end
  end
  negative[#negative + 1], positive[#positive + 1] = { x = 1, y = 1 }, { x = 1, y = 1 }
  return negative, positive, best
end

return function(context)
  local found, why = scores.binary(context)
  if not found then return figure.message(context.title, why) end
  local negative, positive, best = shares(found)
  local canvas = figure.new()
  figure.title(canvas, context.title, scores.subject(found))
  local px, py = figure.axes(canvas, BOX, { low = 0, high = 1, label = "score of "
    .. found.names[2] }, { low = 0, high = 1, label = "share of the class up to this score" })
  figure.line(canvas, BOX, px, py, negative, { stroke = figure.colours[1], width = 2 })
  figure.line(canvas, BOX, px, py, positive, { stroke = figure.colours[2], width = 2 })
  figure.line(canvas, BOX, px, py, { { x = best.x, y = best.low }, { x = best.x, y = best.high } },
    { stroke = figure.ink, width = 1.5 })
  core.draw_circles(canvas, { px(best.x), py(best.low), px(best.x), py(best.high) }, 3,
    { fill = figure.ink })
  figure.legend(canvas, 452, 76, 172, {
    { text = found.names[1], colour = figure.colours[1], note = ("%d rows"):format(found.negatives) },
    { text = found.names[2], colour = figure.colours[2], note = ("%d rows"):format(found.positives) },
    { text = ("KS %.3f"):format(best.distance), colour = figure.ink, width = 1.5,
      note = ("at score %s"):format(figure.number(best.x)) },
  })
  return canvas
end
