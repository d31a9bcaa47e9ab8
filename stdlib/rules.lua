-- What fields of one experiment have to do with each other: which sources go together, what a model
-- needs, what training needs. Each rule takes the run with its fields resolved, and the place of the
-- experiment for messages.
local fail = require "fail"
local idle = require "idle"
local labels = require "labels"
local place = require "place"
local resolve = require "resolve"
local words = require "words"

local rules = {}

local function is_tabular(run) return run.data ~= nil and run.data.word == "csv" end
local function has_columns(run) return is_tabular(run) and not run.data.options.shape end

function rules.sources(run, at)
  local function absent(field, message, hint)
    place.fail(place.child(at, field), message, hint)
  end
  if run.scores then
    for _, field in ipairs { "model", "data", "train", "inputs" } do
      if run.given[field] then
        absent(field, ("scores stand in place of a model: '%s' has no meaning beside them")
          :format(field))
      end
    end
    for _, field in ipairs { "explain", "judge" } do
      if #run[field] > 0 then absent(field, ("%s needs a model, and there are only scores"):format(
        field)) end
    end
    if not run.labels then
      absent("scores", "scores need labels to be compared with", 'add labels = npy "labels.npy"')
    end
  end
  if run.data and run.labels then
    absent("labels", "data has labels of its own" .. (is_tabular(run) and ": its target column" or ""),
      "leave labels out")
  end
  if run.data and run.inputs and run.inputs.category == "array" then
    absent("inputs", "a file stands in place of data, and there is data",
      "choose among its rows: inputs = rows { ... }")
  end
  if not run.data and run.inputs and run.inputs.word == "rows" then
    absent("inputs", "rows { ... } needs data, and there is none", 'give data, or inputs = npy "x.npy"')
  end
  if run.labels and not run.scores and not run.inputs then
    absent("labels", "labels need scores or inputs beside them")
  end
end

-- Controls are explained and judged after the explanations that they stand beside.
function rules.control(run, at)
  local here = place.child(at, "control")
  if #run.control > 0 and #run.explain == 0 then
    place.fail(here, "a control stands beside explanations, and explain is empty")
  elseif #run.control > 0 and #run.judge == 0 then
    place.fail(here, "a control is compared by judges, and judge is empty", "judge = { deletion }")
  end
  table.move(run.control, 1, #run.control, #run.explain + 1, run.explain)
end

function rules.model(run, at)
  local model = run.model
  local function wrong(field, message, hint) place.fail(place.child(at, field), message, hint) end
  if not model then
    for _, field in ipairs { "train", "explain", "judge", "evaluate" } do
      local there = run[field] and (field == "train" or #run[field] > 0)
      if there and not run.scores then
        wrong(field, ("%s needs a model"):format(field), "add model = network { ... }")
      end
    end
    return
  end
  if model.word == "blackbox" then rules.blackbox(run, model) end
  if model.word == "onnx" and is_tabular(run) then
    wrong("model", "an ONNX model reads arrays, and data = csv is a table",
      'give inputs = npy "x.npy" in place of data')
  end
  if not run.data and not run.inputs then
    wrong("model", "there is nothing to run the model on", 'add data, or inputs = npy "x.npy"')
  end
  if model.word == "network" then
    local inside = { path = model.path, script = model.script, line = model.line,
                     word = "network", keys = {} }
    if not run.data and not model.options.input then
      place.fail(inside, "the network needs 'input', the shape of one row: there is no data to "
        .. "tell it", "input = { 30 }")
    elseif run.data and model.options.input then
      place.fail(place.child(inside, "input"), "the data tells the network's input", "leave it out")
    elseif not is_tabular(run) and model.options.encode then
      place.fail(place.child(inside, "encode"), "a model on arrays has no encoding: its inputs are "
        .. "its features", "leave it out")
    end
  end
  if #run.evaluate > 0 and not run.data and not run.labels then
    wrong("evaluate", "metrics need labels", 'add data, or labels = npy "labels.npy"')
  end
  if #run.judge > 0 and #run.explain == 0 then
    wrong("judge", "judges need explanations, and explain is empty")
  end
  if run.target.kind == "label" and not run.data and not run.labels then
    wrong("target", "'label' needs labels", 'add data, or labels = npy "labels.npy"')
  end
end

-- A black box answers, and that is all: it has no gradients.
function rules.blackbox(run, model)
  if not run.data and not model.options.inputs then
    fail.at(model, nil, "the blackbox needs 'inputs', the numbers of one row: there is no data to tell "
      .. "them", "inputs = 10")
  elseif not is_tabular(run) and model.options.encode then
    fail.at(model, "encode", "a model on arrays has no encoding: its inputs are its features",
      "leave it out")
  end
  for _, node in ipairs(run.explain) do
    local asked = node.flags.wraps and node.options.of or node
    if asked.flags.needs_gradient then
      fail.at(asked, nil, ("%s needs gradients, and a blackbox has none"):format(asked.word),
        "feature_ablation and occlusion ask only for outputs")
    end
  end
end

-- The explainer that another one asks: what both could say is said by the outer one.
local function wrapped(node)
  local of = node.options.of
  if of.own or of.word == "precomputed" then
    fail.at(of, nil, ("%s asks an explainer of the language, and %s is none"):format(node.word, of.word))
  elseif of.flags.wraps or of.flags.no_target or of.flags.attacks then
    fail.at(of, nil, ("%s cannot ask %s, which %s"):format(node.word, of.word,
      of.flags.wraps and "asks another one itself" or "explains no output"))
  end
  for _, name in ipairs { "link", "space", "as" } do
    if of.options[name] ~= nil then
      fail.at(of, name, ("'%s' is said by %s"):format(name, node.word),
        ("%s { of = ..., %s = ... }"):format(node.word, name))
    end
  end
end

-- The loss that goes with each end of a network: which one it is, the data tells (bind.lua), unless
-- the script says the task.
local function default_losses(at, context)
  local losses = {}
  for kind, name in pairs { regression = "mse", one_output = "binary_cross_entropy",
                            classification = "cross_entropy" } do
    losses[kind] = resolve.node(words.bare(name, "loss"), place.child(at, "loss"), context)
  end
  return losses
end

function rules.train(run, at, context)
  local train = run.train
  if not train then return end
  local here = place.child(at, "train")
  if not run.data then place.fail(here, "training needs data", 'add data = csv "..." { ... }') end
  if run.model.word ~= "network" then
    place.fail(here, run.model.word == "saved" and "a saved model is trained already"
      or "only a network { ... } can be trained", "leave train out")
  end
  if not train.loss then train.default_losses = default_losses(here, context) end
  local task = train.loss and words.find(train.loss.word, "loss").task
  if task and run.task and task ~= run.task then
    place.fail(place.child(here, "loss"), ("%s is a loss for %s, and the task is %s"):format(
      train.loss.word, task, run.task))
  end
  local split = run.data.options.split
  if train.patience > 0 and (split.validation or 0) == 0 and not split.column then
    place.fail(place.child(here, "patience"), "early stopping watches the validation rows, and "
      .. "there are none", "add validation = 0.1 to the split of data")
  end
end

-- Which ways to divide rows go together.
local function split_fields(split, at)
  local function apart(field, others, why)
    for _, name in ipairs(others) do
      if split[name] and split[name] ~= 0 then
        place.fail(place.child(at, name), ("'%s' and '%s' do not go together"):format(field, name),
          why)
      end
    end
  end
  if split.column then
    apart("column", { "train", "test", "validation", "stratify", "folds", "repeats", "by" },
      "the column says the part of every row")
  elseif split.folds then
    apart("folds", { "train", "test" },
      ("each fold is the test part of one run: 1/%d of the rows"):format(split.folds))
    if split.validation < 1 and split.validation >= 1 - 1 / split.folds then
      place.fail(place.child(at, "validation"), ("%s of the rows leave none to train on beside a fold")
        :format(fail.shown(split.validation)))
    end
  elseif split.repeats then
    place.fail(place.child(at, "repeats"), "repeats are of folds, and there are none",
      "folds = 5, repeats = " .. split.repeats)
  end
  if split.by and split.stratify then
    place.fail(place.child(at, "stratify"), "'by' and 'stratify' do not go together",
      "rows of one group stay together, whatever their classes")
  end
end

-- Training and test rows that are files of their own: only validation is drawn.
local function given_parts(split, at)
  for _, name in ipairs { "train", "test", "folds", "repeats" } do
    if split[name] then
      place.fail(place.child(at, name), ("'test' of the data and '%s' do not go together"):format(name),
        "the test rows have files of their own; validation is a share of the others")
    end
  end
end

-- Images: what each channel has one of.
function rules.images(data)
  local options = data.options
  local channels = options.grey and 1 or 3
  if options.resize and #options.resize ~= 2 then
    fail.at(data, "resize", ("expected height and width, found %d number%s"):format(#options.resize,
      #options.resize == 1 and "" or "s"), "resize = { 28, 28 }")
  end
  for _, field in ipairs { "mean", "std" } do
    local list = options[field]
    if type(list) == "table" and #list ~= channels then
      fail.at(data, field, ("expected a number, or one a channel, %d, found %d"):format(channels, #list),
        channels == 1 and "with grey = true there is one channel" or nil)
    end
  end
end

-- Shares sum to one, numbers are left to the data; what is not given is what is left.
function rules.split(data)
  local split = data.options.split
  local at = { path = fail.join(data.path, "split"), script = data.script, line = data.line,
               word = data.word, keys = { "split" } }
  split_fields(split, at)
  if data.options.test then return given_parts(split, at) end
  if split.column or split.folds then return end
  local counts = (split.train or 0) > 1 or (split.test or 0) > 1 or split.validation > 1
  if counts then
    for _, name in ipairs { "train", "test" } do
      if split[name] == nil then
        place.fail(place.child(at, name), "with numbers of rows, train and test are both needed")
      end
    end
    for _, name in ipairs { "train", "test", "validation" } do
      if split[name] ~= 0 and not (math.tointeger(split[name]) and split[name] >= 2) then
        place.fail(place.child(at, name), ("expected shares that sum to 1, or whole numbers of "
          .. "rows from 2, found %s"):format(fail.shown(split[name])))
      end
    end
    return
  end
  if not split.train and not split.test then
    split.test = 0.25 * (1 - split.validation)
    split.train = 1 - split.validation - split.test
    if split.validation == 0 then split.train, split.test = 0.75, 0.25 end
  elseif not split.train then
    split.train = 1 - split.validation - split.test
  elseif not split.test then
    split.test = 1 - split.validation - split.train
  end
  local sum = split.train + split.test + split.validation
  if math.abs(sum - 1) > 1e-9 or split.train < -1e-9 or split.test < -1e-9 then
    local text = ("%.14g"):format(math.max(sum, split.train + split.validation,
      split.test + split.validation))
    place.fail(at, ("the shares sum to %s, expected 1"):format(text))
  end
  split.train, split.test = math.max(split.train, 0), math.max(split.test, 0)
end

function rules.explain(run)
  for _, node in ipairs(run.explain) do
    local options = node.options
    if node.flags.wraps then wrapped(node) end
    if options.space and not has_columns(run) then
      fail.at(node, "space", "a model on arrays has no columns: its inputs are its features",
        "leave space out")
    end
    if node.flags.attacks and options.targeted and run.target.kind == "predicted" then
      fail.at(node, "targeted", "the row is of the predicted class already", "say where to: target = 3, or a list")
    end
    if has_columns(run) and not node.flags.at_layer and not node.flags.attacks then options.space = options.space or "column" end
    local asked = node.flags.wraps and options.of or node
    idle.check(asked, node)
    if asked.options.neuron and options.link then
      fail.at(node, "link", "a link is a scale of outputs, and a hidden unit has none", "leave it out")
    end
    local probability = asked.flags.of_probability and run.link == "raw" -- of classes: references.lua
    local scaled = not node.flags.no_target and not node.flags.attacks and not asked.options.neuron
    if scaled and not probability then options.link = options.link or run.link end
  end
end

local function interval(node)
  local options = node.options
  if options.resamples and not options.ci then
    fail.at(node, "resamples", "resamples make an interval, and none is asked for", "add ci = 0.95")
  end
  if options.ci then options.resamples = options.resamples or 1000 end
end

function rules.metrics(run)
  for _, node in ipairs(run.evaluate) do interval(node) end
  local task = run.task
    or (run.train and run.train.loss and words.find(run.train.loss.word, "loss").task)
  if not task then return end
  for _, node in ipairs(run.evaluate) do
    local flags = node.flags
    local fits = task == "regression" and flags.regression
      or task == "classification" and (flags.binary or flags.multiclass)
    if not fits then
      fail.at(node, nil, ("%s is not defined for %s"):format(node.word, task))
    end
  end
end

-- What a picture is drawn from where that is not predictions and labels.
local DRAWS = { heat_map_grid = "explanations", importance_bar = "explanations", waterfall_chart = "explanations",
                beeswarm_chart = "explanations", interaction_map = "explanations", activations = "explanations",
                gradients = "explanations", randomisation_chart = "explanations", kernels = "weights",
                histograms = "weights" }

-- Labels of pictures name their files; what a picture shows has to be in the run.
function rules.pictures(run, nodes)
  run.pictures = nodes or {}
  for _, node in ipairs(run.pictures) do node.swept_values = {} end
  labels.assign(run.pictures)
  for _, node in ipairs(run.pictures) do
    node.options.as, node.swept_values = nil, nil
    local of_explanations = DRAWS[node.word] == "explanations"
    if of_explanations and #run.explain == 0 then
      fail.at(node, nil, ("%s draws explanations, and explain is empty"):format(node.word))
    elseif node.word == "heat_map_grid" and has_columns(run) then
      fail.at(node, nil, "heat_map_grid draws images, and the data are a table",
        "use importance_bar, or give the data a shape = { 1, 8, 8 }")
    elseif not DRAWS[node.word] and not (run.data or run.labels) then
      fail.at(node, nil, ("%s needs labels"):format(node.word), 'add labels = npy "labels.npy"')
    end
  end
end

-- Names of layers are unique in the network, whatever they are nested in.
function rules.layers(layers, taken)
  for _, node in ipairs(layers) do
    local name = node.options.name
    if name then
      if taken[name] then
        fail.at(node, "name", ("the name '%s' is taken by %s"):format(name, taken[name]))
      end
      taken[name] = node.path
      node.name = name
      node.options.name = nil
    end
    if node.options.layers then rules.layers(node.options.layers, taken) end
    for _, branch in ipairs(node.options.branches or {}) do rules.layers(branch, taken) end
  end
end

return rules
