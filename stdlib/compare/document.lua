-- What `lunette compare` prints: sections, each a table with remarks and lines of text, as aligned
-- text, Markdown or JSON. Numbers stay numbers until they are printed.
--
--   section  title, key (its name in JSON), columns, rows, notes, lines
--   column   name (heading), key (in JSON; default: the name with _), right (numbers: aligned right), as
--            (function that makes a text of a value, for people)
--   row      one value a column; nil (in a table with `n`) is "-" for people and null in JSON
local core = require "core"
local aligned = require "aligned"

local document = {}

-- Left of a text is where a sign stands, so that differences line up.
function document.signed(value)
  local text = aligned.number(value)
  return value and value > 0 and text ~= "0" and "+" .. text or text
end

-- A probability of a test.
function document.probability(value)
  if value == nil then return "-" end
  return value < 1e-4 and "< 0.0001" or ("%.4f"):format(value)
end

local function text_of(column, value)
  if value == nil then return "-" end
  if column.as then return column.as(value) end
  if type(value) == "number" then return aligned.number(value) end
  return tostring(value)
end

local function texts_of(section)
  local rows = {}
  for i, row in ipairs(section.rows) do
    rows[i] = {}
    for c, column in ipairs(section.columns) do rows[i][c] = text_of(column, row[c]) end
  end
  return rows
end

local function plain(section)
  local out = { "\n", section.title, "\n" }
  local rows, right = texts_of(section), {}
  if #rows > 0 then
    local head = {}
    for c, column in ipairs(section.columns) do head[c], right[c] = column.name, column.right end
    table.insert(rows, 1, head)
    out[#out + 1] = aligned.text(rows, right, "  ")
  end
  for _, line in ipairs(section.lines or {}) do out[#out + 1] = "  " .. line .. "\n" end
  for _, note in ipairs(section.notes or {}) do out[#out + 1] = "  " .. note .. "\n" end
  return table.concat(out)
end

local function markdown(section)
  local out = { "\n## ", section.title, "\n\n" }
  local function line(cells)
    for c, cell in ipairs(cells) do cells[c] = cell:gsub("|", "\\|"):gsub("\n", " ") end
    out[#out + 1] = "| " .. table.concat(cells, " | ") .. " |\n"
  end
  local rows = texts_of(section)
  if #rows > 0 then
    local head, under = {}, {}
    for c, column in ipairs(section.columns) do
      head[c], under[c] = column.name, column.right and "---:" or "---"
    end
    line(head)
    line(under)
    for _, row in ipairs(rows) do line(row) end
  end
  if section.lines and #section.lines > 0 then
    out[#out + 1] = "```diff\n" .. table.concat(section.lines, "\n") .. "\n```\n"
  end
  for _, note in ipairs(section.notes or {}) do out[#out + 1] = "\n" .. note .. "\n" end
  return table.concat(out)
end

-- "greatest |difference|" -> "greatest_difference"
local function key_of(name) return (name:gsub("|", ""):gsub("[^%w_]", "_")) end

local function object(section)
  local out = {}
  for i, row in ipairs(section.rows) do
    out[i] = {}
    for c, column in ipairs(section.columns) do
      local value = row[c]
      out[i][column.key or key_of(column.name)] = value == nil and core.null or value
    end
  end
  return { rows = out, notes = section.notes, lines = section.lines }
end

-- Prints the sections that say something. format: "table", "md" or "json".
function document.print(sections, format)
  if format == "json" then
    local all = {}
    for _, section in ipairs(sections) do all[section.key] = object(section) end
    core.print(core.json(all), "\n")
    return
  end
  local text = {}
  for i, section in ipairs(sections) do
    text[i] = format == "md" and markdown(section) or plain(section)
  end
  core.print((table.concat(text):gsub("^\n", "")))
end

return document
