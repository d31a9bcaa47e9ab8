-- Expectations: evaluated once, after all runs of an experiment, from what the store holds.
--
--   at_least { accuracy, 0.7 }   every match, in every run, has at least that value
--   at_most  { log_loss, 0.6 }
--   better   { a, than = b, on = judge, ci = 0.95 }   sample by sample: the paired bootstrap interval
--            of the difference a - b lies on the judge's better side, for every pair of matches
--   better   { where { ... }, than = where { ... }, on = metric }   both models' metrics over the rows
--            that both have, computed on the same resamples: the interval of the difference, for every
--            pair of runs (where.lua)
local core = require "core"
local scores = require "compare/scores"

local expect = {}

local function number_text(value) return value and ("%.4g"):format(value) or "undefined" end

-- Metrics of the model and means of judges that carry this label.
local VALUES = [[
SELECT m.value, m.reason, e.label AS explainer FROM metric m LEFT JOIN explanation e
ON e.id = m.explanation WHERE m.run = :run AND m.label = :label
AND m.scope IN ('model', 'explanation') AND m.slice IS NULL ORDER BY m.id]]

local function bound_verdict(store, node, ids)
  local held, worst, detail = true, nil, nil
  local least = node.word == "at_least"
  for _, run in ipairs(ids) do
    for _, label in ipairs(node.labels) do
      for _, row in ipairs(core.store_rows(store, VALUES, { run = run, label = label })) do
        local ok = row.value ~= nil and (least and row.value >= node.value
          or not least and row.value <= node.value)
        local closer = row.value == nil or worst == nil or (least and row.value < worst)
          or (not least and row.value > worst)
        if not ok then held = false end
        if closer and (detail == nil or worst ~= nil) then
          worst = row.value
          detail = ("%s = %s%s%s"):format(label, number_text(row.value),
            row.explainer and " of " .. row.explainer or "",
            row.reason and " (" .. row.reason .. ")" or "")
          if #ids > 1 then detail = detail .. " in run " .. run end
        end
      end
    end
  end
  return held, detail
end

-- The two values of one judge, by sample and target: pairs in which both are defined. Several targets
-- of a sample are one observation, their mean: they are no independent ones.
local SERIES = [[
SELECT a.sample, avg(m.value) AS x, avg(o.value) AS y, min(m.higher_is_better) AS higher
FROM metric m JOIN explanation e ON e.id = m.explanation JOIN attribution a ON a.id = m.attribution
JOIN explanation f ON f.run = e.run AND f.label = :other
JOIN attribution b ON b.explanation = f.id AND b.seq = a.seq AND b.sample = a.sample
JOIN metric o ON o.attribution = b.id AND o.label = m.label AND o.scope = 'attribution'
WHERE m.run = :run AND e.label = :explainer AND m.label = :judge AND m.scope = 'attribution'
AND m.value IS NOT NULL AND o.value IS NOT NULL
GROUP BY a.sample ORDER BY min(a.seq)]]

local function paired(store, run, judge, left, right)
  local x, y, higher = {}, {}, true
  for i, row in ipairs(core.store_rows(store, SERIES, { run = run, judge = judge, explainer = left,
                                                        other = right })) do
    x[i], y[i], higher = row.x, row.y, row.higher == 1
  end
  return x, y, higher
end

local function better_verdict(store, node, ids, seeds)
  local held, detail = true, {}
  for r, run in ipairs(ids) do
    for _, judge in ipairs(node.on) do
      for _, left in ipairs(node.left) do
        for _, right in ipairs(node.right) do
          local x, y, higher = paired(store, run, judge, left, right)
          local ok, text = false, "no sample has a value of both"
          if #x > 0 then
            local interval = core.bootstrap(x, y, { ci = node.ci, seed = seeds[r] })
            if higher then ok = interval.lower > 0 else ok = interval.upper < 0 end
            text = ("%s - %s on %s: %.4g [%.4g, %.4g], %d samples"):format(left, right, judge,
              interval.mean, interval.lower, interval.upper, interval.n)
          end
          if #ids > 1 then text = text .. " in run " .. run end
          held = held and ok
          detail[#detail + 1] = text
        end
      end
    end
  end
  return held, table.concat(detail, "; ")
end

local METRIC = [[
SELECT name, params, split, value, reason, higher_is_better FROM metric WHERE run = :run AND label = :label
AND scope = 'model' AND slice IS NULL AND class IS NULL]]

-- The difference of a metric between two runs, its interval, and which way is better; or nil and why not.
local function difference(label, left, right, seed, read, ci, context)
  local names = { label = label, run = left }
  local a = core.store_rows(context.store, METRIC, names)[1]
  names.run = right
  local b = core.store_rows(context.store, METRIC, names)[1]
  if not a.value or not b.value then return nil, a.reason or b.reason end
  local paired, why = scores.paired(read(left), read(right), a.split)
  if not paired then return nil, why end
  local options, other = core.json_parse(a.params), core.json_parse(b.params)
  if options.threshold ~= other.threshold then
    return nil, ("the runs have different thresholds, %.4g and %.4g"):format(options.threshold, other.threshold)
  end
  local result = core.metric_difference(a.name, options, paired.first, paired.second,
    { ci = ci, seed = seed, pool = context.pool })
  if not result.lower then return nil, result.reason or "it has no interval" end
  return result, a.higher_is_better == 1
end

local function id_of(match, ids_of)
  local ids = ids_of[match.experiment.name]
  return ids and ids[match.run]
end

local function runs_verdict(node, ids_of, context)
  local held, detail, known = true, {}, {}
  local function read(run)
    known[run] = known[run] or scores.of(context.store, run)
    return known[run]
  end
  for _, pair in ipairs(node.pairs) do
    local left, right = id_of(pair[1], ids_of), id_of(pair[2], ids_of)
    if not left or not right then -- one run of several experiments was resumed
      return false, "the runs of the other experiment are not part of this invocation"
    end
    local seed = pair[1].experiment.runs[pair[1].run].seed
    for _, label in ipairs(node.on) do
      local result, higher = difference(label, left, right, seed, read, node.ci, context)
      local ok = result and (higher and result.lower > 0 or not higher and result.upper < 0) or false
      held = held and ok
      local text = ("%s of run %d - run %d: "):format(label, left, right)
      detail[#detail + 1] = text .. (result and ("%.4g [%.4g, %.4g], %d rows"):format(result.value,
        result.lower, result.upper, result.n) or "not defined, " .. tostring(higher))
    end
  end
  return held, table.concat(detail, "; ")
end

-- One { text =, held =, detail =, run = } an expectation; `run` where there is only one.
function expect.judge(experiment, ids, context)
  local verdicts, seeds = {}, {}
  context.ids[experiment.name] = ids -- of later experiments' sides too
  for r, run in ipairs(experiment.runs) do seeds[r] = run.seed end
  for i, node in ipairs(experiment.expect or {}) do
    local held, detail
    if node.pairs then
      held, detail = runs_verdict(node, context.ids, context)
    elseif node.word == "better" then
      held, detail = better_verdict(context.store, node, ids, seeds)
    else
      held, detail = bound_verdict(context.store, node, ids)
    end
    verdicts[i] = { text = node.text, held = held, detail = detail,
                    run = #ids == 1 and ids[1] or nil }
  end
  return verdicts
end

return expect
