-- Patterns in `expect`: a word means every one of that word whose resolved options include those
-- written, a text means a label. Each is resolved to the labels it matches; none is an error.
local fail = require "fail"
local labels = require "labels"
local place = require "place"
local resolve = require "resolve"
local suggest = require "suggest"
local words = require "words"

local pattern = {}

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  if a.word or b.word then return a.word == b.word and same(a.options, b.options) end
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

-- What is written of a nested word has to agree with what is resolved of it.
local function included(written, resolved)
  for name, value in pairs(written) do
    local other = resolved[name]
    if type(value) == "table" and value.word and type(other) == "table" then
      if value.word ~= other.word or not included(value.options, other.options) then return false end
    elseif not same(value, other) then
      return false
    end
  end
  return true
end

local function list_names(lists)
  local names = {}
  for i, list in ipairs(lists) do names[i] = list[2] end
  return table.concat(names, " or ")
end

local function by_label(raw, lists, run, at)
  local all = {}
  for _, list in ipairs(lists) do
    for _, label in ipairs(labels.of(run[list[2]])) do
      if label == raw then return { raw }, list[1] end
      all[#all + 1] = label
    end
  end
  place.fail(at, ("there is no label %s in %s"):format(fail.shown(raw), list_names(lists)),
    #all > 0 and suggest.hint(raw, all, "labels") or nil)
end

local function by_word(raw, list, run, at, context)
  local written = resolve.options_of(raw, raw.word, place.enter(at, raw), context, true)
  local as = written.as
  written.as = nil
  local found, others = {}, {}
  for _, node in ipairs(run[list[2]]) do
    if (node.own or node.word) == raw.word.name then
      others[#others + 1] = node.label
      if (not as or as == node.label) and included(written, node.options) then
        found[#found + 1] = node.label
      end
    end
  end
  if #found == 0 then
    local all = #others > 0 and others or labels.of(run[list[2]])
    local text = words.text(raw)
    place.fail(at, ("nothing in %s is %s"):format(list[2], text),
      #all > 0 and "labels: " .. suggest.list(all) or ("%s is empty"):format(list[2]))
  end
  return found, list[1]
end

-- The labels that match, and the category they are of. `lists`: { { category, field of run } ... }
function pattern.resolve(raw, lists, run, at, context)
  if type(raw) == "string" then return by_label(raw, lists, run, at) end
  local categories = {}
  for i, list in ipairs(lists) do
    categories[i] = list[1]
    if words.is_word(raw, list[1]) then
      return by_word(words.as(raw, list[1]), list, run, at, context)
    end
  end
  resolve.misplaced(raw, categories, at)
end

-- An expectation's node: { word, path, line, text, labels, value } or { ..., left, right, on, ci }.
function pattern.expectation(raw, node, run, at, context)
  local inside = place.enter(at, raw)
  local options = node.options
  node.text = words.text(raw)
  for _, param in ipairs(raw.word.params) do
    if param.type == "pattern" then
      local here = place.child(inside, param.position or param.name, param.name)
      if raw.named[param.name] ~= nil then here = place.child(inside, param.name) end
      options[param.name] = pattern.resolve(options[param.name], param.lists, run, here, context)
    end
  end
  if node.word == "better" then
    node.left, node.right, node.on, node.ci = options.explainer, options.than, options.on, options.ci
    for _, label in ipairs(node.left) do
      for _, other in ipairs(node.right) do
        if label == other then
          place.fail(at, ("'%s' is on both sides"):format(label),
            "tell them apart by an option or a label")
        end
      end
    end
  else
    node.labels, node.value = options.metric, options.value
  end
  return node
end

return pattern
