-- The model of a stored run, made again from what the store has of it: a network from its graph, its
-- weights and its encoding, bit by bit (its hash is compared); an ONNX model from its file, if that is
-- still what it was. A black box is a function of its script, which no store keeps.
local arrays = require "arrays"
local core = require "core"
local fail = require "fail"

local saved = {}

local RUN = [[
SELECT r.id, r.uuid, m.id AS model, m.sha256, m.format, m.graph, m.weights, m.file, m.meta
FROM run r LEFT JOIN run_model rm ON rm.run = r.id LEFT JOIN model m ON m.id = rm.model
WHERE r.id = :run]]

local ENCODING = [[
SELECT f.idx AS place, f.name, f.kind, e.meta FROM encoding e JOIN feature f ON f.id = e.feature
WHERE e.model = :model ORDER BY e.idx]]

-- Of the data set that the run read, where that was a table of classes.
local CLASSES = [[
SELECT d.meta FROM run_sample rs JOIN sample s ON s.id = rs.sample JOIN dataset d ON d.id = s.dataset
WHERE rs.run = :run LIMIT 1]]

local function parsed(text)
  local value = text and core.json_parse(text)
  return type(value) == "table" and value or {}
end

-- JSON's null is nothing here.
local function given(value)
  if value == core.null then return nil end
  return value
end

-- The rows of `encoding` as columns, each with its encoded inputs.
local function columns_of(rows)
  local columns, numeric = {}, nil
  local place
  for _, row in ipairs(rows) do
    local meta, column = parsed(row.meta), columns[#columns]
    if row.place ~= place then
      column = { name = row.name, numeric = row.kind == "numeric", count = 0, categories = {},
                 required = meta.required }
      columns[#columns + 1], place = column, row.place
    end
    column.count = column.count + 1
    if meta.kind == "missing" then
      column.missing_input = column.count - 1
    elseif meta.kind == "onehot" then
      table.insert(column.categories, meta.category)
    elseif meta.kind == "ordinal" then
      column.ordinal = true
      for i, category in ipairs(meta.categories) do
        if category == core.null then column.missing_place = i - 1 else column.categories[i] = category end
      end
    else
      numeric = meta.kind
      column.center, column.scale, column.fill = meta.center, meta.scale, given(meta.fill)
      column.required = column.fill == nil
    end
  end
  return columns, numeric
end

local function network(store, row, meta)
  local graph = parsed(row.graph)
  for _, node in ipairs(graph.nodes) do
    for name, value in pairs(node.attributes) do node.attributes[name] = given(value) end
  end
  local rows = core.store_rows(store, ENCODING, { model = row.model })
  local columns, numeric = columns_of(rows)
  return core.model_restore {
    input = table.move(graph.inputs[1].shape, 2, #graph.inputs[1].shape, 1, {}),
    nodes = graph.nodes, output = graph.outputs[1], weights = core.store_get_tensor(store, row.weights),
    task = meta.task, encoding = #columns > 0 and columns or nil, numeric = numeric }
end

-- The model of the store's row; `what` names it in messages.
local function restored(node, store, row, what)
  if not row.weights then
    fail.at(node, "run", ("the store has no weights of %s"):format(what), "run its script again")
  end
  local ok, model = pcall(network, store, row, parsed(row.meta))
  if not ok and fail.interrupted(model) then error(model, 0) end
  if not ok or core.model_info(model).sha256 ~= row.sha256 then
    fail.at(node, "run", ("what the store has of %s does not make that model again%s"):format(what,
      not ok and ": " .. fail.text(model) or ""), "lunette verify checks the whole store", 1)
  end
  return model
end

local function from_file(node, row, what)
  local meta = parsed(row.meta)
  if not core.file_exists(row.file) then
    fail.at(node, "run", ("%s is an ONNX file, which the store does not hold, and %s is gone"):format(
      what, row.file), nil, 4)
  end
  local shapes = {}
  for _, input in ipairs(parsed(row.graph).inputs) do
    shapes[input.name] = { table.unpack(input.shape, 2) }
  end
  local model, file = fail.within(node, "run", core.model_onnx, row.file,
    { head = given(meta.head), task = meta.task, shapes = shapes })
  if core.model_info(model).sha256 ~= row.sha256 then
    fail.at(node, "run", ("%s is an ONNX file, and %s is no longer what it was"):format(what, row.file),
      nil, 4)
  end
  return model, file
end

-- pinned: the run it was when the run that is now run again found it; or nil.
local function read(node, db, pinned)
  local options = node.options
  if not core.file_exists(db) then
    fail.at(node, "run", ("there is no run '%s': there is no store %s"):format(options.run, db),
      "--db PATH names another store")
  end
  local store = core.store(db, "read")
  local id = fail.within(node, "run", core.store_find_run, store, pinned or options.run)
  local row = core.store_rows(store, RUN, { run = id })[1]
  local what = ("the model of run %d"):format(id)
  if not row.model then fail.at(node, "run", ("run %d has no model"):format(id)) end
  local found = { uuid = row.uuid, sha256 = row.sha256, format = row.format, what = what,
                  meta = row.meta and parsed(row.meta) }
  local data = core.store_rows(store, CLASSES, { run = id })[1]
  found.classes = data and parsed(data.meta).classes
  if not found.meta then
    fail.at(node, "run", ("%s was stored by an earlier version, which left out what it takes to make it "
      .. "again"):format(what), "run its script again")
  elseif row.format == "network" then
    found.model = restored(node, store, row, what)
  elseif row.format == "onnx" then
    found.model, found.file = from_file(node, row, what)
  else
    fail.at(node, "run", ("%s is a %s: a function of its script, which the store does not keep"):format(
      what, row.format))
  end
  core.store_close(store)
  return found
end

-- The data's columns are the model's, in the same order: attributions are numbered by them.
local function check_columns(data, expected, what)
  local have, want = {}, {}
  for _, name in ipairs(data.info.columns) do have[name] = true end
  for _, name in ipairs(expected) do
    want[name] = true
    if not have[name] then
      fail.at(data.node, nil, ("%s reads the column '%s', and %s has none"):format(what, name,
        data.info.name), fail.nearest(name, data.info.columns, "its columns"))
    end
  end
  for i, name in ipairs(data.info.columns) do
    if not want[name] then
      fail.at(data.node, nil, ("%s knows no column '%s', which %s has"):format(what, name,
        data.info.name), ('leave it out: ignore = { "%s" }'):format(name))
    elseif name ~= expected[i] then
      fail.at(data.node, nil, ("%s reads its columns in another order than %s has them"):format(what,
        data.info.name), "its order: " .. table.concat(expected, ", "))
    end
  end
end

-- What the data must be like for the model to mean what it meant.
local function check_data(node, run, data, found)
  local info = core.model_info(found.model)
  if data and data.columns and not info.encoding then
    fail.at(node, "run", ("%s reads arrays, and data = csv is a table"):format(found.what),
      'give inputs = npy "x.npy" in place of data')
  elseif info.encoding and not (data and data.columns) then
    fail.at(node, "run", ("%s reads the columns of a table: %s"):format(found.what,
      table.concat(info.columns, ", ")), "give data = csv with these columns")
  end
  if info.encoding then check_columns(data, info.columns, found.what) end
  local task = data and (data.info.classification and "classification" or "regression") or run.task
  if task and task ~= info.task then
    fail.at(node, "run", ("%s was made for %s, and this is %s"):format(found.what, info.task, task))
  end
  local classes = data and data.info.classification and found.classes
  if classes and table.concat(classes, "\0") ~= table.concat(data.info.classes, "\0") then
    fail.at(data.node, data.columns and "target" or "classes", ("%s tells %s apart (classes 0, 1, ...), and '%s' has %s"):format(
      found.what, table.concat(classes, ", "), data.info.target, table.concat(data.info.classes, ", ")),
      ('classes = { "%s" }'):format(table.concat(classes, '", "')))
  end
end

-- What the store has of the model that saved { run = ... } names. Read once, for all runs of a script.
function saved.found(run, shared)
  local node = run.model
  return arrays.once(shared, "saved:" .. node.options.run, function()
    return read(node, shared.db, shared.pinned and shared.pinned[node.options.run])
  end)
end

-- The model of saved { run = ... }, and its file where it has one.
function saved.model(run, data, shared)
  local node, found = run.model, saved.found(run, shared)
  node.options.uuid, node.options.head = found.uuid, given(found.meta.head) -- for the store
  arrays.note(found) -- the model's hash stands for it in the run's identity
  check_data(node, run, data, found)
  return found.model, found.file
end

-- The model of a stored run, for commands: what `read` finds, by the run as the user writes it.
function saved.stored(run, db)
  return read({ options = { run = run } }, db)
end

return saved
