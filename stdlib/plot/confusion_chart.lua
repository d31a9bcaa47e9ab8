-- Confusion matrix: a row a true class, a column a predicted one; each cell has its count, and its colour
-- is the share of its row, so that rare classes are seen too.
local core = require "core"
local figure = require "plot/figure"
local scores = require "plot/scores"

local function counted(rows)
  local classes = 0
  for _, row in ipairs(rows) do
    if math.type(row.label) ~= "integer" or row.class == nil then
      return nil, "A confusion matrix is about classes, and the run is a regression."
    end
    classes = math.max(classes, row.label + 1, row.class + 1)
  end
  if classes == 0 then return nil, "There are no predictions with labels in the store." end
  if classes > 60 then
    return nil, ("There are %d classes: more than 60 cannot be told apart in a picture."):format(classes)
  end
  local matrix, right = {}, 0
  for i = 1, classes do
    matrix[i] = { total = 0 }
    for j = 1, classes do matrix[i][j] = 0 end
  end
  for _, row in ipairs(rows) do
    local line = matrix[row.label + 1]
    line[row.class + 1], line.total = line[row.class + 1] + 1, line.total + 1
    if row.label == row.class then right = right + 1 end
  end
  return matrix, right
end

-- The wider of a name's texts, cut at `most`.
local function widest(canvas, names, size, most)
  local width = 0
  for _, name in ipairs(names) do
    width = math.max(width, (core.draw_measure(canvas, name, { size = size })))
  end
  return math.min(width, most)
end

return function(context)
  local rows = scores.predictions(context)
  local matrix, right = counted(rows)
  if not matrix then return figure.message(context.title, right) end
  local count = #matrix
  local names = scores.class_names(context, count)
  local cell = math.max(16, math.min(110, 360 / count))
  local size = math.max(7, math.min(15, cell * 0.34))
  local label = math.max(8, math.min(12, cell * 0.6))
  local probe <close> = figure.new(8, 8, { svg = false })
  local name_width = widest(probe, names, label, 130)
  local turned = name_width > cell - 4 and cell < 80
  local room = turned and 130 or cell - 6
  local left, top = 24 + 22 + name_width + 8, 66
  local below = turned and name_width or 18
  local side = cell * count
  local width = math.max(480, left + side + 100)
  local canvas = figure.new(width, top + side + below + 48)
  figure.title(canvas, context.title, ("%d rows, %.1f %% right; the colour is the share of the true class")
    :format(#rows, 100 * right / #rows), 24, width - 48)
  for i = 1, count do
    for j = 1, count do
      local x, y = left + (j - 1) * cell, top + (i - 1) * cell
      local share = matrix[i].total > 0 and matrix[i][j] / matrix[i].total or 0
      core.draw_rectangle(canvas, x, y, cell, cell,
        { fill = core.colour_of("signed", -share), stroke = "#d9d9d9", width = 0.75 })
      if matrix[i][j] > 0 or count <= 12 then
        figure.text(canvas, x + cell / 2, y + cell / 2, tostring(matrix[i][j]), { size = size,
          x = 0.5, y = 0.5, colour = share > 0.45 and "#ffffff" or figure.ink, most = cell })
      end
    end
    figure.text(canvas, left - 8, top + (i - 0.5) * cell, names[i],
      { size = label, x = 1, y = 0.5, most = 130, middle = true })
    figure.text(canvas, left + (i - 0.5) * cell, top + side + 8, names[i], turned
      and { size = label, x = 1, y = 0.5, turn = -90, most = room, middle = true }
      or { size = label, x = 0.5, most = room, middle = true })
  end
  figure.text(canvas, 24, top + side / 2, "true class", { size = 12, x = 0.5, turn = -90 })
  figure.text(canvas, left + side / 2, top + side + below + 14, "predicted class",
    { size = 12, x = 0.5 })
  local bar = { x = left + side + 22, y = top, width = 14, height = math.min(side, 220) }
  for k = 0, 99 do
    core.draw_rectangle(canvas, bar.x, bar.y + bar.height * k / 100, bar.width, bar.height / 100 + 0.2,
      { fill = core.colour_of("signed", k / 99 - 1), sharp = true })
  end
  core.draw_rectangle(canvas, bar.x, bar.y, bar.width, bar.height, { stroke = "#b3b3b3", width = 0.75 })
  for k, text in ipairs { "100 %", "50 %", "0 %" } do
    figure.text(canvas, bar.x + 20, bar.y + (k - 1) * bar.height / 2, text,
      { size = 10.5, y = (k - 1) / 2 })
  end
  return canvas
end
