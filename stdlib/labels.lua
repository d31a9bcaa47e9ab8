-- Labels of explanations, metrics and judges: `as`, or the word with its swept values
-- (integrated_gradients-64), or with a number where that is not unique (saliency-2).
local core = require "core"
local fail = require "fail"
local words = require "words"

local labels = {}

local function value_text(one)
  local value = one.value
  if words.is_word(value) then return value.word.name end
  if type(value) == "table" or type(value) == "function" then
    return tostring(one.index) -- tables and functions count by their position
  end
  if type(value) == "number" then return core.json(value) end
  return (tostring(value):gsub("[^%w_.-]", "_"))
end

-- The values in the alphabetical order of their fields.
local function suffix(swept)
  local order, text = {}, ""
  for i, one in ipairs(swept) do
    if one.path ~= "" then order[#order + 1] = { path = one.path, place = i, one = one } end
  end
  table.sort(order, function(a, b)
    if a.path ~= b.path then return a.path < b.path end
    return a.place < b.place
  end)
  for _, entry in ipairs(order) do text = text .. "-" .. value_text(entry.one) end
  return text
end

-- nodes: of one list; node.swept_values is what sweeps.expand gave. Sets node.label. others: nodes
-- that have their labels and share the list, or nil.
function labels.assign(nodes, others)
  local taken = {}
  for _, node in ipairs(others or {}) do taken[node.label] = node end
  for _, node in ipairs(nodes) do
    local given = node.options.as
    if given then
      local label = given .. suffix(node.swept_values)
      if taken[label] then
        fail.at(node, "as", ("the label '%s' is taken by %s"):format(label, taken[label].path),
          "labels are unique in their list")
      end
      node.label, taken[label] = label, node
    end
  end
  local last = {} -- number of a label that is taken, by what it begins with
  for _, node in ipairs(nodes) do
    if not node.label then
      local base = node.word .. suffix(node.swept_values)
      local number = last[base] or 1
      local label = number == 1 and base or base .. "-" .. number
      while taken[label] do
        number = number + 1
        label = base .. "-" .. number
      end
      node.label, taken[label], last[base] = label, node, number
    end
  end
end

-- The labels of a list, in its order.
function labels.of(nodes)
  local list = {}
  for i, node in ipairs(nodes) do list[i] = node.label end
  return list
end

return labels
