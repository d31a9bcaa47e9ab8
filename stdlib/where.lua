-- Runs as the sides of `better`: where { train = { epochs = 40 } } means every run of the experiment
-- whose resolved fields include those written, an experiment's name all its runs (of this experiment or
-- of one before it in the script's list).
--
-- A run of one side is compared with those of the other that are alike in all that both sides sweep
-- over the same values: seed by seed, fold by fold. What the sides have different values of is what is
-- compared.
local fail = require "fail"
local labels = require "labels"
local place = require "place"
local resolve = require "resolve"
local rules = require "rules"
local suggest = require "suggest"
local words = require "words"

local where = {}

-- "seed = 0, 1; train.epochs = 2, 40": what the runs of an experiment have different values of.
local function swept_text(experiment)
  local order, values = {}, {}
  for _, run in ipairs(experiment.runs) do
    local paths = {}
    for path in pairs(run.swept) do paths[#paths + 1] = path end
    table.sort(paths)
    for _, path in ipairs(paths) do
      local text = tostring(run.swept[path])
      if not values[path] then
        values[path] = {}
        order[#order + 1] = path
      end
      if not values[path][text] then
        values[path][text] = true
        table.insert(values[path], text)
      end
    end
  end
  local parts = {}
  for i, path in ipairs(order) do
    parts[i] = ("%s = %s"):format(path, suggest.list(values[path]))
  end
  return #parts > 0 and "the runs differ in " .. table.concat(parts, "; ") or "the experiment is one run"
end

local function all_runs(experiment)
  local found = {}
  for r in ipairs(experiment.runs) do found[r] = { experiment = experiment, run = r } end
  return found
end

local function by_name(name, experiment, at, context)
  if name == experiment.name then return all_runs(experiment) end
  local names = { experiment.name }
  for i, other in ipairs(context.before) do
    if other.name == name then return all_runs(other) end
    names[i + 1] = other.name
  end
  table.sort(names)
  place.fail(at, ("neither this experiment nor one before it is named %s"):format(fail.shown(name)),
    suggest.hint(name, names, "experiments"))
end

local function by_fields(raw, experiment, at, context)
  local pattern = require "pattern"
  local written = resolve.options_of(raw, raw.word, place.enter(at, raw), pattern.partial(context), true)
  local layers = written.model and written.model.options.layers
  if layers then rules.layers(layers, {}) end
  local found = {}
  for r, run in ipairs(experiment.runs) do
    local fits = true
    for field, value in pairs(written) do fits = fits and pattern.covers(value, run[field]) end
    if fits then found[#found + 1] = { experiment = experiment, run = r } end
  end
  if #found == 0 then
    place.fail(at, ("no run of the experiment is %s"):format(words.text(raw)), swept_text(experiment))
  end
  return found
end

local function side(raw, experiment, at, context)
  if type(raw) == "string" then return by_name(raw, experiment, at, context) end
  if words.is_word(raw, "choice of runs") then return by_fields(raw, experiment, at, context) end
  if words.is_word(raw, "explainer") then
    place.fail(at, "a metric measures models, and " .. raw.word.name .. " is an explainer",
      "compare runs, as where { seed = 1 }, or compare explainers on a judge")
  end
  if words.is_word(raw) then resolve.misplaced(raw, { "choice of runs" }, at) end
  place.expected(at, "a choice of runs, as where { seed = 1 }, or an experiment's name", raw)
end

local function swept(match) return match.experiment.runs[match.run].swept end

-- All values of a field on one side, as one text.
local function values_of(matches, path)
  local seen, list = {}, {}
  for _, match in ipairs(matches) do
    local text = tostring(swept(match)[path])
    if not seen[text] then
      seen[text] = true
      list[#list + 1] = text
    end
  end
  table.sort(list)
  return table.concat(list, "\0")
end

-- The fields in which the two runs of a pair have to be alike.
local function shared_paths(left, right)
  local paths, seen = {}, {}
  for _, matches in ipairs { left, right } do
    for _, match in ipairs(matches) do
      for path in pairs(swept(match)) do
        if not seen[path] and values_of(left, path) == values_of(right, path) then
          paths[#paths + 1] = path
        end
        seen[path] = true
      end
    end
  end
  return paths
end

local function alike(one, other, paths)
  for _, path in ipairs(paths) do
    if swept(one)[path] ~= swept(other)[path] then return false end
  end
  return true
end

local function pairs_of(left, right, at)
  local paths, list = shared_paths(left, right), {}
  for _, one in ipairs(left) do
    for _, other in ipairs(right) do
      if one.experiment == other.experiment and one.run == other.run then
        place.fail(at, "a run is on both sides", swept_text(one.experiment))
      end
      if alike(one, other, paths) then list[#list + 1] = { one, other } end
    end
  end
  return list
end

-- What better can compare of models: one number, with a better side, made of the rows.
local function check_metric(label, experiment, at)
  for _, node in ipairs(experiment.runs[1].evaluate) do
    if node.label == label then
      if node.own then
        place.fail(at, ("%s is a metric of the script's own: its interval is not known"):format(label),
          "compare on a metric of the language")
      elseif node.higher_is_better == nil then
        place.fail(at, ("%s is not better when higher or lower"):format(label))
      end
      return
    end
  end
  place.fail(at, ("experiment '%s' does not evaluate %s"):format(experiment.name, label),
    "labels: " .. suggest.list(labels.of(experiment.runs[1].evaluate)))
end

-- The pairs of runs of a better whose `on` are metrics: { { one, other } ... }, each { experiment =,
-- run = its place }.
function where.sides(node, experiment, places, context)
  local left = side(node.options.explainer, experiment, places.explainer, context)
  local right = side(node.options.than, experiment, places.than, context)
  for _, label in ipairs(node.on) do
    check_metric(label, left[1].experiment, places.on)
    check_metric(label, right[1].experiment, places.on)
  end
  local list = pairs_of(left, right, places.explainer)
  if #list == 0 then
    place.fail(places.explainer, "no two runs of the sides are alike in all else", swept_text(experiment))
  end
  return list
end

return where
