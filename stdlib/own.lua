-- Parts of the script's own at work: functions are called with plain lists, and what they return is
-- checked. A result that is no number makes a value undefined, with the reason; it never ends a run.
-- Shapes are those of docs/own.md.
local callback = require "callback"
local core = require "core"
local fail = require "fail"

local own = {}

local function shown(value) return fail.shown(value) end

-- value, or nil and why there is none.
local function checked(value, reason, field)
  if value == nil then
    return nil, type(reason) == "string" and reason ~= "" and reason or field .. " returned nothing"
  end
  if type(value) ~= "number" then
    return nil, ("%s returned %s, expected a number"):format(field, shown(value))
  end
  if value ~= value or value == math.huge or value == -math.huge then
    return nil, ("%s returned %s"):format(field, shown(value))
  end
  return value + 0.0
end

-- Hashes of all functions of a run, in order: part of its identity.
function own.identities(run)
  local found = {}
  local function look(node)
    local names = {}
    for name, value in pairs(node.options) do
      if type(value) == "function" then names[#names + 1] = name end
    end
    table.sort(names)
    for _, name in ipairs(names) do found[#found + 1] = callback.identity(node.options[name]) end
  end
  if run.model then look(run.model) end
  for _, field in ipairs { "evaluate", "explain", "judge" } do
    for _, node in ipairs(run[field]) do look(node) end
  end
  return found
end

-- ---------------------------------------------------------------------------------------- metrics

-- What core.metric returns, for a metric of the script's own.
function own.metric(node, input)
  local found, why = callback.call(node, "compute", input.seed, 0, node.options.compute,
    core.lists(input.labels), core.lists(input.scores), input.weights and core.lists(input.weights))
  local value, reason = checked(found, why, "compute")
  return { value = value, n = core.tensor_info(input.labels).shape[1],
           status = value and "ok" or "undefined", reason = reason }
end

-- ------------------------------------------------------------------------------- asking the model

-- A function for scripts; what is wrong with its arguments is told at its caller's line.
local function asking(name, ask, call, ...)
  local more = table.pack(...)
  return core.calling(function(line, chunk, rows, targets)
    local result, problem = call(ask, rows, targets, table.unpack(more, 1, more.n))
    if result then return result end
    local script = chunk:sub(1, 1) == "@" and chunk:sub(2) or nil
    fail.raise { script = script, line = line > 0 and line or nil,
                 message = ("%s: %s"):format(name, problem) }
  end)
end

local function copied(list) return list and table.move(list, 1, #list, 1, {}) end

-- What is the same for every row of one explanation: kept in its entry.
local function about_of(bound, entry)
  if entry.about then return entry.about end
  local info, about = bound.info, {}
  about.ask = core.asker(bound.model, entry.link, false)
  about.predict = asking("predict", about.ask, core.ask_outputs)
  about.explained = asking("explained", about.ask, core.ask_explained, false)
  if not info.no_gradients then
    about.ask_gradient = core.asker(bound.model, entry.link, true)
    about.gradient = asking("gradient", about.ask_gradient, core.ask_explained, true)
  end
  if info.encoding then
    about.inputs = {}
    for i, input in ipairs(info.encoding) do about.inputs[i] = input.name end
    about.column_of = core.lists(info.column_of)
    for i, column in ipairs(about.column_of) do about.column_of[i] = column + 1 end
  end
  local unit_of = entry.groups or entry.sum_over
  about.unit_of = core.lists(unit_of or core.range(info.width))
  for i, unit in ipairs(about.unit_of) do about.unit_of[i] = unit + 1 end
  entry.about = about
  return about
end

-- ------------------------------------------------------------------------------------- black boxes

-- The row of outputs as a list, or nil and what is wrong with it.
local function output_row(row, outputs)
  if type(row) == "number" and outputs == 1 then row = { row } end
  if type(row) ~= "table" or rawlen(row) ~= outputs then
    return nil, ("expected %s, found %s"):format(outputs == 1 and "a number" or
      ("a list of %d numbers"):format(outputs), type(row) == "table"
      and ("a list of %d"):format(rawlen(row)) or shown(row))
  end
  for i = 1, outputs do
    local value = rawget(row, i)
    if type(value) ~= "number" or value ~= value then
      return nil, ("expected numbers, found %s"):format(shown(value))
    end
  end
  return row
end

-- What a black box's model calls: the script's function, and the check of what it returns.
function own.blackbox(node)
  local predict, outputs = node.options.predict, node.options.outputs
  local function wrong(message)
    local script, line = callback.place(predict)
    fail.raise { status = 1, kind = "callback", script = script or node.script,
                 line = script and line or node.line, field = fail.join(node.path, "predict"),
                 message = message }
  end
  return function(rows)
    local count = #rows
    local found = callback.call(node, "predict", nil, nil, predict, rows)
    if type(found) ~= "table" then
      wrong(("predict returned %s, expected a list of %d rows"):format(shown(found), count))
    end
    if rawlen(found) ~= count then
      wrong(("predict returned %d rows for a batch of %d"):format(rawlen(found), count))
    end
    local result = {}
    for i = 1, count do
      local row, problem = output_row(rawget(found, i), outputs)
      if not row then wrong(("row %d that predict returned: %s"):format(i, problem)) end
      result[i] = row
    end
    return result
  end
end

-- Numbers a row, where the data are arrays.
local function arrays_width(data)
  if not data or data.columns then return nil end
  local width = 1
  for _, axis in ipairs(data.info.shape) do width = width * axis end
  return width
end

-- The model of blackbox { ... }. Without data or a task, several outputs or probabilities make it a
-- classifier.
function own.model(node, run, data, train_rows, source_hash)
  local options = node.options
  local probabilities = options.returns == "probability"
  local class = options.outputs > 1 or probabilities
  if data then class = data.info.classification end
  return fail.within(node, "inputs", core.model_blackbox, {
    inputs = options.inputs or arrays_width(data), outputs = options.outputs, probabilities = probabilities,
    task = not data and run.task or class and "classification" or "regression",
    call = own.blackbox(node), identity = source_hash .. callback.identity(options.predict),
    data = data and data.columns and data.dataset or nil, rows = train_rows,
    encode = options.encode })
end

-- ----------------------------------------------------------------------------------------- judges

local function all_defined(list)
  for _, value in ipairs(list) do
    if value ~= value then return false end
  end
  return true
end

-- What core.judge returns, for a judge of the script's own: values, and reasons by place. A value that
-- is not defined is not a number.
function own.judge(node, run, bound, entry, piece)
  local about, values, reasons = about_of(bound, entry), {}, {}
  for i = 1, core.piece_count(piece) do
    local item = core.piece_item(piece, i)
    local row = core.tensor_at(bound.row_ids, item.row)
    local names = entry.space == "column" and bound.info.columns
      or entry.space == "input" and about.inputs or nil
    local info = { target = item.target, output = item.output, baseline_output = item.baseline_output,
                   link = entry.link, names = copied(names), unit_of = item.unit_of or copied(about.unit_of),
                   predict = about.predict, explained = about.explained }
    local value, reason = nil, "the attribution is not defined"
    if all_defined(item.attribution) then
      local found, why = callback.call(node, "compute", run.seed, row, node.options.compute,
        core.row_list(bound.x, item.row), item.attribution, info)
      value, reason = checked(found, why, "compute")
    end
    values[i] = value or 0 / 0
    reasons[i] = reason
  end
  return values, reasons
end

-- ------------------------------------------------------------------------------------- explainers

-- A list of finite numbers as the row that is stored: as it is, or an encoded input each, summed over
-- columns. nil and the reason where it is none.
local function attribution_of(list, entry, about, width)
  if type(list) ~= "table" then
    return nil, ("run returned %s, expected a list of numbers"):format(shown(list))
  end
  local count = rawlen(list)
  if count ~= entry.width and count ~= width then
    return nil, ("run returned %d numbers, expected %s"):format(count, entry.width == width
      and ("%d, one an input"):format(width)
      or ("%d, one an encoded input, or %d, one a column"):format(width, entry.width))
  end
  for i = 1, count do
    local value, reason = checked(rawget(list, i), nil, "run")
    if not value then return nil, ("%s, as number %d of its list"):format(reason, i) end
  end
  if count == entry.width then return list end
  local sums = {}
  for column = 1, entry.width do sums[column] = 0.0 end
  for i = 1, count do
    local column = (about.column_of or about.unit_of)[i] -- 0: of an input that is not explained
    if column > 0 then sums[column] = sums[column] + rawget(list, i) end
  end
  return sums
end

local function model_for(node, run, bound, entry, about, row)
  local info = bound.info
  local random, normal = core.draws(run.seed, node.word, node.options.stream, row)
  return { width = info.width, outputs = info.outputs, link = entry.link, inputs = copied(about.inputs),
           columns = copied(info.columns), column_of = copied(about.column_of),
           predict = about.predict, explained = about.explained, gradient = about.gradient,
           random = random, normal = normal }
end

-- Fails where the model is not defined on the explanation's link.
function own.check(bound, entry)
  about_of(bound, entry)
  entry.about = nil -- training changes the model
end

-- Fills entry.values for items [first, first + count). Returns why some have none, by place in the
-- piece, and the rows that the function had the model evaluate.
function own.explain(node, run, bound, entry, targets, first, count)
  local about, reasons, evaluations = about_of(bound, entry), {}, 0
  for i = 1, count do
    local at = first + i - 1
    local place = at // bound.per_row
    local row = core.tensor_at(bound.row_ids, place)
    local found, why = callback.call(node, "run", run.seed, row, node.options.run,
      model_for(node, run, bound, entry, about, row), core.row_list(bound.x, place),
      core.tensor_at(targets, at))
    local list, reason
    if found == nil then
      list, reason = checked(found, why, "run")
    else
      list, reason = attribution_of(found, entry, about, bound.info.width)
    end
    core.set_row(entry.values, at, list)
    reasons[i] = reason
  end
  for _, ask in ipairs { about.ask, about.ask_gradient } do
    evaluations = evaluations + core.ask_evaluations(ask)
  end
  return reasons, evaluations
end

return own
