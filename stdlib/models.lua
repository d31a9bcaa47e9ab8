-- The model of a run: made from what the script says, and held against the data.
local arrays = require "arrays"
local core = require "core"
local fail = require "fail"
local inputs = require "inputs"
local own = require "own"
local saved = require "saved"

local models = {}

local within = fail.within

function models.info(model)
  local info = core.model_info(model)
  info.graph = core.json_parse(info.graph_json)
  return info
end

-- A model whose file does not say what it is: a classifier when it has several outputs or ends in a
-- probability, else a regression.
local function task_of(model)
  local info = models.info(model)
  local last = info.graph.nodes[#info.graph.nodes]
  local layer = last and last.layer
  if info.outputs > 1 or layer == "softmax" or layer == "sigmoid" then return "classification" end
  return "regression"
end

-- A model file with those that its external data are in; all of them decide what the model is.
local function with_external(file)
  if file.external == "" then return file end
  local folder, hashes = file.path:match("^(.*/)[^/]*$") or "", { file.sha256 }
  file.files = { { path = file.path, sha256 = file.sha256 } }
  for place in file.external:gmatch("[^\n]+") do
    local path = core.absolute(folder .. place)
    local _, sha256 = core.read_file(path)
    file.files[#file.files + 1] = { path = path, sha256 = sha256 }
    hashes[#hashes + 1] = sha256
  end
  file.sha256 = core.sha256(table.concat(hashes, " "))
  return file
end

-- Where a run has its inputs by name: the table of them, else nil.
local function by_name(run)
  if run.inputs and run.inputs.word == "inputs" then return run.inputs end
  local given = run.data and run.data.options.inputs
  return given and given.word == "inputs" and given or nil
end

-- The shape of the rows that the model is to take, or the shapes by input, which axes that its file leaves
-- open get their sizes from.
local function row_shape(run, data, shared)
  local given = by_name(run)
  if given then return nil, inputs.shapes(given, shared) end
  if run.inputs and run.inputs.category == "array" then
    return { table.unpack(arrays.read(run.inputs, shared).info.shape, 2) }
  end
  return data and data.shape
end

local function from_onnx(run, data, shared)
  local node, shape, shapes = run.model, nil, nil
  local function read(task, call)
    return call(core.model_onnx, node.options.path, { head = node.options.head, task = task, shape = shape, shapes = shapes })
  end
  local function checked(...) return within(node, "path", ...) end
  local OPEN = "has no fixed size"
  local task = run.task or "regression"
  local ok, model, file = read(task, pcall)
  if not ok then
    if fail.interrupted(model) then error(model, 0) end
    if fail.text(model):find(OPEN, 1, true) then
      shape, shapes = row_shape(run, data, shared)
      ok, model, file = read(task, pcall)
    end
    if not ok and fail.text(model):find(OPEN, 1, true) then
      model.hint = "its size is that of the input's rows, which a script gives by name: inputs = { x = npy ..., ... }"
    end
    if not ok then within(node, "path", error, model, 0) end
  end
  if not run.task and task_of(model) ~= task then model, file = read(task_of(model), checked) end
  return model, with_external(file)
end

local function from_network(run, data, train_rows)
  local options = run.model.options
  local made = {
    layers = options.layers, seed = run.seed, task = run.task or "classification",
  }
  if data then
    if not data.info.classification then made.task = "regression" end
    if data.columns then made.data, made.rows, made.encode = data.dataset, train_rows, options.encode end
    made.input = data.shape
  else
    made.input = options.input
  end
  local model = within(run.model, nil, core.model_network, made)
  local weights = options.weights
  return model, weights and within(weights, nil, core.model_load_weights, model, weights.options.path)
end

-- The model, its file ({ path =, sha256 = }) where it has one.
local function make(run, data, train_rows, context)
  local word = run.model.word
  if word == "saved" then return saved.model(run, data, context.shared) end
  if word == "onnx" then
    if context.read then return table.unpack(context.read) end
    return from_onnx(run, data, context.shared)
  end
  if data and data.columns and not train_rows then
    fail.at(data.node, "split.train", "the training split is empty, and a network's encoding is fitted on it")
  end
  if word == "blackbox" then return own.model(run.model, run, data, train_rows, context.source_hash) end
  return from_network(run, data, train_rows)
end

-- How messages speak of a model's outputs: the field that says how many there are, what ends in them,
-- and what would make them `count`.
local ends = {
  network = { field = "layers", says = "the network ends in",
    mend = function(count) return ("end the network in dense { %d }"):format(count) end },
  blackbox = { field = "outputs", says = "the blackbox answers in",
    mend = function(count) return ("outputs = %d"):format(count) end },
  onnx = { field = "path", says = "the model ends in", mend = function() end },
  saved = { field = "run", says = "the saved model ends in", mend = function() end },
}

local function check_outputs(node, info, data)
  local how = ends[node.word]
  if info.task == "regression" then
    if info.outputs ~= 1 then
      fail.at(node, how.field, ("%s %d outputs, a regression needs one"):format(how.says, info.outputs),
        how.mend(1))
    end
    return
  end
  local classes = data.info.classes
  if #classes < 2 then
    fail.at(data.node, data.columns and "target", ("%s holds one class only: %s"):format(
      data.columns and ("column '%s'"):format(data.info.target) or data.info.name, classes[1]), "two classes or more are needed")
  elseif #classes ~= info.classes then
    local hint = how.mend(#classes)
    if #classes == 2 and hint then
      hint = hint .. (node.word == "network" and " or dense { 1 }" or ", or 1")
    end
    fail.at(node, how.field, ("%s %d outputs, which stand for %d classes, but '%s' has %d: %s"):format(
      how.says, info.outputs, info.classes, data.info.target, #classes, table.concat(classes, ", ")),
      hint)
  end
end

-- Of data whose inputs are given by name: what the model says of its inputs, whose order its rows have; and
-- what models.bind need not read again. nil for other data.
function models.inputs(run, shared)
  local given = run.data and by_name(run)
  if not given then return nil end
  local word = run.model and run.model.word
  if word == "saved" then return core.model_info(saved.found(run, shared).model) end
  if word ~= "onnx" then
    fail.at(given, nil, "inputs by name are those of a model of several inputs, and this model has one",
      'inputs = npy "x.npy"')
  end
  local read = { from_onnx(run, nil, shared) }
  return core.model_info(read[1]), read
end

-- context: { shared =, source_hash =, read = }. The model, what it says of itself, and its file.
function models.bind(run, data, train_rows, context)
  local node = run.model
  if not node then return nil end
  local model, file = make(run, data, train_rows, context)
  local info = models.info(model)
  if data and data.shape then info.columns = nil end -- pixels: an array
  if data then check_outputs(node, info, data) end
  return model, info, file
end

return models
