-- Parts of the script's own: names, labels, patterns, paths of --set, and what is kept of functions.
local t = ...
local callback = require "callback"
local log = require "log"
local plan = require "plan"
local schema = require "schema"
local source = require "source"
local strict = require "strict"
local words = require "words"

local function check(text, settings)
  source.add("o.lua", text)
  local chunk = assert(load(text, "@o.lua", "t", strict.environment {}))
  settings = settings or {}
  settings.script, settings.folder = "o.lua", "/data"
  return schema.check(chunk(), settings)[1]
end

local scores = 'return experiment "x" { scores = npy "s.npy", labels = npy "l.npy", %s }'

t.test("a part goes by its own name, and so does its label", function()
  local run = check(scores:format [[evaluate = {
    metric "b" { higher_is_better = true, compute = print },
    metric { "c", higher_is_better = false, compute = print, as = "other" },
  }]]).runs[1]
  local b, c = run.evaluate[1], run.evaluate[2]
  t.equal({ b.word, b.own, b.label, b.higher_is_better }, { "b", "metric", "b", true })
  t.equal({ c.word, c.own, c.label, c.higher_is_better }, { "c", "metric", "other", false })
  t.truthy(type(b.options.compute) == "function" and b.options.ci == nil)
end)

t.test("a sweep counts functions by their place", function()
  local run = check(scores:format [[evaluate = {
    metric "m" { higher_is_better = true, compute = sweep { print, pairs } },
  }]]).runs[1]
  t.equal({ run.evaluate[1].label, run.evaluate[2].label }, { "m-1", "m-2" })
  t.equal(run.evaluate[2].swept, { ["compute"] = "a function" })
end)

t.test("a loop makes a part several times: labels are numbered, the name is one", function()
  local run = check [[
    local list = {}
    for i = 1, 2 do
      list[i] = metric "m" { higher_is_better = true, compute = function() return i end }
    end
    return experiment "x" { scores = npy "s.npy", labels = npy "l.npy", evaluate = list }
  ]].runs[1]
  t.equal({ run.evaluate[1].label, run.evaluate[2].label }, { "m", "m-2" })
end)

t.test("names mean one thing in the whole script, across kinds and experiments", function()
  t.raises("o.lua:6: judge[1].name: the name 'm' is taken by an explainer of line 4",
    "give each part of your own a name of its own", check, [[
    local x = experiment "x" {
      data = csv "d.csv" { target = "y" }, model = network { dense { 2 } },
      explain = { explainer
        "m" { run = function() end } },
      judge = {
        judge "m" { higher_is_better = true, compute = function() end } },
    }
    return x]])
end)

t.test("patterns: the part, its label, its kind, its options", function()
  local expect = check([[
    local a = metric "a" { higher_is_better = true, compute = print }
    local b = metric "b" { higher_is_better = true, compute = pairs }
    return experiment "x" { scores = npy "s.npy", labels = npy "l.npy", evaluate = { a, b, a { as = "c" } },
      expect = { at_least { a, 0 }, at_least { "c", 0 }, at_least { metric, 0 },
                 at_least { metric { compute = pairs }, 0 } } }
  ]]).expect
  t.equal(expect[1].labels, { "a", "c" })
  t.equal(expect[2].labels, { "c" })
  t.equal(expect[3].labels, { "a", "b", "c" })
  t.equal(expect[4].labels, { "b" })
  t.equal(expect[1].text, 'at_least { metric "a", 0 }')
end)

t.test("--set finds a part by its name", function()
  local script = [[return experiment "x" { data = csv "d.csv" { target = "y" }, model = network { dense { 2 } },
    explain = { saliency, explainer "mine" { run = function() end } } }]]
  local run = check(script, { set = { "explain.mine.stream=3", "explain.mine.link=logit" } }).runs[1]
  t.equal({ run.explain[2].options.stream, run.explain[2].options.link }, { 3, "logit" })
end)

t.test("functions are kept as the place where they stand", function()
  local f = load("\n\nreturn function() end", "@/a/b/f.lua", "t", {})()
  t.equal(callback.text(f), "function (f.lua:3)")
  t.equal(callback.text(print), "function (of Lua)")
  t.equal(log.plain { word = "m", own = "metric", options = { compute = f } },
    { word = "metric", compute = "function (f.lua:3)" })
  local rows = log.params_of { evaluate = { { word = "m", own = "metric", label = "m",
                                             options = { compute = f } } } }
  t.equal(rows, { { key = "evaluate.m", type = "word", text = "metric" },
                  { key = "evaluate.m.compute", type = "function", text = "function (f.lua:3)" } })
end)

t.test("a call's error has the script's line, or the function's; its draws start anew", function()
  source.add("f.lua", "")
  local environment = strict.environment {}
  local f = load("return function(x)\n return x.y.z\nend", "@f.lua", "t", environment)()
  local g = load("\nreturn function()\n error(7)\nend", "@f.lua", "t", environment)()
  local node = { script = "f.lua", path = "evaluate[1]" }
  local function status_of(h, ...)
    local _, err = pcall(callback.call, node, "compute", 0, 0, h, ...)
    return { err.status, err.kind, err.line, err.field }
  end
  t.equal(status_of(f, {}), { 1, "callback", 2, "evaluate[1].compute" })
  t.equal(status_of(g), { 1, "callback", 2, "evaluate[1].compute" })
  local a = callback.call(node, "compute", 3, 4, math.random)
  math.random()
  t.truthy(callback.call(node, "compute", 3, 4, math.random) == a)
  t.truthy(callback.call(node, "compute", 3, 5, math.random) ~= a)
end)

t.test("a blackbox needs inputs where there is no data, and takes no gradients", function()
  local run = check([[return experiment "x" { inputs = npy "x.npy", explain = { feature_ablation },
    model = blackbox { inputs = 4, outputs = 2, predict = print } }]]).runs[1]
  t.equal({ run.model.options.inputs, run.model.options.returns }, { 4, "raw" })
  t.truthy(run.model.options.encode == nil)
  run = check([[return experiment "x" { data = csv "d.csv" { target = "y" },
    model = blackbox { outputs = 2, predict = print } }]]).runs[1]
  t.equal(run.model.options.encode.numeric, "standard")
  t.raises("o.lua:1: train: only a network { ... } can be trained", "leave train out", check,
    [[return experiment "x" { data = csv "d.csv" { target = "y" }, train = { epochs = 1 },
    model = blackbox { outputs = 2, predict = print } }]])
  t.raises("o.lua:2: model.encode: a model on arrays has no encoding: its inputs are its features",
    "leave it out", check, [[return experiment "x" { inputs = npy "x.npy",
    model = blackbox { inputs = 2, outputs = 2, predict = print, encode = { numeric = "none" } } }]])
end)

t.test("words of parts: text, and the plan's line", function()
  local environment = strict.environment {}
  local word = load("return explainer 'mine' { run = print, stream = 2 }", "@w.lua", "t", environment)()
  t.equal(tostring(word), 'explainer "mine"')
  t.equal(words.name_of(words.raw(word)), "mine")
  t.truthy(plan.text { check [[return experiment "x" { inputs = npy "x.npy", explain = { feature_ablation },
    model = blackbox { inputs = 4, outputs = 2, predict = print } }]] }:find("model     blackbox", 1, true))
end)

t.test("a function's identity is its place and what it holds", function()
  local make = load([[
    local function make(n, list) return function() return n, list, print end end
    local word = saliency
    local function recursive() return recursive, word end
    return make, recursive, function() return word end]], "@i.lua", "t", strict.environment { arg = { "a" } })
  local again = load([[
    local function make(n, list) return function() return n, list, print end end
    local word = saliency
    local function recursive() return recursive, word end
    return make, recursive, function() return word end]], "@i.lua", "t", strict.environment { arg = { "b" } })
  local f, recursive, last = make()
  local other, other_recursive = again()
  local id = callback.identity
  t.truthy(id(f(1, { 2, a = { true } })) == id(f(1, { a = { true }, 2 })))
  t.truthy(id(f(1, { 2 })) ~= id(f(2, { 2 })))
  t.truthy(id(f(1, { 2 })) ~= id(f(1, { 3 })))
  t.truthy(id(f(1, { 2 })) ~= id(f(1, { "2" })))
  t.truthy(id(recursive) == id(recursive) and id(recursive) ~= id(last))
  t.truthy(id(f(1)) ~= id(other(1)) and id(recursive) ~= id(print)) -- the script's arguments
  t.truthy(#id(other_recursive) == 64)
end)
