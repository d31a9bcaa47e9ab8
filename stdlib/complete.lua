-- What Tab may put in: options of the word whose table the cursor stands in, values of the option before
-- it, words. complete.at(text, session) takes the text up to the cursor and returns what to insert (nil:
-- nothing) and, where several go on differently, lines that list them with their help.
local words = require "words"

local complete = {}

-- ------------------------------------------------------------------------------- where the cursor is

-- Tokens that matter: names, strings as one, and signs.
local function tokens_of(text)
  local list, at = {}, 1
  while at <= #text do
    local blank = text:match("^%s+", at) or text:match("^%-%-[^\n]*", at)
    local name = text:match("^[%a_][%w_]*", at)
    local quoted = text:match('^"[^"\n]*"?', at) or text:match("^'[^'\n]*'?", at)
    local piece = blank or name or quoted or text:sub(at, at)
    if not blank then
      list[#list + 1] = { text = piece, name = name ~= nil, string = quoted ~= nil, ends = at + #piece }
    end
    at = at + #piece
  end
  return list
end

local function param_named(params, name)
  for _, param in ipairs(params or {}) do
    if param.name == name then return param end
  end
end

-- The parameters of the table that opens after token i: a word's, or those of a field.
local function opened(list, i, around)
  local before = list[i]
  if before and before.string then before = list[i - 1] end
  if not before then return {} end
  if before.text == "=" and list[i - 1] then
    local param = around and param_named(around.params, list[i - 1].text)
    return { params = param and param.fields, list = param }
  end
  local word = before.name and words.find(before.text)
  if not word then return {} end
  return { params = word.params, list = word.rest, category = word.category }
end

-- The innermost open table, and the option whose value is being written.
local function context_of(list)
  local stack = {}
  for i, token in ipairs(list) do
    if token.text == "{" or token.text == "(" then
      stack[#stack + 1] = token.text == "{" and opened(list, i - 1, stack[#stack]) or {}
      stack[#stack].used = {}
    elseif token.text == "}" or token.text == ")" then
      stack[#stack] = nil
    elseif token.text == "=" and stack[#stack] and list[i - 1] then
      stack[#stack].used[list[i - 1].text] = true
    end
  end
  local inside = stack[#stack]
  local last = list[#list]
  local option = last and last.text == "=" and inside and list[#list - 1]
    and param_named(inside.params, list[#list - 1].text)
  return inside, option or nil, last and last.text == "="
end

-- --------------------------------------------------------------------------------------- candidates

local function add_words(found, category)
  for _, word in ipairs(words.all()) do
    if not category or word.category == category then
      found[#found + 1] = { text = word.name, help = word.summary }
    end
  end
end

local function add_values(found, param)
  if param.type == "choice" or param.type == "composite" then
    for choice in param.choices:gmatch("[^|]+") do
      found[#found + 1] = { text = '"' .. choice .. '"', help = param.help }
    end
  elseif param.type == "bool" then
    found[#found + 1] = { text = "true", help = param.help }
    found[#found + 1] = { text = "false", help = param.help }
  elseif param.type == "fields" then
    found[#found + 1] = { text = "{ ", help = param.help }
  elseif param.type == "words" then
    found[#found + 1] = { text = "{ ", help = param.help }
  elseif param.choices then
    add_words(found, param.choices)
  end
end

local function add_options(found, inside)
  for _, param in ipairs(inside.params or {}) do
    if not param.rest and not inside.used[param.name] then
      found[#found + 1] = { text = param.name .. " = ", help = param.help }
    end
  end
end

local function add_names(found, session)
  for name in pairs(session.names) do found[#found + 1] = { text = name, help = "a name of this session" } end
  for name in pairs(session.commands) do
    found[#found + 1] = { text = name, help = "a command: see help \"repl\"" }
  end
  for _, name in ipairs { "local", "for", "function" } do found[#found + 1] = { text = name, help = "Lua" } end
end

local function candidates(inside, option, assigned, session)
  local found = {}
  if option then
    add_values(found, option)
  elseif inside and (inside.params or inside.list) then
    add_options(found, inside)
    local param = inside.list
    if param and param.type == "words" then add_words(found, param.choices) end
  else
    add_words(found)
    if not assigned then add_names(found, session) end
  end
  return found
end

-- ------------------------------------------------------------------------------------------ answer

local function common(list)
  local prefix = list[1].text
  for _, one in ipairs(list) do
    while one.text:sub(1, #prefix) ~= prefix do prefix = prefix:sub(1, -2) end
  end
  return prefix
end

local function listing(list)
  local lines, width = {}, 0
  for _, one in ipairs(list) do width = math.max(width, #one.text) end
  for i, one in ipairs(list) do
    local help = one.help:sub(1, 90 - width)
    lines[i] = ("  %s  %s\n"):format(one.text .. (" "):rep(width - #one.text), help)
  end
  return table.concat(lines)
end

function complete.at(text, session)
  local list = tokens_of(text)
  local typed, last = "", list[#list]
  if last and last.ends == #text + 1 and (last.name or last.string) then
    typed = last.text
    list[#list] = nil
    if last.string and #typed > 1 and typed:sub(-1) == typed:sub(1, 1) then return nil end
  end
  local seen, matching = {}, {}
  local inside, option, assigned = context_of(list)
  for _, one in ipairs(candidates(inside, option, assigned, session)) do
    if one.text:sub(1, #typed) == typed and not seen[one.text] then
      seen[one.text] = true
      matching[#matching + 1] = one
    end
  end
  if #matching == 0 then return nil end
  table.sort(matching, function(a, b) return a.text < b.text end)
  local insert = common(matching):sub(#typed + 1)
  if #matching == 1 or insert ~= "" then return insert end
  return nil, listing(matching)
end

return complete
