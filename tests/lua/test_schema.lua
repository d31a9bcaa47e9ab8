-- The checked description: resolved options, defaults, sweeps, labels, expectations.
local t = ...
local schema = require "schema"
local source = require "source"
local strict = require "strict"

local function check(text, settings)
  source.add("s.lua", text)
  local environment = strict.environment {}
  local value = assert(load(text, "@s.lua", "t", environment))()
  settings = settings or {}
  return schema.check(value, { script = "s.lua", folder = "/data", set = settings.set,
                               seed = settings.seed, confine = settings.confine })
end

-- An experiment over arrays with these further fields.
local function arrays(fields)
  return 'return experiment "x" { inputs = npy "x.npy", model = onnx "m.onnx", ' .. fields .. " }"
end

local function labels(list)
  local out = {}
  for i, node in ipairs(list) do out[i] = node.label end
  return out
end

local credit = [[
return experiment "credit" {
  data = csv "d.csv" { target = "class" },
  model = network { dense { 8 }, relu, dense { 2 } },
  train = { epochs = 3 },
  %s
}]]

t.test("defaults of an experiment on a table", function()
  local run = check(credit:format "")[1].runs[1]
  t.equal(run.seed, 0)
  t.equal(run.link, "raw")
  t.truthy(run.task == nil)
  t.equal(run.target, { kind = "predicted" })
  t.equal(run.inputs.word, "rows")
  t.equal(run.inputs.options, { split = "test" })
  t.equal(run.data.options.path, "/data/d.csv")
  t.equal(run.data.options.split, { train = 0.75, test = 0.25, validation = 0, seed = 0 })
  t.equal(run.model.options.encode, { numeric = "standard", categorical = "onehot", missing = "mean" })
  t.equal(run.train.batch, 32)
  t.equal(run.train.optimizer.word, "adam")
  t.truthy(run.train.loss == nil) -- the data tells which
  t.equal(run.train.default_losses.classification.word, "cross_entropy")
  t.equal(run.train.default_losses.one_output.word, "binary_cross_entropy")
  t.equal(run.train.default_losses.regression.word, "mse")
  t.truthy(run.train.shuffle == true and run.train.patience == 0)
  t.equal({ #run.evaluate, #run.explain, #run.judge }, { 0, 0, 0 })
  t.equal(run.experiment, "credit")
  t.equal(run.script, "s.lua")
end)

t.test("folds are runs: sweeps outside, then repeats, then folds", function()
  local runs = check([[
return experiment "cv" {
  data = csv "d.csv" { target = "class", split = { folds = 3, repeats = 2, validation = 0.1 } },
  model = network { dense { 2 } },
  train = { epochs = sweep { 4, 5 } },
}]])[1].runs
  t.equal(#runs, 12)
  for i, run in ipairs(runs) do
    local split, at = run.data.options.split, i - 1
    t.equal({ split["repeat"], split.fold, run.train.epochs }, { at // 3 % 2, at % 3, 4 + at // 6 })
    t.equal(run.swept, { ["data.split.fold"] = at % 3, ["data.split.repeat"] = at // 3 % 2,
                         ["train.epochs"] = 4 + at // 6 })
    t.truthy(split.train == nil and split.test == nil)
  end
  t.truthy(runs[1].data ~= runs[2].data) -- binding fills runs in: they share nothing
  local single = check([[
return experiment "cv" { data = csv "d.csv" { target = "class", split = { folds = 2 } } }]])[1].runs
  t.equal(#single, 2)
  t.equal(single[2].swept, { ["data.split.fold"] = 1 })
  t.equal(single[2].data.options.split.repeats, 1)
end)

t.test("early stopping takes a validation part of the file's own", function()
  local run = check([[
return experiment "x" {
  data = csv "d.csv" { target = "class", split = { column = "set" } },
  model = network { dense { 2 } }, train = { epochs = 2, patience = 1 },
}]])[1].runs[1]
  t.equal(run.data.options.split.column, "set")
  t.truthy(run.data.options.split.train == nil)
end)

t.test("nodes: options with defaults, path, line, flags", function()
  local run = check('return experiment "x" {\n inputs = npy "/abs/x.npy",\n model = onnx "m.onnx",\n'
    .. ' explain = { saliency,\n integrated_gradients { steps = 8.0 } } }')[1].runs[1]
  local first, second = run.explain[1], run.explain[2]
  t.equal({ first.word, first.path, first.line, first.label }, { "saliency", "explain[1]", 4, "saliency" })
  t.equal(first.options, { absolute = true, link = "raw" })
  t.equal({ second.path, second.line }, { "explain[2]", 5 })
  t.truthy(math.type(second.options.steps) == "integer" and second.options.steps == 8)
  t.equal(second.options.method, "gausslegendre")
  t.truthy(second.options.baseline == 0 and second.options.tolerance == 0.05)
  t.truthy(second.flags.complete and second.version == 1)
  t.equal(run.inputs.options.path, "/abs/x.npy")
  t.truthy(run.inputs.line == 2 and run.model.line == 3)
end)

t.test("the experiment's link is the explainers' default, space that of tables", function()
  local run = check(credit:format 'link = "probability", explain = { saliency, saliency { link = "raw", space = "input" } }')[1].runs[1]
  t.equal({ run.explain[1].options.link, run.explain[2].options.link }, { "probability", "raw" })
  t.equal({ run.explain[1].options.space, run.explain[2].options.space }, { "column", "input" })
end)

t.test("networks: layers, names, nested branches", function()
  local run = check([[return experiment "x" { inputs = npy "x.npy", model = network { input = 3,
    dense { 4, name = "first" }, residual { dense { 4 }, relu },
    parallel { { dense { 2 } }, { relu, dense { 2, bias = false } }, join = "add" } } }]])[1].runs[1]
  local layers = run.model.options.layers
  t.equal(run.model.options.input, { 3 })
  t.truthy(layers[1].name == "first" and layers[1].options.units == 4 and layers[1].options.name == nil)
  t.equal(layers[2].options.layers[2].word, "relu")
  t.equal(layers[3].options.branches[2][2].options, { units = 2, bias = false })
  t.equal(layers[3].options.join, "add")
  t.equal(layers[3].options.branches[2][2].path, "model[3][2][2]")
  t.truthy(run.model.options.encode == nil)
end)

t.test("a loss that is written stands", function()
  local run = check([[return experiment "x" { data = csv "d.csv" { target = "y" },
    model = network { dense { 1 } }, train = { epochs = 1, loss = mse } }]])[1].runs[1]
  t.equal(run.train.loss.word, "mse")
  t.truthy(run.train.default_losses == nil)
end)

t.test("splits: what is not given is what is left", function()
  local function split(text)
    return check(('return experiment "x" { data = csv "d.csv" { target = "y", split = { %s } } }')
      :format(text))[1].runs[1].data.options.split
  end
  t.equal(split "train = 0.75", { train = 0.75, test = 0.25, validation = 0, seed = 0 })
  t.equal(split "test = 0.5, seed = 4", { train = 0.5, test = 0.5, validation = 0, seed = 4 })
  t.equal(split "train = 0.5, validation = 0.25, stratify = false",
    { train = 0.5, test = 0.25, validation = 0.25, seed = 0, stratify = false })
  t.equal(split "train = 700, test = 300", { train = 700, test = 300, validation = 0, seed = 0 })
  t.raises("s.lua:1: data.split: the shares sum to 1.5, expected 1", nil, split, "train = 0.75, test = 0.75")
  t.raises("s.lua:1: data.split.test: with numbers of rows, train and test are both needed", nil, split,
    "train = 700")
  t.raises("s.lua:1: data.split.train: expected shares that sum to 1, or whole numbers of rows from 2, "
    .. "found 0.5", nil, split, "train = 0.5, test = 300")
end)

t.test("targets", function()
  local function target(text) return check(arrays("target = " .. text))[1].runs[1].target end
  t.equal(target "predicted", { kind = "predicted" })
  t.equal(target "2", { kind = "class", value = 2 })
  t.equal(target '"bad"', { kind = "name", value = "bad" })
  t.equal(target "{ 0, 1, 1 }", { kind = "list", value = { 0, 1, 1 } })
  t.raises("s.lua:1: target: expected predicted, label, all, top(k), a class's number from 0 or name, or a list of "
    .. "them, found -1", nil, target, "-1")
  t.raises("s.lua:1: target[2]: expected a class's name, or its number from 0, found 1.5", nil, target,
    "{ 0, 1.5 }")
end)

t.test("baselines and groups", function()
  local function options(text) return check(arrays("explain = {" .. text .. "}"))[1].runs[1].explain[1].options end
  t.equal(options 'integrated_gradients { baseline = "zero" }'.baseline, "zero")
  t.equal(options "integrated_gradients { baseline = 0.5 }".baseline, 0.5)
  t.equal(options 'integrated_gradients { baseline = npy "b.npy" }'.baseline.options.path, "/data/b.npy")
  t.equal(options 'feature_ablation { groups = npy "g.npy" }'.groups.word, "npy")
  local run = check(credit:format 'explain = { feature_ablation { groups = { { "a", "b" }, "c" } } }')[1].runs[1]
  t.equal(run.explain[1].options.groups, { { "a", "b" }, { "c" } })
  t.raises('s.lua:1: explain[1].baseline: expected a number, "zero", "mean", "median", "min", "max", '
    .. 'blur, noise or npy ..., found "zeros"', 'did you mean "zero"?', options, 'integrated_gradients { baseline = "zeros" }')
  t.equal(options 'feature_ablation { groups = grid { 4, 3 } }'.groups.options.cells, { 4, 3 })
  t.raises('s.lua:5: explain[1].groups[2][1]: column "a" is in two groups', nil, check,
    credit:format 'explain = { feature_ablation { groups = { { "a" }, { "a" } } } }')
end)

t.test("inputs may be a table of arrays by name", function()
  local run = check('return experiment "x" { model = onnx "m.onnx", inputs = { a = npy "a.npy", b = npy "b.npy" } }')[1].runs[1]
  t.equal(run.inputs.word, "inputs")
  t.equal(run.inputs.options.b.options.path, "/data/b.npy")
end)

-- ------------------------------------------------------------------------------------- labels

t.test("labels: the word, a number where it is not unique, or `as`", function()
  local run = check(arrays [[
    evaluate = { precision, precision { average = "macro" }, precision { as = "p" } }, labels = npy "y.npy",
    explain = { saliency, saliency { as = "saliency-2" }, saliency, input_x_gradient }]])[1].runs[1]
  t.equal(labels(run.evaluate), { "precision", "precision-2", "p" })
  t.equal(labels(run.explain), { "saliency", "saliency-2", "saliency-3", "input_x_gradient" })
  t.truthy(run.evaluate[3].options.as == nil)
end)

t.test("labels of sweeps: values in the alphabetical order of their fields", function()
  local run = check(arrays [[explain = {
    integrated_gradients { steps = sweep { 16, 64 }, baseline = sweep { 0, 0.5 } },
    integrated_gradients { steps = sweep { 4 }, as = "few" },
    saliency { absolute = sweep { true, false } },
    feature_ablation { groups = sweep { npy "a.npy", npy "b.npy" } } }]])[1].runs[1]
  t.equal(labels(run.explain), {
    "integrated_gradients-0-16", "integrated_gradients-0.5-16", "integrated_gradients-0-64",
    "integrated_gradients-0.5-64", "few-4", "saliency-true", "saliency-false",
    "feature_ablation-npy", "feature_ablation-npy-2" })
  t.equal(run.explain[2].swept, { steps = 16, baseline = 0.5 })
  t.equal(run.explain[4].path, "explain[1]")
  t.equal(run.explain[5].path, "explain[2]")
end)

t.test("a table swept over counts by its position", function()
  local run = check(credit:format [[explain = {
    feature_ablation { groups = sweep { { { "a" } }, { { "b" } } } } }]])[1].runs[1]
  t.equal(labels(run.explain), { "feature_ablation-1", "feature_ablation-2" })
end)

t.test("a sweep of whole explainers", function()
  local run = check(arrays "explain = { sweep { saliency, input_x_gradient }, saliency }")[1].runs[1]
  t.equal(labels(run.explain), { "saliency", "input_x_gradient", "saliency-2" })
end)

-- ------------------------------------------------------------------------------------- sweeps

t.test("outer sweeps make runs: the one written first changes slowest", function()
  local runs = check([[return experiment "x" {
    train = { epochs = sweep { 1, 2 }, optimizer = adam { lr = sweep { 0.1, 0.2 } } },
    seed = sweep { 5, 3 },
    data = csv "d.csv" { target = "y" },
    model = network { dense { 2 } } }]])[1].runs
  local seen = {}
  for i, run in ipairs(runs) do
    seen[i] = { run.train.epochs, run.train.optimizer.options.lr, run.seed }
  end
  t.equal(seen, { { 1, 0.1, 5 }, { 1, 0.1, 3 }, { 1, 0.2, 5 }, { 1, 0.2, 3 }, { 2, 0.1, 5 },
                  { 2, 0.1, 3 }, { 2, 0.2, 5 }, { 2, 0.2, 3 } })
  t.equal(runs[4].swept, { ["train.epochs"] = 1, ["train.optimizer.lr"] = 0.2, seed = 3 })
end)

t.test("sweeps of words, and sweeps inside their values", function()
  local runs = check([[return experiment "x" {
    data = csv "d.csv" { target = "y" }, model = network { dense { 2 } },
    train = { epochs = 1, optimizer = sweep { sgd { lr = sweep { 0.1, 0.2 } }, adam } } }]])[1].runs
  local seen = {}
  for i, run in ipairs(runs) do seen[i] = run.train.optimizer.word .. run.train.optimizer.options.lr end
  t.equal(seen, { "sgd0.1", "sgd0.2", "adam0.001" })
  t.equal(runs[3].swept, { ["train.optimizer"] = "adam" })
end)

t.test("an option given by its place is swept under its name", function()
  local runs = check([[return experiment "x" { inputs = npy "x.npy",
    model = network { input = 3, dense { sweep { 8, 4 } }, dense { 2 } } }]])[1].runs
  t.equal(runs[2].swept, { ["model[1].units"] = 4 })
  t.equal(runs[2].model.options.layers[1].options.units, 4)
end)

t.test("too many combinations", function()
  t.raises("s.lua:2: the sweeps make more than 10000 combinations", nil, check, [[
    local list = {} for i = 1, 101 do list[i] = i end
    return experiment "x" { inputs = npy "x.npy", model = onnx "m.onnx", seed = sweep(list),
      target = sweep(list) }]], nil)
end)

-- -------------------------------------------------------------------------------- expectations

local expecting = [[
  labels = npy "y.npy", evaluate = { accuracy, precision { average = "macro" }, precision { as = "p" } },
  explain = { saliency, integrated_gradients { steps = sweep { 16, 64 } } }, judge = { deletion },
  expect = { %s }]]

local function expect(text) return check(arrays(expecting:format(text)))[1].expect[1] end

t.test("patterns: words with options, labels, all that match", function()
  t.equal(expect "at_least { accuracy, 0.5 }".labels, { "accuracy" })
  t.equal(expect "at_least { precision, 0.5 }".labels, { "precision", "p" })
  t.equal(expect 'at_least { precision { average = "macro" }, 0.5 }'.labels, { "precision" })
  t.equal(expect 'at_most { "p", 0.5 }'.labels, { "p" })
  t.equal(expect "at_most { deletion, 0.5 }".labels, { "deletion" })
  local better = expect "better { integrated_gradients, than = saliency, on = deletion, ci = 0.9 }"
  t.equal({ better.left, better.right, better.on, better.ci },
    { { "integrated_gradients-16", "integrated_gradients-64" }, { "saliency" }, { "deletion" }, 0.9 })
  t.equal(expect "better { integrated_gradients { steps = 64 }, than = saliency, on = deletion }".left,
    { "integrated_gradients-64" })
  t.equal(expect "better { integrated_gradients, than = saliency, on = deletion }".ci, 0.95)
  t.equal(expect 'better { "saliency", than = "integrated_gradients-16", on = "deletion" }'.right,
    { "integrated_gradients-16" })
  t.equal(expect "at_least { accuracy, 0.5 }".text, "at_least { accuracy, 0.5 }")
end)

t.test("patterns that match nothing", function()
  t.raises("s.lua:3: expect[1].metric: nothing in evaluate is recall",
    "labels: accuracy, precision, p", expect, "at_least { recall, 0.5 }")
  t.raises('s.lua:3: expect[1].metric: there is no label "acc" in evaluate or judge',
    "labels: accuracy, precision, p, deletion", expect, 'at_least { "acc", 0.5 }')
  t.raises("s.lua:3: expect[1].explainer.steps: expected a whole number from 1 to 10000, found \"x\"", nil,
    expect, 'better { integrated_gradients { steps = "x" }, than = saliency, on = deletion }')
  t.raises("s.lua:3: expect[1].metric: expected a metric or a judge, found saliency",
    "saliency is an explainer: it belongs in explain", expect, "at_least { saliency, 0.5 }")
  t.raises("s.lua:3: expect[1]: 'saliency' is on both sides", "tell them apart by an option or a label",
    expect, "better { saliency, than = saliency, on = deletion }")
  t.raises("s.lua:3: expect[1]: better needs 'on': a judge of explainers, a metric of runs, or the label of one", nil,
    expect, "better { saliency, than = integrated_gradients }")
end)

-- ---------------------------------------------------------------------------------------- --set

local function set(...)
  return check([[return experiment "x" {
    data = csv "d.csv" { target = "y" }, seed = sweep { 1, 2 },
    model = network { dense { 8 }, relu, dense { 2 } },
    train = { epochs = 3, optimizer = adam { lr = sweep { 0.1, 0.2 } } },
    explain = { saliency, integrated_gradients { steps = sweep { 16, 64 } }, saliency { as = "s.b" } } }]],
    { set = { ... } })[1].runs
end

t.test("--set: fields, places, labels, words", function()
  t.equal(set("train.epochs=7")[1].train.epochs, 7)
  t.equal(set("train.batch= 16 ")[1].train.batch, 16)
  t.equal(set("model[1].units=4")[1].model.options.layers[1].options.units, 4)
  t.equal(set("explain[1].absolute=false")[1].explain[1].options.absolute, false)
  t.equal(set("explain.s.b.absolute=false")[1].explain[4].options.absolute, false)
  t.equal(set("explain.saliency.absolute=false")[1].explain[1].options.absolute, false)
  t.equal(set("data.split.train=0.5")[1].data.options.split.train, 0.5)
  t.equal(set('data.target=z')[1].data.options.target, "z")
  t.equal(set('data.target="3"')[1].data.options.target, "3")
  t.equal(set("train.optimizer=sgd { lr = 0.5 }")[1].train.optimizer.options.lr, 0.5)
  t.equal(set("train.loss=cross_entropy")[1].train.loss.word, "cross_entropy")
  t.equal(labels(set("explain={ input_x_gradient }")[1].explain), { "input_x_gradient" })
  t.equal(set("target={0, 1}")[1].target.value, { 0, 1 })
  t.equal(set("train.class_weights=balanced")[1].train.class_weights, "balanced")
end)

t.test("--set on a swept field replaces the sweep", function()
  t.equal(#set(), 4)
  t.equal(#set("seed=9"), 2)
  t.equal(set("seed=9")[1].seed, 9)
  t.equal(#set("seed=9", "train.optimizer.lr=0.5"), 1)
  t.equal(labels(set("explain[2].steps=8")[1].explain), { "saliency", "integrated_gradients", "s.b" })
  t.equal(set("explain.integrated_gradients.steps=8")[1].explain[2].options.steps, 8)
  t.equal(#set("train.epochs=sweep { 1, 2, 3 }"), 12)
end)

t.test("--seed is --set seed", function()
  local runs = check(arrays "seed = 4", { seed = 11 })[1].runs
  t.equal(runs[1].seed, 11)
end)

t.test("--set mistakes", function()
  t.raises("--set train.epoch=7: train has no field 'epoch'", "did you mean 'train.epochs'?", set, "train.epoch=7")
  t.raises("--set zebra=7: experiment has no field 'zebra'", nil, set, "zebra=7")
  t.raises("--set model[9].units=4: model has 3 entries, there is no [9]", nil, set, "model[9].units=4")
  t.raises("--set explain.lime.samples=4: there is no label 'lime' in explain",
    "labels: saliency, integrated_gradients, s.b", set, "explain.lime.samples=4")
  t.raises("--set train.epochs=many: expected a whole number from 1, found \"many\"", nil, set,
    "train.epochs=many")
  t.raises("--set explain={ foo }: unknown word 'foo'", nil, set, "explain={ foo }")
  t.raises("--set seed: expected path=value, as train.epochs=3", nil, set, "seed")
  t.raises("--set train.epochs.x=3: train.epochs has no field x", nil, set, "train.epochs.x=3")
end)

-- --------------------------------------------------------------------------------- several

t.test("several experiments; --set changes those that have the path", function()
  local text = [[return {
    experiment "a" { inputs = npy "x.npy", model = onnx "m.onnx" },
    experiment "b" { inputs = npy "x.npy", model = onnx "m.onnx", explain = { saliency } },
  }]]
  local checked = check(text, { set = { "explain[1].absolute=false" } })
  t.equal({ checked[1].name, checked[2].name, checked[2].line }, { "a", "b", 3 })
  t.equal(checked[2].runs[1].explain[1].options.absolute, false)
end)

t.test("--confine keeps paths below its folders", function()
  local text = arrays ""
  t.truthy(check(text, { confine = { "/data" } }))
  t.raises("s.lua:1: model.path: /data/m.onnx lies outside the script's folder, and --confine is on",
    "--allow read=DIR opens another folder", check, text, { confine = { "/other", "/dat" } })
end)

t.test("an option that says nothing is refused, but not of a sweep, nor in a stored script, which ran with it", function()
  local idle = require "idle"
  local text = arrays 'explain = { integrated_gradients { method = "exact", steps = 20 } }'
  t.raises("s.lua:1: explain[1].steps: 'steps' says nothing here: method = \"exact\" goes from one bend of the "
    .. "network to the next", "leave it out", check, text)
  t.truthy(check(arrays 'explain = { lrp { rule = sweep { "gamma", "epsilon" }, gamma = 0.1 } }'))
  idle.allow(true)
  t.truthy(check(text))
  t.equal(idle.allows {}, true)
  idle.allow(false)
  t.equal(idle.allows {}, false) -- what the engine is told
  t.equal(idle.allows { swept = { rule = "gamma" } }, true)
end)
