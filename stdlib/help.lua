-- `lunette help`: pages made from the descriptors of words, fields and commands.
local core = require "core"
local fail = require "fail"
local suggest = require "suggest"
local text = require "help/text"
local words = require "words"

local help = {}

-- ------------------------------------------------------------------------------- one word

local function synopsis(word)
  local parts, first = {}, nil
  for _, param in ipairs(word.params) do
    if param.rest then
      parts[#parts + 1] = "..."
    elseif param.position == 1 and (param.type == "path" or param.type == "experiment_name"
      or param.type == "own_name") then
      first = ('"%s"'):format(param.type == "path" and "file" or "name")
    elseif param.position then
      parts[#parts + 1] = param.name
    else
      parts[#parts + 1] = param.name .. "\1="
    end
  end
  local name = word.name .. (first and " " .. first or "")
  if #parts == 0 then return name end
  return name .. " { " .. table.concat(parts, ", ") .. " }"
end

local sample_values = { real = "0.9", int = "10", ints = "3", reals = "0.5", mask = 'npy "mask.npy"', layer = '"relu_1"',
  stop = "{ standard_error = 0.01 }" }
local sample_places = { ints = "2, 5" } -- by its place a list needs no braces

-- A call with what the word needs, or else with its first default.
local function call_of(word)
  local parts = {}
  for _, param in ipairs(word.params) do
    if param.required then
      local value = sample_values[param.type] or "{ 10 }"
      parts[#parts + 1] = param.position and (sample_places[param.type] or value)
        or param.name .. " = " .. value
    end
  end
  for _, param in ipairs(word.params) do
    if #parts == 0 and param.value ~= nil and type(param.value) ~= "table" then
      parts[1] = param.name .. " = " .. fail.shown(param.value)
    end
  end
  return #parts == 0 and word.name or ("%s { %s }"):format(word.name, table.concat(parts, ", "))
end

function help.example(word)
  if word.example then return word.example end
  local place, call = words.places[word.category], call_of(word)
  if word.category == "layer" then return ("model = network { %s }"):format(call) end
  if word.category == "loss" or word.category == "optimizer" or word.category == "schedule" then
    return ("train = { epochs = 10, %s = %s }"):format(word.category, call)
  end
  return ("%s = { %s }"):format(place[2], call)
end

local function word_page(word)
  local place = words.places[word.category]
  local lines = { text.wrapped(word.summary, "    ", word.name .. " - ") }
  lines[#lines + 1] = text.wrapped(("%s; it %s %s"):format(place[1],
    word.category == "experiment" and "is" or "belongs in", place[2]), "    ")
  text.title(lines, "SYNOPSIS")
  lines[#lines + 1] = text.wrapped(synopsis(word), "    "):gsub("\1", " ")
  if #word.params > 0 then
    text.title(lines, "PARAMETERS")
    text.params(word.params, "    ", lines)
  end
  local notes = {}
  if word.flags.needs_gradient then notes[#notes + 1] = "needs gradients" end
  if word.flags.complete then
    notes[#notes + 1] = "complete: its sum is output - baseline_output, what is missing is stored as "
      .. "`residual`"
  elseif word.flags.conserves then
    notes[#notes + 1] = "conserves: its sum and what biases and stabilisers took (`absorbed`) are the "
      .. "output; what is missing is stored as `residual`"
  end
  if word.flags.takes_groups then notes[#notes + 1] = "one value a group where groups are given" end
  if word.higher_is_better ~= nil then
    notes[#notes + 1] = word.higher_is_better and "higher is better" or "lower is better"
  end
  if #notes > 0 then
    text.title(lines, "PROPERTIES")
    for _, note in ipairs(notes) do lines[#lines + 1] = text.wrapped(note, "    ") end
  end
  for _, section in ipairs { "formula", "cost", "source" } do
    if word[section] then
      text.title(lines, section:upper())
      lines[#lines + 1] = text.wrapped(word[section], "    ")
    end
  end
  text.title(lines, "EXAMPLE")
  lines[#lines + 1] = text.indented(help.example(word))
  return table.concat(lines, "\n") .. "\n"
end

-- ---------------------------------------------------------------------------- one command

local function option_text(option)
  local name = option.letter and ("-%s, --%s"):format(option.letter, option.name)
    or "--" .. option.name
  return option.value and name .. " " .. option.value or name
end

local function command_page(command)
  local lines = { text.wrapped(command.summary, "    ", ("lunette %s - "):format(command.name)) }
  text.title(lines, "SYNOPSIS")
  lines[#lines + 1] = ("    lunette %s [OPTION ...]%s"):format(command.name,
    command.operands and " " .. command.operands or "")
  if command.details then
    text.title(lines, "DESCRIPTION")
    lines[#lines + 1] = text.indented(command.details)
  end
  text.title(lines, "OPTIONS")
  for _, option in ipairs(command.options) do
    local column = ("    %-22s  "):format(option_text(option))
    lines[#lines + 1] = text.wrapped(option.help, (" "):rep(28), column)
  end
  return table.concat(lines, "\n") .. "\n"
end

local function overview()
  local lines = { "lunette runs scripts of explanation experiments and keeps every run in a store.", "",
                  "usage: lunette COMMAND [OPTION ...] [OPERAND ...]", "" }
  for _, command in ipairs(core.commands()) do
    local name = command.name .. (command.operands and " " .. command.operands or "")
    local column = ("  %-28s"):format(name)
    if #name > 26 then
      lines[#lines + 1] = "  " .. name
      column = (" "):rep(30)
    end
    lines[#lines + 1] = text.wrapped(command.summary, (" "):rep(30), column)
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "'lunette help COMMAND' says more, 'lunette help WORD' describes a word of the language or a"
  lines[#lines + 1] = "field, 'lunette help language' how they fit together, 'lunette list' names all words."
  return table.concat(lines, "\n") .. "\n"
end

-- The pages of a name: a command's, else those of words and fields.
local function pages_of(name)
  if name == "language" then return { require "help/language" } end
  for _, command in ipairs(core.commands()) do
    if command.name == name then return { command_page(command) } end
  end
  local pages = {}
  for _, word in ipairs(words.all()) do
    if word.name == name then pages[#pages + 1] = word_page(word) end
  end
  local fields = require "help/fields"
  for _, group in ipairs(fields.find(name, #pages > 0)) do
    pages[#pages + 1] = fields.page(group, help.example)
  end
  return pages
end

local function unknown(name)
  local names = words.names()
  for _, command in ipairs(core.commands()) do names[#names + 1] = command.name end
  for _, field in ipairs(require("help/fields").names()) do names[#names + 1] = field end
  names[#names + 1] = "language"
  local near = suggest.nearest(name, names)
  fail.raise { message = ("there is no word, field or command '%s'"):format(name),
    hint = near and ("did you mean '%s'?"):format(near) or "'lunette list words' names the words" }
end

function help.help(options)
  local name = options.operands[1]
  if not name then
    core.print(overview())
    return 0
  end
  local pages = pages_of(name)
  if #pages == 0 then unknown(name) end
  core.print(table.concat(pages, "\n"))
  return 0
end

return help
