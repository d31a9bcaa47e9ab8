-- Where a value stands while it is checked: the path of its field ("explain[2].steps"), and how to
-- find its line (the word it was written in, and the keys from there).
local fail = require "fail"
local source = require "source"

local place = {}

function place.root(raw, script)
  return { path = "", script = raw and raw.script or script, line = raw and raw.line,
           word = raw and raw.word.name, keys = {} }
end

-- The place of an entry: a name, or a place in a list. `shown` is its name in the path where that is
-- not the key (a positional option is shown by its name).
function place.child(at, key, shown)
  local keys = table.move(at.keys, 1, #at.keys, 1, {})
  keys[#keys + 1] = key
  shown = shown or key
  local field = type(shown) == "number" and ("[%d]"):format(shown) or shown
  return { path = fail.join(at.path, field), script = at.script, line = at.line, word = at.word,
           keys = keys, overrides = at.overrides }
end

-- Inside a word that was called, lines are counted from its own call.
function place.enter(at, raw)
  if not raw.line then return at end
  return { path = at.path, script = raw.script, line = raw.line, word = raw.word.name, keys = {},
           overrides = at.overrides }
end

function place.line(at)
  if not at.script then return at.line end
  return source.line(at.script, at.line, at.word, at.keys) or at.line
end

-- An error in a field that --set has put there is told by the option, not by the script.
local function overriding(at)
  local path = at.path
  while at.overrides and path ~= "" do
    if at.overrides[path] then return at.overrides[path] end
    path = path:match("^(.*)[%.%[][^%.%[]*$") or ""
  end
end

function place.fail(at, message, hint)
  local option = overriding(at)
  if option then fail.raise { field = option, message = message, hint = hint } end
  fail.raise { script = at.script, line = place.line(at), field = at.path, message = message,
               hint = hint }
end

function place.expected(at, what, raw, hint)
  place.fail(at, ("expected %s, found %s"):format(what, fail.shown(raw)), hint)
end

return place
