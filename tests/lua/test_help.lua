-- Pages of help: their examples are scripts that pass the check.
local t = ...
local words = require "words"
local schema = require "schema"
local source = require "source"
local strict = require "strict"
local help = require "help"

-- A whole script around an example of one field.
local around = {
  explain = "inputs = npy 'x.npy', model = onnx 'm.onnx', %s",
  evaluate = "inputs = npy 'x.npy', labels = npy 'y.npy', model = onnx 'm.onnx', %s",
  judge = "inputs = npy 'x.npy', model = onnx 'm.onnx', explain = { saliency }, %s",
  pictures = "inputs = npy 'x.npy', labels = npy 'y.npy', model = onnx 'm.onnx', explain = { saliency }, "
    .. "%s",
  network = "inputs = npy 'x.npy', model = network { input = 3, %s }",
  model = "inputs = npy 'x.npy', %s",
  train = "data = csv 'd.csv' { target = 'y', split = { train = 0.5, validation = 0.2 } }, "
    .. "model = network { dense { 2 } }, %s",
  data = "model = network { dense { 2 } }, %s",
  inputs = "data = csv 'd.csv' { target = 'y' }, model = network { dense { 2 } }, %s",
  target = "inputs = npy 'x.npy', labels = npy 'y.npy', model = onnx 'm.onnx', %s",
  task = "inputs = npy 'x.npy', model = onnx 'm.onnx', %s",
  expect = "inputs = npy 'x.npy', labels = npy 'y.npy', model = onnx 'm.onnx', evaluate = { accuracy }, "
    .. "explain = { saliency, integrated_gradients }, judge = { deletion }, %s",
}

local function example_script(example)
  if example:find "^return" then return example end
  if example:find "^network {" then example = "model = " .. example end
  if example:find "^parallel" then example = ("model = network { dense { 4 }, %s }"):format(example) end
  if example:find '^inputs = %l+ "' then -- an array: npy, npz, idx
    return ('return experiment "x" { model = onnx "m.onnx", %s }'):format(example)
  end
  if example:find "^model = network" then
    example = example:gsub("network {", "network { input = 3,", 1)
  end
  local field = example:match "^(%w+)"
  return ('return experiment "x" { %s }'):format((around[field] or error(field)):format(example))
end

for _, word in ipairs(words.all()) do
  t.test("the example of " .. word.name .. " (" .. word.category .. ") passes the check", function()
    local text = example_script(help.example(word))
    source.add("e.lua", text)
    local chunk, problem = load(text, "@e.lua", "t", strict.environment {})
    if not chunk then error(text .. ": " .. problem) end
    t.truthy(#schema.check(chunk(), { script = "e.lua", folder = "/data" }) == 1)
  end)
end

-- Fields: an example each of those of the language's own words, and it shows the field.
local examples = require "help/examples"
local fields = require "help/fields"

local beside = {
  train = "data = csv 'd.csv' { target = 'y' }, model = network { dense { 2 } }, %s",
  split = "data = csv 'd.csv' { target = 'y' }, model = network { dense { 2 } }, %s",
  data = "model = network { dense { 2 } }, %s",
  seed = "inputs = npy 'x.npy', model = onnx 'm.onnx', %s",
  numerics = "inputs = npy 'x.npy', model = onnx 'm.onnx', %s",
  scores = "%s",
  inputs = "model = onnx 'm.onnx', %s",
  evaluate = around.expect, explain = around.evaluate, task = around.task, target = around.target,
  link = around.task,
}

local function field_script(path, example)
  if example:find "^return" then return example end
  local frame = beside[example:match "^(%w+)"]
  if example:find "rows {" then frame = around.inputs end
  if example:find "^model" then frame = "data = csv 'd.csv' { target = 'y' }, %s" end
  if path:find "^experiment.train.[pm]" then frame = "model = network { dense { 2 } }, %s" end
  if path == "network.input" then frame = around.inputs:gsub("data = .-, model = .-, ", "inputs = npy 'x.npy', ") end
  if path == "experiment.expect" then frame = around.evaluate end
  return ('return experiment "x" { %s }'):format((frame or error(path)):format(example))
end

local function paths_of(params, path, found)
  for _, param in ipairs(params) do
    found[path .. "." .. param.name] = param.name
    if param.fields then paths_of(param.fields, path .. "." .. param.name, found) end
  end
  return found
end

for _, name in ipairs { "experiment", "csv", "network", "rows" } do
  for path, field in pairs(paths_of(words.find(name).params, name, {})) do
    t.test("the field " .. path .. " has an example that passes the check", function()
      local example = examples[path] or error("none")
      local shown = field == "name" or field == "path" or field == "layers"
        or example:find("%f[%w]" .. field .. " =")
      t.truthy(shown)
      local text = field_script(path, example)
      source.add("e.lua", text)
      local chunk, problem = load(text, "@e.lua", "t", strict.environment {})
      if not chunk then error(text .. ": " .. problem) end
      t.truthy(#schema.check(chunk(), { script = "e.lua", folder = "/data" }) == 1)
      t.truthy(#fields.find(path) == 1)
    end)
  end
end

t.test("every example is of a field that there is", function()
  for path in pairs(examples) do t.equal(#fields.find(path), 1) end
end)

t.test("summaries and meanings start with a small letter and end without a full stop", function()
  local names = { Gini = true, Nesterov = true, FP = true }
  local function check(text, owner)
    local first = text:match "^%a[%a']*"
    if first and first:find "^%u" and not names[first] or text:find "%.$" and not text:find "%.%.%.$" then
      error(owner .. ": " .. text)
    end
  end
  local function params(list, owner)
    for _, param in ipairs(list) do
      check(param.help or "", owner .. "." .. param.name)
      if param.fields then params(param.fields, owner .. "." .. param.name) end
    end
  end
  for _, word in ipairs(words.all()) do
    check(word.summary, word.name)
    params(word.params, word.name)
  end
end)

t.test("numbers side by side are the list of the one place that takes numbers", function()
  local function shape(text)
    local script = ('return experiment "x" { inputs = npy "x.npy", model = network { input = 10, reshape { %s } } }')
      :format(text)
    source.add("e.lua", script)
    local chunk = load(script, "@e.lua", "t", strict.environment {})
    return schema.check(chunk(), { script = "e.lua", folder = "/data" })[1].runs[1].model.options.layers[1]
      .options.shape
  end
  t.equal(shape "2, 5", { 2, 5 })
  t.equal(shape "{ 2, 5 }", { 2, 5 })
  t.equal(shape "shape = { 2, 5 }", { 2, 5 })
  t.equal(shape "10", 10)
  t.raises("e.lua:1: model[1].shape[2]: expected a whole number from -1 to 1073741824, found 0.5", nil,
    shape, "2, 0.5")
  t.raises("e.lua:1: model[1][2]: reshape takes 1 value without a name, found one more: \"a\"", "fields: shape, name",
    shape, "2, 'a'")
end)
