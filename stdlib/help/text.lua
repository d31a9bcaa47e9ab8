-- What all pages of `lunette help` share: lines of one width, and what a parameter takes, in words.
local fail = require "fail"
local types = require "types"
local words = require "words"

local text = {}

local WIDTH = 92

-- The words of `source` on lines of at most WIDTH, after `indent`; the first line after `first`.
function text.wrapped(source, indent, first)
  local lines, line, empty = {}, first or indent, true
  for word in source:gmatch("%S+") do
    if not empty and #line + 1 + #word > WIDTH then
      lines[#lines + 1] = line
      line, empty = indent, true
    end
    line = empty and line .. word or line .. " " .. word
    empty = false
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

function text.title(lines, title) lines[#lines + 1] = "\n" .. title end

-- A block of text, each line of it indented; no line ends in blanks.
function text.indented(source) return "    " .. source:gsub("\n", "\n    "):gsub(" +\n", "\n") end

-- "a", "a and b", "a, b and c"; of a long list its start and the number of the others.
function text.listed(names, most)
  local shown = table.move(names, 1, math.min(#names, most or #names), 1, {})
  if #names > #shown then shown[#shown + 1] = ("%d more"):format(#names - #shown) end
  if #shown == 1 then return shown[1] end
  return table.concat(shown, ", ", 1, #shown - 1) .. " and " .. shown[#shown]
end

local kinds = {
  bool = "true or false", string = "text", path = "path", strings = "list of texts",
  character = "one character", shape = "list of whole numbers", label = "label",
  class = "class number or name", baseline = 'number, "zero", "mean", "median", "min", "max", blur, noise or npy',
  background = "rows or npy", groups = "npy, grid, superpixels, or lists of column names", mask = "npy, or list of column names",
  tree = '"correlation", npy, or pairs of column names or pairs',
  layer = "a layer's number or name", stop = "{ standard_error = number above 0 }", table = "table", fields = "table", branches = "lists of layers",
  pattern = "word or label", target = "predicted, label, all, top(k), class or list",
  run = "number or text", any = "values",
  inputs = "rows, an array file or a table of them", rows_of_inputs = "an array file or a table of them", task = "classification or regression",
  class_weights = '"balanced" or a table', experiment_name = "text", own_name = "name",
  ["function"] = "function",
}

function text.type(param)
  if param.type == "int" then return types.number_text("whole number", param) end
  if param.type == "real" then return types.number_text("number", param) end
  if param.type == "threshold" then return 'number, "youden", "f1" or "rate:SHARE"' end
  if param.type == "reals" then return types.range_text("number", param) .. ", or a list" end
  if param.type == "ints" then
    return types.range_text("whole number", param) .. ", or a list"
      .. (param.choices and ", or " .. types.quoted_list(types.choices_of(param.choices)) or "")
  end
  if param.type == "choice" then return types.quoted_list(types.choices_of(param.choices)) end
  if param.type == "composite" then
    return types.quoted_list(types.choices_of(param.choices)) .. ", or a list of entries"
  end
  if param.type == "word" then return words.places[param.choices][1] end
  if param.type == "words" then
    return ("list of %s"):format(param.choices == "expectation" and "expectations"
      or param.choices .. "s")
  end
  return kinds[param.type] or param.type
end

function text.default(param)
  if param.required then return "required" end
  if param.otherwise then return "default: " .. param.otherwise end
  if param.default_word then return "default " .. param.default_word end
  if param.value ~= nil then return "default " .. fail.shown(param.value) end
  return "optional"
end

local function position(param)
  if not param.position or param.rest then return "" end
  if param.position == 1 then return "; may stand first without its name" end
  return "; may stand without its name as number " .. param.position
end

-- "whole number from 1; default 32"
function text.value(param)
  return ("%s; %s%s"):format(text.type(param), text.default(param), position(param))
end

-- A list of parameters: name and value, below it the meaning, and the fields of its own.
function text.params(params, indent, lines)
  for _, param in ipairs(params) do
    lines[#lines + 1] = text.wrapped(("%s: %s"):format(param.rest and "{ ... }" or param.name,
      text.value(param)), indent)
    if param.help then lines[#lines + 1] = text.wrapped(param.help, indent .. "    ") end
    if param.fields and not param.as_in then text.params(param.fields, indent .. "    ", lines) end
  end
end

-- Names with what they are, in two columns.
function text.columns(rows, lines)
  local width = 0
  for _, row in ipairs(rows) do width = math.max(width, #row[1]) end
  for _, row in ipairs(rows) do
    local name = ("    %-" .. width .. "s  "):format(row[1])
    lines[#lines + 1] = text.wrapped(row[2], (" "):rep(#name), name)
  end
end

return text
