-- Where in a script something stands. A word remembers the line of its call; the line of one of its
-- options is found by reading the script's text from there: the table after the word, and in it the
-- option's name. Nothing depends on it but the number in a message: where the text is too clever
-- (options made by a function), the word's own line is the answer.
local source = {}

local texts = {}  -- script -> text
local tokens = {} -- script -> its tokens: { text, line, kind }, made when first asked for

function source.add(script, text)
  texts[script] = text
  tokens[script] = nil
end

function source.known(script) return texts[script] ~= nil end

-- The whole text, or nil.
function source.text(script) return texts[script] end

-- The text of one line, "" where there is none.
function source.text_of_line(script, line)
  local at, number = 1, 1
  local text = texts[script] or ""
  while number < line do
    local stop = text:find("\n", at, true)
    if not stop then return "" end
    at, number = stop + 1, number + 1
  end
  return text:match("^[^\n]*", at)
end

-- The position after a long bracket ("[[", "[==[") that starts at `at`, or nil.
local function long_bracket(text, at)
  local level = text:match("^%[(=*)%[", at)
  if not level then return nil end
  local _, stop = text:find("]" .. level .. "]", at, true)
  return (stop or #text) + 1
end

local function quoted_end(text, at)
  local quote = text:sub(at, at)
  local i = at + 1
  while i <= #text do
    local c = text:sub(i, i)
    if c == "\\" then
      i = i + 2
    elseif c == quote or c == "\n" then
      return i + 1
    else
      i = i + 1
    end
  end
  return #text + 1
end

-- The token at `at` (no blank there): its kind ("comment" is dropped) and the position after it.
local function token_at(text, at)
  local two = text:sub(at, at + 1)
  if two == "--" then
    local stop = long_bracket(text, at + 2)
    return "comment", stop or (text:find("\n", at, true) or #text + 1)
  end
  local first = text:sub(at, at)
  local stop = long_bracket(text, at)
  if stop then return "string", stop end
  if first == '"' or first == "'" then return "string", quoted_end(text, at) end
  local name = text:match("^[%a_][%w_]*", at)
  if name then return "name", at + #name end
  local number = text:match("^%.?%d[%w%.]*", at)
  if number then return "number", at + #number end
  if two == "==" or two == "~=" or two == "<=" or two == ">=" or two == ".." or two == "::" then
    return "symbol", at + 2
  end
  return "symbol", at + 1
end

local function tokens_of(script)
  if tokens[script] then return tokens[script] end
  local text, list, at, line = texts[script], {}, 1, 1
  if not text then return {} end
  while at <= #text do
    local blank = text:match("^%s+", at)
    if blank then
      for _ in blank:gmatch("\n") do line = line + 1 end
      at = at + #blank
    else
      local kind, stop = token_at(text, at)
      local piece = text:sub(at, stop - 1)
      if kind ~= "comment" then list[#list + 1] = { text = piece, line = line, kind = kind } end
      for _ in piece:gmatch("\n") do line = line + 1 end
      at = stop
    end
  end
  tokens[script] = list
  return list
end

local opens = { ["{"] = true, ["("] = true, ["["] = true, ["function"] = true, ["if"] = true,
                ["do"] = true, ["repeat"] = true }
local closes = { ["}"] = true, [")"] = true, ["]"] = true, ["end"] = true, ["until"] = true }

-- How a token changes the depth of nesting.
local function nesting(token)
  if token.kind == "string" then return 0 end
  return opens[token.text] and 1 or closes[token.text] and -1 or 0
end

-- What stands in the table whose "{" is token `open`: by key (a name, or a place from 1) the tokens at
-- which its entry and its value start; `after` is the token behind the table. Read once a table.
local tables = setmetatable({}, { __mode = "k" }) -- of each list of tokens, by `open`

local function read_table(list, open)
  local entries, values = {}, {}
  local depth, place, start = 0, 1, true
  local i = open
  while i <= #list do
    local token = list[i]
    local change = nesting(token)
    if depth == 1 and start and change >= 0 and not (token.text == ";" or token.text == ",") then
      start = false
      if token.kind == "name" and list[i + 1] and list[i + 1].text == "=" then
        entries[token.text], values[token.text] = i, i + 2
      elseif token.text == "[" then
        local key = list[i + 1] and list[i + 1].kind == "string" and list[i + 1].text:sub(2, -2)
        if key then entries[key], values[key] = i, i + 4 end
      else
        entries[place], values[place] = i, i
        place = place + 1
      end
    end
    depth = depth + change
    if depth == 0 then break end
    if depth == 1 and (token.text == "," or token.text == ";" or i == open) then start = true end
    i = i + 1
  end
  return { entries = entries, values = values, after = math.min(i, #list) + 1 }
end

local function table_at(list, open)
  tables[list] = tables[list] or {}
  tables[list][open] = tables[list][open] or read_table(list, open)
  return tables[list][open]
end

-- From token `i` (a word): its tables, one call after the other, searched for `key`.
local function in_calls(list, i, key)
  while list[i] do
    local token = list[i]
    if token.text == "{" then
      local read = table_at(list, i)
      if read.entries[key] then return read.entries[key], read.values[key] end
      i = read.after
    elseif token.kind == "string" or token.text == "(" or token.text == ")" then
      i = i + 1
    else
      return nil
    end
  end
end

-- The first token of `word` on `line`, else the first on or after that line that opens a table.
local function start_of(list, line, word, from)
  for i = from, #list do
    if list[i].line > line then break end
    if list[i].line == line and list[i].text == word and list[i].kind == "name" then return i end
  end
end

-- The line at which the value under `keys` (names, and places from 1) of the word called on `line`
-- stands. nil where it is not to be found.
function source.line(script, line, word, keys)
  if not line or not keys or #keys == 0 then return line end
  local list = tokens_of(script)
  local from = 1
  while true do
    local at = word and start_of(list, line, word, from)
    local begin = at and at + 1
    if not at and from == 1 then -- called under another name: the first table from that line on
      for i = 1, #list do
        if list[i].line >= line and list[i].text == "{" then
          begin = i
          break
        end
      end
    end
    if not begin then return line end
    local found
    local place = begin
    for depth, key in ipairs(keys) do
      local entry, value = in_calls(list, place, key)
      if not entry then break end
      found = list[entry].line
      place = value
      if depth < #keys and list[value] and list[value].kind == "name" then place = value + 1 end
    end
    if found then return found end
    if not at then return line end
    from = at + 1
  end
end

return source
