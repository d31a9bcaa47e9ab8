-- A script's environment: the words, and the safe part of Lua. It is strict: a name that is not there
-- is an error with a suggestion, and so is assigning one. Each script and module has an environment
-- of its own; library tables are copies, so that nothing a script does reaches stdlib.
--
-- `pairs` and `next` differ from stock Lua in one thing: keys come in a fixed order (places, numbers,
-- texts), since otherwise a script's results would change from one process to the next.
local core = require "core"
local fail = require "fail"
local newcomer = require "newcomer"
local words = require "words"

local strict = {}

local plain = { "assert", "error", "ipairs", "select", "tonumber", "tostring", "type", "rawequal",
                "rawlen", "getmetatable" }
local libraries = { "math", "string", "table", "utf8" }

-- Names that users of Lua will look for, and why they are not here.
local closed = {
  os = "scripts cannot reach the system: there is no os",
  io = "scripts cannot open files: there is no io",
  debug = "there is no debug in scripts",
  package = "there is no package in scripts: require reads files beside the script",
  load = "scripts cannot compile code: there is no load",
  loadstring = "scripts cannot compile code: there is no loadstring",
  loadfile = "scripts cannot compile code: there is no loadfile",
  dofile = "there is no dofile in scripts: use require",
  rawget = "there is no rawget in scripts", rawset = "there is no rawset in scripts",
  collectgarbage = "there is no collectgarbage in scripts",
  _G = "there is no _G in scripts: names are not kept in a table",
}

local ranks = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  local x, y = ranks[type(a)] or 4, ranks[type(b)] or 4
  if x ~= y then return x < y end
  if x <= 2 then return a < b end
  if x == 3 then return not a and b end
  return false
end

-- Keys in a fixed order; those without an order of their own (tables) stay as they came, at the end.
local function ordered_keys(value)
  local keys, others = {}, {}
  for key in next, value do
    if ranks[type(key)] then keys[#keys + 1] = key else others[#others + 1] = key end
  end
  table.sort(keys, before)
  return table.move(others, 1, #others, #keys + 1, keys)
end

local function script_pairs(value)
  local meta = type(value) == "table" and getmetatable(value)
  if type(meta) == "table" and meta.__pairs then return meta.__pairs(value) end
  if type(value) ~= "table" or meta == false then return pairs(value) end
  local keys, i = ordered_keys(value), 0
  return function()
    while true do
      i = i + 1
      local key = keys[i]
      if key == nil then return nil end
      local item = rawget(value, key)
      if item ~= nil then return key, item end -- not taken out on the way
    end
  end, value, nil
end

local function script_next(value, key)
  if type(value) ~= "table" then return next(value, key) end
  local keys, following = ordered_keys(value), nil
  for i, other in ipairs(keys) do
    if rawequal(other, key) then following = i + 1 end
  end
  if key == nil then following = 1 end
  if not following then error("invalid key to 'next'", 2) end
  local found = keys[following]
  if found == nil then return nil end
  return found, rawget(value, found)
end

local function script_print(...)
  local parts = table.pack(...)
  for i = 1, parts.n do parts[i] = tostring(parts[i]) end
  core.print(table.concat(parts, "\t"), "\n")
end

local function sorted_names(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function unknown(names, line, chunk, name)
  local script = chunk:sub(1, 1) == "@" and chunk:sub(2) or nil
  line = line > 0 and line or nil
  if closed[name] then fail.raise { script = script, line = line, message = closed[name] } end
  name = tostring(name)
  fail.raise { script = script, line = line, message = ("unknown word '%s'"):format(name),
               hint = newcomer.unknown(name, names, script, line) }
end

-- extra: further names (require, arg). session: names that statements typed one by one assign, or nil: in a
-- script nothing is assigned to without being declared.
function strict.environment(extra, session)
  local known = {}
  for _, name in ipairs(plain) do known[name] = _G[name] end
  for _, name in ipairs(libraries) do
    known[name] = {}
    for key, value in pairs(_G[name]) do known[name][key] = value end
  end
  for name, value in pairs(core.sandbox) do known[name] = value end
  known.pairs, known.next, known.print = script_pairs, script_next, script_print
  known._VERSION = _VERSION
  for name, proxy in pairs(words.proxies()) do known[name] = proxy end
  for name, value in pairs(extra) do known[name] = value end
  local names = sorted_names(known)
  return setmetatable({}, {
    __metatable = false,
    __index = core.calling(function(line, chunk, _, name)
      local value = known[name]
      if value == nil and session then value = session[name] end
      if value ~= nil then return value end
      if session then table.move(sorted_names(session), 1, #sorted_names(session), #names + 1, names) end
      unknown(names, line, chunk, name)
    end),
    __newindex = core.calling(function(line, chunk, _, name, value)
      local script = chunk:sub(1, 1) == "@" and chunk:sub(2) or nil
      name = tostring(name)
      if session and known[name] == nil then
        session[name] = value
        return
      end
      fail.raise { script = script, line = line > 0 and line or nil,
        message = (known[name] ~= nil and "'%s' is a name of the language: it cannot be assigned to"
          or "'%s' is assigned to without being declared"):format(name),
        hint = ("write: local %s = ..."):format(name) }
    end),
    __pairs = function() error("the environment cannot be walked through", 2) end,
  })
end

return strict
