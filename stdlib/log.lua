-- What a run leaves in the store. Each function is one finished piece: it opens a transaction,
-- writes and commits; nothing is reported before its commit. Pieces of explanations and what follows
-- them are submitted: a thread of the store writes them in this order, while the run goes on. Names of tables and columns are those
-- of docs/store.md.
local core = require "core"
local arrays = require "arrays"
local callback = require "callback"
local models = require "models"

local log = {}

local function transaction(store, write)
  core.store_begin(store)
  local ok, result = pcall(write)
  if not ok then
    core.store_rollback(store)
    error(result, 0)
  end
  core.store_commit(store)
  return result
end
log.transaction = transaction

-- ------------------------------------------------------------------------ resolved configuration

-- A value as rows (key, type, num, text) with dotted keys: train.epochs, explain.saliency.absolute.
local function flatten(rows, key, value)
  local kind = type(value)
  if kind == "table" and value.word then
    rows[#rows + 1] = { key = key, type = "word", text = value.own or value.word }
    local names = {}
    for name in pairs(value.options or {}) do names[#names + 1] = tostring(name) end
    table.sort(names)
    for _, name in ipairs(names) do
      local inside = name == "layers" and key or key .. "." .. name -- model[1].units, as --set has it
      flatten(rows, inside, value.options[name])
    end
  elseif kind == "table" and #value > 0 and type(value[1]) ~= "table" then
    rows[#rows + 1] = { key = key, type = "list", text = core.json(value) }
  elseif kind == "table" then
    local names = {}
    for name in pairs(value) do names[#names + 1] = name end
    table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
    for _, name in ipairs(names) do
      local child = value[name]
      local label = type(child) == "table" and child.label
      flatten(rows, label and key .. "." .. label or type(name) == "number"
        and ("%s[%d]"):format(key, name) or key .. "." .. name, child)
    end
  elseif kind == "number" then
    rows[#rows + 1] = { key = key, type = math.type(value) == "integer" and "integer" or "real",
                        num = value, text = core.json(value) }
  elseif kind == "boolean" then
    rows[#rows + 1] = { key = key, type = "boolean", num = value and 1 or 0, text = tostring(value) }
  elseif kind == "string" then
    rows[#rows + 1] = { key = key, type = "text", text = arrays.original(value) }
  elseif kind == "function" then
    rows[#rows + 1] = { key = key, type = "function", text = callback.text(value) }
  end
end

local described = { "seed", "numerics", "link", "task", "data", "model", "train", "inputs", "labels", "scores",
                    "target", "evaluate", "explain", "judge", "pictures" }

function log.params_of(run)
  local rows = {}
  for _, field in ipairs(described) do
    if run[field] ~= nil then flatten(rows, field, run[field]) end
  end
  return rows
end

-- A word's resolved options as the store's params: nested words become {"word":..,..their options}.
function log.plain(value)
  if type(value) == "function" then return callback.text(value) end
  if type(value) ~= "table" then return value end
  if value.word then
    local out = { word = value.own or value.word }
    for name, option in pairs(value.options or {}) do out[name] = log.plain(option) end
    return out
  end
  local out = {}
  for k, v in pairs(value) do out[k] = log.plain(v) end
  return out
end

local function params_json(node)
  local out = log.plain(node.options)
  out.as = nil
  return core.json(next(out) == nil and core.object or out)
end
log.params_json = params_json

-- -------------------------------------------------------------------------------------- the start

-- What it takes to run this again: how it was asked for, and the files that it read.
local function start_again(store, id, run, bound, context)
  local settings = { confine = false, experiment = run.place.experiment, run = run.place.run }
  for name, value in pairs(context.settings) do settings[name] = value end
  core.store_insert(store, "run_settings", { run = id, settings = core.json(settings) })
  for i, file in ipairs(bound.files) do
    core.store_insert(store, "run_file", { run = id, seq = i - 1, role = file.role,
      path = arrays.original(file.path), sha256 = file.sha256 })
  end
end

-- The run's own row and all that describes it. Returns its id.
function log.start(store, run, bound, context)
  return transaction(store, function()
    local environment = core.environment()
    environment.libraries = core.json(environment.libraries)
    environment.sha256 = core.sha256(core.json(environment))
    local environment_id = core.store_intern(store, "environment", "sha256", environment)
    local experiment = core.store_intern(store, "experiment", "name", { name = run.experiment })
    local uuid = core.uuid()
    local id = core.store_insert(store, "run", {
      uuid = uuid, invocation = context.invocation, experiment = experiment, status = "running",
      started_at = core.now(), seed = run.seed, numerics = run.numerics,
      threads = context.options.threads, argv = core.json(context.options.argv or {}),
      script_sha256 = context.sources[1].sha256, identity = bound.identity, environment = environment_id,
      parent_run = context.parent_run, reproduces_run = context.reproduces_run })
    core.store_run_begin(store, id)
    for _, source in ipairs(context.sources) do
      core.store_intern(store, "source", "sha256",
        { sha256 = source.sha256, path = source.path, text = source.text })
      core.store_insert(store, "run_source",
        { run = id, sha256 = source.sha256, role = source.role, path = source.path })
    end
    start_again(store, id, run, bound, context)
    for _, row in ipairs(log.params_of(run)) do
      row.run = id
      core.store_insert(store, "param", row)
    end
    return id
  end)
end

-- The newest finished run with this identity, or nil.
function log.find(store, identity)
  local rows = core.store_rows(store,
    "SELECT max(id) AS id FROM run WHERE identity = :identity AND status = 'ok'",
    { identity = identity })
  return rows[1] and rows[1].id
end

-- ------------------------------------------------------------------------------------------- data

-- Data set, features, samples and which part each sample has in the run. Returns the sample ids by
-- row (1-based list) and the data set's id.
local function dataset_row(store, bound)
  local data = bound.data
  if data then
    local info = data.info
    return core.store_intern(store, "dataset", "sha256", {
      sha256 = info.identity, name = info.name, path = arrays.original(info.path), rows = info.rows,
      meta = core.json { file_sha256 = info.sha256, target = info.target,
                         dropped = info.dropped > 0 and info.dropped or nil,
                         classes = info.classification and info.classes or nil } })
  end
  local file = bound.input_file or bound.score_file
  return core.store_intern(store, "dataset", "sha256", {
    sha256 = file.sha256, name = file.name or file.path:match("[^/]+$"), path = arrays.original(file.path),
    rows = file.info.shape[1], meta = core.json { shape = file.info.shape, dtype = file.info.dtype,
      inputs = file.inputs } })
end

function log.data(store, run_id, bound)
  transaction(store, function()
    local dataset, new = dataset_row(store, bound)
    local data, rows = bound.data and bound.data.dataset, bound.data and bound.data.info.rows or bound.count
    if new then
      if data then core.store_features(store, dataset, data) end
      local labels = data and core.dataset_labels(data, core.range(rows)) or bound.labels
      core.store_new_samples(store, dataset, rows, labels, data)
    end
    bound.samples = core.store_samples(store, dataset, rows)
    local input -- what the model reads of each explained row
    if bound.x then
      input = core.store_put_tensor(store, bound.shape
        and core.tensor_reshape(bound.x, { bound.count, table.unpack(bound.shape) }) or bound.x)
    end
    core.store_run_samples(store, run_id, { samples = bound.samples, data = data,
                                            row_ids = bound.row_ids, input = input })
    bound.features = core.store_rows(store, -- ids of the columns, for the encoding
      "SELECT id FROM feature WHERE dataset = :dataset ORDER BY idx", { dataset = dataset })
  end)
end

function log.model(store, run_id, bound)
  transaction(store, function()
    local info = models.info(bound.model) -- again: training changed it
    local weights
    if info.format == "network" then
      weights = core.store_put_tensor(store, core.model_weights(bound.model))
    end
    local id, new = core.store_intern(store, "model", "sha256", {
      sha256 = info.sha256, name = bound.run.model.word, format = info.format,
      graph = info.graph_json, parameters = info.graph.parameters, weights = weights,
      file = bound.model_file and arrays.original(bound.model_file.path) or nil,
      meta = core.json { task = info.task, head = bound.run.model.options.head } })
    if new then
      for i, input in ipairs(info.encoding or {}) do
        core.store_insert(store, "encoding", {
          model = id, idx = i - 1, feature = bound.features[input.column + 1].id,
          name = input.name, meta = input.meta })
      end
    end
    core.store_insert(store, "run_model", { run = run_id, model = id })
    bound.made = { model = id, sha256 = info.sha256, weights = weights }
  end)
end

-- rows: row ids; raw: (N, outputs), or nil; scores: (N, classes) f64; labels: of these rows, or nil.
function log.predictions(store, run_id, bound, rows, raw, scores, labels)
  transaction(store, function()
    local task = bound.info and bound.info.task or bound.run.task
    core.store_predictions(store, run_id, {
      samples = bound.samples, rows = rows, scores = scores, labels = labels,
      output = raw and core.store_put_tensor(store, raw), regression = task == "regression" })
  end)
end

-- ---------------------------------------------------------------------------------------- results

function log.metric(store, run_id, row)
  row.run = run_id
  return core.store_insert(store, "metric", row)
end

function log.event(store, run_id, level, message)
  transaction(store, function()
    core.store_insert(store, "event", { run = run_id, at = core.now(), level = level,
                                        message = message })
  end)
end

function log.metrics(store, run_id, rows)
  transaction(store, function()
    for _, row in ipairs(rows) do
      if row.matrix then
        row.tensor = core.store_put_tensor(store, row.matrix)
        row.matrix = nil
      end
      local series = row.series
      row.series = nil
      local id = log.metric(store, run_id, row)
      for _, line in ipairs(series or {}) do
        core.store_put_curve(store, id, line.name, line.points)
      end
    end
  end)
end

local function loss_curve(store, id, series, epochs, field)
  local points, count = {}, #epochs
  for i, epoch in ipairs(epochs) do points[i], points[count + i] = epoch.epoch, epoch[field] end
  core.store_put_curve(store, id, series, core.tensor("f64", { 2, count }, points))
end

-- How each layer was in each epoch.
local function layers(store, run_id, epochs)
  for _, epoch in ipairs(epochs) do
    for seq, one in ipairs(epoch.layers or {}) do
      core.store_insert(store, "training_layer", { run = run_id, epoch = epoch.epoch, seq = seq - 1,
        layer = one.layer, gradient = one.gradient, weight = one.weight, change = one.change,
        units = one.units, dead = one.dead, bins = one.bins and core.json(one.bins), finding = one.finding })
    end
  end
end

-- Loss by epoch: a metric with the last epoch's loss, whose curve has one point an epoch.
function log.training(store, run_id, epochs, rows)
  transaction(store, function()
    local last = epochs[#epochs]
    local id = log.metric(store, run_id, {
      name = "loss", label = "loss", scope = "model", split = "train", value = last and last.loss,
      n = rows, higher_is_better = 0, status = "ok", params = "{}" })
    loss_curve(store, id, "train", epochs, "loss")
    if last and last.validation_loss then
      loss_curve(store, id, "validation", epochs, "validation_loss")
    end
    layers(store, run_id, epochs)
  end)
end

function log.explanation(store, run_id, seq, entry)
  local node = entry.node
  local params = params_json(node)
  return transaction(store, function()
    if entry.groups and not entry.parts then
      local groups = entry.groups
      if entry.space == "group" and entry.shape then groups = core.tensor_reshape(groups, entry.shape) end
      entry.groups_tensor = core.store_put_tensor(store, groups)
    end
    return core.store_insert(store, "explanation", {
      run = run_id, seq = seq - 1, label = node.label, explainer = node.word,
      version = node.version, params = params, params_sha256 = core.sha256(params),
      status = "running" })
  end)
end

-- One finished piece: its attributions, and what the judges say of each, in one transaction.
-- verdicts: a judge each { name, label, params, higher_is_better, values, reasons }. cost: evaluations and
-- elapsed_ns of the explanation so far, for a run that resumes this one.
function log.piece(store, run_id, explanation, entry, first, items, result, verdicts, cost)
  core.store_submit_piece(store, {
    run = run_id, explanation = explanation, first_seq = first, samples = items.samples,
    targets = items.targets, kind = entry.node.flags.no_target and "activation"
      or entry.node.flags.attacks and "input" or entry.players and "interaction" or "feature",
    space = entry.space, layer = entry.layer and entry.layer.name or entry.neuron and entry.neuron.name,
    unit = entry.neuron and entry.neuron.unit, reasons = items.reasons, shape = entry.row_groups and entry.shape or nil,
    groups = entry.space == "group" and entry.groups_tensor or nil, verdicts = verdicts, parts = entry.parts,
    evaluations = cost.evaluations, elapsed_ns = cost.elapsed_ns }, result)
end

-- The end of an explanation: means of its judges, rows of metrics.
function log.explained(store, run_id, explanation, means, evaluations, elapsed_ns)
  for _, row in ipairs(means) do
    row.run = run_id
    core.store_submit_row(store, "metric", nil, row)
  end
  core.store_submit_row(store, "explanation", explanation,
    { status = "ok", evaluations = evaluations, elapsed_ns = elapsed_ns })
end

-- Explanations of a run that ends before its time: what they have is kept.
function log.close_explanations(store, run_id, status)
  transaction(store, function()
    for _, row in ipairs(core.store_rows(store,
      "SELECT id FROM explanation WHERE run = :run AND status = 'running'", { run = run_id })) do
      core.store_update(store, "explanation", row.id, { status = status, reason = "the run ended" })
    end
  end)
end

function log.expectations(store, context, experiment, rows)
  transaction(store, function()
    local id = core.store_intern(store, "experiment", "name", { name = experiment })
    for i, row in ipairs(rows) do
      core.store_insert(store, "expectation", { invocation = context.invocation, experiment = id,
        run = row.run, seq = i - 1, text = row.text, held = row.held and 1 or 0,
        detail = row.detail })
    end
  end)
end

-- How far the training of a run is. epochs: the reports so far. state: as core.train gives it.
function log.checkpoint(store, run_id, epochs, state)
  local described = { step = state.step, best_epoch = state.best_epoch, best_loss = state.best_loss,
                      epochs = epochs }
  transaction(store, function()
    core.store_drop_checkpoint(store, run_id)
    core.store_insert(store, "checkpoint", { run = run_id, epoch = state.epoch,
      state = core.json(described), numbers = state.numbers, sha256 = core.tensor_sha256(state.numbers) })
  end)
end

function log.finish(store, run_id, status, message)
  core.store_settle(store)
  transaction(store, function()
    if status == "ok" then core.store_drop_checkpoint(store, run_id) end
    core.store_update(store, "run", run_id, { status = status, finished_at = core.now(),
                                              error = message })
  end)
end

return log
