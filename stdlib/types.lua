-- Checkers: one a type of parameter. Each takes a raw value (words.lua), the parameter, the place and
-- the context, and returns the resolved value or fails. They look at nothing but the value; what
-- depends on other fields is checked by schema.lua.
local core = require "core"
local fail = require "fail"
local place = require "place"
local suggest = require "suggest"
local thresholds = require "thresholds"
local words = require "words"

local types = {}

local expected = place.expected

local function number_text(value) return core.json(value) end

-- "a whole number from 1 to 100", "a number above 0"
local function range_text(what, param)
  local text = what
  local min, max = param.min, param.max
  if min and param.above_min then
    text = ("%s above %s"):format(what, number_text(min))
    if max then
      text = ("%s and %s %s"):format(text, param.below_max and "below" or "up to", number_text(max))
    end
  elseif min then
    text = ("%s from %s"):format(what, number_text(min))
    if max then text = ("%s to %s"):format(text, number_text(max)) end
  elseif max then
    text = ("%s up to %s"):format(what, number_text(max))
  end
  return text
end
types.range_text = range_text

local function in_range(value, param)
  if value ~= value or value == math.huge or value == -math.huge then return false end
  if param.min and (value < param.min or param.above_min and value <= param.min) then return false end
  return not param.max or value < param.max or value == param.max and not param.below_max
end

-- A number that somebody wrote as a text.
local function number_hint(raw)
  if type(raw) ~= "string" then return nil end
  local share = raw:match("^%s*([%d%.]+)%s*%%$")
  if tonumber(share) then return ("a share is written as a number: %.6g"):format(tonumber(share) / 100) end
  if tonumber(raw) then return ("numbers stand without quotes: %s"):format(raw) end
end

local function choices_of(text)
  local list = {}
  for choice in text:gmatch("[^|]+") do list[#list + 1] = choice end
  return list
end
types.choices_of = choices_of

local function quoted_list(list)
  local shown = {}
  for i, choice in ipairs(list) do shown[i] = choice == "false" and choice or '"' .. choice .. '"' end
  if #shown == 1 then return shown[1] end
  return table.concat(shown, ", ", 1, #shown - 1) .. " or " .. shown[#shown]
end
types.quoted_list = quoted_list

-- "a whole number from 2, or \"all\""
function types.number_text(what, param)
  local text = range_text(what, param)
  return param.choices and ("%s, or %s"):format(text, quoted_list(choices_of(param.choices))) or text
end

-- A text that may stand in place of the number.
local function is_choice(raw, param)
  for _, choice in ipairs(choices_of(param.choices or "")) do
    if choice == raw then return true end
  end
  return false
end

function types.int(raw, param, at)
  if is_choice(raw, param) then return raw end
  local value = type(raw) == "number" and math.tointeger(raw)
  if not value or not in_range(value, param) then
    expected(at, types.number_text("a whole number", param), raw, number_hint(raw))
  end
  return value
end

function types.real(raw, param, at)
  if is_choice(raw, param) then return raw end
  if type(raw) ~= "number" or not in_range(raw, param) then
    expected(at, types.number_text("a number", param), raw, number_hint(raw))
  end
  return raw
end

-- A number, or the rule that finds it (thresholds.lua).
function types.threshold(raw, param, at)
  if type(raw) == "string" and thresholds.parse(raw) then return raw end
  if type(raw) ~= "number" or not in_range(raw, param) then
    expected(at, 'a number, "youden", "f1" or "rate:0.1"', raw, number_hint(raw))
  end
  return raw
end

function types.bool(raw, _, at)
  if type(raw) ~= "boolean" then expected(at, "true or false", raw) end
  return raw
end

function types.string(raw, _, at)
  if type(raw) ~= "string" or raw == "" then expected(at, "a text", raw) end
  return raw
end

function types.character(raw, _, at)
  if type(raw) ~= "string" or #raw ~= 1 or raw:find('["\r\n]') then
    expected(at, "one character, as \",\" or \"\\t\"", raw)
  end
  return raw
end

local function near_choice(raw, list)
  local near = suggest.nearest(raw, list)
  return near and ('did you mean "%s"?'):format(near) or nil
end

function types.choice(raw, param, at)
  local list = choices_of(param.choices)
  for _, choice in ipairs(list) do
    if choice == "false" and raw == false then return false end -- what can be left off
    if choice == raw and choice ~= "false" then return choice end
  end
  -- a word of the same name, written without quotes (linear, step)
  if words.is_word(raw) and #raw.list == 0 and next(raw.named) == nil then
    for _, choice in ipairs(list) do
      if choice == raw.word.name then return choice end
    end
  end
  expected(at, quoted_list(list), raw, near_choice(raw, list))
end

-- A list without names and holes, of at least `least` entries.
local function check_list(raw, what, at, least)
  if not words.is_table(raw) then expected(at, what, raw) end
  if raw.hole then
    place.fail(place.child(at, raw.hole), "found nothing (nil) in a list",
      "is it a local or a field that was never set?")
  end
  local name = next(raw.named)
  if name ~= nil then
    local names = {}
    for key in pairs(raw.named) do names[#names + 1] = key end
    table.sort(names)
    place.fail(place.child(at, names[1]), ("expected %s, found the name '%s' in it"):format(what,
      names[1]))
  end
  if raw.odd ~= nil then expected(at, what, raw) end
  if #raw.list < (least or 0) then expected(at, what, raw) end
  return raw.list
end
types.check_list = check_list

function types.ints(raw, param, at)
  if type(raw) == "number" then return types.int(raw, param, at) end
  local what = range_text("a whole number", param) .. ", or a list of them"
  local texts = param.choices and choices_of(param.choices) or {}
  for _, text in ipairs(texts) do
    if raw == text then return text end
  end
  if #texts > 0 then what = what .. ", or " .. quoted_list(texts) end
  if type(raw) == "string" then expected(at, what, raw, near_choice(raw, texts)) end
  local values = {}
  for i, item in ipairs(check_list(raw, what, at, 1)) do
    values[i] = types.int(item, param, place.child(at, i))
  end
  if #values > 8 then place.fail(at, "expected at most 8 numbers, found " .. #values) end
  return values
end

-- A number, or a list of them.
function types.reals(raw, param, at)
  if type(raw) == "number" then return types.real(raw, param, at) end
  local values = {}
  for i, item in ipairs(check_list(raw, "a number, or a list of numbers", at, 1)) do
    values[i] = types.real(item, param, place.child(at, i))
  end
  return values
end

function types.shape(raw, _, at)
  local axis = { min = 1 }
  if type(raw) == "number" then return { types.int(raw, axis, at) } end
  local what = "the shape of one row, as { 30 } or { 1, 28, 28 }"
  local shape = {}
  for i, item in ipairs(check_list(raw, what, at, 1)) do
    shape[i] = types.int(item, axis, place.child(at, i))
  end
  if #shape > 7 then place.fail(at, "expected at most 7 axes, found " .. #shape) end
  return shape
end

function types.strings(raw, param, at)
  if type(raw) == "string" then return { types.string(raw, param, at) } end
  local values, seen = {}, {}
  for i, item in ipairs(check_list(raw, "a list of texts", at)) do
    local here = place.child(at, i)
    if type(item) ~= "string" then expected(here, "a text", item) end
    if seen[item] then place.fail(here, fail.shown(item) .. " is there twice") end
    seen[item] = true
    values[i] = item
  end
  return values
end

function types.class(raw, _, at)
  if type(raw) == "string" and raw ~= "" then return raw end
  local value = type(raw) == "number" and math.tointeger(raw)
  if not value or value < 0 then expected(at, "a class's name, or its number from 0", raw) end
  return value
end

function types.any(raw) return raw end
types.pattern = types.any -- resolved by pattern.lua, when the labels are known

function types.label(raw, _, at)
  if type(raw) ~= "string" or not raw:find("^[%w_-][%w_.-]*$") or raw:sub(-1) == "." then
    expected(at, "a label of letters, digits, _ and -", raw)
  end
  if raw == "prediction" or raw == "index" then -- files of an export
    place.fail(at, ("the label '%s' is taken: %s"):format(raw, raw == "prediction"
      and "the model's own outputs have it" or "the list of an export's files has it"))
  end
  return raw
end

-- The name of a part of the script's own, which no word of the language has.
function types.own_name(raw, _, at)
  if type(raw) ~= "string" or not raw:find("^[%a_][%w_-]*$") then
    expected(at, "a name of letters, digits, _ and -", raw)
  end
  local word = words.find(raw)
  if word or raw == "prediction" then
    place.fail(at, ("the name '%s' is taken%s"):format(raw,
      word and ": it is " .. words.kind_text(word) .. " of the language" or ""),
      "give it a name of its own")
  end
  return raw
end

types["function"] = function(raw, _, at)
  if type(raw) ~= "function" then
    expected(at, "a function", raw, "write: function(...) ... end")
  end
  return raw
end

function types.experiment_name(raw, _, at)
  if type(raw) ~= "string" or raw == "" or raw:find("%c") then
    expected(at, "the experiment's name, a text", raw)
  end
  if raw:find("^%d+$") or raw == "last" or raw:find("^last~%d*$") then
    place.fail(at, ("'%s' cannot be a name: commands read it as a run's number or place")
      :format(raw))
  end
  return raw
end

-- A stored run, as commands take it.
function types.run(raw, _, at)
  local value = type(raw) == "number" and math.tointeger(raw)
  if value and value > 0 then return tostring(value) end
  if type(raw) ~= "string" or raw == "" then
    expected(at, 'a run: its number, "last", or an experiment\'s name', raw)
  end
  return raw
end

function types.task(raw, _, at)
  if words.is_word(raw, "task") then return raw.word.name end
  local list = words.names "task"
  for _, name in ipairs(list) do
    if name == raw then return name end
  end
  expected(at, "classification or regression", raw, near_choice(raw, list))
end

-- A file's path: absolute, from the folder of the script that names it, or the user's home (~/).
function types.path(raw, _, at, context)
  if type(raw) ~= "string" or raw == "" or raw:find("\0", 1, true) then
    expected(at, "a file's path", raw)
  end
  local folder = context.folder or "."
  local path = core.absolute((raw:find("^/") or raw:find("^~/")) and raw or folder .. "/" .. raw)
  if context.confine then
    local real = core.realpath(path) or path
    local allowed = false
    for _, root in ipairs(context.confine) do
      allowed = allowed or real:sub(1, #root + 1) == root .. "/" or root == "/"
    end
    if not allowed then
      place.fail(at, ("%s lies outside the script's folder, and --confine is on"):format(path),
        "--allow read=DIR opens another folder")
    end
  end
  return context.moved and context.moved[path] or path
end

-- { good = 1, bad = 5 } or { 1, 5 } or "balanced"
function types.class_weights(raw, _, at)
  if raw == "balanced" then return raw end
  if not words.is_table(raw) or raw.hole or (#raw.list > 0) == (next(raw.named) ~= nil) then
    expected(at, '"balanced", or a weight for each class', raw)
  end
  local weight = { min = 0 }
  local weights = {}
  for i, value in ipairs(raw.list) do weights[i] = types.real(value, weight, place.child(at, i)) end
  for name, value in pairs(raw.named) do
    weights[name] = types.real(value, weight, place.child(at, name))
  end
  return weights
end

return types
