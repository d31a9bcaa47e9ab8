-- Groups of the inputs of an array by where they are: grid { 4, 4 }.
local arrays = require "arrays"
local core = require "core"
local fail = require "fail"

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

return groups
