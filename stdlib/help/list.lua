-- `lunette list`: the words of one kind, or what kinds there are, in the formats of all rows.
local core = require "core"
local fail = require "fail"
local suggest = require "suggest"
local words = require "words"

local list = {}

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
    table.sort(rows, function(a, b)
      if a[1] ~= b[1] then return a[1] < b[1] end
      return a[2] < b[2]
    end)
    return rows, { "word", "category", "summary" }
  end
  return rows, { "word", "summary" }
end

local function quoted(cell)
  if cell:find('[",\r\n]') then return '"' .. cell:gsub('"', '""') .. '"' end
  return cell
end

local formats = {}

-- Names of the columns, a rule, and the rows: as every other table of the program.
function formats.table(rows, columns)
  local widths, rules, lines = {}, {}, {}
  for c, name in ipairs(columns) do
    widths[c] = #name
    for _, row in ipairs(rows) do widths[c] = math.max(widths[c], utf8.len(row[c]) or #row[c]) end
    rules[c] = ("-"):rep(widths[c])
  end
  local function add(row)
    local cells = {}
    for c, cell in ipairs(row) do
      local blanks = (" "):rep(widths[c] - (utf8.len(cell) or #cell))
      cells[c] = columns[c] == "count" and blanks .. cell or cell .. blanks
    end
    lines[#lines + 1] = table.concat(cells, "  "):gsub(" +$", "") .. "\n"
  end
  add(columns)
  add(rules)
  for _, row in ipairs(rows) do add(row) end
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
  local texts = {}
  for i, row in ipairs(rows) do
    local object = {}
    for c, name in ipairs(columns) do object[name] = row[c] end
    texts[i] = core.json(object)
  end
  return texts
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

function list.list(options)
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

return list
