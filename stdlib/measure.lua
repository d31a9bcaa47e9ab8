-- Metrics of a model at work: each over all rows that are evaluated, and with `slice` over the rows of each
-- group too; thresholds that are found by a rule, on rows that are not evaluated.
local core = require "core"
local fail = require "fail"
local log = require "log"
local own = require "own"
local thresholds = require "thresholds"

local measure = {}

local function compute(node, options, input)
  return node.own and own.metric(node, input)
    or fail.within(node, nil, core.metric, node.word, options, input)
end

local function metric_row(node, params, result, split)
  return { name = node.word, label = node.label, params = params, scope = "model", split = split,
           value = result.value, lower = result.lower, upper = result.upper, n = result.n,
           higher_is_better = node.higher_is_better ~= nil and (node.higher_is_better and 1 or 0) or nil,
           status = result.status, reason = result.reason, matrix = result.matrix,
           series = result.series }
end

-- -------------------------------------------------------------------------------------- by group

-- The rows of each group: { name =, places = tensor }, in the order of the categories; missing ones last.
local function groups_of(column, codes, categories)
  local places, list = {}, {}
  for i, code in ipairs(core.lists(codes)) do
    places[code] = places[code] or {}
    table.insert(places[code], i - 1)
  end
  for code = 0, #categories do
    local key = code < #categories and code or -1
    if places[key] then
      list[#list + 1] = { name = ("%s=%s"):format(column, categories[code + 1] or "(missing)"),
                          places = core.tensor("i64", { #places[key] }, places[key]) }
    end
  end
  return list
end

local function part_of(input, places)
  return { scores = core.tensor_take(input.scores, places), labels = core.tensor_take(input.labels, places),
           weights = input.weights and core.tensor_take(input.weights, places), seed = input.seed,
           pool = input.pool }
end

-- The greatest value among the groups less the least one.
local function difference(node, params, rows, split, n)
  local least, most, defined = nil, nil, 0
  for _, row in ipairs(rows) do
    if row.value then
      least, most = math.min(least or row.value, row.value), math.max(most or row.value, row.value)
      defined = defined + 1
    end
  end
  local ok = defined > 1
  return { name = node.word, label = node.label, params = params, scope = "model", split = split, n = n,
           slice = node.options.slice .. ": difference", value = ok and most - least or nil,
           higher_is_better = 0, status = ok and "ok" or "undefined",
           reason = not ok and "fewer than two groups have a value"
             or defined < #rows and ("%d of %d groups have a value"):format(defined, #rows) or nil }
end

local function slices(node, options, params, input, split, about)
  local column, list = node.options.slice, {}
  local codes, categories = core.dataset_categories(about.data, column, about.rows)
  for i, group in ipairs(groups_of(column, codes, categories)) do
    local row = metric_row(node, params, compute(node, options, part_of(input, group.places)), split)
    row.slice, list[i] = group.name, row
  end
  list[#list + 1] = difference(node, params, list, split, core.tensor_info(input.labels).shape[1])
  return list
end

-- ----------------------------------------------------------------------------------------- whole

-- The order of the scores, where more than one metric walks over it.
local function shared_order(run, input)
  local ranked = 0
  for _, node in ipairs(run.evaluate) do
    if not node.own and (node.flags.ranking or node.flags.curve) then ranked = ranked + 1 end
  end
  return ranked > 1 and core.metric_order(input) or nil
end

-- Rows for the store. input: scores, labels and weights of the rows of `split`. about: of a table `data`
-- and `rows`, and `elsewhere`, a function that gives the input of rows to choose a threshold on.
function measure.model(run, input, split, context, about)
  local rows = {}
  input.seed, input.pool = run.seed, context.pool
  input.order = shared_order(run, input)
  for _, node in ipairs(run.evaluate) do
    local options, params = node.options, log.params_json(node)
    if thresholds.is_rule(options.threshold) then
      options, params = thresholds.resolved(node, about.elsewhere())
    end
    rows[#rows + 1] = metric_row(node, params, compute(node, options, input), split)
    if options.slice then
      for _, row in ipairs(slices(node, options, params, input, split, about)) do rows[#rows + 1] = row end
    end
  end
  return rows
end

-- Whether the run can be measured so: told before it starts.
function measure.check(run, bound, classes)
  local data = bound.data
  for _, node in ipairs(run.evaluate) do
    local options = node.options
    if not node.own then
      fail.within(node, nil, core.metric_check, node.word, thresholds.placeholder(options), classes)
    end
    if thresholds.is_rule(options.threshold) then
      if classes ~= 2 then
        fail.at(node, "threshold", ("a threshold is of two classes, found %d"):format(classes))
      elseif not data or not (bound.validation_rows or bound.train_rows) then
        fail.at(node, "threshold", ("the rule '%s' chooses on rows that are not evaluated, and there are none")
          :format(options.threshold), "give data with a validation or training split, or a number")
      end
    end
    if options.slice then
      if not data then
        fail.at(node, "slice", "groups are those of a column, and there is no data",
          "leave slice out, or give data = csv ...")
      end
      local _, categories = core.dataset_categories(data.dataset, options.slice, bound.test_rows)
      if not categories then
        local known = false
        for _, name in ipairs(data.info.columns) do known = known or name == options.slice end
        fail.at(node, "slice", known and ("column '%s' holds numbers: its values are no groups"):format(
          options.slice) or ("there is no column '%s'"):format(options.slice),
          known and ('categorical = { "%s" } in the data reads it as categories'):format(options.slice)
            or fail.nearest(options.slice, data.info.columns, "columns"))
      end
    end
  end
end

return measure
