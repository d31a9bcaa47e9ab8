-- How alike attributions stay when layers are drawn anew: a panel an order and similarity, a line an explanation,
-- from what the judge parameter_randomisation left in the store. Layers stand in the script's order.
local core = require "core"
local figure = require "plot/figure"

local MEANS = [[SELECT e.label, e.seq, m.params, m.value, m.n FROM metric m JOIN explanation e ON e.id = m.explanation
WHERE m.run = :run AND m.scope = 'explanation' AND m.name = 'parameter_randomisation' ORDER BY e.seq, m.id]]

local HEAD, GAP, HIGH, LEGEND = 76, 66, 250, 190

local names = { top_down = "from the output down to each layer", bottom_up = "from the input up to each layer",
                independent = "each layer alone" }
local likeness = { spearman = "rank correlation", pearson = "correlation", ssim = "structural similarity" }

local function place_of(list, key, made)
  if not list[key] then
    list[#list + 1] = made
    list[key] = #list
  end
  return list[list[key]]
end

-- Panels { title, label, layers, lines = { { text, points } } }.
local function read(context)
  local panels = {}
  for _, row in ipairs(core.store_rows(context.store, MEANS, { run = context.run })) do
    local params = core.json_parse(row.params)
    local layer = params.layer == nil and "all" or tostring(params.layer)
    local title = names[params.order]
    local label = likeness[params.similarity] .. (params.absolute and " of |a|" or "")
    local panel = place_of(panels, title .. label, { title = title, label = label, layers = {}, lines = {} })
    place_of(panel.layers, layer, layer)
    local line = place_of(panel.lines, row.label, { text = row.label, points = {} })
    if row.value then
      line.points[#line.points + 1] = { x = panel.layers[layer], y = row.value }
    end
  end
  return panels
end

local function draw_panel(canvas, box, panel, colours)
  local low, ticks = 0, {}
  for _, line in ipairs(panel.lines) do
    for _, point in ipairs(line.points) do low = math.min(low, point.y) end
  end
  for i, name in ipairs(panel.layers) do ticks[i] = { at = i, text = name } end
  local count = #panel.layers
  figure.text(canvas, box.x, box.y - 24, panel.title,
    { size = 13, bold = true, colour = figure.ink, most = box.width, middle = true })
  local least = figure.limits(low, 1, 6)
  low = low < 0 and math.max(-1, least) or 0
  local px, py = figure.axes(canvas, box,
    { low = 0.5, high = count + 0.5, ticks = ticks, most = box.width / count - 6 },
    { low = low, high = 1, label = panel.label })
  for _, line in ipairs(panel.lines) do
    table.sort(line.points, function(a, b) return a.x < b.x end)
    local style = colours[line.text]
    figure.line(canvas, box, px, py, line.points, { stroke = style.colour, width = 2, dash = style.dash })
    for _, point in ipairs(line.points) do
      core.draw_circles(canvas, { px(point.x), py(point.y) }, 3, { fill = style.colour })
    end
  end
end

return function(context)
  local panels = read(context)
  if #panels == 0 then
    return figure.message(context.title, "The run has no judge parameter_randomisation: there is nothing to compare.")
  end
  local most, colours, entries = 1, {}, {}
  for _, panel in ipairs(panels) do
    most = math.max(most, #panel.layers)
    for _, line in ipairs(panel.lines) do
      if not colours[line.text] then
        local i = #entries + 1
        colours[line.text] = { colour = figure.colour(i), dash = i > #figure.colours and { 6, 2 } or nil }
        entries[i] = { text = line.text, colour = colours[line.text].colour, dash = colours[line.text].dash }
      end
    end
  end
  local columns = math.min(2, #panels)
  local wide = math.max(260, 70 * most)
  local lines = (#panels + columns - 1) // columns
  local width = 24 + columns * (wide + GAP) + LEGEND
  local height = HEAD + lines * (HIGH + 72)
  local canvas = figure.new(width, math.max(height, HEAD + 24 + 20 * #entries))
  figure.title(canvas, context.title, "similarity of each explanation to that of a model with layers drawn anew, "
    .. "mean over the samples", 24, width - 48)
  for i, panel in ipairs(panels) do
    local box = { x = 24 + GAP - 8 + (i - 1) % columns * (wide + GAP), y = HEAD + 24 + (i - 1) // columns * (HIGH + 72),
                  width = wide - 8, height = HIGH }
    draw_panel(canvas, box, panel, colours)
  end
  figure.legend(canvas, width - LEGEND + 8, HEAD + 20, LEGEND - 24, entries)
  return canvas
end
