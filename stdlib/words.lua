-- Words: immutable values that scripts describe experiments with. A word is used bare or called with
-- a table, a text or a number; a call returns a new word, merged with the old one. Nothing is
-- computed. What a word was given is copied at once, so later changes of a script's tables do not
-- reach it.
--
-- Inside, a word is a raw value (below), which schema.lua checks:
--   { kind = "word", word = descriptor, named = {...}, list = {...}, line =, script =, serial = }
--   { kind = "table", named = {...}, list = {...} }      numbers, texts, booleans as they are
-- `serial` counts calls: entries of a table constructor are made in the order written, which is how
-- the order of sweeps is known.
local core = require "core"
local fail = require "fail"
local vocabulary = require "vocabulary"

local words = {}

local categories = { "explainer", "metric", "judge", "layer", "loss", "optimizer", "schedule" }

-- ------------------------------------------------------------------------------ descriptors

local function has(params, name)
  for _, param in ipairs(params) do
    if param.name == name then return true end
  end
  return false
end

local function add(word, param)
  if not has(word.params, param.name) then word.params[#word.params + 1] = param end
end

local label = { name = "as", type = "label", otherwise = "the word, with what was swept",
  help = "its label: letters, digits, _ . and -, unique in its list" }

-- Options that come with the category.
local common = {
  explainer = function(word)
    if word.flags.complete then
      add(word, { name = "tolerance", type = "real", default = tostring(word.tolerance), min = 0,
        help = "of the residual, relative to |output| + |baseline_output| + sum |a|" })
    end
    local attacks = word.flags.attacks -- on the link loss, of encoded inputs
    if not word.flags.no_target and not attacks then
      add(word, { name = "link", type = "choice", choices = "raw|logit|probability|loss",
        otherwise = word.flags.of_probability
          and "probability where the model has classes and the experiment names no other"
          or "the experiment's link", help = "the scale that is explained" })
    end
    if word.flags.needs_gradient and not word.flags.takes_layer and not attacks then
      add(word, { name = "neuron", type = "neuron", otherwise = "an output of the model",
        help = "a hidden unit that is explained in place of an output: { layer =, unit = }, the unit's number or "
          .. "its place in the layer's shape, { channel, row, column }" })
    end
    if not word.flags.at_layer and not attacks then
      add(word, { name = "space", type = "choice", choices = "column|input", otherwise = "column",
        help = "of a model with an encoding: a value a column, or a value an encoded input" })
    end
    if not attacks and not word.own and word.name ~= "precomputed" then
      add(word, { name = "at", type = "string", otherwise = "the rows of inputs",
        help = "explain, in place of each row, what an attack of the list made of it: the label of a fgsm or pgd" })
    end
    if word.flags.random then
      add(word, { name = "stream", type = "int", default = "0", min = 0,
        help = "another number gives independent draws" })
    end
    add(word, label)
  end,
  metric = function(word)
    for _, param in ipairs(word.params) do
      if param.name == "threshold" then param.type = "threshold" end
    end
    if not word.flags.matrix and not word.flags.curve then
      add(word, { name = "slice", type = "string",
        help = "a column of categories: the metric of each group besides, and the groups' greatest difference" })
    end
    if not word.flags.matrix and not word.flags.curve and not word.own then
      add(word, { name = "ci", type = "real", min = 0, max = 1, above_min = true, below_max = true,
        help = "level of a confidence interval (0.95), stored as lower and upper: the percentile "
          .. "bootstrap over rows; roc_auc of two classes: DeLong's" })
      add(word, { name = "resamples", type = "int", min = 1, max = 1000000,
        otherwise = "1000 where ci is given", help = "draws of that bootstrap" })
    end
    add(word, label)
  end,
  judge = function(word) add(word, label) end,
  layer = function(word)
    add(word, { name = "name", type = "string", otherwise = "its word and number",
      help = "the layer's name, unique in the network" })
  end,
}

-- Defaults are Lua literals, or words as a script has them; they are read once.
local function read_defaults(params)
  for _, param in ipairs(params) do
    if param.type == "word" and param.default then
      param.default_word, param.default = param.default, nil
    end
    if param.default then
      param.value = assert(load("return " .. param.default, "=default", "t", {}))()
    end
    if param.fields then read_defaults(param.fields) end
  end
end

local by_name, ordered

-- One name may be a word of two categories (mse is a metric and a loss): then both descriptors share
-- `variants`, and the place where the word stands tells which one is meant.
local function enter_name(word)
  local other = by_name[word.name]
  if other then
    local variants = other.variants or { [other.category] = other }
    variants[word.category] = word
    other.variants, word.variants = variants, variants
  else
    by_name[word.name] = word
  end
end

local function finish(word, category)
  word.category = category
  word.flags = word.flags or {}
  if common[category] then common[category](word) end
  read_defaults(word.params)
  word.positions = {}
  for _, param in ipairs(word.params) do
    if param.position then word.positions[param.position] = param end
    if param.rest then word.rest = param end
  end
  enter_name(word)
  ordered[#ordered + 1] = word
end

local function gather()
  if by_name then return end
  by_name, ordered = {}, {}
  for _, word in ipairs(vocabulary) do finish(word, word.category) end
  for _, word in ipairs(require "plot/words") do finish(word, word.category) end
  for _, category in ipairs(categories) do
    for _, word in ipairs(core.words(category)) do finish(word, category) end
  end
end

-- The descriptor of a word (of that category, where one is given), or nil.
function words.find(name, category)
  gather()
  local word = by_name[name]
  if word and category and word.category ~= category then
    return word.variants and word.variants[category]
  end
  return word
end

-- All descriptors: the language's own first, then by category in the order of their tables.
function words.all()
  gather()
  return ordered
end

-- Names of all words, or of one category, sorted.
function words.names(category)
  gather()
  local names = {}
  for _, word in ipairs(ordered) do
    if not category or word.category == category then names[#names + 1] = word.name end
  end
  table.sort(names)
  return names
end

-- ------------------------------------------------------------------------------- raw values

local raws = setmetatable({}, { __mode = "k" }) -- proxy -> raw value

local DEPTH = 60

local function too_deep(place)
  fail.raise { script = place.script, line = place.line,
    message = ("a table is nested deeper than %d, or contains itself"):format(DEPTH) }
end

-- Entries of a table in a fixed order: places first, then names.
local function keys_of(value)
  local places, names, other = {}, {}, nil
  for key in next, value do
    if math.type(key) == "integer" and key >= 1 then
      places[#places + 1] = key
    elseif type(key) == "string" then
      names[#names + 1] = key
    else
      other = key
    end
  end
  table.sort(places)
  table.sort(names)
  return places, names, other
end

local snapshot

local function snapshot_table(value, depth, place)
  if depth > DEPTH then too_deep(place) end
  local raw = { kind = "table", named = {}, list = {} }
  local places, names, other = keys_of(value)
  if other ~= nil then raw.odd = other end
  for i, key in ipairs(places) do
    if key ~= i then
      raw.hole = i -- nothing stands there
      break
    end
    raw.list[i] = snapshot(rawget(value, key), depth + 1, place)
  end
  for _, key in ipairs(names) do
    raw.named[key] = snapshot(rawget(value, key), depth + 1, place)
  end
  return raw
end

function snapshot(value, depth, place)
  if type(value) ~= "table" then return value end
  return raws[value] or snapshot_table(value, depth, place)
end

-- The raw form of what a script made; words keep theirs, tables are copied.
function words.raw(value, place)
  return snapshot(value, 0, place or {})
end

-- The raw form of a word as scripts hold it; nil for anything else.
function words.held(value) return raws[value] end

function words.is_word(raw, category)
  if type(raw) ~= "table" or raw.kind ~= "word" then return false end
  local word = raw.word
  return category == nil or word.category == category
    or word.variants ~= nil and word.variants[category] ~= nil
end

-- The same raw word, as one of that category.
function words.as(raw, category)
  if raw.word.category == category then return raw end
  local copy = {}
  for key, value in pairs(raw) do copy[key] = value end
  copy.word = raw.word.variants[category]
  return copy
end

-- A bare word, for defaults.
-- text: a word, with options where it has them, as a default is written.
function words.bare(text, category)
  local name, options = text:match("^([%w_]+)%s*(.*)$")
  local named = options ~= "" and assert(load("return " .. options, "=default", "t", {}))() or {}
  return { kind = "word", word = words.find(name, category), named = named, list = {} }
end

function words.is_table(raw)
  return type(raw) == "table" and raw.kind == "table"
end

-- ---------------------------------------------------------------------------------- as text

-- Names of what is given: a word's in the order of its parameters, a table's sorted.
local function written_names(raw)
  local _, names = keys_of(raw.named)
  if raw.kind == "table" then return names end
  local ordered_names, known = {}, {}
  for _, param in ipairs(raw.word.params) do
    if raw.named[param.name] ~= nil then ordered_names[#ordered_names + 1] = param.name end
    known[param.name] = true
  end
  for _, name in ipairs(names) do
    if not known[name] then ordered_names[#ordered_names + 1] = name end
  end
  return ordered_names
end

-- What a word goes by: a part of the script's own by the name that it was given.
function words.name_of(raw)
  local name = raw.named.name or raw.list[1]
  return raw.word.own and type(name) == "string" and name or raw.word.name
end

-- A raw value as a script writes it: `integrated_gradients { steps = 64 }`.
function words.text(raw)
  if type(raw) ~= "table" then return fail.shown(raw) end
  local parts = {}
  for i, value in ipairs(raw.list) do parts[i] = words.text(value) end
  for _, name in ipairs(written_names(raw)) do
    parts[#parts + 1] = ("%s = %s"):format(name, words.text(raw.named[name]))
  end
  local body = #parts > 0 and "{ " .. table.concat(parts, ", ") .. " }" or "{}"
  if raw.kind == "table" then return body end
  if raw.word.own and words.name_of(raw) ~= raw.word.name then
    return raw.word.name .. " " .. fail.shown(words.name_of(raw))
  end
  if #parts == 0 then return raw.word.name end
  if #parts == 1 and #raw.list == 1 and type(raw.list[1]) == "string" then
    return raw.word.name .. " " .. parts[1]
  end
  return raw.word.name .. " " .. body
end

-- ---------------------------------------------------------------------------------- proxies

local serial = 0
local metatable = { __metatable = false, __name = "word" }

local function proxy_of(raw)
  local proxy = setmetatable({}, metatable)
  raws[proxy] = raw
  return proxy
end

local function merged(old, given, line, script)
  serial = serial + 1
  local raw = { kind = "word", word = old.word, named = {}, list = old.list, line = line,
                script = script, serial = serial, hole = given.hole, odd = given.odd }
  for name, value in pairs(old.named) do raw.named[name] = value end
  for name, value in pairs(given.named) do raw.named[name] = value end
  if #given.list > 0 then raw.list = given.list end
  return raw
end

-- The script whose chunk is named "@path", or the word's old place.
local function place_of(old, line, chunk)
  if line > 0 and chunk:sub(1, 1) == "@" then return line, chunk:sub(2) end
  return old.line, old.script
end

-- Where a word's one place takes a number or a list of numbers, numbers side by side are that list:
-- reshape { 2, 5 }.
local function gathered(word, given)
  local first = word.positions[1]
  if #word.positions ~= 1 or first.type ~= "ints" or #given.list < 2 or given.hole then return end
  for _, value in ipairs(given.list) do
    if type(value) ~= "number" and not words.is_word(value, "sweep") then return end
  end
  given.list = { { kind = "table", named = {}, list = given.list } }
end

metatable.__call = core.calling(function(line, chunk, self, ...)
  local old = raws[self]
  local script
  line, script = place_of(old, line, chunk)
  local count = select("#", ...)
  if count == 0 then return self end
  local value = ...
  if count > 1 then
    fail.raise { script = script, line = line, message = ("%s takes one table, found %d values")
      :format(old.word.name, count), hint = ("write %s { ... }"):format(old.word.name) }
  end
  local given
  if type(value) == "table" and not raws[value] then
    given = snapshot_table(value, 0, { script = script, line = line })
    gathered(old.word, given)
  else
    if value == nil then
      fail.raise { script = script, line = line,
        message = ("%s was given nothing (nil)"):format(old.word.name) }
    end
    given = { named = {}, list = { raws[value] or value } }
  end
  return proxy_of(merged(old, given, line, script))
end)

local function refuse(message)
  return core.calling(function(line, chunk, self)
    local raw = raws[self]
    local at, script = place_of(raw, line, chunk)
    fail.raise { script = script, line = at, message = message:format(raw.word.name),
      hint = ("write %s { ... }, which makes a new value"):format(raw.word.name) }
  end)
end

metatable.__newindex = refuse("words do not change: '%s' cannot be assigned to")
metatable.__index = refuse("'%s' is a word: it has no fields to read")
metatable.__len = refuse("'%s' is a word: it has no length")
metatable.__pairs = refuse("'%s' is a word: it cannot be walked through")
metatable.__tostring = function(self) return words.text(raws[self]) end

-- name -> proxy, for a script's environment.
function words.proxies()
  gather()
  local map = {}
  for name, word in pairs(by_name) do
    map[name] = proxy_of { kind = "word", word = word, named = {}, list = {}, serial = 0 }
  end
  return map
end

-- "an explainer", and where words of a category belong.
words.places = {
  explainer = { "an explainer", "explain" }, metric = { "a metric", "evaluate" },
  judge = { "a judge", "judge" }, layer = { "a layer", "network { ... }" },
  loss = { "a loss", "train.loss" }, optimizer = { "an optimizer", "train.optimizer" },
  schedule = { "a schedule", "train.schedule" }, data = { "a data set", "data" },
  model = { "a model", "model" }, rows = { "a choice of rows", "inputs" },
  array = { "an array file", "inputs, labels, scores, baseline, groups or mask" },
  weights = { "a file of weights", "network { weights = ... }" },
  target = { "a target", "target" }, task = { "a task", "task" },
  expectation = { "an expectation", "expect" }, picture = { "a picture", "pictures" },
  groups = { "a way to group inputs", "groups" }, baseline = { "a baseline", "baseline" },
  ["choice of runs"] = { "a choice of runs", "better { ... } in expect" },
  experiment = { "an experiment", "what the script returns" },
  sweep = { "a sweep", "the place of an option's value" },
}

function words.kind_text(word)
  local place = words.places[word.category]
  return place and place[1] or "a word"
end

return words
