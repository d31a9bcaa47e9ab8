-- The kernels of a convolution as a grid, from the weights in the store: white is 0, red positive, blue
-- negative, one scale for all, so that strong kernels and dead ones can be told apart. Of a layer that
-- reads one channel a picture a kernel; else a row for each channel that is made, a column for each that is
-- read.
local core = require "core"
local figure = require "plot/figure"
local grid = require "plot/heat_map_grid"
local weights = require "plot/weights"

local LEFT, HEAD, GAP, RIGHT = 48, 92, 6, 96
local SIDE = 12 -- pictures a line of kernels that read one channel

-- The convolution to draw: by name or number (from 0, as explainers count layers), or the first.
local function find(nodes, wanted)
  for number, node in ipairs(nodes) do
    local found
    if wanted == nil then
      found = node.layer:find("^conv%d") and #node.attributes.kernel_size > 0
    else
      found = wanted == number - 1 or wanted == node.name
    end
    if found then
      if not node.layer:find("^conv2d") then
        return nil, ("Layer %s is %s: kernels are drawn of conv2d."):format(node.name, node.layer)
      end
      return node
    end
  end
  if wanted == nil then return nil, "The network has no conv2d, so there are no kernels to draw." end
  return nil, ("The network has no layer %s."):format(wanted)
end

-- The kernels (made * read, height, width) of a layer, as the model's row has them, with its name and how
-- many channels it makes and reads; nil and why there are none.
local function kernels_of(store, run, wanted)
  local all, nodes = weights(store, run)
  if not all then return nil, nodes end
  local node, why = find(nodes, wanted)
  if not node then return nil, why end
  local own = node.attributes
  local high, wide = own.kernel_size[1], own.kernel_size[2] or own.kernel_size[1]
  local numbers = node.parameters - (own.bias and own.out_channels or 0)
  local planes = numbers // (high * wide)
  local kernels = core.tensor_rows(all, node.first, numbers)
  return { all = core.tensor_reshape(kernels, { planes, high, wide }), name = node.name,
           made = own.out_channels, read = planes // own.out_channels, high = high, wide = wide }
end

local function plane(layer, made, read)
  return core.tensor_reshape(core.tensor_rows(layer.all, (made - 1) * layer.read + read - 1, 1),
    { layer.high, layer.wide })
end

-- Where the picture of kernel (made, read) stands: its column and row, from 0.
local function place(layer, columns, made, read)
  if layer.read == 1 then return (made - 1) % columns, (made - 1) // columns end
  return read - 1, made - 1
end

return function(context)
  local layer, why = kernels_of(context.store, context.run, context.options.layer)
  if not layer then return figure.message(context.title, why) end
  local made, read = math.min(layer.made, context.options.most), math.min(layer.read, context.options.most)
  local columns = layer.read == 1 and math.min(made, SIDE) or read
  local rows = layer.read == 1 and math.ceil(made / columns) or made
  local cell = math.max(18, math.min(56, 640 // columns))
  local width = math.max(440, LEFT + columns * (cell + GAP) + RIGHT)
  local canvas = figure.new(width, math.max(HEAD + rows * (cell + GAP) + 20, HEAD + 150))
  local cut = (made < layer.made or read < layer.read) and "; the first of them" or ""
  figure.title(canvas, context.title, ("%s makes %d channels of %d by kernels of %d x %d%s"):format(layer.name,
    layer.made, layer.read, layer.high, layer.wide, cut), 24, width - 48)
  local _, _, peak = core.heat_range(core.tensor_reshape(layer.all, { layer.made * layer.read * layer.high,
    layer.wide }), true)
  local mark = { size = 9.5, colour = figure.soft }
  for m = 1, made do
    for r = 1, read do
      local column, row = place(layer, columns, m, r)
      local x, y = LEFT + column * (cell + GAP), HEAD + row * (cell + GAP)
      grid.draw(canvas, x, y, cell, cell, plane(layer, m, r), { limit = peak, map = "signed" })
      mark.x, mark.y = 1, 0.5
      if column == 0 then figure.text(canvas, x - 8, y + cell / 2, tostring(m - 1), mark) end
      mark.x, mark.y = 0.5, 1
      if row == 0 and layer.read > 1 then figure.text(canvas, x + cell / 2, y - 3, tostring(r - 1), mark) end
    end
  end
  grid.bar(canvas, width - RIGHT + 20, HEAD, "signed", ("max %s"):format(figure.number(peak)))
  return canvas
end
