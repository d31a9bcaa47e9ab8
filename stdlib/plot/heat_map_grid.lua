-- A grid of heat maps: a row a sample (and target, where each has several), a column an explanation, the
-- inputs themselves in the first; of a model of several inputs so many columns for each that is an image.
-- Colour images and feature maps are summed over their channels. Signed maps are centred at 0, maps
-- without negative numbers (saliency) use the one-sided colours, unless `colours` says otherwise. A
-- map's darkest colour is its own greatest |value| (written beneath it), or with scale = "shared" that
-- of its explanation over the samples drawn. `outlines` draws what is stored as the groups of each map.
local core = require "core"
local figure = require "plot/figure"

local GAP, HEAD, LEFT, BAR = 14, 92, 156, 96
local SMALL, LARGE = 112, 176 -- width of a map of up to 56 pixels, and of more
local LEAST = 9               -- size of a label's letters, at the least
local LONG, SLIM = 4, 60      -- from how many times as long as wide a map is a series, and how wide it then is drawn

local EXPLANATIONS = [[SELECT id, label FROM explanation WHERE run = :run ORDER BY seq]]
local IS_INPUT = "SELECT 1 FROM attribution WHERE explanation = :explanation AND kind = 'input' LIMIT 1"
local SAMPLES = [[
SELECT s.idx, s.label, p.class, p.score, r.input, r.input_row, d.meta FROM run_sample r
JOIN sample s ON s.id = r.sample JOIN dataset d ON d.id = s.dataset
LEFT JOIN prediction p ON p.run = r.run AND p.sample = r.sample
WHERE r.run = :run AND r.input IS NOT NULL ORDER BY r.input_row]]

local grid = {}

local function slice(shape, from)
  return { table.unpack(shape, from) }
end

local function product(shape)
  local n = 1
  for _, dim in ipairs(shape) do n = n * dim end
  return n
end

-- A row of a tensor (N, *shape), as (*shape).
local function row_of(tensor, row)
  local shape = core.tensor_info(tensor).shape
  return core.tensor_reshape(core.tensor_rows(tensor, row, 1), slice(shape, 2))
end

-- Whether rows of this shape can be drawn: (N, H, W) or (N, C, H, W).
function grid.drawable(shape) return #shape == 3 or #shape == 4 end

local PAIRS = "SELECT 1 FROM attribution WHERE explanation = :explanation AND kind = 'interaction' LIMIT 1"

-- The attributions of an explanation by row of the data set: { [row] = { map a target } }, and all of
-- them as `list`; nil where they are no pictures. input: which, of a model of several.
function grid.maps(store, explanation, input)
  if #core.store_rows(store, PAIRS, { explanation = explanation }) > 0 then return nil end
  local values, rows, targets = core.store_explanation(store, explanation, input)
  if not values then return nil end
  local shape = core.tensor_info(values).shape
  if shape[1] ~= #rows then -- (samples, targets, *shape)
    shape = { #rows, table.unpack(shape, 3) }
    if product(shape) ~= product(core.tensor_info(values).shape) then return nil end
    values = core.tensor_reshape(values, shape)
  end
  if not grid.drawable(shape) then return nil end
  local maps = { list = {}, several = false }
  for i, row in ipairs(rows) do
    local map = { values = row_of(values, i - 1), row = row, target = targets[i] }
    map.low, map.high, map.most, map.nan = core.heat_range(map.values, true)
    maps.list[i] = map
    maps[row] = maps[row] or {}
    table.insert(maps[row], map)
    maps.several = maps.several or #maps[row] > 1
  end
  return maps
end

local GROUPS = [[SELECT s.idx, a.target, a.groups FROM attribution a JOIN sample s ON s.id = a.sample
WHERE a.explanation = :explanation AND a.space = 'group']]

-- The lines between an explanation's groups, given to each of its maps.
local function add_outlines(store, explanation, maps)
  local lines, by = {}, {}
  for _, row in ipairs(core.store_rows(store, GROUPS, { explanation = explanation })) do
    lines[row.groups] = lines[row.groups]
      or core.group_outlines(core.store_get_tensor(store, row.groups))
    by[("%d %d"):format(row.idx, row.target or -1)] = lines[row.groups]
  end
  for _, map in ipairs(maps.list) do
    map.lines = by[("%d %d"):format(map.row, map.target)]
  end
end

-- The inputs that are images, { name, shape, first }: of a model of several each with its place in a row, else the
-- one, which has no name.
function grid.parts(meta, shape)
  if not (meta and meta.inputs) then
    return grid.drawable(shape) and { { shape = slice(shape, 2), first = 0 } } or {}
  end
  local parts, first = {}, 0
  for _, one in ipairs(meta.inputs) do
    local own = slice(one.shape, 2)
    if grid.drawable(one.shape) then parts[#parts + 1] = { name = one.name, shape = own, first = first } end
    first = first + product(own)
  end
  return parts
end

-- What a part has of a row of numbers.
local function part_of(row, part)
  local flat = core.tensor_reshape(row, { product(core.tensor_info(row).shape) })
  return core.tensor_reshape(core.tensor_rows(flat, part.first, product(part.shape)), part.shape)
end

-- The explained samples with their images (of each of `parts`; `image` is the first), by row of the data set; the least
-- and the greatest number of the first. Nil where there are no images.
function grid.samples(store, run)
  local list, tensors = {}, {}
  for i, row in ipairs(core.store_rows(store, SAMPLES, { run = run })) do
    local meta = row.meta and core.json_parse(row.meta)
    tensors[row.input] = tensors[row.input]
      or core.tensor_convert(core.store_get_tensor(store, row.input), "f32")
    local tensor = tensors[row.input]
    list.parts = list.parts or grid.parts(meta, core.tensor_info(tensor).shape)
    if #list.parts == 0 then return nil end
    row.images = {}
    for p, part in ipairs(list.parts) do
      row.images[p] = part_of(row_of(tensor, row.input_row), part)
      local low, high = core.heat_range(row.images[p], false)
      part.low, part.high = math.min(part.low or low, low), math.max(part.high or high, high)
    end
    row.image = row.images[1]
    row.classes = meta and meta.classes or nil
    list[i], list[row.idx + 0.5] = row, row -- by place, and by row of the data set
  end
  if #list == 0 then return list end
  return list, list.parts[1].low, list.parts[1].high
end

function grid.sample(samples, row) return samples[row + 0.5] end

local function class_name(sample, class)
  if class == nil then return nil end
  local names = sample.classes
  if type(names) == "table" and math.type(class) == "integer" and names[class + 1] then
    return tostring(names[class + 1])
  end
  return math.type(class) == "integer" and ("class %d"):format(class) or figure.number(class)
end

-- What stands beside a row: which sample, what it is, what the model says; the class that is explained,
-- where it is one of several.
function grid.caption(sample, target)
  local lines = { ("row %d"):format(sample.idx) }
  if target and target >= 0 then
    lines[2] = ("explained: %s"):format(sample.classes and class_name(sample, target) or target)
  end
  local label, predicted = class_name(sample, sample.label), class_name(sample, sample.class)
  if label then lines[#lines + 1] = "true: " .. label end
  if predicted then
    lines[#lines + 1] = ("predicted: %s"):format(predicted)
    if sample.score then lines[#lines + 1] = ("p = %.3f"):format(sample.score) end
  elseif sample.score then
    lines[#lines + 1] = ("predicted: %s"):format(figure.number(sample.score))
  end
  return lines
end

-- signed or absolute, for all maps of an explanation.
function grid.colours(list, wanted)
  if wanted == "signed" or wanted == "absolute" then return wanted end
  local any = false
  for _, map in ipairs(list) do
    if map.low < 0 then return "signed" end
    any = any or map.high > 0
  end
  return any and "absolute" or "signed"
end

-- How large a map of so many rows and columns is in a box: in its own proportions, but a series of a few channels, of
-- which a line would be left, is so wide that it can be seen.
function grid.extent(width, height, rows, columns)
  local scale = math.min(width / columns, height / rows)
  local wide, high = columns * scale, rows * scale
  if columns > LONG * rows then high = math.max(high, math.min(height, SLIM)) end
  if rows > LONG * columns then wide = math.max(wide, math.min(width, SLIM)) end
  return wide, high
end

-- One map in a box, with a thin frame.
function grid.draw(canvas, x, y, width, height, map, style)
  local shape = core.tensor_info(map).shape
  local rows, columns = shape[#shape - 1], shape[#shape]
  local wide, high = grid.extent(width, height, rows, columns)
  local place = { x = x + (width - wide) / 2, y = y + (height - high) / 2, width = wide, height = high }
  for key, value in pairs(style) do place[key] = value end
  if style.image then core.draw_image(canvas, map, place) else core.draw_heat(canvas, map, place) end
  if style.lines then
    local points = {}
    for i, at in ipairs(style.lines) do
      points[i] = i % 2 == 1 and place.x + at * wide / columns or place.y + at * high / rows
    end
    core.draw_line(canvas, points, { stroke = "#404040", width = 0.5 })
  end
  core.draw_rectangle(canvas, place.x, place.y, place.width, place.height,
    { stroke = "#b3b3b3", width = 0.75 })
end

-- The colours of a kind of map from top to bottom, with `text` below.
function grid.bar(canvas, x, y, kind, text)
  core.draw_colours(canvas, { x = x, y = y, width = 12, height = BAR, map = kind })
  core.draw_rectangle(canvas, x, y, 12, BAR, { stroke = "#b3b3b3", width = 0.75 })
  local marks = kind == "signed" and { "+max", "0", "\u{2212}max" } or { "max", "", "0" }
  for i, mark in ipairs(marks) do
    figure.text(canvas, x + 18, y + (i - 1) * BAR / 2, mark,
      { size = 10.5, y = (i - 1) / 2, colour = figure.ink })
  end
  figure.text(canvas, x, y + BAR + 8, text, { size = 10.5, colour = figure.soft })
end

local function note(map, limit, shared)
  local text = shared and "" or ("max %s"):format(figure.minus(figure.number(limit)))
  if map.most == 0 and map.nan == 0 then return "all 0" end
  if map.nan > 0 then text = text .. (text == "" and "" or ", ") .. ("%d NaN"):format(map.nan) end
  return text
end

-- An attack's rows are images like the inputs, from the darkest to the brightest number of those drawn.
local function as_images(column, list)
  column.kind, column.low, column.high = "image", math.huge, -math.huge
  for _, map in ipairs(list) do
    local low, high = core.heat_range(map.values, false)
    column.low, column.high = math.min(column.low, low), math.max(column.high, high)
  end
end

-- One column: the maps of an explanation, of the samples chosen. part: of which input.
local function column_of(context, one, maps, chosen, part)
  if context.options.outlines then add_outlines(context.store, one.id, maps) end
  local list, column = {}, { label = one.label, maps = maps, most = 0, part = part }
  for _, sample in ipairs(chosen) do
    for _, map in ipairs(maps[sample.idx] or {}) do
      list[#list + 1] = map
      column.most = math.max(column.most, map.most)
      column.nan = column.nan or map.nan > 0
    end
  end
  column.kind = grid.colours(list, context.options.colours)
  if core.store_rows(context.store, IS_INPUT, { explanation = one.id })[1] then as_images(column, list) end
  return column
end

-- Each input that is an image, and behind it its maps; those of layers stand with the first.
local function columns_of(context, chosen, parts)
  local columns = { explained = 0 }
  local list = context.explanations
    or core.store_rows(context.store, EXPLANATIONS, { run = context.run })
  for p, part in ipairs(parts) do
    columns[#columns + 1] = { label = part.name or "input", source = true, maps = {}, part = p }
    for _, one in ipairs(list) do
      local maps = grid.maps(context.store, one.id, part.name)
        or p == 1 and part.name and grid.maps(context.store, one.id)
      if maps then
        columns[#columns + 1] = column_of(context, one, maps, chosen, p)
        columns.explained = columns.explained + 1
        columns.nan = columns.nan or columns[#columns].nan
      end
    end
  end
  return columns
end

-- A label in one line or, where it is too wide for one in the least size, in two that are as near to each other's
-- width as it has places to break: behind a hyphen or an underscore.
function grid.broken(text, width, measure)
  local best, least = { text }, measure(text)
  if least <= width then return best end
  for at in text:gmatch "[-_]()" do
    local first, second = text:sub(1, at - 1), text:sub(at)
    local wide = math.max(measure(first), measure(second))
    if wide < least then best, least = { first, second }, wide end
  end
  return best
end

local function header(canvas, x, cell, text, below)
  local width = cell + GAP - 4
  local lines = grid.broken(text, width, function(part)
    return core.draw_measure(canvas, part, { size = LEAST, bold = true })
  end)
  for i, line in ipairs(lines) do
    figure.text(canvas, x + cell / 2, HEAD - (below and 22 or 12) - (#lines - i) * 13, line, figure.fitting(canvas,
      line, { size = 11.5, bold = true, x = 0.5, y = 0.5, colour = figure.ink }, width, LEAST))
  end
  if below then
    figure.text(canvas, x + cell / 2, HEAD - 8, below,
      { size = 9.5, x = 0.5, y = 0.5, colour = figure.soft, most = cell + GAP - 4 })
  end
end

-- { sample =, nth = } a row of the grid: the targets of a sample one below the other.
local function rows_of(chosen, columns)
  local rows = {}
  for _, sample in ipairs(chosen) do
    local count = 1
    for _, column in ipairs(columns) do
      count = math.max(count, column.maps[sample.idx] and #column.maps[sample.idx] or 0)
    end
    for nth = 1, count do rows[#rows + 1] = { sample = sample, nth = nth, several = count > 1 } end
  end
  return rows
end

local function map_of(column, row)
  local maps = column.maps[row.sample.idx]
  return maps and maps[row.nth]
end

-- The target that a row's maps explain; some, as layer_activation's, explain none.
local function target_of(columns, row)
  for _, column in ipairs(columns) do
    local map = map_of(column, row)
    if map and map.target >= 0 then return map.target end
  end
end

-- A layer's map is as large as the layer: it does not lie on the image.
local function same_size(map, image)
  local a, b = core.tensor_info(map).shape, core.tensor_info(image).shape
  return a[#a] == b[#b] and a[#a - 1] == b[#b - 1]
end

local function draw_row(canvas, y, cell, height, row, columns, context, parts)
  local shared, sample = context.options.scale == "shared", row.sample
  local lines = grid.caption(sample, row.several and target_of(columns, row) or nil)
  figure.text(canvas, LEFT - 14, y + height / 2, table.concat(lines, "\n"),
    { size = 11, x = 1, y = 0.5, colour = figure.ink, most = LEFT - 30 })
  for i, column in ipairs(columns) do
    local x = LEFT + (i - 1) * (cell + GAP)
    local map, image, part = map_of(column, row), sample.images[column.part], parts[column.part]
    if column.source then
      grid.draw(canvas, x, y, cell, height, image, { image = true, low = part.low, high = part.high })
    elseif map and column.kind == "image" then
      grid.draw(canvas, x, y, cell, height, map.values, { image = true, low = column.low, high = column.high })
    elseif map then
      local limit = shared and column.most or map.most
      grid.draw(canvas, x, y, cell, height, map.values, { limit = limit, map = column.kind, low = part.low,
        high = part.high, lines = map.lines,
        overlay = context.options.overlay and same_size(map.values, image) and image or nil })
      figure.text(canvas, x + cell / 2, y + height + 2, note(map, limit, shared),
        { size = 9.5, x = 0.5, colour = figure.soft, most = cell })
    end
  end
end

-- The samples to draw: those that the caller names by their rows, else the first ones, or in turn one of
-- each true class, sorted.
function grid.choice(samples, context)
  local options, chosen, round, first = context.options, {}, {}, {}
  for _, row in ipairs(context.rows or {}) do chosen[#chosen + 1] = grid.sample(samples, row) end
  if context.rows then return chosen end
  for i, sample in ipairs(samples) do
    local class = math.type(sample.label) == "integer" and sample.label or 0
    round[class] = (round[class] or 0) + 1
    first[i] = { sample = sample, place = i, class = class,
                 round = options.by_class and round[class] or 1 }
  end
  local function key(one) return options.by_class and one.class or 0 end
  table.sort(first, function(a, b)
    if a.round ~= b.round then return a.round < b.round end
    if key(a) ~= key(b) then return key(a) < key(b) end
    return a.place < b.place
  end)
  for i = 1, math.min(options.samples, #first) do chosen[i] = first[i].sample end
  return chosen
end

-- context: store, run, options, title; also `explanations`, a list of { id, label } in place of all of
-- the run's, and `rows`, the rows of the data set to draw.
function grid.chart(context)
  local samples = grid.samples(context.store, context.run)
  if not samples or #samples == 0 then
    return figure.message(context.title, "There are no inputs of shape (H, W) or (C, H, W) to draw.")
  end
  local chosen, parts = grid.choice(samples, context), samples.parts
  local columns = columns_of(context, chosen, parts)
  local nan = columns.nan
  if columns.explained == 0 then
    return figure.message(context.title, "The run has no explanations that are pictures.")
  end
  local rows = rows_of(chosen, columns)
  local kinds, both = {}, {}
  for _, column in ipairs(columns) do
    if column.kind and column.kind ~= "image" and not kinds[column.kind] then
      kinds[column.kind] = true
      both[#both + 1] = column.kind
    end
  end
  local cell, height = SMALL, SLIM
  for _, part in ipairs(parts) do
    if math.max(part.shape[#part.shape - 1], part.shape[#part.shape]) > 56 then cell = LARGE end
  end
  for _, part in ipairs(parts) do -- wide images need less height
    height = math.max(height, math.min(cell, cell * part.shape[#part.shape - 1] / part.shape[#part.shape]))
  end
  local legend = LEFT + #columns * (cell + GAP) + 16
  local width, line = legend + 92, height + GAP + 8
  local canvas = figure.new(width, math.max(HEAD + #rows * line + 12,
    HEAD + #both * (BAR + 50) + (nan and 24 or 0)))
  figure.title(canvas, context.title, #both == 0 and "what attacks made of each sample"
    or context.options.scale == "shared" and "attribution of each pixel; each column has one scale"
    or "attribution of each pixel; each map has its own scale", 24, width - 48)
  for i, column in ipairs(columns) do
    header(canvas, LEFT + (i - 1) * (cell + GAP), cell, column.label, column.most
      and context.options.scale == "shared" and ("max %s"):format(figure.number(column.most)) or nil)
  end
  for i, row in ipairs(rows) do
    draw_row(canvas, HEAD + (i - 1) * line, cell, height, row, columns, context, parts)
  end
  for i, kind in ipairs(both) do grid.bar(canvas, legend, HEAD + (i - 1) * (BAR + 50), kind, kind) end
  if nan then
    local y = HEAD + #both * (BAR + 50)
    core.draw_rectangle(canvas, legend, y, 12, 12, { fill = "#9e9e9e" })
    figure.text(canvas, legend + 18, y + 6, "not a\nnumber", { size = 10.5, y = 0.5 })
  end
  return canvas
end

return grid
