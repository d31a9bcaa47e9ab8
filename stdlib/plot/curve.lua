-- A chart of curves in a square frame with a legend beside it: what roc_chart, pr_chart, gain_chart and
-- lift_chart have in common.
--
--   spec = { title, subtitle, x = { low, high, label }, y = {...}, curves = { { text, note, points } },
--            reference = { text, points }, marks = { { x, y, text } } }
local core = require "core"
local figure = require "plot/figure"

local BOX = { x = 78, y = 72, width = 352, height = 340 }
local LEGEND = { x = 452, y = 76, width = 172 }

-- Many curves have a line each in the legend, and more than fit are counted.
local FEW, MOST = 9, 20

local function shortened(entries)
  if #entries <= FEW then return entries end
  local list = {}
  for i, entry in ipairs(entries) do
    if entry.note then entry.text, entry.note = ("%s (%s)"):format(entry.text, entry.note), nil end
    if i < MOST or #entries == MOST then list[i] = entry end
  end
  if #entries > MOST then
    list[MOST] = { text = ("and %d more"):format(#entries - MOST + 1), colour = "#ffffff00" }
  end
  return list
end

return function(spec)
  local canvas = figure.new()
  figure.title(canvas, spec.title, spec.subtitle)
  local px, py = figure.axes(canvas, BOX, spec.x, spec.y)
  local entries = {}
  for i, curve in ipairs(spec.curves) do
    local dash = curve.dash or i > #figure.colours and { 6, 2 } or nil
    local pen = { stroke = curve.colour or figure.colour(i), width = 2, dash = dash }
    figure.line(canvas, BOX, px, py, curve.points, pen)
    entries[#entries + 1] = { text = curve.text, note = curve.note, colour = pen.stroke,
                              dash = dash }
  end
  if spec.reference then
    local pen = { stroke = figure.edge, width = 1.5, dash = { 5, 4 } }
    figure.line(canvas, BOX, px, py, spec.reference.points, pen)
    entries[#entries + 1] = { text = spec.reference.text, note = spec.reference.note,
                              colour = pen.stroke, dash = pen.dash, width = 1.5 }
  end
  for _, mark in ipairs(spec.marks or {}) do
    core.draw_circles(canvas, { px(mark.x), py(mark.y) }, 4,
      { fill = "#ffffff", stroke = figure.ink, width = 1.5 })
  end
  figure.legend(canvas, LEGEND.x, LEGEND.y, LEGEND.width, shortened(entries))
  return canvas
end
