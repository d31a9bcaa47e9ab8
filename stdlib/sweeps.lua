-- Sweeps: `sweep { a, b, c }` in place of a value makes one copy a value of what it stands in. Several
-- sweeps make every combination; the one written first changes slowest, as the outermost of nested
-- loops. A value may itself hold sweeps.
local fail = require "fail"
local words = require "words"

local sweeps = {}

local MOST = 10000 -- combinations of one experiment or list entry

local function sorted_names(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- The outermost sweeps below `raw`, but not below the names in `skip`.
local function find(raw, keys, sites, skip)
  if type(raw) ~= "table" then return end
  if words.is_word(raw, "sweep") then
    sites[#sites + 1] = { keys = keys, raw = raw }
    return
  end
  local function below(key, value)
    local longer = table.move(keys, 1, #keys, 1, {})
    longer[#longer + 1] = key
    find(value, longer, sites)
  end
  for i, value in ipairs(raw.list) do below(i, value) end
  for _, name in ipairs(sorted_names(raw.named)) do
    if not (skip and skip[name]) then below(name, raw.named[name]) end
  end
end

-- The field's path: list places of a word's positional options are shown by name.
function sweeps.path(raw, keys)
  local path = ""
  for _, key in ipairs(keys) do
    local shown = key
    if type(key) == "number" then
      local param = raw.kind == "word" and raw.word.positions[key]
      shown = param and param.name or ("[%d]"):format(key)
      raw = raw.list[key]
    else
      raw = raw.named[key]
    end
    path = fail.join(path, shown)
  end
  return path
end

local function replaced(raw, keys, depth, value)
  local key = keys[depth]
  if key == nil then return value end
  local copy = {}
  for k, v in pairs(raw) do copy[k] = v end
  local part = type(key) == "number" and "list" or "named"
  copy[part] = {}
  for k, v in pairs(raw[part]) do copy[part][k] = v end
  copy[part][key] = replaced(raw[part][key], keys, depth + 1, value)
  return copy
end
sweeps.replaced = replaced

local function values_of(site, path)
  local raw = site.raw
  local place = { script = raw.script, line = raw.line, path = path }
  if next(raw.named) ~= nil or raw.odd ~= nil then
    fail.at(place, nil, "a sweep takes values without names")
  end
  if raw.hole then
    fail.at(place, nil, ("found nothing (nil) as value %d of the sweep"):format(raw.hole),
      "is it a local or a field that was never set?")
  end
  if #raw.list == 0 then fail.at(place, nil, "a sweep needs at least one value") end
  return raw.list
end

local function expand(raw, swept, results, skip, base)
  local sites = {}
  find(raw, {}, sites, skip)
  if #sites == 0 then
    results[#results + 1] = { raw = raw, swept = swept }
    if #results > MOST then
      fail.at({ script = raw.script, line = raw.line, path = base }, nil,
        ("the sweeps make more than %d combinations"):format(MOST))
    end
    return
  end
  local first = sites[1]
  for _, site in ipairs(sites) do
    if site.raw.serial < first.raw.serial then first = site end
  end
  local path = sweeps.path(raw, first.keys)
  for index, value in ipairs(values_of(first, fail.join(base, path))) do
    local more = table.move(swept, 1, #swept, 1, {})
    more[#more + 1] = { path = path, value = value, index = index }
    expand(replaced(raw, first.keys, 1, value), more, results, skip, base)
  end
end

-- List of { raw =, swept = { { path =, value =, index = }, ... } }, one where there is no sweep.
-- `skip`: names of fields of `raw` that are left as they are; `base`: path of `raw`, for messages.
function sweeps.expand(raw, skip, base)
  local results = {}
  expand(raw, {}, results, skip, base)
  return results
end

-- { [path] = number, text, boolean or the word's text } for the store.
function sweeps.record(swept)
  local record = {}
  for _, one in ipairs(swept) do
    if one.path ~= "" then
      local plain = type(one.value) ~= "table" and type(one.value) ~= "function"
      record[one.path] = plain and one.value or words.text(one.value)
    end
  end
  return record
end

return sweeps
