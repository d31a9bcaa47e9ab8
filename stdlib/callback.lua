-- Functions of a script that the program calls: on the main thread, under the sandbox's guard. What
-- they raise ends the run, told with the script's line.
local core = require "core"
local fail = require "fail"
local script = require "script"
local words = require "words"

local callback = {}

-- Where a function was written, as the store's parameters keep it: "function (credit.lua:12)".
function callback.text(f)
  local info = debug.getinfo(f, "S")
  if info.source:sub(1, 1) ~= "@" then return "function (of Lua)" end
  return ("function (%s:%d)"):format(info.source:match("[^/@]+$"), info.linedefined)
end

local described

-- Entries by key, numbers before texts; keys of other types tell nothing from one process to the next.
local function described_table(value, seen, parts)
  local keys = {}
  for key in next, value do
    if type(key) == "number" or type(key) == "string" then keys[#keys + 1] = key end
  end
  table.sort(keys, function(a, b)
    if type(a) ~= type(b) then return type(a) == "number" end
    return a < b
  end)
  parts[#parts + 1] = "{"
  for _, key in ipairs(keys) do
    described(key, seen, parts)
    described(rawget(value, key), seen, parts)
  end
  parts[#parts + 1] = "}"
end

-- Its place in the script, the arguments that scripts can read, and what it holds of its surroundings.
local function described_function(f, seen, parts)
  parts[#parts + 1] = callback.text(f)
  for i = 1, math.huge do
    local name, value = debug.getupvalue(f, i)
    if not name then return end
    if name == "_ENV" then
      local ok, arguments = pcall(function() return value.arg end)
      value = ok and arguments or nil
    end
    described(value, seen, parts)
  end
end

function described(value, seen, parts)
  local kind = type(value)
  local word = kind == "table" and words.held(value)
  if kind == "string" or kind == "number" then
    parts[#parts + 1] = ("%q"):format(value)
  elseif word then
    parts[#parts + 1] = words.text(word)
  elseif (kind == "table" or kind == "function") and not seen[value] then
    seen[value] = true
    if kind == "table" then
      described_table(value, seen, parts)
    elseif debug.getinfo(value, "S").what ~= "C" then
      described_function(value, seen, parts)
    end
  else
    parts[#parts + 1] = kind == "boolean" and tostring(value) or kind
  end
end

-- A hash of what a function does, beside its script's text: a loop makes different functions of one
-- place, which differ in the values they hold.
function callback.identity(f)
  local parts = {}
  described(f, {}, parts)
  return core.sha256(table.concat(parts, "\n"))
end

-- The script and line of a function, as errors name them.
function callback.place(f)
  local info = debug.getinfo(f, "S")
  if info.source:sub(1, 1) == "@" then return info.source:sub(2), info.linedefined end
end

-- Calls it for option `field` of `node`; its results. math.random starts from (seed, row), so that
-- what a function draws does not depend on what was called before (without a seed it goes on).
function callback.call(node, field, seed, row, f, ...)
  if seed then math.randomseed(seed, row) end
  local results = table.pack(core.guarded(f, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local err = script.failure(node.script, results[2], results[3])
  err.status, err.kind = 1, "callback"
  err.field = fail.join(node.path, field)
  local where, line = callback.place(f)
  if where and not err.line then err.script, err.line = where, line end
  error(err, 0)
end

return callback
