-- Charts that have a panel an explanation, side by side: which explanations, and where each panel stands.
local core = require "core"
local figure = require "plot/figure"

local panels = {}

local EXPLANATIONS = [[SELECT id, label, explainer FROM explanation WHERE run = :run
AND NOT EXISTS (SELECT 1 FROM attribution a WHERE a.explanation = explanation.id
AND (a.space = 'layer' OR a.kind = 'interaction'))
ORDER BY seq]] -- those of a layer have no features, nor have pairs

panels.HEAD, panels.GAP = 76, 24

-- The explanations to draw, at most `most` of them. `prepare` fills one; false where it has nothing to show.
function panels.list(context, most, prepare)
  local list = {}
  for _, one in ipairs(core.store_rows(context.store, EXPLANATIONS, { run = context.run })) do
    if #list < most and prepare(one) then list[#list + 1] = one end
  end
  return list
end

-- A canvas of panels `height` high, up to three in a line; `draw(canvas, x, y, width, one)` draws each.
function panels.canvas(context, subtitle, list, height, draw)
  local columns = math.min(#list, #list == 4 and 2 or 3)
  local lines = (#list + columns - 1) // columns
  local wide = columns == 1 and figure.WIDTH - 48 or columns == 2 and 460 or 400
  local width = 24 + columns * (wide + panels.GAP)
  local canvas = figure.new(width, panels.HEAD + lines * (height + 12))
  figure.title(canvas, context.title, subtitle, 24, width - 48)
  for i, one in ipairs(list) do
    local x = 24 + (i - 1) % columns * (wide + panels.GAP)
    local y = panels.HEAD + (i - 1) // columns * (height + 12)
    figure.text(canvas, x, y, one.label,
      { size = 13, bold = true, colour = figure.ink, most = wide, middle = true })
    draw(canvas, x, y + 24, wide, one)
  end
  return canvas
end

-- Room for the widest of some names, at most a share of the panel.
function panels.name_width(canvas, names, wide)
  local widest = 60
  for _, name in ipairs(names) do
    widest = math.max(widest, (core.draw_measure(canvas, name, { size = 11 })))
  end
  return math.min(widest, wide * 0.45)
end

-- The name of a feature, or its number within its input.
function panels.name(row)
  return row.name or ("%s %d"):format(row.input or "input", row.idx)
end

-- "age = 35", as far as the sample says what its value is.
local function name_of(row)
  local name = panels.name(row)
  if row.raw == nil then return name end
  local raw = type(row.raw) == "number" and figure.minus(("%.6g"):format(row.raw)) or tostring(row.raw)
  return ("%s = %s"):format(name, raw)
end

-- Bars of a waterfall from the bottom up, of rows by their size, greatest first: what is not shown alone as
-- one, then the others, the greatest last. One row more than `top` is shown rather than called the others.
function panels.bars(rows, top)
  local bars, rest, others = {}, 0, 0
  for i, row in ipairs(rows) do
    if i <= top or i == #rows and others == 0 then
      table.insert(bars, 1, { name = name_of(row), value = row.value })
    else
      rest, others = rest + row.value, others + 1
    end
  end
  if others > 0 then table.insert(bars, 1, { name = ("%d others"):format(others), value = rest }) end
  return bars
end

return panels
