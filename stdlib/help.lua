-- `lunette help` and `lunette list`: pages made from the descriptors of words and commands.
local core = require "core"
local fail = require "fail"
local suggest = require "suggest"
local types = require "types"
local words = require "words"

local help = {}

local WIDTH = 92

-- Words of a text on lines of at most WIDTH, after `indent`.
local function wrapped(text, indent)
  local lines, line = {}, indent
  for word in text:gmatch("%S+") do
    if #line > #indent and #line + 1 + #word > WIDTH then
      lines[#lines + 1] = line
      line = indent .. word
    else
      line = #line == #indent and line .. word or line .. " " .. word
    end
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

-- ------------------------------------------------------------------------------- one word

local kinds = {
  bool = "true or false", string = "text", path = "path", strings = "list of texts",
  character = "one character", shape = "list of whole numbers", label = "label",
  class = "class number or name", baseline = 'number, "zero", "mean", "median", "min", "max" or npy',
  background = "rows or npy", groups = "npy, or lists of column names", mask = "npy, or list of column names",
  layer = "a layer's number or name", table = "table", fields = "table", branches = "lists of layers",
  pattern = "word or label", target = "predicted, label, class or list", any = "values",
  inputs = "rows, npy or a table of npy", task = "classification or regression",
  class_weights = '"balanced" or a table', experiment_name = "text", own_name = "name",
  ["function"] = "function",
}

local function type_text(param)
  if param.type == "int" then return types.range_text("whole number", param) end
  if param.type == "real" then return types.range_text("number", param) end
  if param.type == "ints" then return types.range_text("whole number", param) .. ", or a list" end
  if param.type == "choice" then return types.quoted_list(types.choices_of(param.choices)) end
  if param.type == "word" then return words.places[param.choices][1] end
  if param.type == "words" then
    return ("list of %s"):format(param.choices == "expectation" and "expectations"
      or param.choices .. "s")
  end
  return kinds[param.type] or param.type
end

local function default_text(param)
  if param.required then return "required" end
  if param.default_word then return "default " .. param.default_word end
  if param.value ~= nil then return "default " .. fail.shown(param.value) end
  return "optional"
end

local function param_lines(params, indent, lines)
  for _, param in ipairs(params) do
    local name = param.rest and "{ ... }" or param.name
    local place = param.position and not param.rest
      and (param.position == 1 and ", may stand first without its name"
        or ", may stand without its name as number " .. param.position) or ""
    lines[#lines + 1] = wrapped(("%s: %s; %s%s"):format(name, type_text(param), default_text(param),
      place), indent)
    if param.help then lines[#lines + 1] = wrapped(param.help, indent .. "    ") end
    if param.fields then param_lines(param.fields, indent .. "    ", lines) end
  end
end

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
  local text = word.name .. (first and " " .. first or "")
  if #parts == 0 then return text end
  return text .. " { " .. table.concat(parts, ", ") .. " }"
end

local function title(lines, text) lines[#lines + 1] = "\n" .. text end

local sample_values = { real = "0.9", int = "10", ints = "3", mask = 'npy "mask.npy"' }

-- A call with what the word needs, or else with its first default.
local function call_of(word)
  local parts = {}
  for _, param in ipairs(word.params) do
    if param.required then
      local value = sample_values[param.type] or "{ 10 }"
      parts[#parts + 1] = param.position and value or param.name .. " = " .. value
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
  local lines = { ("%s: %s"):format(word.name, word.summary) }
  lines[#lines + 1] = wrapped(("%s; it belongs in %s"):format(place[1], place[2]), "    ")
  title(lines, "SYNOPSIS")
  lines[#lines + 1] = wrapped(synopsis(word), "    "):gsub("\1", " ")
  if #word.params > 0 then
    title(lines, "PARAMETERS")
    param_lines(word.params, "    ", lines)
  end
  local notes = {}
  if word.flags.needs_gradient then notes[#notes + 1] = "needs gradients" end
  if word.flags.complete then
    notes[#notes + 1] = "complete: its sum is output - baseline_output, what is missing is stored as "
      .. "`residual`"
  end
  if word.flags.takes_groups then notes[#notes + 1] = "one value a group where groups are given" end
  if word.higher_is_better ~= nil then
    notes[#notes + 1] = word.higher_is_better and "higher is better" or "lower is better"
  end
  if #notes > 0 then
    title(lines, "PROPERTIES")
    for _, note in ipairs(notes) do lines[#lines + 1] = wrapped(note, "    ") end
  end
  for _, section in ipairs { "formula", "cost", "source" } do
    if word[section] then
      title(lines, section:upper())
      lines[#lines + 1] = wrapped(word[section], "    ")
    end
  end
  title(lines, "EXAMPLE")
  lines[#lines + 1] = "    " .. help.example(word):gsub("\n", "\n    ")
  return table.concat(lines, "\n") .. "\n"
end

-- ---------------------------------------------------------------------------- one command

local function option_text(option)
  local text = option.letter and ("-%s, --%s"):format(option.letter, option.name)
    or "--" .. option.name
  return option.value and text .. " " .. option.value or text
end

local function command_page(command)
  local lines = { ("lunette %s: %s"):format(command.name, command.summary) }
  title(lines, "SYNOPSIS")
  lines[#lines + 1] = ("    lunette %s [OPTION ...]%s"):format(command.name,
    command.operands and " " .. command.operands or "")
  if command.details then
    title(lines, "DESCRIPTION")
    lines[#lines + 1] = "    " .. command.details:gsub("\n", "\n    "):gsub(" +\n", "\n")
  end
  title(lines, "OPTIONS")
  for _, option in ipairs(command.options) do
    local text = option_text(option)
    local column = ("%-22s  "):format(text)
    lines[#lines + 1] = "    " .. column .. option.help
  end
  return table.concat(lines, "\n") .. "\n"
end

local function overview()
  local lines = { "lunette runs scripts of explanation experiments and keeps every run in a store.", "",
                  "usage: lunette COMMAND [OPTION ...] [OPERAND ...]", "" }
  for _, command in ipairs(core.commands()) do
    local text = command.name .. (command.operands and " " .. command.operands or "")
    lines[#lines + 1] = #text <= 26 and ("  %-28s%s"):format(text, command.summary)
      or ("  %s\n  %-28s%s"):format(text, "", command.summary)
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "'lunette help COMMAND' says more, 'lunette help WORD' describes a word of the language,"
  lines[#lines + 1] = "'lunette list explainers' names those of one kind."
  return table.concat(lines, "\n") .. "\n"
end

function help.help(options)
  local name = options.operands[1]
  if not name then
    core.print(overview())
    return 0
  end
  local names = words.names()
  for _, command in ipairs(core.commands()) do
    if command.name == name then
      core.print(command_page(command))
      return 0
    end
    names[#names + 1] = command.name
  end
  local word = words.find(name)
  if not word then
    local near = suggest.nearest(name, names)
    fail.raise { message = ("there is no word or command '%s'"):format(name),
      hint = near and ("did you mean '%s'?"):format(near) or "'lunette list words' names the words" }
  end
  local pages = {}
  for _, each in ipairs(words.all()) do
    if each.name == name then pages[#pages + 1] = word_page(each) end
  end
  core.print(table.concat(pages, "\n"))
  return 0
end

-- ----------------------------------------------------------------------------------- lists

local plurals = { "explainers", "metrics", "judges", "layers", "losses", "optimizers", "schedules",
                  "pictures", "words", "commands" }
local singular = { losses = "loss" }

-- Rows of a list: { word, category, summary ... } and the names of their columns.
local function rows_of(category)
  local rows = {}
  if category == "commands" then
    for i, command in ipairs(core.commands()) do rows[i] = { command.name, command.summary } end
    return rows, { "command", "summary" }
  end
  local kind = singular[category] or category:sub(1, -2)
  for _, word in ipairs(words.all()) do
    if category == "words" then
      rows[#rows + 1] = { word.name, word.category, word.summary }
    elseif word.category == kind then
      rows[#rows + 1] = { word.name, word.summary }
    end
  end
  if category == "words" then
    table.sort(rows, function(a, b) return a[1] < b[1] end)
    return rows, { "word", "category", "summary" }
  end
  return rows, { "word", "summary" }
end

local function quoted(cell)
  if cell:find('[",\r\n]') then return '"' .. cell:gsub('"', '""') .. '"' end
  return cell
end

local formats = {}

function formats.table(rows, columns)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for c, cell in ipairs(row) do widths[c] = math.max(widths[c] or 0, utf8.len(cell) or #cell) end
  end
  for i, row in ipairs(rows) do
    local cells = {}
    for c, cell in ipairs(row) do
      local pad = c < #columns and (" "):rep(widths[c] - (utf8.len(cell) or #cell)) or ""
      cells[c] = cell .. pad
    end
    lines[i] = table.concat(cells, "  ") .. "\n"
  end
  return table.concat(lines)
end

local function separated(rows, columns, separator, cell_text)
  local lines = { table.concat(columns, separator) }
  for i, row in ipairs(rows) do
    local cells = {}
    for c, cell in ipairs(row) do cells[c] = cell_text(cell) end
    lines[i + 1] = table.concat(cells, separator)
  end
  return table.concat(lines, "\n") .. "\n"
end

function formats.csv(rows, columns) return separated(rows, columns, ",", quoted) end

function formats.tsv(rows, columns)
  return separated(rows, columns, "\t", function(cell) return (cell:gsub("[\t\r\n]", " ")) end)
end

local function objects(rows, columns)
  local list = {}
  for i, row in ipairs(rows) do
    local object = {}
    for c, name in ipairs(columns) do object[name] = row[c] end
    list[i] = core.json(object)
  end
  return list
end

function formats.json(rows, columns)
  if #rows == 0 then return "[]\n" end
  return "[" .. table.concat(objects(rows, columns), ",\n ") .. "]\n"
end

function formats.jsonl(rows, columns)
  return #rows == 0 and "" or table.concat(objects(rows, columns), "\n") .. "\n"
end

function formats.md(rows, columns)
  local lines = { "| " .. table.concat(columns, " | ") .. " |",
                  "|" .. ("---|"):rep(#columns) }
  for _, row in ipairs(rows) do
    local cells = {}
    for c, cell in ipairs(row) do cells[c] = cell:gsub("|", "\\|") end
    lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
  end
  return table.concat(lines, "\n") .. "\n"
end

local function one_of(name, names, what)
  for _, other in ipairs(names) do
    if other == name then return end
  end
  fail.raise { message = ("there is no %s '%s'"):format(what, name),
               hint = suggest.hint(name, names, what == "format" and "formats" or "categories") }
end

function help.list(options)
  local category, format = options.operands[1], options.format or "table"
  one_of(format, { "table", "csv", "tsv", "json", "jsonl", "md" }, "format")
  if not category then
    local rows = {}
    for i, name in ipairs(plurals) do rows[i] = { name, tostring(#rows_of(name)) } end
    core.print(formats[format](rows, { "category", "count" }))
    return 0
  end
  for _, name in ipairs(plurals) do
    if (singular[name] or name:sub(1, -2)) == category then category = name end
  end
  one_of(category, plurals, "category")
  core.print(formats[format](rows_of(category)))
  return 0
end

return help
