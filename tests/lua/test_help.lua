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
  if example:find "npy \"x.npy\"" then return ('return experiment "x" { model = onnx "m.onnx", %s }'):format(example) end
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
