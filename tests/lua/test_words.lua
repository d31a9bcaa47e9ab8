-- Words as values, and descriptors.
local t = ...
local words = require "words"
local strict = require "strict"

local environment = strict.environment {}

local function run(text) return assert(load(text, "@w.lua", "t", environment))() end

t.test("a call makes a new word and leaves the old one", function()
  local a, b = run [[
    local a = integrated_gradients { steps = 8 }
    local b = a { baseline = "mean" }
    return a, b
  ]]
  t.equal(words.raw(a).named, { steps = 8 })
  t.equal(words.raw(b).named, { steps = 8, baseline = "mean" })
end)

t.test("what a word was given is copied at once", function()
  local word = run [[
    local groups = { { "age" }, { "job" } }
    local word = feature_ablation { groups = groups }
    groups[1][1] = "changed"
    groups[3] = {}
    return word
  ]]
  local groups = words.raw(word).named.groups
  t.truthy(#groups.list == 2 and groups.list[1].list[1] == "age")
end)

t.test("texts, numbers and words are the first option without a name", function()
  t.equal(words.raw(run 'return npy "x.npy"').list, { "x.npy" })
  t.equal(words.raw(run "return dense(64)").list, { 64 })
  t.truthy(words.raw(run "return residual(relu)").list[1].word.name == "relu")
  t.equal(words.raw(run 'return csv "a.csv" { target = "y" }').list, { "a.csv" })
end)

t.test("words remember the line of their last call", function()
  local word = run "local a =\n csv 'x.csv'\n\nreturn a {\n target = 'y' }"
  t.equal(words.raw(word).line, 4)
  t.equal(words.raw(word).script, "w.lua")
  t.truthy(words.raw(run "return saliency").line == nil)
  t.equal(words.raw(run "\n\nreturn saliency {}").line, 3) -- a tail call
end)

t.test("a word's text is how a script writes it", function()
  t.truthy(tostring(run "return integrated_gradients { baseline = 'mean', steps = 8 }")
    == 'integrated_gradients { steps = 8, baseline = "mean" }')
  t.truthy(tostring(run "return saliency") == "saliency")
  t.truthy(tostring(run "return npy 'a\"b.npy'") == 'npy "a\\"b.npy"')
end)

t.test("words do not change", function()
  t.raises("w.lua:1: words do not change: 'saliency' cannot be assigned to",
    "write saliency { ... }, which makes a new value", run, "saliency.absolute = true")
end)

t.test("common options: as, link, space, tolerance, name", function()
  local function param(word, name)
    for _, each in ipairs(words.find(word).params) do
      if each.name == name then return each end
    end
  end
  t.truthy(param("saliency", "as") and param("saliency", "link") and param("saliency", "space"))
  t.truthy(param("accuracy", "as") and not param("accuracy", "link"))
  t.truthy(param("deletion", "as"))
  t.truthy(param("relu", "name"))
  t.truthy(param("integrated_gradients", "tolerance").value > 0)
  t.truthy(not param("saliency", "tolerance"))
end)

t.test("every descriptor can be read: defaults, ranges, choices, help", function()
  for _, word in ipairs(words.all()) do
    t.truthy(word.summary and #word.summary > 0, word.name .. " has no summary")
    for _, param in ipairs(word.params) do
      local name = word.name .. "." .. param.name
      t.truthy(param.help and #param.help > 0, name .. " has no help")
      t.truthy(not (param.required and param.value ~= nil), name)
      if param.type == "choice" and param.value ~= nil then
        t.truthy(("|" .. param.choices .. "|"):find("|" .. param.value .. "|", 1, true), name)
      end
      if param.type == "int" and param.value ~= nil then
        t.truthy(math.type(param.value) == "integer", name)
      end
      if param.min and type(param.value) == "number" then
        t.truthy(param.value >= param.min, name .. ": its default is below its range")
      end
      if param.max and type(param.value) == "number" then
        t.truthy(param.value <= param.max, name .. ": its default is above its range")
      end
    end
  end
end)

local function needs(word)
  for _, param in ipairs(word.params) do
    if param.required then return true end
  end
end

t.test("a bare word's default options pass its own check", function()
  local resolve = require "resolve"
  for _, category in ipairs { "explainer", "metric", "judge", "optimizer", "schedule", "loss" } do
    for _, name in ipairs(words.names(category)) do
      if not needs(words.find(name, category)) then
        local node = resolve.node(words.bare(name, category), { path = "x", keys = {} }, {})
        t.equal(node.word, name)
      end
    end
  end
end)

t.test("a name may be a word of two categories", function()
  t.truthy(words.find("mse", "metric").category == "metric")
  t.truthy(words.find("mse", "loss").category == "loss")
  t.truthy(words.find("mse", "judge") == nil)
  local raw = words.raw(run "return mse")
  t.truthy(words.is_word(raw, "loss") and words.is_word(raw, "metric"))
  t.truthy(not words.is_word(raw, "explainer"))
  t.truthy(words.as(raw, "loss").word.task == "regression")
end)

t.test("scripts see tables in a fixed order", function()
  local order = run [[
    local order = {}
    for key in pairs { b = 1, a = 2, [3] = 0, [1] = 0, [2.5] = 0, z = 1 } do
      order[#order + 1] = tostring(key)
    end
    local t, key = { y = 1, x = false }, nil
    local first, value = next(t)
    order[#order + 1] = first .. tostring(value)
    order[#order + 1] = next(t, first)
    order[#order + 1] = tostring(next(t, "y"))
    return order
  ]]
  t.equal(order, { "1", "2.5", "3", "a", "b", "z", "xfalse", "y", "nil" })
end)

t.test("a table may lose entries while it is walked through", function()
  t.equal(run [[
    local seen, t = {}, { a = 1, b = 2, c = 3 }
    for key in pairs(t) do
      seen[#seen + 1] = key
      t.b = nil
    end
    return seen
  ]], { "a", "c" })
end)

t.test("coroutines, pcall and metatables work as in Lua", function()
  t.equal(run [[
    local co = coroutine.wrap(function(a)
      local ok, b = pcall(coroutine.yield, a + 1)
      local fine, message = xpcall(error, function(text) return "handled " .. text end, "x")
      return ok, b, fine, message
    end)
    local first = co(1)
    local list = { first, co(5) }
    local ok, message = pcall(error, { code = 7 })
    list[#list + 1] = ok
    list[#list + 1] = message.code
    list[#list + 1] = setmetatable({}, { __index = function(_, key) return key end }).hello
    return list
  ]], { 2, true, 5, false, "handled x", false, 7, "hello" })
end)

t.test("random numbers in scripts are the same every time", function()
  math.randomseed(0)
  local first = run "return { math.random(1000000), math.random(1000000) }"
  math.randomseed(0)
  t.equal(run "return { math.random(1000000), math.random(1000000) }", first)
end)

t.test("core stays out of scripts", function()
  for _, name in ipairs { "core", "debug", "io", "os", "load", "rawset", "rawget", "_G", "package" } do
    local ok = pcall(run, "return " .. name)
    t.truthy(not ok, name)
  end
  t.truthy(run "return ('').dump" == nil)
end)

