-- From a checked run (words and numbers) to what it is about (data sets, tensors, models).
--
-- Everything that only a file's content can tell is checked here, for all runs, before the first one
-- starts: missing columns, absent classes, shapes that do not fit, targets out of range, methods that
-- are not defined for a model. Nothing is written to the store meanwhile.
--
-- bind.run(run, shared) returns the bound run:
--   data      data set, or nil                   train_rows, test_rows ...  row ids (tensors)
--   model     the model, not yet trained         info       what core.model_info says of it
--   x         inputs (N, width) f32, encoded      row_ids    their rows in the data set
--   shape     shape of one row as the user gave it (arrays), or nil for tables
--   labels    labels of the inputs, or nil       explain    one bound explanation a node
local arrays = require "arrays"
local core = require "core"
local datasets = require "datasets"
local fail = require "fail"
local inputs = require "inputs"
local measure = require "measure"
local models = require "models"
local own = require "own"
local randomisation = require "randomisation"
local references = require "references"

local check_pictures = require "plot/checks"

local bind = {}

-- Calls a function of the engine; an error it raises is placed at `field` of `node`.
local within = fail.within

-- Of the script and its modules: what stands for a function in the identity of a model.
local source_hash = ""

-- ------------------------------------------------------------------------------- inputs and labels

local function bind_inputs(run, bound, shared)
  local node = run.inputs
  local info = bound.info
  if node and node.word == "inputs" and info then
    bound.x, bound.input_file = inputs.rows(node, info, shared)
    bound.row_ids = core.range(core.tensor_info(bound.x).shape[1])
    bound.shape = #info.inputs == 1 and info.inputs[1].shape or nil
  elseif node and node.category == "array" then
    if info then inputs.check_single(info, node, nil) end
    local array = arrays.read(node, shared)
    bound.x = arrays.rows(array, node, "path", bound.info and bound.info.width)
    bound.row_ids = core.range(array.info.shape[1])
    bound.shape = { table.unpack(array.info.shape, 2) }
    bound.input_file = array
  elseif bound.data then
    bound.shape = not bound.data.by_name and bound.data.shape or nil
    bound.row_ids = node and datasets.rows(bound.data, node, run) or bound.test_rows
    if bound.model then
      bound.x = within(bound.data.node, nil, core.model_encode, bound.model, bound.data.dataset,
        bound.row_ids)
    end
  end
  if bound.row_ids then
    bound.count = core.tensor_info(bound.row_ids).shape[1]
    if bound.count == 0 then
      fail.at(node or run, node and "path" or "inputs", "there are no rows to explain")
    end
  end
end

local function check_labels(tensor, classes, node, path)
  local row, id = core.label_outside(tensor, classes)
  if row then
    fail.at(node, "path", ("row %d has label %d, but there are %d classes (0 to %d): %s"):format(
      row, id, classes, classes - 1, path))
  end
end

-- classes: their number, or nil for a regression.
local function label_tensor(run, bound, shared, classes)
  if run.labels then
    local array = arrays.read(run.labels, shared)
    local tensor = within(run.labels, "path", core.tensor_convert, array.tensor,
      (run.task == "regression" or (bound.info and bound.info.task == "regression")) and "f64" or "i32")
    local n = arrays.product(array.info.shape)
    if bound.count and n ~= bound.count then
      fail.at(run.labels, "path", ("expected one label a row, %d, found shape %s in %s"):format(
        bound.count, arrays.shape_text(array.info.shape), array.path))
    end
    if classes then check_labels(tensor, classes, run.labels, array.path) end
    return core.tensor_reshape(tensor, { n })
  elseif bound.data then
    return core.dataset_labels(bound.data.dataset, bound.row_ids)
  end
end

-- Which classes or outputs each row is explained for, once predictions are known:
-- function(raw outputs (N, outputs)) -> tensor of N x bound.per_row targets, those of a row side by side.
local function bind_target(run, bound)
  local target, info, count = run.target, bound.info, bound.count
  local classes = info.task == "classification" and info.classes or info.outputs
  local names = bound.data and bound.data.info.classes
  local function class_id(value, field)
    if type(value) == "string" then
      for i, name in ipairs(names or {}) do
        if name == value then return i - 1 end
      end
      fail.at(run, field, ("there is no class '%s'"):format(value),
        names and "classes: " .. table.concat(names, ", ")
          or "this model's classes have no names: use a number from 0")
    end
    if value < 0 or value >= classes then
      fail.at(run, field, ("expected %s from 0 to %d, found %d"):format(
        info.task == "classification" and "a class" or "an output", classes - 1, value))
    end
    return value
  end
  bound.per_row = 1
  if target.kind == "all" then
    bound.per_row = classes
    local ids = {}
    for i = 1, classes do ids[i] = i - 1 end
    local every = core.tensor("i64", { classes }, ids)
    return function() return core.tensor_spread(every, 1, count) end
  elseif target.kind == "top" then
    bound.per_row = target.value
    if target.value > classes then
      fail.at(run, "target", ("expected at most %d, found %d: the model has %d %s"):format(classes,
        target.value, classes, info.task == "classification" and "classes" or "outputs"))
    end
    return function(raw) return core.top_targets(bound.model, raw, target.value) end
  elseif target.kind == "predicted" then
    return function(raw) return core.predicted(bound.model, raw) end
  elseif target.kind == "label" then
    if not bound.labels then
      fail.at(run, "target", "'label' needs labels: give data or labels = npy \"y.npy\"")
    end
    if info.task ~= "classification" then
      fail.at(run, "target", "'label' needs classes, and this model is a regression",
        "leave target out: there is one output")
    end
    return function() return core.tensor_convert(bound.labels, "i64") end
  elseif target.kind == "list" then
    if #target.value ~= count then
      fail.at(run, "target", ("expected one entry a row, %d, found %d"):format(count, #target.value))
    end
    local ids = {}
    for i, value in ipairs(target.value) do ids[i] = class_id(value, ("target[%d]"):format(i)) end
    return function() return core.tensor("i64", { count }, ids) end
  end
  local id = class_id(target.value, "target")
  return function() return core.fill("i64", { count }, id) end
end

-- ------------------------------------------------------------------------------------------- whole

-- Training options that need the data or the model: the default loss, weights by class name.
local function bind_train(run, bound)
  local train, info = run.train, bound.info
  if train.default_losses then
    train.loss = train.default_losses[info.task == "regression" and "regression"
      or info.outputs == 1 and "one_output" or "classification"]
    train.default_losses = nil
  end
  local weights = train.class_weights
  if type(weights) == "table" and #weights == 0 then
    local list = {}
    for i, class in ipairs(bound.data.info.classes) do
      list[i] = weights[class]
      if not list[i] then
        fail.at(run, "train.class_weights", ("class '%s' has no weight"):format(class))
      end
    end
    for class in pairs(weights) do
      if core.dataset_class(bound.data.dataset, class) < 0 then
        fail.at(run, "train.class_weights", ("there is no class '%s'"):format(class),
          "classes: " .. table.concat(bound.data.info.classes, ", "))
      end
    end
    train.class_weights = list
  end
end

local function bind_scores(run, bound, shared)
  local array = arrays.read(run.scores, shared)
  local shape = array.info.shape
  if #shape ~= 1 and #shape ~= 2 or shape[1] == 0 then
    fail.at(run.scores, "path", ("expected (N,) or (N, classes), found shape %s in %s"):format(
      arrays.shape_text(shape), array.path))
  end
  local scores = within(run.scores, "path", core.tensor_convert, array.tensor, "f64")
  bound.count = shape[1]
  local columns = arrays.product(shape, 2)
  bound.labels = label_tensor(run, bound, shared,
    run.task ~= "regression" and math.max(columns, 2) or nil)
  if run.task ~= "regression" then scores = within(run.scores, "path", core.as_probabilities, scores) end
  bound.scores = scores
  measure.check(run, bound, run.task == "regression" and 0 or math.max(columns, 2))
  bound.row_ids = core.range(shape[1])
  bound.score_file = array
end

-- What decides a run's results: its sources, its parameters, what its files hold, and the program.
-- Files and saved models stand in it by their hash, not by where they are.
local function identity_of(run, sources)
  local hashes, params = {}, {}
  for i, source in ipairs(sources) do hashes[i] = source.sha256 end
  for _, row in ipairs(require("log").params_of(run)) do
    local aside = row.key:find("%.path$") or row.key == "data.test"
      or row.key == "model.run" or row.key == "model.uuid"
    if not aside then params[#params + 1] = { row.key, row.text or row.num } end
  end
  local files, functions = arrays.hashes(), own.identities(run)
  return core.sha256(core.json { version = core.version, sources = hashes, params = params,
                                 files = #files > 0 and files or false,
                                 functions = #functions > 0 and functions or nil })
end

-- sources: script and modules ({ sha256 = } each). The whole of a run, ready to be executed.
function bind.run(run, shared, sources)
  arrays.start()
  local hashes = {}
  for i, source in ipairs(sources) do hashes[i] = source.sha256 end
  source_hash = table.concat(hashes, " ")
  local bound = bind.content(run, shared)
  bound.identity = identity_of(run, sources)
  bound.files = arrays.files()
  return bound
end

function bind.content(run, shared)
  local bound = { run = run }
  if run.scores then
    bind_scores(run, bound, shared)
    return bound
  end
  local known, read = models.inputs(run, shared)
  local data = datasets.bind(run.data, run, shared, known)
  bound.data = data
  if data then arrays.note(data.info, "data") end
  if data then
    for _, name in ipairs { "train", "test", "validation" } do
      bound[name .. "_rows"] = core.dataset_rows(data.dataset, { split = name, optional = true })
    end
  end
  if not run.model then
    if data and (#run.evaluate > 0 or #run.explain > 0) then
      fail.at(run, "model", "evaluate and explain need a model")
    end
    if not data then
      fail.at(run, nil, "there is nothing to do: give a model, or data, or scores with labels")
    end
    bind_inputs(run, bound, shared) -- the data set and its splits are stored
    if not bound.row_ids then
      fail.at(run, "inputs", "the test split is empty", 'choose others: inputs = rows { split = "train" }')
    end
    return bound
  end
  bound.model, bound.info, bound.model_file = models.bind(run, data, bound.train_rows,
    { shared = shared, source_hash = source_hash, read = read })
  bound.explained = inputs.explained(bound.info)
  if data and not data.by_name then inputs.check_single(bound.info, data.node, "inputs") end
  if bound.model_file then arrays.note(bound.model_file, "model") end
  if data and bound.train_rows then
    bound.train_x = within(data.node, nil, core.model_encode, bound.model, data.dataset,
      bound.train_rows)
  end
  bind_inputs(run, bound, shared)
  if not bound.x then
    fail.at(run, "inputs", "there is nothing to run the model on: give data or inputs = npy \"x.npy\"")
  end
  bound.labels = label_tensor(run, bound, shared,
    bound.info.task == "classification" and bound.info.classes or nil)
  if run.target.kind ~= "predicted" or #run.explain > 0 then
    bound.target = bind_target(run, bound)
  end
  references.explain(run, bound, shared)
  if #run.explain > 0 then -- is every method defined for this model?
    local probe = core.fill("i64", { bound.count * bound.per_row }, 0)
    for _, entry in ipairs(bound.explain) do
      if entry.node.own then
        within(entry.node, "link", own.check, bound, entry)
      elseif not entry.values then
        local _ <close> = references.job(run, bound, entry, probe, nil)
      end
    end
  end
  references.judges(run, bound, shared)
  for _, node in ipairs(run.judge) do
    if node.flags.explains_again then randomisation.model(node, bound.model, run.seed) end
  end
  if #run.evaluate > 0 then
    if not data and not bound.labels then
      fail.at(run, "evaluate", "metrics need labels: give data or labels = npy \"y.npy\"")
    end
    if data and not bound.test_rows then
      fail.at(run, "evaluate", "metrics read the test split, and it is empty",
        "give split = { train = 0.75, test = 0.25 }")
    end
    if data then -- raises here what would stop the run later: a missing value, a number too large
      within(data.node, nil, core.model_encode, bound.model, data.dataset, bound.test_rows)
    end
  end
  check_pictures(run, bound)
  measure.check(run, bound, bound.info.classes)
  if run.train then
    if not data or not bound.train_rows then
      fail.at(run, "train", "training needs data with a training split")
    end
    bind_train(run, bound)
  end
  -- Encoded rows are made again when their run comes: a hundred runs are bound before the first starts.
  if data then bound.train_x, bound.x = nil, nil end
  return bound
end

return bind
