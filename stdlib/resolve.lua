-- From raw values to nodes: every option of a word checked and filled in. A node is
--   { word, category, path, script, line, options, flags, ... }
-- of a file also `file`: options.path as the script has it.
-- Of several mistakes in one word the first in the script is told.
local callback = require "callback"
local composites = require "composites"
local fail = require "fail"
local place = require "place"
local suggest = require "suggest"
local types = require "types"
local words = require "words"

local resolve = {}

-- ------------------------------------------------------------------------------- mistakes

-- Runs a check; its error is kept in `mistakes` in place of being raised.
local function attempt(mistakes, check, ...)
  local ok, result = xpcall(check, fail.traced, ...)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end
  mistakes[#mistakes + 1] = result
  return nil
end

local function raise_first(mistakes)
  local first = mistakes[1]
  for _, mistake in ipairs(mistakes) do
    if (mistake.line or math.huge) < (first.line or math.huge) then first = mistake end
  end
  if first then error(first, 0) end
end

local function field_names(params)
  local names = {}
  for _, param in ipairs(params) do
    if not param.rest then names[#names + 1] = param.name end
  end
  return names
end

-- Why an explainer does not take what others take.
local function why_not(name, word)
  if word.category ~= "explainer" or name ~= "stop" then return nil end
  return word.flags.has_rule and "a row's search ends by the bounds of its rules: slack, delta and samples say when"
    or word.flags.random and "it gives no standard errors that a row could end at"
    or "nothing is drawn for its values: they have no standard error that a row could end at"
end

-- The error of a field that a word or table does not have.
local function unknown(name, word, at)
  local names, owner = field_names(word.params), word.name
  local near = suggest.nearest(name, names)
  local hint = why_not(name, word) or near and ("did you mean '%s'?"):format(near)
    or #names > 0 and "fields: " .. suggest.list(names) or owner .. " has no fields"
  place.fail(at, ("%s has no field '%s'"):format(owner, name), hint)
end

local function sorted_names(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- -------------------------------------------------------------------------------- options

local function check_value(raw, param, at, context)
  local check = types[param.type] or resolve[param.type]
  if words.is_word(raw, "sweep") then
    place.fail(at, "a sweep is not possible here")
  end
  return check(raw, param, at, context)
end

-- Which parameter each entry without a name is; surplus ones are mistakes.
local function positional(raw, word, at, given, mistakes)
  if word.rest then
    given[word.rest.name] = { raw = { kind = "table", named = {}, list = raw.list, hole = raw.hole },
                              at = at, }
    return
  end
  if raw.hole then
    attempt(mistakes, place.fail, place.child(at, raw.hole), "found nothing (nil) in a list",
      "is it a local or a field that was never set?")
  end
  for i, value in ipairs(raw.list) do
    local param = word.positions[i]
    if not param then
      local most = #word.positions
      attempt(mistakes, place.fail, place.child(at, i), most == 0
        and ("%s takes its options by name, found %s"):format(word.name, fail.shown(value))
        or ("%s takes %d %s without a name, found one more: %s"):format(word.name, most,
          most == 1 and "value" or "values", fail.shown(value)),
        most == 0 and type(value) == "number" and next(raw.named) ~= nil and "a comma ends an entry: numbers have none inside (1000, 0.01)"
          or "fields: " .. suggest.list(field_names(word.params)))
      return
    end
    given[param.name] = { raw = value, at = place.child(at, i, param.name) }
  end
end

-- options: a map from parameter to resolved value, and the set of those that are written. With `partial`, only
-- these; with context.partial that holds inside of it too.
local function options_of(raw, word, at, context, partial)
  partial = partial or context.partial
  local mistakes, given, options = {}, {}, {}
  if raw.odd ~= nil then
    attempt(mistakes, place.fail, at, ("expected names of options, found the key %s"):format(
      fail.shown(raw.odd)))
  end
  positional(raw, word, at, given, mistakes)
  local known = {}
  for _, param in ipairs(word.params) do known[param.name] = param end
  for _, name in ipairs(sorted_names(raw.named)) do
    local param = known[name]
    local here = place.child(at, name)
    if not param or param.rest then
      attempt(mistakes, unknown, name, word, here)
    elseif given[name] then
      attempt(mistakes, place.fail, here, ("'%s' is given twice, by its place and by name"):format(
        name))
    else
      given[name] = { raw = raw.named[name], at = here }
    end
  end
  local one_of = word.exclusive
  if one_of and given[one_of[1]] and given[one_of[2]] then
    attempt(mistakes, place.fail, given[one_of[2]].at, ("'%s' and '%s' do not go together")
      :format(one_of[1], one_of[2]))
  end
  for _, param in ipairs(word.params) do
    local one = given[param.name]
    if one then
      options[param.name] = attempt(mistakes, check_value, one.raw, param, one.at, context)
    elseif param.required and not partial then
      attempt(mistakes, place.fail, at, ("%s needs '%s': %s"):format(word.name, param.name,
        param.help))
    elseif not partial then
      options[param.name] = resolve.default(param, at, context)
    end
  end
  raise_first(mistakes)
  for name in pairs(given) do given[name] = true end
  return options, given
end
resolve.options_of = options_of

function resolve.default(param, at, context)
  if param.default_word then
    return resolve.node(words.bare(param.default_word, param.choices), place.child(at, param.name),
      context)
  elseif param.filled then
    return resolve.fields({ kind = "table", named = {}, list = {} }, param,
      place.child(at, param.name), context)
  end
  return param.value
end

-- ---------------------------------------------------------------------------------- words

-- A part of the script's own goes by its own name. One name means one thing in the whole script: the
-- same function of the same place may have been made several times (by a loop).
local function own_part(node, word, at, context)
  local options = node.options
  node.own, node.word = word.name, options.name
  node.higher_is_better = options.higher_is_better
  local origin = word.name
  for _, param in ipairs(word.params) do
    if param.type == "function" then origin = origin .. callback.text(options[param.name]) end
  end
  context.own = context.own or {}
  local other = context.own[node.word]
  if other and other.origin ~= origin then
    place.fail(place.child(at, 1, "name"), ("the name '%s' is taken by %s %s"):format(node.word,
      words.places[other.category][1], other.line and "of line " .. other.line or "of the script"),
      "give each part of your own a name of its own")
  end
  context.own[node.word] = other or { origin = origin, category = word.category, line = node.line }
end

-- A checked word as a node.
function resolve.node(raw, at, context)
  local word = raw.word
  local inside = place.enter(at, raw)
  local node = { word = word.name, category = word.category, path = at.path, script = inside.script,
                 line = raw.line or place.line(at), flags = word.flags, version = word.version,
                 higher_is_better = word.higher_is_better }
  node.options, node.given = options_of(raw, word, inside, context)
  if type(node.options.path) == "string" then node.file = raw.named.path or raw.list[1] end
  if word.own then own_part(node, word, inside, context) end
  return node
end

local function article_list(categories)
  local list = {}
  for i, category in ipairs(categories) do list[i] = words.places[category][1] end
  return table.concat(list, " or ")
end

-- What to say to something that is no word of these categories.
function resolve.misplaced(raw, categories, at)
  local what = article_list(categories)
  if words.is_word(raw) then
    local word = raw.word
    local there = words.places[word.category]
    place.fail(at, ("expected %s, found %s"):format(what, word.name),
      ("%s is %s: it belongs in %s"):format(word.name, there[1], there[2]))
  end
  local hint
  if words.is_table(raw) and #raw.list == 1 and words.is_word(raw.list[1]) then
    hint = ("one word stands without braces around it: %s"):format(words.name_of(raw.list[1]))
  elseif type(raw) == "string" then
    local names = {}
    for _, category in ipairs(categories) do
      table.move(words.names(category), 1, #words.names(category), #names + 1, names)
    end
    local found = words.find(raw)
    local near = found and raw or suggest.nearest(raw, names)
    if near then hint = ("words are written without quotes: %s"):format(near) end
  end
  place.expected(at, what, raw, hint)
end

function resolve.word(raw, param, at, context)
  local categories = types.choices_of(param.choices)
  for _, category in ipairs(categories) do
    if words.is_word(raw, category) then return resolve.node(words.as(raw, category), at, context) end
  end
  resolve.misplaced(raw, categories, at)
end

-- A table with fields of its own (train, split, encode).
function resolve.fields(raw, param, at, context)
  if not words.is_table(raw) then
    place.expected(at, "a table { ... }", raw)
  end
  local shape = { name = param.name, params = param.fields, positions = {} }
  return options_of(raw, shape, at, context)
end

-- A list of words of one category; layers may nest.
function resolve.words(raw, param, at, context)
  local category = param.choices
  if words.is_word(raw, category) then
    place.fail(at, ("expected a list, found the word %s"):format(raw.word.name),
      ("write { %s }"):format(words.text(raw)))
  end
  local what = ("a list of %s"):format(category == "expectation" and "expectations"
    or category .. "s")
  local nodes, mistakes = {}, {}
  for i, item in ipairs(types.check_list(raw, what, at, param.required and 1 or 0)) do
    local here = place.child(at, i)
    nodes[i] = attempt(mistakes, function()
      if not words.is_word(item, category) then resolve.misplaced(item, { category }, here) end
      return resolve.node(words.as(item, category), here, context)
    end)
  end
  raise_first(mistakes)
  return nodes
end

function resolve.branches(raw, _, at, context)
  local what = "two branches or more, each a list of layers"
  local branches = {}
  for i, item in ipairs(types.check_list(raw, what, at, 2)) do
    branches[i] = resolve.words(item, { choices = "layer", required = true }, place.child(at, i),
      context)
  end
  return branches
end

-- ------------------------------------------------------------------------- what stands for data

-- { name = npy ..., name = npy ... }: an array for each of a model's inputs; nil where raw is no such table.
-- `numbers`: a number stands for an array of it.
local function named(raw, at, context, numbers)
  if not words.is_table(raw) or #raw.list > 0 or next(raw.named) == nil then return nil end
  local node = { word = "inputs", category = "array", path = at.path, script = at.script,
                 line = place.line(at), options = {}, flags = {} }
  for _, name in ipairs(sorted_names(raw.named)) do
    local value, here = raw.named[name], place.child(at, name)
    if numbers and type(value) == "number" then
      node.options[name] = types.real(value, {}, here)
    else
      node.options[name] = resolve.word(value, { choices = "array" }, here, context)
    end
  end
  return node
end

function resolve.inputs(raw, _, at, context)
  if words.is_word(raw, "rows") or words.is_word(raw, "array") then
    return resolve.node(raw, at, context)
  end
  return named(raw, at, context) or resolve.misplaced(raw, { "rows", "array" }, at)
end

-- An array, or one for each input of a model of several.
function resolve.rows_of_inputs(raw, _, at, context)
  if words.is_word(raw, "array") then return resolve.node(raw, at, context) end
  return named(raw, at, context) or resolve.misplaced(raw, { "array" }, at)
end

function resolve.target(raw, _, at, context)
  if words.is_word(raw, "target") then
    return { kind = raw.word.name, value = resolve.node(raw, at, context).options.count }
  end
  if words.is_word(raw) then resolve.misplaced(raw, { "target" }, at) end
  if words.is_table(raw) then
    local values = {}
    for i, item in ipairs(types.check_list(raw, "a list with a class for each row", at, 1)) do
      values[i] = types.class(item, nil, place.child(at, i))
    end
    return { kind = "list", value = values }
  end
  local ok = type(raw) == "string" and raw ~= ""
    or type(raw) == "number" and math.tointeger(raw) and raw >= 0
  if not ok then
    place.expected(at, "predicted, label, all, top(k), a class's number from 0 or name, or a list of them", raw)
  end
  local value = math.tointeger(raw) or raw
  return { kind = type(raw) == "string" and "name" or "class",
           value = type(raw) == "string" and raw or value }
end

local statistics = { "zero", "mean", "median", "min", "max" }

function resolve.baseline(raw, _, at, context)
  if type(raw) == "number" and raw == raw and math.abs(raw) < math.huge then return raw end
  if words.is_word(raw, "array") or words.is_word(raw, "baseline") then return resolve.node(raw, at, context) end
  local by_name = named(raw, at, context, "numbers")
  if by_name then return by_name end
  for _, name in ipairs(statistics) do
    if raw == name then
      if name ~= "zero" and not context.has_data then
        place.fail(at, ("'%s' is taken over the training rows, and there is no data"):format(name),
          'give a number or npy "baseline.npy"')
      end
      return raw
    end
  end
  local near = suggest.nearest(raw, statistics)
  place.expected(at, 'a number, "zero", "mean", "median", "min", "max", blur, noise or npy ...', raw,
    near and ('did you mean "%s"?'):format(near))
end

function resolve.background(raw, _, at, context)
  if words.is_word(raw, "rows") and not context.has_data then
    place.fail(at, "rows { ... } needs data, and there is none", 'give npy "background.npy"')
  end
  if words.is_word(raw, "rows") or words.is_word(raw, "array") then
    return resolve.node(raw, at, context)
  end
  return named(raw, at, context) or resolve.misplaced(raw, { "rows", "array" }, at)
end

function resolve.groups(raw, _, at, context)
  if words.is_word(raw, "array") or words.is_word(raw, "groups") then
    return resolve.node(raw, at, context)
  end
  local what = 'npy "groups.npy", grid { 4, 4 }, superpixels, or lists of column names { { "age", "sex" }, { "job" } }'
  if not words.is_table(raw) then place.expected(at, what, raw) end
  if not context.has_data then
    place.fail(at, "lists of column names need a table, and there is no data",
      'give npy "groups.npy" of the input\'s shape')
  end
  local groups, seen = {}, {}
  for i, item in ipairs(types.check_list(raw, what, at, 1)) do
    local here = place.child(at, i)
    groups[i] = types.strings(item, nil, here)
    for j, name in ipairs(groups[i]) do
      if seen[name] then
        place.fail(place.child(here, j), ("column %s is in two groups"):format(fail.shown(name)))
      end
      seen[name] = true
    end
  end
  return groups
end

-- Which features belong together: "correlation", a linkage matrix, or a pair of names or pairs.
function resolve.tree(raw, _, at, context)
  if raw == "correlation" then return raw end
  if words.is_word(raw, "array") then return resolve.node(raw, at, context) end
  local what = '"correlation", npy "tree.npy", or pairs of column names or pairs { { "age", "sex" }, "job" }'
  if not words.is_table(raw) then
    local near = type(raw) == "string" and suggest.nearest(raw, { "correlation" })
    place.expected(at, what, raw, near and ('did you mean "%s"?'):format(near) or nil)
  end
  if not context.has_data then
    place.fail(at, "pairs of column names need a table, and there is no data",
      'give npy "tree.npy" of shape (features - 1, 2)')
  end
  local seen = {}
  local function pair(item, here)
    if type(item) == "string" and item ~= "" then
      if seen[item] then place.fail(here, ("column %s is in two pairs"):format(fail.shown(item))) end
      seen[item] = true
      return item
    end
    if not words.is_table(item) then place.expected(here, "a column name, or a pair of them", item) end
    local list = types.check_list(item, "a pair", here, 1)
    if #list ~= 2 then
      place.fail(here, ("expected two that belong together, found %d"):format(#list),
        'join more of them pair by pair: { { "a", "b" }, "c" }')
    end
    return { pair(list[1], place.child(here, 1)), pair(list[2], place.child(here, 2)) }
  end
  return pair(raw, at)
end

function resolve.mask(raw, _, at, context)
  if words.is_word(raw, "array") then return resolve.node(raw, at, context) end
  local what = 'npy "mask.npy", or a list of column names { "age", "sex" }'
  if not words.is_table(raw) then place.expected(at, what, raw) end
  if not context.has_data then
    place.fail(at, "column names need a table, and there is no data",
      'give npy "mask.npy" of the input\'s shape')
  end
  types.check_list(raw, what, at, 1)
  return types.strings(raw, nil, at)
end

function resolve.layer(raw, _, at)
  if type(raw) == "string" and raw ~= "" then return raw end
  local value = type(raw) == "number" and math.tointeger(raw)
  if not value or value < 0 then place.expected(at, "a layer's name, or its number from 0", raw) end
  return value
end

-- A hidden unit: { layer = "relu1", unit = 3 }, or its place in the layer's shape.
function resolve.neuron(raw, _, at)
  local what = 'a hidden unit, { layer = "relu1", unit = 3 }'
  if not words.is_table(raw) or #raw.list > 0 then place.expected(at, what, raw) end
  for _, name in ipairs(sorted_names(raw.named)) do
    if name ~= "layer" and name ~= "unit" then
      place.fail(place.child(at, name), ("a neuron has no field '%s'"):format(name), "fields: layer, unit")
    end
  end
  for _, name in ipairs { "layer", "unit" } do
    if raw.named[name] == nil then place.fail(at, ("neuron needs '%s'"):format(name), what) end
  end
  return { layer = resolve.layer(raw.named.layer, nil, place.child(at, "layer")),
           unit = types.ints(raw.named.unit, { min = 0 }, place.child(at, "unit")) }
end

resolve.composite = composites.resolve

-- { standard_error = 0.01 }: what is small enough to stop at.
function resolve.stop(raw, _, at)
  local what = "{ standard_error = a number above 0 }"
  if not words.is_table(raw) or #raw.list > 0 then place.expected(at, what, raw) end
  for _, name in ipairs(sorted_names(raw.named)) do
    if name ~= "standard_error" then
      place.fail(place.child(at, name), ("expected %s, found the name '%s' in it"):format(what, name))
    end
  end
  if raw.named.standard_error == nil then place.expected(at, what, raw) end
  return { standard_error = types.real(raw.named.standard_error, { min = 0, above_min = true },
    place.child(at, "standard_error")) }
end

-- Left to the word itself.
function resolve.table(raw, _, at)
  if not words.is_table(raw) then place.expected(at, "a table { ... }", raw) end
  return raw
end

return resolve
