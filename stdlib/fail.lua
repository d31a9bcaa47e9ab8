-- Errors as the user sees them. An error value is a table:
--
--   status   exit status          kind     "invalid", "file", "interrupted" ... (interp/raise.h)
--   script   path as given        line     in it
--   field    "explain[2].steps"   message  what was found and what would be right
--   hint     or nil
--
-- A place is a node of the checked description, or anything else with `script`, `line` and `path`;
-- the line of a field is looked up in the script's text.
local core = require "core"
local source = require "source"
local suggest = require "suggest"

local fail = {}

function fail.raise(err)
  err.status = err.status or 2
  err.kind = err.kind or (err.status == 4 and "file" or "invalid")
  error(err, 0)
end

-- "explain[1]" and "steps" -> "explain[1].steps"
function fail.join(path, field)
  if not field or field == "" then return path or "" end
  if not path or path == "" then return field end
  if field:sub(1, 1) == "[" then return path .. field end
  return path .. "." .. field
end

-- "split.train" -> { "split", "train" }; "groups[2][1]" -> { "groups", 2, 1 }
local function keys_of(field)
  local keys = {}
  for name, index in (field or ""):gmatch("([^%.%[%]]*)%[?(%d*)%]?") do
    if name ~= "" then keys[#keys + 1] = math.tointeger(tonumber(name)) or name end
    if index ~= "" then keys[#keys + 1] = math.tointeger(tonumber(index)) end
  end
  return keys
end

function fail.line(place, field)
  if not place.script then return nil end
  return source.line(place.script, place.line, place.word, keys_of(field)) or place.line
end

function fail.at(place, field, message, hint, status)
  fail.raise { status = status or 2, script = place.script, line = fail.line(place, field),
               field = fail.join(place.path, field), message = message, hint = hint }
end

-- Calls a function of the engine; what it raises is placed at `field` of `place`.
function fail.within(place, field, call, ...)
  local results = table.pack(pcall(call, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local err = results[2]
  if type(err) == "table" and not err.script and err.kind ~= "interrupted"
    and err.kind ~= "memory" and err.kind ~= "store" and err.kind ~= "io" then
    local inner = fail.join(field, err.field)
    err.script, err.line = place.script, fail.line(place, inner)
    err.field = fail.join(place.path, inner)
  end
  error(err, 0)
end

-- A message handler that keeps the traceback in the error (shown with --trace).
function fail.traced(err)
  if fail.trace and type(err) == "table" and not err.traceback then
    err.traceback = debug.traceback(nil, 2)
  elseif fail.trace and type(err) == "string" then
    return debug.traceback(err, 2)
  end
  return err
end

function fail.interrupted(err)
  return type(err) == "table" and err.kind == "interrupted"
end

-- One line, for the store.
function fail.text(err)
  if type(err) ~= "table" then return "internal error: " .. tostring(err) end
  local where = ""
  if err.script then where = err.script .. (err.line and ":" .. err.line or "") .. ": " end
  if err.field and err.field ~= "" then where = where .. err.field .. ": " end
  return where .. tostring(err.message)
end

fail.nearest = suggest.hint

-- A value as a script would write it, short.
function fail.shown(value)
  local kind = type(value)
  if kind == "string" then
    local text = #value > 40 and value:sub(1, 40) .. "..." or value
    return '"' .. text:gsub('[%c"\\]', { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n",
      ["\t"] = "\\t", ["\r"] = "\\r" }) .. '"'
  elseif kind == "number" then
    if value ~= value then return "not a number (nan)" end
    if value == math.huge then return "infinity" end
    if value == -math.huge then return "minus infinity" end
    return core.json(value)
  elseif kind == "nil" then
    return "nothing"
  elseif kind == "table" then
    if value.kind == "word" then return "the word " .. value.word.name end
    if value.kind == "table" then
      if next(value.named) == nil and #value.list > 0 then
        return #value.list == 1 and "a list of one" or ("a list of %d"):format(#value.list)
      end
      return next(value.named) == nil and "an empty table" or "a table"
    end
    return "a table"
  elseif kind == "boolean" then
    return tostring(value)
  end
  return "a " .. kind
end

return fail
