-- The words that are the language's own (explainers, metrics and the like describe themselves in
-- C), in the same shape: name, category, summary, params, example. A parameter's `type` is a checker
-- of types.lua; `rest = true` marks the one that takes the whole list of what stands without a name.
-- `otherwise` says in words what holds where a field is left out and no one value is its default.
local fields = require "fields"

-- A part that the script brings has a name first, and then what it is made of.
local function own_params(what, params)
  table.insert(params, 1, { name = "name", type = "own_name", position = 1, required = true,
    help = ("the %s's name: its label, and what the store calls it"):format(what) })
  return params
end

local metric_or_judge = { { "metric", "evaluate" }, { "judge", "judge" } }

local function bound(name, text)
  return {
    name = name, category = "expectation", summary = text,
    params = {
      { name = "metric", type = "pattern", lists = metric_or_judge, position = 1, required = true,
        help = "a metric or judge, with the options that tell it apart, or a label" },
      { name = "value", type = "real", position = 2, required = true, help = "the bound" },
    },
    example = ("expect = { %s { accuracy, 0.70 } }"):format(name),
  }
end

local list = {
  {
    name = "experiment", category = "experiment",
    summary = "one experiment: data, model, training, and what to evaluate, explain and judge",
    params = {
      { name = "name", type = "experiment_name", position = 1, required = true,
        help = "the experiment's name in the store" },
      { name = "seed", type = "int", default = "0", min = 0, help = "seed of all random draws" },
      { name = "numerics", type = "choice", choices = "strict|fast", default = '"strict"',
        help = "fast: convolutions of 3x3 and 5x5 with fewer multiplications, a little less exact" },
      { name = "data", type = "word", choices = "data", help = "the rows to train, evaluate and explain on" },
      { name = "task", type = "task", otherwise = "by the target column and the model's outputs",
        help = "whether the target is classes or a number" },
      { name = "model", type = "word", choices = "model",
        help = "what is trained, evaluated and explained" },
      { name = "train", type = "fields", fields = fields.train,
        otherwise = "no training, the initial weights stay", help = "how the network is trained" },
      { name = "inputs", type = "inputs", otherwise = 'rows { split = "test" }',
        help = "the rows to explain: rows { ... } of the data, an array file, or a table of array "
          .. "files by the model's input names" },
      { name = "labels", type = "word", choices = "array",
        help = "an array file with one label a row of inputs, where these are a file" },
      { name = "scores", type = "word", choices = "array",
        help = "an array file of probabilities made elsewhere, in place of a model" },
      { name = "target", type = "target", otherwise = "predicted",
        help = "the output to explain: predicted, label, all, top(k), a class's number or name, or a list with "
          .. "one entry a row" },
      { name = "link", type = "choice", choices = "raw|logit|probability|loss", default = '"raw"',
        help = "the scale that is explained" },
      { name = "evaluate", type = "words", choices = "metric",
        help = "what is measured of the model, over the test rows" },
      { name = "explain", type = "words", choices = "explainer",
        help = "what explains each row of inputs" },
      { name = "control", type = "words", choices = "explainer",
        help = "explainers that are judged beside the others, to be beaten: { random_attribution }" },
      { name = "judge", type = "words", choices = "judge",
        help = "what measures each explanation" },
      { name = "pictures", type = "words", choices = "picture",
        help = "heat maps and charts, drawn as PNG and SVG when a run is done" },
      { name = "expect", type = "words", choices = "expectation",
        help = "what must hold when all runs are done, else the exit status is 3" },
    },
    example = [[return experiment "credit" {
  data = csv "german_credit.csv" { target = "class", positive = "bad" },
  model = network { dense { 64 }, relu, dense { 2 } },
  train = { epochs = 40 },
  evaluate = { accuracy, roc_auc },
  explain = { saliency, integrated_gradients { steps = 64 } },
}]],
  },
  {
    name = "csv", category = "data", summary = "a table: a CSV file whose first line names the columns",
    params = {
      { name = "path", type = "path", position = 1, required = true,
        help = "the file, from the script's folder" },
      { name = "target", type = "string", required = true, help = "the column to predict" },
      { name = "positive", type = "string", otherwise = "the second in order",
        help = "of two classes, the one that is class 1" },
      { name = "classes", type = "strings", otherwise = "all that occur, sorted",
        help = "the classes in the order of their numbers" },
      { name = "split", type = "fields", fields = fields.split, filled = true,
        otherwise = "train = 0.75, test = 0.25", help = "how the rows are divided" },
      { name = "weight", type = "string", otherwise = "every row counts 1",
        help = "a column of numbers from 0: how much each row counts in training and metrics" },
      { name = "numeric", type = "strings", otherwise = "columns that hold only numbers",
        help = "columns that are numbers" },
      { name = "categorical", type = "strings", otherwise = "all other columns",
        help = "columns that are categories" },
      { name = "ignore", type = "strings", help = "columns to leave out" },
      { name = "missing", type = "strings", otherwise = "empty, NA, NaN, nan, null, ?",
        help = "texts that mean that a value is missing" },
      { name = "drop_missing", type = "bool", default = "false",
        help = "whether rows with a missing value are left out" },
      { name = "separator", type = "character", default = '","',
        help = "what stands between two cells of a line" },
      { name = "shape", type = "shape",
        help = "shape of one row, where the columns are its pixels: { 1, 8, 8 }; they are read as numbers, "
          .. "and the model sees an array" },
    },
    example = [[data = csv "german_credit.csv" {
  target = "class", positive = "bad", split = { train = 0.7, test = 0.3 },
}]],
  },
  {
    name = "images", category = "data",
    summary = "a folder of images: PNG and JPEG files, the class of each its folder",
    params = {
      { name = "path", type = "path", position = 1, required = true,
        help = "the folder, from the script's; each folder in it is a class" },
      { name = "test", type = "path", otherwise = "drawn by split",
        help = "another such folder: its images are the test rows" },
      { name = "resize", type = "ints", min = 1, otherwise = "all images have one size",
        help = "height and width, { 28, 28 }: every image is resized, bilinear with antialiasing" },
      { name = "grey", type = "bool", default = "false",
        help = "whether images have one channel, else red, green and blue" },
      { name = "mean", type = "reals", default = "0",
        help = "subtracted from pixels of 0 to 1: a number, or one a channel" },
      { name = "std", type = "reals", default = "1", min = 0, above_min = true,
        help = "what the difference is divided by: a number, or one a channel" },
      { name = "classes", type = "strings", otherwise = "all folders, sorted",
        help = "the folders in the order of their class numbers" },
      { name = "positive", type = "string", otherwise = "the second in order",
        help = "of two folders, the one that is class 1" },
      { name = "split", type = "fields", fields = fields.array_split, filled = true,
        otherwise = "train = 0.75, test = 0.25", help = "how the images are divided" },
    },
    example = [[data = images "flowers/" {
  resize = { 64, 64 }, mean = { 0.485, 0.456, 0.406 }, std = { 0.229, 0.224, 0.225 },
}]],
  },
  {
    name = "arrays", category = "data", summary = "rows to train on from files of arrays: inputs and labels",
    params = {
      { name = "inputs", type = "rows_of_inputs", required = true,
        help = "an array file, rows first; of a model of several inputs one for each, by its name" },
      { name = "labels", type = "word", choices = "array", required = true,
        help = "an array file with one label a row: classes from 0, or numbers" },
      { name = "test", type = "fields", fields = fields.test, otherwise = "drawn by split",
        help = "inputs and labels of the test rows, where they are files of their own" },
      { name = "shape", type = "shape", otherwise = "as the file has it",
        help = "shape of one row, as { 1, 28, 28 } where the file lacks the channel" },
      { name = "classes", type = "strings", otherwise = "their numbers",
        help = "names of classes 0, 1, ... in order" },
      { name = "split", type = "fields", fields = fields.array_split, filled = true,
        otherwise = "train = 0.75, test = 0.25", help = "how the rows are divided" },
    },
    example = [[data = arrays {
  inputs = idx "train-images-idx3-ubyte.gz" { scale = 1/255 }, labels = idx "train-labels-idx1-ubyte.gz",
}]],
  },
  {
    name = "npy", category = "array", summary = "an array file of NumPy, rows first",
    params = {
      { name = "path", type = "path", position = 1, required = true,
        help = "the file, from the script's folder" },
    },
    example = 'inputs = npy "x.npy"',
  },
  {
    name = "npz", category = "array", summary = "an array of an archive of NumPy (savez), rows first",
    params = {
      { name = "path", type = "path", position = 1, required = true,
        help = "the file, from the script's folder" },
      { name = "key", type = "string",
        help = "the array's name in the archive; not needed where it holds only one" },
    },
    example = 'inputs = npz "data.npz" { key = "x" }',
  },
  {
    name = "idx", category = "array", summary = "an array in MNIST's format (IDX), rows first; .gz too",
    params = {
      { name = "path", type = "path", position = 1, required = true,
        help = "the file, from the script's folder" },
      { name = "scale", type = "real", otherwise = "1",
        help = "every number is multiplied by it: 1/255 makes pixels 0 to 1" },
    },
    example = 'inputs = idx "t10k-images-idx3-ubyte.gz" { scale = 1/255 }',
  },
  {
    name = "rows", category = "rows", summary = "a choice of the data's rows",
    exclusive = { "take", "sample" },
    params = {
      { name = "split", type = "choice", choices = "train|test|validation", default = '"test"',
        help = "the part of the data to choose from" },
      { name = "take", type = "int", min = 1, otherwise = "all", help = "so many rows, from the first" },
      { name = "sample", type = "int", min = 1, help = "so many rows, drawn by the experiment's seed" },
      { name = "class", type = "class", otherwise = "all classes", help = "only rows of this class: its number or name" },
    },
    example = 'inputs = rows { split = "test", take = 100 }',
  },
  {
    name = "grid", category = "groups", summary = "groups of inputs by the cells of a grid laid over an array",
    params = {
      { name = "cells", type = "ints", rest = true, required = true, min = 1,
        help = "how many along each of the last axes, rows before columns; one number: along all but the "
          .. "channels. Axes without a number, and channels, are whole" },
    },
    example = "explain = { kernel_shap { groups = grid { 4, 4 } } }",
  },
  {
    name = "superpixels", category = "groups",
    summary = "groups of an image's pixels that hang together and have much the same colour, each row's its own",
    params = {
      { name = "method", type = "choice", choices = "quickshift|slic", default = '"quickshift"',
        help = "how they are found: quickshift has the lime package's defaults, slic makes about so many" },
      { name = "kernel_size", type = "real", default = "4", min = 1, max = 1000,
        help = "quickshift: deviation of the density's kernel, in pixels; the larger, the fewer" },
      { name = "max_dist", type = "real", default = "200", min = 0,
        help = "quickshift: how far a pixel and the denser one that it follows may be apart; the larger, the fewer" },
      { name = "ratio", type = "real", default = "0.2", min = 0,
        help = "quickshift: weight of colours beside places" },
      { name = "segments", type = "int", default = "100", min = 1, help = "slic: how many, about" },
      { name = "compactness", type = "real", default = "10", min = 0, above_min = true,
        help = "slic: weight of places beside colours; the larger, the squarer" },
    },
    example = "explain = { lime { groups = superpixels }, kernel_shap { groups = superpixels { method = \"slic\" } } }",
  },
  {
    name = "blur", category = "baseline", summary = "each row's own numbers, blurred: what covers parts of an image",
    params = {
      { name = "sigma", type = "real", default = "5", min = 0, above_min = true, max = 10000,
        help = "deviation of the Gaussian, in pixels, along every axis but the channels'" },
    },
    example = "explain = { occlusion { window = 4, baseline = blur { sigma = 5 } } }",
  },
  {
    name = "noise", category = "baseline", summary = "normal numbers, drawn for each row: what covers features",
    params = {
      { name = "stdev", type = "real", default = "1", min = 0, max = 1000,
        help = "deviation, times that of the row's own channel for arrays, of the training rows' column for tables" },
      { name = "stream", type = "int", default = "0", min = 0, help = "another number gives independent draws" },
    },
    example = "explain = { feature_ablation { baseline = noise { stdev = 0.5 } } }",
  },
  {
    name = "precomputed", category = "explainer", version = 1,
    summary = "attributions made elsewhere, stored, judged and compared like our own",
    params = {
      { name = "values", type = "word", choices = "array", position = 1, required = true,
        help = "npy ...: (N, ...), the rows of inputs in order; a number a column or a number an "
          .. "input; with several targets a row (N, targets, ...)" },
      { name = "method", type = "string", help = "what made them: kept in the parameters" },
    },
    cost = "one forward pass a row, for the explained number",
    example = 'explain = { precomputed { npy "captum.npy", method = "captum IG" } }',
  },
  {
    name = "metric", category = "metric", own = true,
    summary = "a metric of your own, computed by a function of the script",
    flags = { scores = true, binary = true, multiclass = true, regression = true },
    params = own_params("metric", {
      { name = "higher_is_better", type = "bool", required = true,
        help = "which way it is read by comparisons" },
      { name = "compute", type = "function", required = true,
        help = "function(labels, scores, weights) that returns a number, or nil and a reason; lists "
          .. "with one entry a row" },
    }),
    example = [[evaluate = { metric "cost" { higher_is_better = false, compute = function(labels, scores)
  local cost = 0
  for i, label in ipairs(labels) do
    if label == 1 and scores[i][2] < 0.5 then cost = cost + 5 end
    if label == 0 and scores[i][2] >= 0.5 then cost = cost + 1 end
  end
  return cost / #labels
end } }]],
  },
  {
    name = "judge", category = "judge", own = true, version = 1,
    summary = "a judge of your own, computed by a function of the script",
    params = own_params("judge", {
      { name = "higher_is_better", type = "bool", required = true,
        help = "which way it is read by comparisons" },
      { name = "compute", type = "function", required = true,
        help = "function(x, attribution, info) that returns a number, or nil and a reason; called "
          .. "once a row" },
    }),
    cost = "what the function asks of the model",
    example = [[judge = { judge "largest" { higher_is_better = true, compute = function(x, attribution)
  local most, sum = 0, 0
  for _, value in ipairs(attribution) do
    most, sum = math.max(most, math.abs(value)), sum + math.abs(value)
  end
  if sum == 0 then return nil, "all zero" end
  return most / sum
end } }]],
  },
  {
    name = "explainer", category = "explainer", own = true, version = 1, flags = { random = true },
    summary = "an explainer of your own, computed by a function of the script",
    params = own_params("explainer", {
      { name = "run", type = "function", required = true,
        help = "function(model, x, target) that returns a number an encoded input, or a number a "
          .. "column; called once a row" },
    }),
    cost = "what the function asks of the model",
    example = [[explain = { explainer "nudge" { run = function(model, x, target)
  local rows = { x }
  for i = 1, #x do
    rows[i + 1] = table.move(x, 1, #x, 1, {})
    rows[i + 1][i] = x[i] + 0.1
  end
  local value = model.explained(rows, target)
  local result = {}
  for i = 1, #x do result[i] = (value[i + 1] - value[1]) / 0.1 end
  return result
end } }]],
  },
  {
    name = "network", category = "model", summary = "a network, layer after layer",
    params = {
      { name = "layers", type = "words", choices = "layer", rest = true, required = true,
        help = "the layers in order" },
      { name = "input", type = "shape", otherwise = "as the data tells",
        help = "shape of one row: { 30 } or { 1, 28, 28 }" },
      { name = "encode", type = "fields", fields = fields.encode,
        help = "how the table's columns become numbers" },
      { name = "weights", type = "word", choices = "weights", otherwise = "drawn by the seed",
        help = "a file with the values that the layers' weights start from: all of them, by name" },
    },
    example = "model = network { dense { 64 }, relu, dense { 2 } }",
  },
  {
    name = "safetensors", category = "weights",
    summary = "weights of a network by name, from a safetensors file",
    params = {
      { name = "path", type = "path", position = 1, required = true,
        help = "the file, from the script's folder" },
    },
    example = [[model = network { dense { 64, name = "fc1" }, relu, dense { 2, name = "fc2" },
  weights = safetensors "model.safetensors" }]],
  },
  {
    name = "residual", category = "layer", summary = "its layers, and its own input added to their output",
    formula = "y = x + layers(x)",
    params = {
      { name = "layers", type = "words", choices = "layer", rest = true, required = true,
        help = "the layers in order; their output has the input's shape" },
    },
    example = "model = network { dense { 32 }, residual { dense { 32 }, relu }, dense { 2 } }",
  },
  {
    name = "parallel", category = "layer", summary = "branches over one input, joined",
    formula = "y = concat(branch1(x), branch2(x), ...), or their sum",
    params = {
      { name = "branches", type = "branches", rest = true, required = true,
        help = "lists of layers, two or more" },
      { name = "join", type = "choice", choices = "concat|add", default = '"concat"',
        help = "side by side, or added" },
    },
    example = [[model = network {
  parallel { { dense { 16 }, relu }, { dense { 16 }, tanh }, join = "concat" }, dense { 2 },
}]],
  },
  {
    name = "onnx", category = "model", summary = "a model from an ONNX file",
    params = {
      { name = "path", type = "path", position = 1, required = true,
        help = "the file, from the script's folder" },
      { name = "head", type = "string", help = "name of the output to explain, where there are several" },
    },
    example = 'model = onnx "model.onnx"',
  },
  {
    name = "saved", category = "model", summary = "the model of a stored run, not trained again",
    params = {
      { name = "run", type = "run", position = 1, required = true,
        help = "the run, as on the command line: its number, the beginning of its uuid, an experiment's "
          .. "name (its newest run), last or last~1; of the store that this run goes into" },
    },
    example = 'model = saved { run = "credit" }',
  },
  {
    name = "blackbox", category = "model", summary = "a model that is a function of the script",
    params = {
      { name = "inputs", type = "int", min = 1, otherwise = "as many as the data's encoding makes",
        help = "numbers a row" },
      { name = "outputs", type = "int", min = 1, required = true, help = "numbers it returns a row" },
      { name = "predict", type = "function", required = true,
        help = "function(batch) that gets a list of rows and returns a list of rows of outputs; each "
          .. "depends on its own row alone" },
      { name = "returns", type = "choice", choices = "raw|probability", default = '"raw"',
        help = "what the outputs are: raw ones get a softmax or sigmoid where probabilities are read" },
      { name = "encode", type = "fields", fields = fields.encode,
        help = "how the table's columns become numbers" },
    },
    example = [[model = blackbox { inputs = 2, outputs = 1, predict = function(batch)
  local outputs = {}
  for i, x in ipairs(batch) do outputs[i] = { x[1] * x[2] } end
  return outputs
end }]],
  },
  {
    name = "sweep", category = "sweep",
    summary = "several values in place of one: variants in a list, runs anywhere else",
    params = {
      { name = "values", type = "any", rest = true, required = true, help = "the values, in order" },
    },
    example = "explain = { integrated_gradients { steps = sweep { 16, 64 } } }",
  },
  { name = "predicted", category = "target", summary = "explain the class that the model predicts",
    params = {}, example = "target = predicted" },
  { name = "label", category = "target", summary = "explain the true class",
    params = {}, example = "target = label" },
  { name = "all", category = "target", summary = "explain every class (or output): one attribution each",
    params = {}, example = "target = all" },
  {
    name = "top", category = "target", summary = "explain the classes with the greatest outputs, one attribution each",
    params = {
      { name = "count", type = "int", position = 1, required = true, min = 1,
        help = "how many of them, the greatest first; among equal ones the lower class" },
    },
    example = "target = top(3)",
  },
  { name = "classification", category = "task", summary = "the target is classes",
    params = {}, example = "task = classification" },
  { name = "regression", category = "task", summary = "the target is a number",
    params = {}, example = "task = regression" },
  bound("at_least", "a metric, or the mean of a judge, is at least a number"),
  bound("at_most", "a metric, or the mean of a judge, is at most a number"),
  {
    name = "better", category = "expectation",
    summary = "an explainer, or a model, is better than another, row by row",
    formula = "the paired bootstrap interval of the difference lies on the better side of 0",
    params = {
      { name = "explainer", type = "pattern", lists = { { "explainer", "explain" } }, runs = true,
        position = 1, required = true,
        help = "an explainer, with the options that tell it apart, or a label; where { ... } for the runs "
          .. "that a metric compares, or an experiment's name" },
      { name = "than", type = "pattern", lists = { { "explainer", "explain" } }, runs = true,
        required = true, help = "the other one" },
      { name = "on", type = "pattern", lists = { { "judge", "judge" }, { "metric", "evaluate" } },
        required = true, help = "a judge of explainers, a metric of runs, or the label of one" },
      { name = "ci", type = "real", default = "0.95", min = 0, max = 1, above_min = true,
        below_max = true, help = "level of the interval" },
    },
    example = "expect = { better { integrated_gradients, than = saliency, on = deletion } }",
  },
  {
    name = "where", category = "choice of runs",
    summary = "the runs of a sweep that have these fields: each side of better, on a metric",
    params = {}, -- filled in below: fields of experiment
    example = [[train = { epochs = sweep { 2, 40 } }, evaluate = { roc_auc },
expect = { better { where { train = { epochs = 40 } }, than = where { train = { epochs = 2 } }, on = roc_auc } }]],
  },
}

-- What tells runs of one experiment apart.
local apart = { seed = true, numerics = true, data = true, task = true, model = true, train = true, inputs = true, link = true }

for _, word in ipairs(list) do
  if word.name == "where" then
    for _, param in ipairs(list[1].params) do
      if apart[param.name] then
        word.params[#word.params + 1] = { name = param.name, type = param.type, choices = param.choices,
          fields = param.fields, min = param.min, otherwise = "any",
          as_in = "experiment", -- help describes its fields there
          help = param.help }
      end
    end
  end
end

return list
