-- Groups of the inputs of an array by where they are, grid { 4, 4 }, or of an image's by what is there,
-- superpixels.
local arrays = require "arrays"
local core = require "core"
local fail = require "fail"
local resolve = require "resolve"
local words = require "words"

local groups = {}

-- Cells an axis of the shape: numbers stand for the last axes, one number for all but the channels (the
-- first of two axes or more); the others are whole.
local function cells_by_axis(node, given, shape)
  local first = #given == 1 and #shape > 1 and 2 or #shape - #given + 1
  if first < 1 then
    fail.at(node, "cells", ("expected at most %d numbers, found %d: the input has shape %s"):format(#shape,
      #given, arrays.shape_text(shape)))
  end
  local cells = {}
  for axis, size in ipairs(shape) do
    cells[axis] = axis < first and 1 or given[#given == 1 and 1 or axis - first + 1]
    if cells[axis] > size then
      fail.at(node, "cells", ("%d cells do not fit along an axis of %d: the input has shape %s"):format(
        cells[axis], size, arrays.shape_text(shape)))
    end
  end
  return cells
end

-- The cell of each input, and how many cells there are. `at` is the node that has the groups.
function groups.grid(node, at, shape)
  if not shape then
    fail.at(at, "groups", "a grid lies over arrays, and the columns of a table have no order",
      'give lists of column names: groups = { { "age", "sex" }, { "job" } }')
  end
  local given = node.options.cells
  local cells = cells_by_axis(node, type(given) == "table" and given or { given }, shape)
  local ids, count = { 0 }, 1 -- cell of each input so far, axis by axis
  for axis, size in ipairs(shape) do
    local next_ids = {}
    for _, id in ipairs(ids) do
      for i = 0, size - 1 do
        next_ids[#next_ids + 1] = id * cells[axis] + i * cells[axis] // size
      end
    end
    ids, count = next_ids, count * cells[axis]
  end
  return core.tensor("i32", { #ids }, ids), count
end

-- Whether the rows are images: (C, H, W), or (H, W), grey, which the model does not read as channels along a
-- length.
function groups.is_image(bound)
  local shape = bound.shape
  return shape and (#shape == 3 or #shape == 2 and core.channel_axis { model = bound.model, shape = shape } < 0)
end

-- The groups of an explainer of images whose script names none: superpixels with their defaults.
function groups.default(node)
  local at = { path = fail.join(node.path, "groups"), script = node.script, line = node.line, keys = {} }
  return resolve.node(words.bare("superpixels", "groups"), at, {})
end

-- One number, or one a channel, as three.
local function by_channel(value, default)
  local list = {}
  for c = 1, 3 do list[c] = type(value) == "table" and (value[c] or default) or value or default end
  return list
end

-- How superpixels are found in rows of this shape: (H, W), a grey image, or (C, H, W). Pixels of images whose
-- normalisation the data says are taken without it.
function groups.superpixels(node, at, bound)
  local shape, data = bound.shape, bound.data
  if not groups.is_image(bound) then
    fail.at(at, "groups", ("superpixels are pieces of images, rows of shape (H, W) or (C, H, W): these %s"):format(
      shape and "have shape " .. arrays.shape_text(shape) .. (#shape == 2
        and ", and the model reads them as channels along a length" or "") or "are columns of a table"),
      shape and "groups = grid { 4 } cuts rows of any shape, npy \"groups.npy\" is free"
        or 'give lists of column names: groups = { { "age", "sex" }, { "job" } }')
  end
  local made = {}
  for name, value in pairs(node.options) do made[name] = value end
  made.channels, made.height, made.width = #shape == 3 and shape[1] or 1, shape[#shape - 1], shape[#shape]
  local options = data and data.node.word == "images" and data.node.options or {}
  made.mean, made.deviation = by_channel(options.mean, 0), by_channel(options.std, 1)
  return made
end

return groups
