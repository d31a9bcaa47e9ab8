-- Masks of judges: from what a script gives (an array of the input's shape without N, one a row, or
-- names of columns) to one number a unit of each explanation that is judged.
local core = require "core"
local fail = require "fail"

local masks = {}

local function product(shape, from)
  local n = 1
  for i = from or 1, #shape do n = n * shape[i] end
  return n
end

local function shape_text(shape)
  return "(" .. table.concat(shape, ", ") .. (#shape == 1 and ",)" or ")")
end

-- An array: one mask for all rows, or (N, ...) one a row -> (1 or N, elements).
local function from_array(node, bound, array)
  local shape, one = array.info.shape, bound.shape or { #bound.info.columns }
  local elements = product(one)
  if product(shape) == elements then
    return core.tensor_reshape(array.tensor, { 1, elements })
  elseif shape[1] == bound.count and product(shape, 2) == elements then
    return core.tensor_reshape(array.tensor, { bound.count, elements })
  end
  fail.at(node, "mask", ("expected the input's shape %s, or %s with a mask for each row, found %s in %s")
    :format(shape_text(one), shape_text { bound.count, table.unpack(one) }, shape_text(shape),
    array.path))
end

local function from_columns(node, bound, names)
  local place, inside = {}, {}
  for i, name in ipairs(bound.info.columns) do place[name], inside[i] = i, 0 end
  for i, name in ipairs(names) do
    if not place[name] then
      fail.at(node, ("mask[%d]"):format(i), ("there is no column '%s'"):format(name),
        fail.nearest(name, bound.info.columns))
    end
    inside[place[name]] = 1
  end
  return core.tensor("i64", { 1, #inside }, inside)
end

-- { [explanation] = tensor (1 or N, its units) } of a judge that takes a mask, else nil. `read` reads
-- an array word.
function masks.bind(node, bound, read)
  local value = node.options.mask
  if value == nil then return nil end
  if bound.explained then
    fail.at(node, "mask", ("masks are of one input, and the model has %d"):format(#bound.info.inputs))
  end
  local given
  if value.word then
    given = from_array(node, bound, read(value, node))
  else
    given = from_columns(node, bound, value)
  end
  local by_explanation = {}
  for _, entry in ipairs(bound.explain) do
    if entry.row_groups then -- units are found row by row
      by_explanation[entry] = fail.within(node, "mask", core.mask, { given = given, width = bound.info.width,
        units = bound.info.width })
    elseif entry.space ~= "layer" and not entry.players then -- masks are of inputs
      by_explanation[entry] = fail.within(node, "mask", core.mask, {
        given = given, element_of = bound.info.columns and bound.info.column_of, width = bound.info.width,
        unit_of = entry.groups or entry.sum_over, units = entry.width })
    end
  end
  return by_explanation
end

return masks
