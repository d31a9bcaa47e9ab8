-- `lunette help FIELD`: the page of a field or parameter, found by its name (epochs), by part of its
-- path (train.epochs) or as --set spells it (data.split.train). Words that have the same parameter
-- share one page.
local examples = require "help/examples"
local text = require "help/text"
local words = require "words"

local fields = {}

-- Words whose fields make up the language; of other words a field is a parameter.
local structural = { experiment = true, data = true, model = true }

local function add(found, word, param, path, inside)
  if param.as_in then return end -- described there
  found[#found + 1] = { word = word, param = param, path = path .. "." .. param.name,
                        inside = inside }
  for _, field in ipairs(param.fields or {}) do
    add(found, word, field, path .. "." .. param.name, param.name)
  end
end

local all

-- Every field: its word, path ("csv.split.train") and the field it is inside of.
local function gather()
  if all then return all end
  all = {}
  for _, word in ipairs(words.all()) do
    for _, param in ipairs(word.params) do add(all, word, param, word.name) end
  end
  return all
end

-- The place of the word in place of the word: "data.split.train", "train.optimizer.lr".
local function as_set(field)
  local place = words.places[field.word.category][2]
  return place:find "^[%w_.]+$" and place .. field.path:sub(#field.word.name + 1) or field.path
end

local function ends_in(path, name)
  return path == name or path:sub(-#name - 1) == "." .. name
end

-- Names and paths that have a page, for suggestions.
function fields.names()
  local names, seen = {}, {}
  for _, field in ipairs(gather()) do
    local short = field.inside and field.inside .. "." .. field.param.name or field.path
    for _, name in ipairs { field.param.name, short, field.path, as_set(field) } do
      if not seen[name] then names[#names + 1] = name end
      seen[name] = true
    end
  end
  table.sort(names)
  return names
end

-- Fields of that name: lists of those that are alike, the language's own first.
-- With `own_only`, only fields of an experiment, its data and its model.
function fields.find(name, own_only)
  local groups, by_text = {}, {}
  for _, field in ipairs(gather()) do
    local own = structural[field.word.category]
    local fits = ends_in(field.path, name) or ends_in(as_set(field), name)
    if fits and (own or not own_only) then
      local key = text.value(field.param) .. (field.param.help or "") .. (field.inside or "")
      if not by_text[key] then
        by_text[key] = { own = own }
        table.insert(groups, by_text[key])
      end
      table.insert(by_text[key], field)
    end
  end
  local ordered = {}
  for _, own in ipairs { true, false } do
    for _, group in ipairs(groups) do
      if (group.own or false) == own then ordered[#ordered + 1] = group end
    end
  end
  return ordered
end

local MOST = 8 -- words that are named of those that share a parameter

local function owners(group)
  local names = {}
  for i, field in ipairs(group) do names[i] = field.word.name end
  local what = text.listed(names, MOST)
  local first = group[1]
  if first.inside then return ("a field of %s, in %s"):format(first.inside, what) end
  return (structural[first.word.category] and "a field of %s" or "a parameter of %s"):format(what)
end

-- Words that may stand there.
local function word_rows(param)
  local rows = {}
  for _, word in ipairs(words.all()) do
    for category in (param.choices or ""):gmatch("[^|]+") do
      if word.category == category then rows[#rows + 1] = { word.name, word.summary } end
    end
  end
  return rows
end

-- nil where no word's example shows the field.
local function example_of(group, word_example)
  for _, field in ipairs(group) do
    if examples[field.path] then return examples[field.path] end
  end
  for _, field in ipairs(group) do
    local example = word_example(field.word)
    if example:find("%f[%w_]" .. field.param.name .. "%f[^%w_]") then return example end
  end
end

-- word_example: what a word's own page shows as its example.
function fields.page(group, word_example)
  local field = group[1]
  local param = field.param
  local lines = { text.wrapped(param.help or "", "    ", param.name .. " - ") }
  lines[#lines + 1] = text.wrapped(owners(group), "    ")
  text.title(lines, "VALUE")
  lines[#lines + 1] = text.wrapped(text.value(param), "    ")
  if param.fields then
    text.title(lines, "FIELDS")
    text.params(param.fields, "    ", lines)
  end
  if param.type == "word" or param.type == "words" then
    text.title(lines, "WORDS")
    text.columns(word_rows(param), lines)
  end
  local example = example_of(group, word_example)
  if example then
    text.title(lines, "EXAMPLE")
    lines[#lines + 1] = text.indented(example)
  end
  text.title(lines, "SEE ALSO")
  lines[#lines + 1] = ("    lunette help %s"):format(field.word.name)
  return table.concat(lines, "\n") .. "\n"
end

return fields
