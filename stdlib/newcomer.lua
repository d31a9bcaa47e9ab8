-- What somebody who knows no Lua may have meant: hints to errors of the Lua reader and to names that are
-- not there, read off the message and the line. Where nothing is plain, there is no hint.
local source = require "source"
local suggest = require "suggest"

local newcomer = {}

local function count(text, piece)
  local n = 0
  for _ in text:gmatch(piece) do n = n + 1 end
  return n
end

local function odd_quotes(line)
  return count(line:gsub('\\.', ""), '"') % 2 == 1
end

-- Slips that a line shows whatever the reader stumbled over.
local function by_line(line)
  if line:find("\u{201c}") or line:find("\u{201d}") or line:find("\u{2018}") or line:find("\u{2019}") then
    return 'texts stand in straight quotes: "text"'
  elseif odd_quotes(line) then
    return 'a quote is missing in this line: texts stand in quotes, "text"'
  end
  local field, value = line:match("^%s*([%a_][%w_]*)%s*:%s*([%w%.]+)")
  if field then return ("a field gets its value with '=': %s = %s"):format(field, value) end
  local number = line:match("(%d[%d%.]*)%s*%%")
  if number then return ("a share is written as a number: %.6g"):format(tonumber(number) / 100) end
  local word = line:match("([%a_][%w_]*)%s*%(%s*[%a_][%w_]*%s*=")
  if word then return ("options stand in braces: %s { ... }"):format(word) end
  if line:find("[=,{]%s*%[[^%[=]") or line:find("^%s*%[[^%[=]") then
    return "lists stand in braces: { a, b }"
  end
  if line:find("^%s*#") or line:find("^%s*//") then return "comments begin with --" end
end

-- What closes what, and what comes between.
local function by_message(message, line)
  local near = message:match("near '(.-)'$") or message:match("near (<eof>)$")
  local opened = message:match("^'}' expected %(to close '{' at line (%d+)%)")
  if message:find("^'end' expected") then
    return "what 'function', 'if' and 'for' begin is closed by 'end'"
  elseif message:find("^'%]' expected") then
    return "options and lists stand in braces: { ... }"
  elseif near == "<eof>" and message:find("^'[})]' expected") then
    return ("'%s' is missing at the end%s"):format(message:sub(2, 2),
      opened and ", or somewhere after line " .. opened or "")
  elseif message:find("^'}' expected") and near and near:find("^[%d%.]+$") then
    local word = line:match("([%a_][%w_]*)%s+" .. near:gsub("%.", "%%."))
    if word then return ("options stand in braces: %s { %s }"):format(word, near) end
  elseif message:find("^'}' expected") and near and near:find("^[%a_\"]") then
    return ("is a comma missing before %s?"):format(near)
  elseif message:find("^<eof> expected") then
    return "the script ends before this: there is a '}' too many above, or text after what is returned"
  elseif message:find("^unfinished string") then
    return 'the quote that ends the text is missing: "text"'
  end
end

-- A hint to an error of the Lua reader, or nil. Its place: script and line.
function newcomer.syntax(message, script, line)
  local text = line and source.text_of_line(script, line) or ""
  return by_line(text) or by_message(message, text)
end

-- A hint to an error while the script ran, or nil.
function newcomer.runtime(message)
  local name = message:match("attempt to index a nil value %(%a+ '([^']+)'%)")
    or message:match("attempt to perform arithmetic on a nil value %(%a+ '([^']+)'%)")
    or message:match("attempt to concatenate a nil value %(%a+ '([^']+)'%)")
  local called = message:match("attempt to call a nil value %(%a+ '([^']+)'%)")
  if called then return ("there is no function '%s'"):format(called) end
  if name then return ("'%s' is nothing (nil) there: was it ever set?"):format(name) end
end

local elsewhere = { True = "true", False = "false", None = "nil", null = "nil", NULL = "nil",
                    TRUE = "true", FALSE = "false", undefined = "nil" }

-- Names that the script declares by `local`.
local function locals_of(script)
  local names = {}
  for declared in (source.text(script) or ""):gmatch("%f[%a_]local%s+([%a_][%w_%s,]*)") do
    for name in declared:gmatch("[%a_][%w_]*") do
      if name ~= "function" then names[#names + 1] = name end
    end
  end
  return names
end

-- A hint to a name that is not there. `names`: those of the language.
function newcomer.unknown(name, names, script, line)
  local text = script and line and source.text_of_line(script, line) or ""
  if elsewhere[name] then return ("write %s"):format(elsewhere[name]) end
  if text:find("%f[%w_]" .. name .. "%s*==") then
    return ("a field gets its value with one '=': %s = ..."):format(name)
  end
  local dashed = text:match("%f[%w_](" .. name .. "%-[%a_][%w_%-]*)")
  local meant = dashed and dashed:gsub("%-", "_")
  for _, known in ipairs(names) do
    if known == name:lower() or known == meant then return ("did you mean '%s'?"):format(known) end
  end
  local all = script and locals_of(script) or {}
  local near = suggest.nearest(name, table.move(names, 1, #names, #all + 1, all))
  return near and ("did you mean '%s'?"):format(near)
    or "'lunette list words' names the words; other names need 'local', and texts quotes"
end

return newcomer
