-- Interactions of pairs: a row and a column a feature, the strongest first, each cell the mean |value| over the
-- explained samples, or one sample's value. The diagonal, what a feature does without others, has its
-- number and no colour: as a rule it is so much greater that beside it pairs would be pale.
local core = require "core"
local figure = require "plot/figure"

local EXPLANATION = [[SELECT e.id, e.label, min(a.id) AS first, count(*) AS n FROM explanation e
JOIN attribution a ON a.explanation = e.id WHERE e.run = :run AND a.kind = 'interaction'
AND (:label = '' OR e.label = :label) GROUP BY e.id ORDER BY e.seq LIMIT 1]]
local MEANS = [[SELECT e.idx, avg(abs(e.value)) AS value FROM attribution a, element e
WHERE a.explanation = :explanation AND e.attribution = a.id GROUP BY e.idx ORDER BY e.idx]]
local ONE = [[SELECT e.idx, e.value FROM element e WHERE e.attribution = :attribution ORDER BY e.idx]]
local SAMPLE = [[SELECT a.id, s.idx AS row, a.target FROM attribution a LEFT JOIN sample s ON s.id = a.sample
WHERE a.explanation = :explanation ORDER BY a.seq LIMIT 1 OFFSET :sample]]
local NAMES = "SELECT i0, name FROM element WHERE attribution = :attribution AND i0 = i1 ORDER BY i0"

-- Two digits: a cell is small, and its colour says the rest.
local function short(value)
  local size = math.abs(value)
  if size == 0 or size >= 1e-3 and size < 100 then return ("%.2g"):format(value) end
  return figure.number(value)
end

-- The features by what they do with others, the greatest first.
local function strongest(values, count, top)
  local order, sums = {}, {}
  for i = 0, count - 1 do
    order[i + 1], sums[i] = i, 0
    for j = 0, count - 1 do
      if j ~= i then sums[i] = sums[i] + math.abs(values[i * count + j] or 0) end
    end
  end
  table.sort(order, function(a, b) return sums[a] > sums[b] or sums[a] == sums[b] and a < b end)
  return { table.unpack(order, 1, top) }
end

local function read(context)
  local store, options = context.store, context.options
  local one = core.store_rows(store, EXPLANATION, { run = context.run, label = options.of or "" })[1]
  if not one then return nil, "The run has no interactions of pairs to draw." end
  local rows
  if options.sample then
    local at = core.store_rows(store, SAMPLE, { explanation = one.id, sample = options.sample })[1]
    if not at then return nil, ("The run has no explained sample %d."):format(options.sample) end
    rows, one.what = core.store_rows(store, ONE, { attribution = at.id }), at.row and "row " .. at.row or "sample " .. options.sample
  else
    rows, one.what = core.store_rows(store, MEANS, { explanation = one.id }), ("mean |value| of %d sample%s"):format(one.n,
      one.n == 1 and "" or "s")
  end
  one.values, one.count = {}, math.floor(math.sqrt(#rows) + 0.5)
  for _, row in ipairs(rows) do one.values[row.idx] = row.value end
  if one.count == 0 then return nil, "The explanation has no numbers." end
  one.names = {}
  for _, row in ipairs(core.store_rows(store, NAMES, { attribution = one.first })) do
    one.names[row.i0] = row.name
  end
  return one
end

return function(context)
  local one, why = read(context)
  if not one then return figure.message(context.title, why) end
  local shown = strongest(one.values, one.count, context.options.top)
  local most, count = 0, #shown
  local function value(i, j) return one.values[shown[i] * one.count + shown[j]] end
  local function name(i) return one.names[shown[i]] or tostring(shown[i]) end
  local cell = math.max(22, math.min(64, 560 / count))
  local size = math.max(7.5, math.min(11, cell * 0.24))
  local room = 40
  local probe <close> = figure.new(8, 8, { svg = false })
  for i = 1, count do
    room = math.max(room, math.min(150, (core.draw_measure(probe, name(i), { size = 11 }))))
    for j = 1, count do
      if i ~= j then most = math.max(most, math.abs(value(i, j) or 0)) end
    end
  end
  local left, top, side = 24 + room + 8, 76, cell * count
  local canvas = figure.new(math.max(480, left + side + 100), top + side + 12 + room + 24)
  figure.title(canvas, context.title, ("%s, %s, half of a pair on each side%s"):format(one.label, one.what,
    count < one.count and ("; %d of %d features"):format(count, one.count) or ""), 24, math.max(480, left + side + 100) - 48)
  local kind = context.options.sample and "signed" or "absolute"
  for i = 1, count do
    for j = 1, count do
      local x, y, number = left + (j - 1) * cell, top + (i - 1) * cell, value(i, j)
      local share = i ~= j and number and most > 0 and number / most or 0
      core.draw_rectangle(canvas, x, y, cell, cell,
        { fill = i == j and "#f2f2f2" or core.colour_of(kind, share), stroke = "#d9d9d9", width = 0.75 })
      if number and (cell >= 34 or i == j and cell >= 28) then
        figure.text(canvas, x + cell / 2, y + cell / 2, figure.minus(short(number)), { size = size,
          x = 0.5, y = 0.5, colour = math.abs(share) > 0.55 and "#ffffff" or figure.ink, most = cell - 2 })
      end
    end
    figure.text(canvas, left - 8, top + (i - 0.5) * cell, name(i), { size = 11, x = 1, y = 0.5, most = 150, middle = true })
    figure.text(canvas, left + (i - 0.5) * cell, top + side + 8, name(i), { size = 11, x = 1, y = 0.5, turn = -90,
      most = 150, middle = true })
  end
  local bar = { x = left + side + 22, y = top, width = 14, height = math.min(side, 220), map = kind }
  core.draw_colours(canvas, bar)
  core.draw_rectangle(canvas, bar.x, bar.y, bar.width, bar.height, { stroke = "#b3b3b3", width = 0.75 })
  for k, mark in ipairs(kind == "signed" and { most, 0, -most } or { most, most / 2, 0 }) do
    figure.text(canvas, bar.x + 20, bar.y + (k - 1) * bar.height / 2, figure.minus(figure.number(mark)),
      { size = 10.5, y = (k - 1) / 2 })
  end
  return canvas
end
