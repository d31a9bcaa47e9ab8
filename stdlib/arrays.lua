-- Files of arrays, read once a process however many runs use them, and the hashes of what the run now
-- being bound reads: part of its identity.
local core = require "core"
local fail = require "fail"

local arrays = {}

local within = fail.within

-- Reads something once a process, however many runs use it.
function arrays.once(shared, key, make)
  local found = shared[key]
  if found == nil then
    found = make()
    shared[key] = found
  end
  return found
end

-- Files that are read from another place than the script names: there -> what the script names.
arrays.moved = {}

-- The path that the script names.
function arrays.original(path) return arrays.moved[path] or path end

local files -- { file =, role = }, in the order in which they are read

-- A new run begins.
function arrays.start() files = {} end

-- Takes a file ({ sha256 =, path = }) into the run's identity; returns it. role: the field that names it.
function arrays.note(file, role)
  files[#files + 1] = { file = file, role = role }
  return file
end

-- The hashes noted since the start.
function arrays.hashes()
  local hashes = {}
  for i, one in ipairs(files) do hashes[i] = one.file.sha256 end
  return hashes
end

-- The files noted since the start, each path once: { path =, sha256 = of the file's bytes, role = }. A saved
-- model has none; a folder of images has many (`files`).
function arrays.files()
  local list, seen = {}, {}
  local function add(file, role)
    if file.path and not seen[file.path] then
      seen[file.path] = true
      list[#list + 1] = { path = file.path, sha256 = file.file_sha256 or file.sha256, role = role }
    end
  end
  for _, one in ipairs(files) do
    if one.file.files then
      for _, file in ipairs(one.file.files) do add(file, one.role) end
    else
      add(one.file, one.role)
    end
  end
  return list
end

-- Data sets that `make data` brings lie there.
local function hinted(path, call, ...)
  local results = table.pack(pcall(call, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local err = results[2]
  if type(err) == "table" and path:find("/.cache/lunette/", 1, true) and fail.text(err):find("does not exist", 1, true) then
    err.hint = "`make data` in Lunette's folder brings MNIST and Fashion-MNIST there"
  end
  error(err, 0)
end

-- raw: numbers as the file has them, whatever `scale` says.
local function read_array(node, owner, field, raw)
  local options, tensor, sha256, file_sha256 = node.options
  if node.word == "npz" then
    tensor, sha256 = within(owner or node, field, core.npz, options.path, options.key)
    file_sha256 = sha256
    if options.key then sha256 = core.sha256(sha256 .. ":" .. options.key) end
  elseif node.word == "idx" then
    tensor, sha256 = hinted(options.path, within, owner or node, field, core.idx, options.path,
      not raw and options.scale or nil)
  else
    tensor, sha256 = within(owner or node, field or "path", core.npy, options.path)
  end
  return { tensor = tensor, sha256 = sha256, file_sha256 = file_sha256, path = options.path, info = core.tensor_info(tensor) }
end

-- An array file: { tensor =, sha256 =, path =, info = }.
function arrays.read(node, shared, owner, field, raw)
  local key = "array:" .. core.json { node.word, node.options, raw or "" }
  return arrays.note(arrays.once(shared, key, function()
    return read_array(node, owner, field, raw)
  end), node.path)
end

function arrays.product(shape, from)
  local n = 1
  for i = from or 1, #shape do n = n * shape[i] end
  return n
end

function arrays.shape_text(shape)
  return "(" .. table.concat(shape, ", ") .. (#shape == 1 and ",)" or ")")
end

-- An array of rows as (N, width) f32.
function arrays.rows(array, node, field, width)
  local shape = array.info.shape
  if #shape == 0 then
    fail.at(node, field, "expected rows first, (N, ...), found a single number in "
      .. array.path)
  end
  local per_row = arrays.product(shape, 2)
  if width and per_row ~= width then
    fail.at(node, field, ("expected %d numbers a row, found shape %s in %s"):format(
      width, arrays.shape_text(shape), array.path))
  end
  local tensor = within(node, field, core.tensor_convert, array.tensor, "f32")
  return core.tensor_reshape(tensor, { shape[1], per_row })
end

return arrays
