-- The functions of core that stdlib rests on: JSON, hashes, paths, time.
local t = ...
local core = require "core"

t.test("json sorts keys, keeps whole numbers and writes the shortest decimals", function()
  t.truthy(core.json { b = 1, a = { 1, 2.5, "x" }, c = { d = true } }
    == '{"a":[1,2.5,"x"],"b":1,"c":{"d":true}}')
  t.truthy(core.json(0.1) == "0.1")
  t.truthy(core.json(1e-7) == "1e-7")
  t.truthy(core.json(64.0) == "64")
  t.truthy(core.json(math.maxinteger) == "9223372036854775807")
  t.truthy(core.json('a"\n\\') == '"a\\"\\n\\\\"')
end)

t.test("json: empty tables are arrays, core.object is the empty object, nan is null", function()
  t.truthy(core.json {} == "[]")
  t.truthy(core.json(core.object) == "{}")
  t.truthy(core.json { a = core.object, b = {} } == '{"a":{},"b":[]}')
  t.truthy(core.json { 0 / 0, 1 / 0 } == "[null,null]")
  t.truthy(core.json(nil) == "null")
end)

t.test("json refuses what it has no form for", function()
  t.raises("JSON has no function", nil, core.json, { print })
  t.raises("JSON has no table with both names and places, or with places left out", nil, core.json,
    { 1, a = 2 })
  t.raises("JSON has no table with both names and places, or with places left out", nil, core.json,
    { [2] = 1 })
  local deep = {}
  deep.deep = deep
  t.raises("JSON has no tables nested as deep as this", nil, core.json, deep)
end)

t.test("json_parse reads what json writes", function()
  local text = '{"a":[1,2.5,"\\u00e4\\ud83d\\ude00"],"b":{"c":null,"d":false}}'
  local value = core.json_parse(text)
  t.truthy(math.type(value.a[1]) == "integer")
  t.truthy(value.a[2] == 2.5 and value.a[3] == "ä😀" and value.b.c == core.null)
  t.truthy(core.json(value) == '{"a":[1,2.5,"ä😀"],"b":{"c":null,"d":false}}')
  t.equal(core.json_parse " [ ] ", {})
end)

t.test("json_parse says where a text stops being JSON", function()
  for text, byte in pairs { ["[1,]"] = 4, ["{\"a\" 1}"] = 7, ["[1"] = 3, ["tru"] = 1, [""] = 1,
                            ["1 2"] = 3, ["\"\1\""] = 3, ["[01x]"] = 4 } do
    local value, problem = core.json_parse(text)
    t.truthy(value == nil and problem:find("^no JSON at byte %d+$"), text)
    t.equal(problem, "no JSON at byte " .. byte)
  end
end)

t.test("sha256 is the standard's", function()
  t.truthy(core.sha256 "abc" == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
end)

t.test("absolute takes . and .. out", function()
  t.truthy(core.absolute "/a/./b/../c//d/" == "/a/c/d")
  t.truthy(core.absolute "/../.." == "/")
  t.truthy(core.absolute("x"):sub(-2) == "/x")
end)

t.test("uuids are random, version 4; times are UTC with milliseconds", function()
  local a, b = core.uuid(), core.uuid()
  t.truthy(a ~= b and a:find("^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$") and #a == 36, a)
  t.truthy(core.now():find("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$"))
  local first = core.clock()
  t.truthy(math.type(first) == "integer" and core.clock() >= first)
end)

t.test("nearest words", function()
  t.truthy(core.nearest("salency", { "lime", "saliency" }) == "saliency")
  t.truthy(core.nearest("bananas", { "lime", "saliency" }) == nil)
end)

t.test("a missing file is an error of kind file", function()
  local ok, err = pcall(core.read_file, "/nowhere/at/all")
  t.truthy(not ok and err.kind == "file" and err.status == 4)
end)

t.test("what is meant is the one name that begins so, else the nearest", function()
  local suggest = require "suggest"
  local fields = { "absolute", "link", "neuron", "space", "at", "as" }
  t.equal(suggest.nearest("abs", fields), "absolute")
  t.equal(suggest.nearest("absolut", fields), "absolute")
  t.equal(suggest.nearest("nuron", fields), "neuron")
  t.equal(suggest.nearest("lrp_", { "lrp_plus", "lrp_gamma", "lrp" }), "lrp")
  t.equal(suggest.nearest("nothing_like_it", fields), nil)
end)
