-- Models of several inputs: each is an array of its own, given by the input's name; in a row they stand side
-- by side, in the model's order. Inputs of whole numbers beside real ones are given and not explained.
local arrays = require "arrays"
local core = require "core"
local fail = require "fail"

local inputs = {}

local function names_of(info)
  local names = {}
  for i, input in ipairs(info.inputs) do names[i] = input.name end
  return names
end

-- The names that a by-name table gives, sorted.
local function given_names(node)
  local names = {}
  for name in pairs(node.options) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- "x, mask", for messages.
function inputs.text(info)
  return table.concat(names_of(info), ", ")
end

-- What would be right where one array is given for several inputs.
local function example(info, value)
  local list = {}
  for i, name in ipairs(names_of(info)) do
    local key = name:find("^[%a_][%w_]*$") and name or ('["%s"]'):format(name)
    list[i] = ("%s = %s"):format(key, value(name))
  end
  return "{ " .. table.concat(list, ", ") .. " }"
end

-- Fails where one array stands for several inputs. node, field: where it is given.
function inputs.check_single(info, node, field)
  if #info.inputs < 2 then return end
  fail.at(node, field, ("the model has %d inputs (%s), and this is one array"):format(#info.inputs,
    inputs.text(info)), "give each by its name: "
    .. example(info, function(name) return ('npy "%s.npy"'):format(name:gsub("[^%w_.-]", "_")) end))
end

-- By-name tables name each input once, and nothing else. `spread`: held inputs may be left out.
local function check_names(node, info, spread)
  for _, name in ipairs(given_names(node)) do
    local known = false
    for _, input in ipairs(info.inputs) do known = known or input.name == name end
    if not known then
      fail.at(node, name, ("the model has no input '%s'"):format(name), #info.inputs == 1
        and "its input: " .. inputs.text(info) or "its inputs: " .. inputs.text(info))
    end
  end
  for _, input in ipairs(info.inputs) do
    if node.options[input.name] == nil and not (spread and input.held) then
      fail.at(node, nil, ("the model's input '%s' is missing"):format(input.name), "its inputs: "
        .. inputs.text(info))
    end
  end
end

-- The shapes of rows by name, which open axes of a file get their sizes from.
function inputs.shapes(node, shared)
  local shapes = {}
  for _, name in ipairs(given_names(node)) do -- in one order: files are part of a run's identity
    local array = arrays.read(node.options[name], shared)
    shapes[name] = { table.unpack(array.info.shape, 2) }
  end
  return shapes
end

-- One entry of a by-name table as rows (N, width of the input); a number: one row of it.
local function rows_of(node, input, shared)
  local value = node.options[input.name] or 0 -- one that is held: what stands here is not read
  if type(value) == "number" then return core.fill("f32", { 1, input.width }, value), 1 end
  local array = arrays.read(value, shared)
  local tensor = arrays.rows(array, value, "path", input.width)
  return tensor, array.info.shape[1], array
end

-- A by-name table as rows (N, width of the model), with what stands for its files: { sha256, path, name,
-- info, inputs }. `spread`: references (a baseline, a background): an entry of one row stands for all rows.
function inputs.rows(node, info, shared, spread)
  check_names(node, info, spread)
  local list, counts, read, most, first = {}, {}, {}, 1, nil
  for i, input in ipairs(info.inputs) do
    local array
    list[i], counts[i], array = rows_of(node, input, shared)
    if array then read[#read + 1] = { name = input.name, array = array } end
    if not first or spread and counts[i] > most then most, first = counts[i], input.name end
  end
  for i, input in ipairs(info.inputs) do
    if counts[i] == 1 and spread then
      list[i] = core.tensor_take(list[i], core.fill("i64", { most }, 0))
    elseif counts[i] ~= most then
      fail.at(node, input.name, ("%d rows, and '%s' has %d"):format(counts[i], first, most),
        "every input has the same rows, in the same order")
    end
  end
  local hashes, names, meta = {}, {}, {}
  for i, one in ipairs(read) do
    hashes[i] = one.name .. "=" .. one.array.sha256
    names[i] = one.array.path:match("[^/]+$")
    meta[i] = { name = one.name, path = arrays.original(one.array.path), shape = one.array.info.shape,
                dtype = one.array.info.dtype }
  end
  return core.tensor_beside(list), read[1] and {
    sha256 = core.sha256(table.concat(hashes, " ")), path = read[1].array.path, inputs = meta,
    name = table.concat(names, ", "), info = { shape = { most, info.width }, dtype = "f32" } }
end

-- What is explained of a model of several inputs: nil where it has one, else
--   parts  { name, shape, first, width } of each explained input, `first` counted among the explained numbers
--   width  of all of them          live  the place of each number of a row among them (-1: it has none), or nil
--   held   names of inputs that are given and not explained
function inputs.explained(info)
  if #info.inputs < 2 then return nil end
  local found, live = { parts = {}, held = {}, width = 0 }, {}
  for _, input in ipairs(info.inputs) do
    if input.held then
      found.held[#found.held + 1] = input.name
    else
      table.insert(found.parts, { name = input.name, shape = input.shape, first = found.width,
                                  width = input.width })
    end
    for i = 0, input.width - 1 do
      live[input.first + i + 1] = input.held and -1 or found.width + i
    end
    if not input.held then found.width = found.width + input.width end
  end
  if #found.held > 0 then found.live = core.tensor("i32", { info.width }, live) end
  return found
end

return inputs
