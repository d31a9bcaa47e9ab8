-- Functions of a script that the program calls: on the main thread, under the sandbox's guard. What
-- they raise ends the run, told with the script's line.
local core = require "core"
local fail = require "fail"
local script = require "script"

local callback = {}

-- Where a function was written, as the store's parameters keep it: "function (credit.lua:12)".
function callback.text(f)
  local info = debug.getinfo(f, "S")
  if info.source:sub(1, 1) ~= "@" then return "function (of Lua)" end
  return ("function (%s:%d)"):format(info.source:match("[^/@]+$"), info.linedefined)
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
