-- Completion: what Tab puts in and what it lists, by the text before the cursor.
local t = ...
local complete = require "complete"

local session = { names = { credit = 1 }, commands = { query = 1, quit = 1 } }

local function inserted(text) return (complete.at(text, session)) end
local function listed(text) return (select(2, complete.at(text, session))) end

t.test("words, names of the session and commands stand at the beginning", function()
  t.equal(inserted "integ", "rated_gradients")
  t.equal(inserted "cred", "it")
  t.equal(inserted "quer", "y")
  t.equal(inserted "zzz", nil)
  assert(listed("qu"):find("a name of this session") == nil and listed("qu"):find("  quit"))
end)

t.test("options stand in a word's table, those that are given no more", function()
  t.equal(inserted "adam { l", "r = ")
  t.equal(inserted 'csv "a{.csv" { target = "x", posi', "tive = ")
  t.equal(inserted "adam { lr = 0.1, l", nil)
  t.equal(inserted "experiment \"x\" {\n  -- a { comment\n  train = { epoc", "hs = ")
  assert(listed("adam { "):find("lr = +learning rate"))
end)

t.test("values stand behind an option", function()
  t.equal(inserted "experiment 'x' { link = \"pro", 'bability"')
  t.equal(inserted "experiment 'x' { train = { optimizer = sg", "d")
  t.equal(inserted "images 'x' { grey = t", "rue")
  t.equal(inserted "experiment 'x' { evaluate = { roc_a", "uc")
  t.equal(inserted "network { dens", "e")
  t.equal(inserted "experiment 'x' { evaluate = ", "{ ")
end)

t.test("nothing is put into a finished text", function()
  t.equal(inserted 'csv "data.csv"', nil)
end)
