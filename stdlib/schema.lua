-- The check of a whole script before anything runs: from what it returned (words) to a list of
-- experiments, each with its runs fully resolved. Nothing is read but the script's own values; what
-- only files can tell (columns, classes, shapes) is checked by bind.lua, also before the first run.
--
--   experiment = { name, line, script, runs = { run ... }, expect = { node ... } }
--   run = { experiment, script, line, path = "", seed, numerics, link, task, data, model, train,
--           inputs, labels, scores, target = { kind, value }, evaluate = {...}, explain = {...},
--           judge = {...}, swept = { ["train.epochs"] = 3 } }
--   node = { word, category, path, script, line, label, options, flags, version, swept }
--
-- Networks: options.layers is a list of nodes (node.name where the script names the layer);
-- residual has options.layers, parallel options.branches. train is a plain table whose optimizer,
-- loss and schedule are nodes.
local fail = require "fail"
local labels = require "labels"
local pattern = require "pattern"
local place = require "place"
local resolve = require "resolve"
local rules = require "rules"
local setting = require "setting"
local sweeps = require "sweeps"
local words = require "words"

local schema = {}

local lists = { "evaluate", "explain", "control", "judge" } -- sweeps inside make variants
local apart = { evaluate = true, explain = true, control = true, judge = true, expect = true }

-- ------------------------------------------------------------------- lists with variants

-- One raw entry a variant, with the place it was written at.
local function variants(raw, at)
  local entries = {}
  if not words.is_table(raw) then return nil end
  for i, item in ipairs(raw.list) do
    for _, one in ipairs(sweeps.expand(item, nil, ("%s[%d]"):format(at.path, i))) do
      entries[#entries + 1] = { raw = one.raw, index = i, swept = one.swept }
    end
  end
  return entries
end

local categories = { evaluate = "metric", explain = "explainer", control = "explainer", judge = "judge" }

-- others: nodes that share the labels of this list, or nil.
local function check_variants(field, raw, at, context, others)
  local category = categories[field]
  local param = { choices = category }
  local entries = variants(raw, at)
  if not entries or raw.hole or next(raw.named) ~= nil then
    return resolve.words(raw, param, at, context) -- fails, or is empty
  end
  local nodes = {}
  for i, entry in ipairs(entries) do
    local here = place.child(at, entry.index)
    if not words.is_word(entry.raw, category) then
      resolve.misplaced(entry.raw, { category }, here)
    end
    local node = resolve.node(words.as(entry.raw, category), here, context)
    node.swept_values = entry.swept
    nodes[i] = node
  end
  labels.assign(nodes, others)
  for _, node in ipairs(nodes) do
    node.swept = sweeps.record(node.swept_values)
    node.swept_values = nil
    node.options.as = nil
  end
  return nodes
end

-- ----------------------------------------------------------------------------- one run

local function without(raw, skip)
  local copy = {}
  for key, value in pairs(raw) do copy[key] = value end
  copy.named = {}
  for name, value in pairs(raw.named) do
    if not skip[name] then copy.named[name] = value end
  end
  return copy
end

-- Path of a mistake's line comes first in the script: lists and the rest are checked side by side.
local function first_of(checks)
  local first
  for _, check in ipairs(checks) do
    local ok, err = xpcall(check, fail.traced)
    if not ok then
      if type(err) ~= "table" then error(err, 0) end
      if not first or (err.line or math.huge) < (first.line or math.huge) then first = err end
    end
  end
  if first then error(first, 0) end
end

local function check_run(raw, swept, at, context)
  local run = { script = raw.script, line = raw.line, path = "", word = "experiment" }
  context.has_data = raw.named.data ~= nil
  local options
  local checks = { function()
    options = resolve.options_of(without(raw, apart), raw.word, at, context)
  end }
  for _, field in ipairs(lists) do
    checks[#checks + 1] = function()
      local list = raw.named[field]
      run[field] = {}
      if list ~= nil then
        run[field] = check_variants(field, list, place.child(at, field), context,
          field == "control" and run.explain or nil)
      end
    end
  end
  first_of(checks)
  run.given = raw.named
  run.experiment = options.name
  for _, field in ipairs { "seed", "numerics", "link", "task", "data", "model", "train", "inputs", "labels",
                           "scores" } do
    run[field] = options[field]
  end
  rules.pictures(run, options.pictures)
  rules.control(run, at)
  run.target = options.target or { kind = "predicted" }
  rules.sources(run, at)
  rules.model(run, at)
  if run.data then rules.split(run.data) end
  if run.data and run.data.word == "images" then rules.images(run.data) end
  rules.train(run, at, context)
  rules.explain(run)
  rules.metrics(run)
  if run.model and (run.model.word == "network" or run.model.word == "blackbox") then
    if run.model.options.layers then rules.layers(run.model.options.layers, {}) end
    if run.data and run.data.word == "csv" and not run.model.options.encode then
      run.model.options.encode = resolve.fields({ kind = "table", list = {},
        named = { numeric = run.data.options.shape and "none" or nil } }, context.encode, at, context)
    end
  end
  if run.data and run.model and not run.inputs then
    run.inputs = resolve.node(words.bare "rows", place.child(at, "inputs"), context)
  end
  run.given = nil
  run.swept = sweeps.record(swept)
  return run
end

-- The runs of one combination: one, or with folds one a fold, repeats changing slowest. Each is
-- resolved on its own, since binding fills runs in.
local function check_folds(one, root, context)
  local function resolved()
    local run = check_run(one.raw, one.swept, root, context)
    return run, run.data and run.data.options.split or {}
  end
  local first, split = resolved()
  if not split.folds then return { first } end
  split.repeats = split.repeats or 1
  local runs = {}
  for number = 0, split.repeats - 1 do
    for fold = 0, split.folds - 1 do
      local run, own = resolved()
      own.repeats, own["repeat"], own.fold = split.repeats, number, fold
      run.swept["data.split.fold"] = fold
      if split.repeats > 1 then run.swept["data.split.repeat"] = number end
      runs[#runs + 1] = run
    end
  end
  return runs
end

local function check_expect(raw, experiment, at, context)
  local list = raw.named.expect
  local nodes = {}
  if list == nil then return nodes end
  local here = place.child(at, "expect")
  nodes = resolve.words(list, { choices = "expectation" }, here, context)
  for i, node in ipairs(nodes) do
    pattern.expectation(list.list[i], node, experiment, place.child(here, i), context)
  end
  return nodes
end

-- --------------------------------------------------------------------------- experiments

-- What the script returned as a list of raw experiments.
local function experiments_of(value, script)
  local raw = words.raw(value, { script = script })
  local list = words.is_table(raw) and raw.list or { raw }
  local function wrong(message, hint)
    fail.raise { script = script, message = message,
      hint = hint or 'a script ends in: return experiment "name" { ... }' }
  end
  if raw == nil then wrong "the script returns nothing, expected an experiment" end
  if words.is_table(raw) and (next(raw.named) ~= nil or raw.hole or #list == 0) then
    wrong(("the script returns %s, expected an experiment or a list of them"):format(
      fail.shown(raw)))
  end
  for i, item in ipairs(list) do
    if not words.is_word(item, "experiment") then
      wrong(("the script returns %s%s, expected an experiment"):format(fail.shown(item),
        #list > 1 and (" as entry %d of its list"):format(i) or ""))
    end
  end
  return list
end

local function encode_param()
  for _, param in ipairs(words.find("network").params) do
    if param.name == "encode" then return param end
  end
end

local function check_experiment(raw, context, script)
  local root = place.root(raw, script)
  root.overrides = context.overrides
  local experiment = { name = nil, script = raw.script or script, line = raw.line, runs = {} }
  for _, field in ipairs(lists) do
    if words.is_word(raw.named[field], "sweep") then
      place.fail(place.child(root, field), ("a sweep stands inside the list: %s = { sweep { ... } }")
        :format(field))
    end
  end
  for _, one in ipairs(sweeps.expand(raw, apart, "")) do
    local runs = check_folds(one, root, context)
    table.move(runs, 1, #runs, #experiment.runs + 1, experiment.runs)
  end
  experiment.name = experiment.runs[1].experiment
  experiment.expect = check_expect(raw, experiment, root, context)
  return experiment
end

-- value: what the script returned. settings: { script =, folder =, set = { "path=value" ... },
-- seed =, numerics =, confine = { roots } or nil, moved = { [path] = where the file is read instead } or nil }.
function schema.check(value, settings)
  local script = settings.script
  local raws = experiments_of(value, script)
  local context = { folder = settings.folder, confine = settings.confine, moved = settings.moved,
                    encode = encode_param() }
  raws, context.overrides = setting.apply(raws, settings)
  local checked, names = {}, {}
  context.before = checked -- experiments that will have run when this one's expectations are judged
  for i, raw in ipairs(raws) do
    checked[i] = check_experiment(raw, context, script)
    local name = checked[i].name
    if names[name] then
      fail.raise { script = script, line = raw.line, field = "name",
        message = ("there are two experiments named '%s'"):format(name) }
    end
    names[name] = true
  end
  return checked
end

return schema
