-- Patterns in `expect`: a word means every one of that word whose resolved options include those
-- written, a text means a label. Each is resolved to the labels it matches; none is an error.
local fail = require "fail"
local labels = require "labels"
local place = require "place"
local resolve = require "resolve"
local suggest = require "suggest"
local where = require "where"
local words = require "words"

local pattern = {}

-- Whether what is written holds of what is resolved: of words and tables what is written of them, of
-- lists entry by entry.
local function covers(written, resolved)
  if type(written) ~= "table" or type(resolved) ~= "table" then return written == resolved end
  if written.word or resolved.word then
    return written.word == resolved.word and (written.name == nil or written.name == resolved.name)
      and covers(written.options, resolved.options)
  end
  if #written > 0 and #written ~= #resolved then return false end
  for key, value in pairs(written) do
    if not covers(value, resolved[key]) then return false end
  end
  return true
end
pattern.covers = covers

local function list_names(lists)
  local names = {}
  for i, list in ipairs(lists) do names[i] = list[2] end
  return table.concat(names, " or ")
end

-- A context in which words are resolved as far as they are written.
function pattern.partial(context)
  return setmetatable({ partial = true }, { __index = context })
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
  local written = resolve.options_of(raw, raw.word, place.enter(at, raw), pattern.partial(context), true)
  local as = written.as
  written.as = nil
  local found, others = {}, {}
  for _, node in ipairs(run[list[2]]) do
    if (node.own or node.word) == raw.word.name then
      others[#others + 1] = node.label
      if (not as or as == node.label) and covers(written, node.options) then
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

local function apart(left, right, at)
  for _, one in ipairs(left) do
    for _, other in ipairs(right) do
      if one == other then
        place.fail(at, ("'%s' is on both sides"):format(one),
          "tell them apart by an option or a label")
      end
    end
  end
end

-- An expectation's node: { word, path, line, text, labels, value }, { ..., left, right, on, ci } of
-- labels, or with `pairs` of runs in place of left and right (where.lua).
function pattern.expectation(raw, node, experiment, at, context)
  local inside = place.enter(at, raw)
  local options, places, found = node.options, {}, {}
  node.text = words.text(raw)
  for _, param in ipairs(raw.word.params) do
    if param.type == "pattern" then
      local here = place.child(inside, param.position or param.name, param.name)
      if raw.named[param.name] ~= nil then here = place.child(inside, param.name) end
      places[param.name] = here
      if not param.runs then
        local category
        options[param.name], category = pattern.resolve(options[param.name], param.lists,
          experiment.runs[1], here, context)
        found[param.name] = category
      end
    end
  end
  if node.word ~= "better" then
    node.labels, node.value = options.metric, options.value
    return node
  end
  node.on, node.ci = options.on, options.ci
  if found.on == "metric" then
    node.pairs = where.sides(node, experiment, places, context)
    return node
  end
  for _, name in ipairs { "explainer", "than" } do
    local side = options[name]
    if words.is_word(side, "choice of runs") then
      place.fail(places[name], ("%s measures explanations, and where { ... } are runs"):format(
        words.text(raw.named.on)), "compare explainers, or compare runs on a metric")
    end
    options[name] = pattern.resolve(side, { { "explainer", "explain" } }, experiment.runs[1],
      places[name], context)
  end
  node.left, node.right = options.explainer, options.than
  apart(node.left, node.right, at)
  return node
end

return pattern
