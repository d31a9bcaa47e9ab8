-- `--set path=value`: changes one field of the script before it is checked. A path goes from the
-- experiment through its fields (train.epochs), places of lists from 1 (explain[2].steps,
-- model[1].units) and labels (explain.saliency.absolute). A value is a Lua literal, a word with its
-- options, or else bare text. On a swept field it replaces the sweep.
local core = require "core"
local fail = require "fail"
local suggest = require "suggest"
local sweeps = require "sweeps"
local words = require "words"

local setting = {}

local function wrong(option, message, hint)
  fail.raise { field = option.text, message = message, hint = hint }
end

-- ------------------------------------------------------------------------------------- values

local takes_words = { word = true, words = true, inputs = true, target = true,
  background = true, rows_of_inputs = true, baseline = true, groups = true }

local function evaluate(option, text)
  local environment = setmetatable(words.proxies(), { __index = function(_, name)
    error(("unknown word '%s'"):format(tostring(name)), 0)
  end })
  local chunk, problem = load("return " .. text, "=--set", "t", environment)
  local ok, value
  if chunk then ok, value = core.guarded(chunk) else value = problem end
  if not ok then
    if type(value) == "table" and value.message then value = value.message end
    wrong(option, (tostring(value):gsub("^%-%-set:%d+: ", "")))
  end
  return words.raw(value)
end

local function value_of(option, param)
  local text = option.value:match("^%s*(.-)%s*$")
  local number = tonumber(text)
  if number and not text:find("^[+-]?[nN]") then return number end
  if text == "true" then return true end
  if text == "false" then return false end
  if text == "nil" then return nil end
  if text:find("^[\"'{%[]") then return evaluate(option, text) end
  local name, rest = text:match("^([%a_][%w_]*)%s*(.*)$")
  if name and words.find(name) then
    if rest == "" and takes_words[param.type] then return evaluate(option, text) end
    if rest:find("^[%({\"']") then return evaluate(option, text) end
  end
  return option.value
end

-- ------------------------------------------------------------------------------------- walking

local function copied(raw)
  local copy = {}
  for key, value in pairs(raw) do copy[key] = value end
  copy.named, copy.list = {}, table.move(raw.list, 1, #raw.list, 1, {})
  for key, value in pairs(raw.named) do copy.named[key] = value end
  return copy
end

local function find_param(params, name)
  for _, param in ipairs(params) do
    if param.name == name and not param.rest then return param end
  end
end

local function names_of(params)
  local names = {}
  for _, param in ipairs(params) do
    if not param.rest then names[#names + 1] = param.name end
  end
  return names
end

-- Labels of a list's entries as they stand before sweeps make variants of them.
local function base_labels(list)
  local taken, result = {}, {}
  local function default(i, item)
    local base, number = words.name_of(item), 1
    local label = base
    while taken[label] do
      number = number + 1
      label = base .. "-" .. number
    end
    result[i], taken[label] = label, i
  end
  local later = {}
  for i, item in ipairs(list) do
    if words.is_word(item) and type(item.named.as) == "string" and not taken[item.named.as] then
      result[i], taken[item.named.as] = item.named.as, i
    end
  end
  for i, item in ipairs(list) do
    if words.is_word(item) and not result[i] then
      if #sweeps.expand(item, nil, "") > 1 then later[#later + 1] = i else default(i, item) end
    end
  end
  for _, i in ipairs(later) do default(i, list[i]) end
  return result, taken
end

-- The path that was probably meant, in place of a name that is not there: what leads to it, the name
-- that is near, and what followed.
local function meant(path, name, after, names)
  local near = suggest.nearest(name, names)
  return near and ("did you mean '%s'?"):format(fail.join(path, near) .. after)
end

-- Entries of lists are in brackets: `model.layers.1.units` and `model.1.units` are model[1].units.
local function with_brackets(path, rest, owner)
  local list = owner.rest and owner.rest.name
  if list and rest:sub(1, #list + 1) == "." .. list then rest = rest:sub(#list + 2) end
  if not rest:find("^%.%d+%f[%.%[%z]") then return nil end
  return ("entries of a list are counted in brackets, from 1: %s"):format(
    path .. rest:gsub("%.(%d+)", "[%1]"))
end

local walk_word, walk_value

-- The entry `[n]` of a list that a path begins with, and what follows; nil where it begins with a name.
local function bracket(option, rest, list, path)
  local digits, after = rest:match("^%[(%d+)%](.*)$")
  local index = tonumber(digits)
  if index and (index < 1 or index > #list) then
    wrong(option, ("%s has %d %s, there is no [%s]"):format(path, #list, #list == 1 and "entry" or "entries", digits),
      index == 0 and "entries count from 1" or nil)
  end
  return index, after
end

-- One entry of a list: [n], or .label where entries have labels.
local function walk_list(option, raw, rest, param, path)
  if not words.is_table(raw) and not words.is_word(raw) then
    wrong(option, ("%s is no list in the script"):format(path))
  end
  local index, after = bracket(option, rest, raw.list, path)
  if not index then
    local labels, taken = base_labels(raw.list)
    local best = ""
    for label in pairs(taken) do
      local follows = rest:sub(2, #label + 1) == label and rest:sub(#label + 2, #label + 2)
      if follows and (follows == "" or follows == "." or follows == "[") and #label > #best then
        best = label
      end
    end
    if best == "" then
      local all = {}
      for i = 1, #raw.list do all[#all + 1] = labels[i] end
      local name, behind = rest:match("^%.([^%.%[]*)(.*)$")
      wrong(option, ("there is no label '%s' in %s"):format(name or rest, path),
        with_brackets(path, rest, {}) or meant(path, name, behind, all)
        or suggest.hint(name, all, "labels"))
    end
    index, after = taken[best], rest:sub(#best + 2)
  end
  local result = copied(raw)
  result.list[index] = walk_value(option, raw.list[index], after,
    { type = "word", choices = param.choices, name = param.name }, ("%s[%d]"):format(path, index))
  return result
end

-- A named field of a word or of a table with fields of its own.
local function walk_field(option, raw, rest, params, owner, path)
  local name, after = rest:match("^%.?([%a_][%w_]*)(.*)$")
  local param = name and find_param(params, name)
  if not param then
    wrong(option, ("%s has no field '%s'"):format(owner, name or rest:gsub("^%.", "")),
      with_brackets(path, rest, raw.kind == "word" and raw.word or {})
      or meant(path, name, after, names_of(params))
      or suggest.hint(name, names_of(params), "fields"))
  end
  local result = copied(raw)
  local here = fail.join(path, name)
  local place = raw.kind == "word" and param.position
  local old = raw.named[name]
  if old == nil and place then old = raw.list[place] end
  local value = walk_value(option, old, after, param, here)
  if place and raw.list[place] ~= nil and raw.named[name] == nil then
    if value ~= nil then result.list[place] = value else table.remove(result.list, place) end
  else
    result.named[name] = value
  end
  return result
end

function walk_word(option, raw, rest, path)
  if rest:sub(1, 1) == "[" and raw.word.rest then
    return walk_list(option, raw, rest, raw.word.rest, path)
  end
  return walk_field(option, raw, rest, raw.word.params, raw.word.name, path)
end

-- A place or a name within a plain table: an entry of a composite and its fields, a unit. Who resolves the
-- table knows which names it may have.
local function walk_table(option, raw, rest, path)
  local key, after = bracket(option, rest, raw.list, path)
  local side = "list"
  if not key then
    key, after = rest:match("^%.([^%.%[]+)(.*)$")
    side = "named"
  end
  if not key or side == "named" and key:find("^%d") then
    wrong(option, ("%s has no field %s"):format(path, (rest:gsub("^%.", ""))),
      with_brackets(path, rest, {}))
  end
  local result = copied(raw)
  local here = side == "list" and ("%s[%d]"):format(path, key) or fail.join(path, key)
  result[side][key] = walk_value(option, raw[side][key], after, { type = "any" }, here)
  return result
end

-- Values that are tables of names, which a path may begin where the script has none.
local plain_tables = { neuron = true, stop = true }

function walk_value(option, raw, rest, param, path)
  if rest == "" then
    option.paths[path] = option.text
    return value_of(option, param)
  end
  if words.is_word(raw, "sweep") then -- below a sweep of words: in each of them
    local result = copied(raw)
    for i, value in ipairs(raw.list) do
      result.list[i] = walk_value(option, value, rest, param, path)
    end
    return result
  end
  if param.type == "fields" then
    return walk_field(option, raw or { kind = "table", named = {}, list = {} }, rest, param.fields,
      param.name, path)
  elseif param.type == "words" then
    return walk_list(option, raw or { kind = "table", named = {}, list = {} }, rest, param, path)
  end
  if raw == nil and plain_tables[param.type] then
    raw = { kind = "table", named = {}, list = {} }
  elseif raw == nil and param.default_word then
    raw = words.bare(param.default_word, param.choices)
  end
  if words.is_word(raw) then
    for category in (param.choices or ""):gmatch("[^|]+") do
      if words.is_word(raw, category) then raw = words.as(raw, category) end
    end
    return walk_word(option, raw, rest, path)
  end
  if words.is_table(raw) then return walk_table(option, raw, rest, path) end
  wrong(option, rest:find("^%[") and ("%s is no list in the script"):format(path)
    or ("%s has no field %s"):format(path, (rest:gsub("^%.", ""))),
    ("its value is set as a whole: %s=..."):format(path))
end

-- ------------------------------------------------------------------------------------ applying

local function parse(text)
  local path, value = text:match("^%s*([^=%s]+)%s*=(.*)$")
  if not path then
    fail.raise { field = "--set " .. text, message = "expected path=value, as train.epochs=3" }
  end
  return { path = path, value = value, text = "--set " .. text, paths = {} }
end

-- Changes every experiment that has the path; at least one must.
local function apply_one(raws, option)
  local changed, result, first = 0, {}, nil
  for i, raw in ipairs(raws) do
    local ok, value = pcall(walk_word, option, raw, option.path, "")
    if ok then
      result[i] = value
      changed = changed + 1
    else
      result[i] = raw
      first = first or value
    end
  end
  if changed == 0 then error(first, 0) end
  return result
end

-- Returns the changed experiments, and which option set which path (for messages).
function setting.apply(raws, settings)
  local options, overrides = {}, {}
  for _, text in ipairs(settings.set or {}) do options[#options + 1] = parse(text) end
  for _, name in ipairs { "seed", "numerics" } do
    local value = settings[name]
    if value then
      options[#options + 1] = { path = name, value = tostring(value), paths = {},
                                text = ("--%s %s"):format(name, value) }
    end
  end
  for _, option in ipairs(options) do
    raws = apply_one(raws, option)
    for path, text in pairs(option.paths) do overrides[path] = text end
  end
  return raws, overrides
end

return setting
