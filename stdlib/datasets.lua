-- What `data` names, read and divided: tables, folders of images, files of arrays. A file is read once
-- for all runs of a process, whatever each makes of its rows.
--
-- datasets.bind(node, run, shared) returns
--   dataset   a view of the rows, divided as the run asks     info   what core.dataset_info says
--   columns   whether rows are those of a table                node   the word
--   shape     of one row, where rows are arrays or columns are pixels, else nil
--   by_name   whether the inputs are arrays by the names of the model's inputs (`model`: what it says of itself)
local arrays = require "arrays"
local core = require "core"
local fail = require "fail"
local inputs = require "inputs"

local datasets = {}

local within = fail.within

local function key_of(value) return core.json(value) end

-- Options whose words are told apart by their own options.
local function plain(value)
  if type(value) ~= "table" then return value end
  if value.word then return { value.word, plain(value.options) } end
  local out = {}
  for key, one in pairs(value) do out[key] = plain(one) end
  return out
end

-- The file of `data`, read once for all runs, however each divides its rows.
local function read_csv(node, run, shared)
  local options = node.options
  local split = options.split or {}
  local read = {
    target = options.target, positive = options.positive, classes = options.classes,
    numeric = options.numeric, categorical = options.categorical, ignore = options.ignore,
    missing = options.missing, drop_missing = options.drop_missing, separator = options.separator,
    weight = options.weight, by = split.by, set = split.column, task = run.task,
  }
  return arrays.once(shared, "csv:" .. key_of { options.path, read }, function()
    local data = within(node, nil, core.csv, options.path, read)
    return { dataset = data, info = core.dataset_info(data) }
  end)
end

-- Columns that are pixels: numbers all of them, as many as the shape has.
local function check_shape(node, dataset)
  local shape = node.options.shape
  if not shape then return end
  local count, text = core.dataset_text_column(dataset)
  if text then
    fail.at(node, "shape", ("columns with a shape are pixels, and '%s' does not hold numbers"):format(
      text), ('leave it out: ignore = { "%s" }'):format(text))
  elseif count ~= arrays.product(shape) then
    fail.at(node, "shape", ("%s has %d pixels, and there are %d columns beside the target"):format(
      arrays.shape_text(shape), arrays.product(shape), count))
  end
end

-- The images of a folder, read once for all runs.
local function read_images(node, _, shared)
  local options = node.options
  local read = { test = options.test, classes = options.classes, positive = options.positive,
    height = options.resize and options.resize[1], width = options.resize and options.resize[2],
    grey = options.grey, mean = options.mean, std = options.std }
  return arrays.once(shared, "images:" .. key_of { options.path, read }, function()
    local data = within(node, nil, core.images, options.path, read, shared.pool)
    local info = core.dataset_info(data)
    info.files = core.dataset_files(data, options.path, options.test)
    return { dataset = data, info = info }
  end)
end

-- Inputs and labels that are files of arrays.
local function read_arrays(node, run, shared, model)
  local options = node.options
  local function part(fields, name)
    if not fields then return nil end
    local named, given = fields.inputs.word == "inputs", nil
    if named and not model then
      fail.at(fields.inputs, nil, "inputs by name are those of a model of several inputs, and there is none")
    elseif named then
      local tensor, file = inputs.rows(fields.inputs, model, shared)
      given = { tensor = tensor, sha256 = file.sha256, path = file.path }
    else
      given = arrays.read(fields.inputs, shared, node, name .. "inputs", "raw")
    end
    local labels = arrays.read(fields.labels, shared, node, name .. "labels", "raw")
    return { inputs = given.tensor, labels = labels.tensor,
             scale = not named and fields.inputs.options.scale or nil,
             sha256 = given.sha256 .. " " .. labels.sha256, path = given.path }
  end
  local train, test = part(options, ""), part(options.test, "test.")
  local read = { shape = options.shape, classes = options.classes, task = run.task }
  return arrays.once(shared, "arrays:" .. key_of { train.sha256, test and test.sha256 or "",
      train.scale or 1, test and test.scale or 1, read }, function()
    local data = within(node, nil, core.dataset_arrays, {
      train = train, test = test, shape = read.shape, classes = read.classes, task = read.task,
      name = train.path:match("[^/]+$"), path = train.path,
      identity = train.sha256 .. (test and " " .. test.sha256 or "") })
    local info = core.dataset_info(data)
    info.files = {} -- they are noted when they are read
    return { dataset = data, info = info }
  end)
end

local readers = { csv = read_csv, images = read_images, arrays = read_arrays }

function datasets.bind(node, run, shared, model)
  if not node then return nil end
  local file = readers[node.word](node, run, shared, model)
  return arrays.once(shared, "data:" .. key_of { node.word, plain(node.options), run.task or "" }, function()
    local view = within(node, "split", core.dataset_split, file.dataset, node.options.split or {})
    if node.word == "csv" then check_shape(node, view) end
    return { dataset = view, info = file.info, node = node, columns = node.word == "csv",
             by_name = node.word == "arrays" and node.options.inputs.word == "inputs",
             shape = file.info.shape or node.options.shape } -- of a row that is an array
  end)
end

-- The rows of the data that rows { ... } chooses, as ids.
function datasets.rows(data, node, run)
  local options = node.options
  local class = -1
  if options.class ~= nil then
    class = math.type(options.class) == "integer" and options.class
      or core.dataset_class(data.dataset, options.class)
    if not class or class < 0 or class >= #data.info.classes then
      fail.at(node, "class", ("there is no class %s"):format(fail.shown(options.class)),
        "classes: " .. table.concat(data.info.classes, ", "))
    end
  end
  return within(node, "split", core.dataset_rows, data.dataset, {
    split = options.split, take = options.take, sample = options.sample, class = class,
    seed = run.seed })
end

return datasets
