-- Composites that scripts write: lists of entries that say which layers have which rule. An entry is resolved
-- to its selectors and the parameters that its rule has, with the defaults of the explainer's own.
local fail = require "fail"
local place = require "place"
local suggest = require "suggest"
local types = require "types"
local words = require "words"

local composites = {}

-- What each rule reads; `epsilon` has a default of its own within a composite.
local reads = {
  epsilon = { "epsilon" }, gamma = { "gamma" }, alpha_beta = { "alpha", "beta" }, z_box = { "low", "high" },
  z_plus = {}, w_square = {}, flat = {},
}
local defaults = { epsilon = 1e-6 }
local numbers = { "epsilon", "gamma", "alpha", "beta", "low", "high" }

local function param_of(name)
  for _, param in ipairs(words.find("lrp").params) do
    if param.name == name then return param end
  end
end

-- Words of layers with weights, and the word for all convolutions.
local function weighted()
  local list = { "convolution" }
  for _, name in ipairs(words.names "layer") do
    if words.find(name).flags.linear then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

local function type_of(raw, at)
  if words.is_word(raw, "layer") and #raw.list == 0 and next(raw.named) == nil then raw = raw.word.name end
  local list = weighted()
  for _, name in ipairs(list) do
    if name == raw then return raw end
  end
  local near = type(raw) == "string" and suggest.nearest(raw, list)
  local layer = type(raw) == "string" and words.find(raw)
  if layer and layer.category == "layer" then
    place.fail(at, ("%s takes no rule for sharing relevance"):format(raw),
      "types with rules: " .. suggest.list(list))
  end
  place.expected(at, "the type of layers with weights, as \"dense\", \"conv2d\" or \"convolution\"", raw,
    near and ('did you mean "%s"?'):format(near) or "types: " .. suggest.list(list))
end

local function layer_of(raw, at)
  if type(raw) == "string" and raw ~= "" then return raw end
  local number = type(raw) == "number" and math.tointeger(raw)
  if not number or number < 0 then place.expected(at, "a layer's name, or its number from 0", raw) end
  return tostring(number)
end

local selectors = {
  type = type_of,
  layer = layer_of,
  place = function(raw, at) return types.choice(raw, { choices = "first|last" }, at) end,
}

local fields = { "type", "place", "layer", "rule", "epsilon", "gamma", "alpha", "beta", "low", "high" }
local known = {}
for _, name in ipairs(fields) do known[name] = true end

local function check_names(raw, at)
  local names = {}
  for name in pairs(raw.named) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if not known[name] then
      local near = suggest.nearest(name, fields)
      place.fail(place.child(at, name), ("an entry of a composite has no field '%s'"):format(name),
        near and ("did you mean '%s'?"):format(near) or "fields: " .. suggest.list(fields))
    end
  end
  if raw.named.layer ~= nil and (raw.named.type ~= nil or raw.named.place ~= nil) then
    local other = raw.named.type ~= nil and "type" or "place"
    place.fail(place.child(at, other), ("'layer' names one layer: '%s' says nothing more of it"):format(other),
      "leave one of the two out")
  end
end

local function parameters_of(raw, rule, at, entry)
  local read = {}
  for _, name in ipairs(reads[rule]) do
    read[name] = true
    local param, value = param_of(name), raw.named[name]
    entry[name] = value == nil and (defaults[name] or param.value)
      or types.real(value, param, place.child(at, name))
  end
  for _, name in ipairs(numbers) do
    if raw.named[name] ~= nil and not read[name] then
      place.fail(place.child(at, name), ("the rule %s has no %s"):format(rule, name), #reads[rule] == 0
        and rule .. " has no parameters" or ("%s has: %s"):format(rule, table.concat(reads[rule], ", ")))
    end
  end
end

local function entry_of(raw, at)
  if not words.is_table(raw) or #raw.list > 0 then
    place.expected(at, 'an entry like { type = "conv2d", rule = "gamma" }', raw)
  end
  check_names(raw, at)
  local entry = {}
  for name, check in pairs(selectors) do
    if raw.named[name] ~= nil then entry[name] = check(raw.named[name], place.child(at, name)) end
  end
  if raw.named.rule == nil then
    place.fail(at, "an entry of a composite needs 'rule'", "rules: "
      .. types.quoted_list(types.choices_of(param_of("rule").choices)))
  end
  entry.rule = types.choice(raw.named.rule, param_of "rule", place.child(at, "rule"))
  parameters_of(raw, entry.rule, at, entry)
  return entry
end

-- One of the parameter's choices, or a list of entries.
function composites.resolve(raw, param, at)
  if type(raw) == "number" or type(raw) == "boolean" then
    place.expected(at, "the name of a composite or a list of entries", raw,
      'write "epsilon_plus" or { { type = "conv2d", rule = "gamma" }, { rule = "epsilon" } }')
  end
  if not words.is_table(raw) then return types.choice(raw, param, at) end
  if #raw.list == 0 and next(raw.named) ~= nil then
    place.fail(at, "expected a list of entries, found names", "write { { type = \"conv2d\", rule = \"gamma\" } }")
  end
  local entries = {}
  local what = 'entries like { type = "conv2d", rule = "gamma" }'
  for i, item in ipairs(types.check_list(raw, what, at, 1)) do
    local here = place.child(at, i)
    entries[i] = entry_of(item, here)
    local before = entries[i - 1]
    if before and not (before.layer or before.type or before.place) then
      place.fail(here, ("is never reached: the entry before it, rule %s, holds for all layers"):format(
        fail.shown(before.rule)), "an entry without type, place or layer stands last")
    end
  end
  return entries
end

return composites
