-- Mean absolute attribution by column (input, group, pixel) of each explanation: a panel an explainer,
-- greatest first, each with its own scale since methods differ in units.
local core = require "core"
local figure = require "plot/figure"

local ROW, HEAD, GAP = 20, 96, 24
local BLUE = figure.colours[1]

local EXPLANATIONS = [[SELECT id, label, explainer FROM explanation WHERE run = :run
AND NOT EXISTS (SELECT 1 FROM attribution a WHERE a.explanation = explanation.id
AND (a.space = 'layer' OR a.kind = 'interaction'))
ORDER BY seq]] -- those of a layer have no features, nor have pairs
local IMPORTANCE = [[SELECT input, idx, name, mean_abs, std, n FROM explanation_importance(:explanation)
ORDER BY mean_abs DESC, rowid LIMIT :top]]

local function name_of(row)
  return row.name or ("%s %d"):format(row.input or "input", row.idx)
end

local function panel(canvas, x, y, wide, label, rows, top)
  figure.text(canvas, x, y, label,
    { size = 13, bold = true, colour = figure.ink, most = wide, middle = true })
  local name_width = 60
  for _, row in ipairs(rows) do
    local width = core.draw_measure(canvas, name_of(row), { size = 11 })
    name_width = math.max(name_width, width)
  end
  name_width = math.min(name_width, wide * 0.45)
  local most = 0
  for _, row in ipairs(rows) do
    if (row.mean_abs or 0) < math.huge then most = math.max(most, row.mean_abs or 0) end
  end
  local box = { x = x + name_width + 10, y = y + 24, width = wide - name_width - 64,
                height = ROW * top }
  local _, high = figure.limits(0, most > 0 and most or 1, 5)
  local ticks = figure.ticks(0, high, math.max(2, box.width // 45))
  local names = {}
  for i, row in ipairs(rows) do names[i] = { at = top - i + 0.5, text = name_of(row) } end
  local px = figure.axes(canvas, box, { low = 0, high = high, ticks = ticks },
    { low = 0, high = top, ticks = names, no_grid = true, most = name_width })
  for i, row in ipairs(rows) do
    local at = box.y + (i - 1) * ROW
    local right = px(math.min(row.mean_abs or 0, high)) -- what is infinite fills the panel
    core.draw_rectangle(canvas, box.x, at + 3, math.max(0, right - box.x), ROW - 6, { fill = BLUE })
    figure.text(canvas, right + 6, at + ROW / 2, figure.minus(figure.number(row.mean_abs or 0)),
      { size = 10.5, y = 0.5, colour = figure.soft })
  end
  if #rows == 0 then
    figure.text(canvas, box.x + 10, box.y + 10, "no numbers", { size = 12, colour = figure.soft })
  elseif most == 0 then
    figure.text(canvas, box.x + box.width / 2, box.y + box.height / 2,
      "every attribution is 0", { size = 12, x = 0.5, y = 0.5, colour = figure.soft })
  end
end

return function(context)
  local explanations, top = {}, 1
  local list = context.explanations -- { id, label } in place of all of the run's
    or core.store_rows(context.store, EXPLANATIONS, { run = context.run })
  for _, one in ipairs(list) do
    if not context.only or context.only == one.id then
      one.rows = core.store_rows(context.store, IMPORTANCE,
        { explanation = one.id, top = context.options.top })
      top = math.max(top, #one.rows)
      explanations[#explanations + 1] = one
    end
  end
  if #explanations == 0 then
    return figure.message(context.title, "The run has no explanations to draw.")
  end
  local columns = math.min(#explanations, #explanations == 4 and 2 or 3)
  local lines = (#explanations + columns - 1) // columns
  local height = 24 + ROW * top + 30
  local wide = columns == 1 and figure.WIDTH - 48 or 380
  local width = 24 + columns * (wide + GAP)
  local canvas = figure.new(width, HEAD - 20 + lines * (height + 12))
  local subtitle = "mean |attribution| over the explained samples"
  if top == context.options.top then subtitle = ("%s, the %d greatest"):format(subtitle, top) end
  if columns > 1 then subtitle = subtitle .. "; each panel has its own scale" end
  figure.title(canvas, context.title, subtitle, 24, width - 48)
  for i, one in ipairs(explanations) do
    local column, line = (i - 1) % columns, (i - 1) // columns
    panel(canvas, 24 + column * (wide + GAP), HEAD - 24 + line * (height + 12), wide, one.label,
      one.rows, top)
  end
  return canvas
end
