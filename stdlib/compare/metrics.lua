-- Metrics and judges of runs beside each other: value, difference from the first run, the paired
-- bootstrap interval of that difference over the rows (samples) that both have, and where there is an
-- exact test of the question, its p: DeLong's for roc_auc, McNemar's for accuracy.
local core = require "core"
local document = require "compare/document"
local scores = require "compare/scores"

local metrics = {}

local VALUES = [[
SELECT m.name, m.label, m.params, m.split, m.class, m.slice, m.value, m.higher_is_better, e.label AS explainer
FROM metric m LEFT JOIN explanation e ON e.id = m.explanation WHERE m.run = :run AND m.scope = :scope
AND m.split IS NOT 'train' AND NOT EXISTS (SELECT 1 FROM curve c WHERE c.metric = m.id) AND m.tensor IS NULL
ORDER BY m.id]]

local function name_of(row)
  local name = row.explainer and ("%s of %s"):format(row.label, row.explainer) or row.label
  if row.slice then name = ("%s (%s)"):format(name, row.slice) end
  if row.class then name = ("%s (class %s)"):format(name, row.class) end
  if row.split and row.split ~= "test" then name = ("%s (%s)"):format(name, row.split) end
  return name
end

-- Rows of all runs by name, in order of their first appearance.
local function collect(store, runs, scope)
  local order, by = {}, {}
  for r, run in ipairs(runs) do
    for _, row in ipairs(core.store_rows(store, VALUES, { run = run.id, scope = scope })) do
      local name = name_of(row)
      if not by[name] then
        by[name] = { name = name }
        order[#order + 1] = by[name]
      end
      by[name][r] = row
    end
  end
  return order
end

-- "better" or "worse" where the interval says so, "even" where 0 lies within; nil without interval.
local function verdict(lower, upper, higher_is_better)
  if not lower then return nil end
  if lower <= 0 and upper >= 0 then return "even" end
  if higher_is_better == nil then return "differs" end
  return ((lower > 0) == (higher_is_better == 1)) and "better" or "worse"
end

local function both_right(paired)
  local only_first, only_second = 0, 0
  for i, row in ipairs(paired.left) do
    local a, b = row.class == row.label, paired.right[i].class == row.label
    if a and not b then only_first = only_first + 1 end
    if b and not a then only_second = only_second + 1 end
  end
  return only_first, only_second
end

local function test_of(row, paired)
  if row.name == "roc_auc" then return core.delong(paired.first, paired.second) end
  local threshold = core.json_parse(row.params or "{}").threshold
  if row.name == "accuracy" and (threshold == nil or threshold == 0.5) and not paired.first.weights then
    return core.mcnemar(both_right(paired))
  end
end

-- The interval of b's metric less a's on the common rows, or nil and why there is none.
local function interval_of(row, paired, context)
  if row.slice or row.class then return nil, "no interval by slice or class" end
  local known, options = pcall(core.json_parse, row.params or "{}")
  if not known then return nil, "its parameters cannot be read" end
  local ok, result = pcall(core.metric_difference, row.name, options, paired.second, paired.first,
    { ci = context.ci, seed = context.seed, pool = context.pool })
  if not ok then
    if type(result) == "table" and (result.kind == "interrupted" or result.kind == "memory") then
      error(result, 0)
    end
    return nil, "a metric of the script's own is not computed again"
  end
  if not result.lower then return nil, result.reason end
  return result
end

local function columns(runs, first)
  local out = { { name = first } }
  for _, run in ipairs(runs) do out[#out + 1] = { name = run.name, right = true } end
  for _, column in ipairs { { name = "difference", right = true, as = document.signed },
    { name = "lower", right = true, as = document.signed }, { name = "upper", right = true, as = document.signed },
    { name = "p", right = true, as = document.probability }, { name = "n", right = true },
    { name = "verdict" } } do
    out[#out + 1] = column
  end
  if #runs > 2 then table.insert(out, 2 + #runs, { name = "of" }) end
  return out
end

-- One line: a metric (or judge) of run r against that of the first run. The difference is that of the
-- rows that both have, as its interval is.
local function line_of(entry, runs, r, result, p)
  local a, b = entry[1], entry[r]
  local line = { entry.name }
  for k in ipairs(runs) do line[1 + k] = (k == 1 or k == r) and entry[k] and entry[k].value or nil end
  local at = 1 + #runs
  if #runs > 2 then
    line[at + 1] = runs[r].name
    at = at + 1
  end
  local lower, upper = result and result.lower, result and result.upper
  line[at + 1] = result and (result.value or result.mean) or a.value and b.value and b.value - a.value or nil
  line[at + 2], line[at + 3], line[at + 4] = lower, upper, p
  line[at + 5] = result and result.n
  line[at + 6] = verdict(lower, upper, b.higher_is_better)
  return line
end

local function note(section, text)
  section.notes = section.notes or {}
  for _, known in ipairs(section.notes) do
    if known == text then return end
  end
  section.notes[#section.notes + 1] = text
end

-- How far a value got worse: of metrics without a direction, how far it moved.
local function loss_of(a, b)
  if not a.value or not b.value then return nil end
  local delta = b.value - a.value
  if b.higher_is_better == nil then return math.abs(delta) end
  return b.higher_is_better == 1 and -delta or delta
end

-- What --fail-above needs: every comparison that was made, by the metric's label.
local function remember(context, entry, runs, r)
  local list = context.losses
  list[#list + 1] = { label = entry[r].label, name = entry.name, run = runs[r].name,
                      loss = loss_of(entry[1], entry[r]), from = entry[1].value, to = entry[r].value }
end

local function only_one(section, entry, runs)
  for r, run in ipairs(runs) do
    if entry[r] and not entry[1] then
      return note(section, ("%s: not in %s"):format(entry.name, runs[1].name))
    elseif not entry[r] then
      note(section, ("%s: not in %s"):format(entry.name, run.name))
    end
  end
end

-- Metrics of the models.
function metrics.model(store, runs, context)
  local section = { title = "metrics", key = "metrics", columns = columns(runs, "metric"), rows = {} }
  local of, pairs_of = {}, {}
  local function paired(r, split)
    local key = r .. ":" .. (split or "")
    if not pairs_of[key] then
      of[1] = of[1] or scores.of(store, runs[1].id)
      of[r] = of[r] or scores.of(store, runs[r].id)
      pairs_of[key] = table.pack(scores.paired(of[1], of[r], split))
    end
    return table.unpack(pairs_of[key], 1, 2)
  end
  for _, entry in ipairs(collect(store, runs, "model")) do
    only_one(section, entry, runs)
    for r = 2, #runs do
      local a, b = entry[1], entry[r]
      if a and b then
        local rows, why = paired(r, a.split)
        local result, p
        if rows and a.params == b.params then
          result, why = interval_of(a, rows, context)
          p = test_of(a, rows)
          if rows.n < math.max(rows.counts[1], rows.counts[2]) then
            note(section, ("%s: differences are over the %d rows that both have (of %d and %d)"):format(
              runs[r].name, rows.n, rows.counts[1], rows.counts[2]))
          end
        elseif rows then
          why = "the runs compute it with different parameters"
        end
        if why then note(section, ("%s: %s"):format(entry.name, why)) end
        section.rows[#section.rows + 1] = line_of(entry, runs, r, result, p)
        remember(context, entry, runs, r)
      end
    end
  end
  if #section.rows > 0 then
    section.notes = section.notes or {}
    table.insert(section.notes, 1, ("difference from %s with its %g %% interval (paired bootstrap over rows); "
      .. "p: DeLong for roc_auc, McNemar for accuracy"):format(runs[1].name, context.ci * 100))
  end
  return section
end

local SERIES = [[
SELECT coalesce(d.meta ->> 'file_sha256', d.sha256) || ':' || s.idx || ':' || coalesce(a.target, '') AS key,
m.value FROM metric m JOIN explanation e ON e.id = m.explanation JOIN attribution a ON a.id = m.attribution
LEFT JOIN sample s ON s.id = m.sample LEFT JOIN dataset d ON d.id = s.dataset
WHERE m.run = :run AND e.label = :explainer AND m.label = :judge AND m.scope = 'attribution' ORDER BY m.id]]

-- Judges: means over the samples of an explanation, paired sample by sample.
function metrics.judges(store, runs, context)
  local section = { title = "judges", key = "judges", columns = columns(runs, "judge"), rows = {} }
  for _, entry in ipairs(collect(store, runs, "explanation")) do
    only_one(section, entry, runs)
    for r = 2, #runs do
      local a, b = entry[1], entry[r]
      if a and b then
        local names = { explainer = a.explainer, judge = a.label, run = runs[1].id }
        local first, x, y, left = {}, {}, {}, 0
        for _, row in ipairs(core.store_rows(store, SERIES, names)) do
          first[row.key], left = row.value, left + 1
        end
        names.run = runs[r].id
        local series = core.store_rows(store, SERIES, names)
        for _, row in ipairs(series) do
          if row.value and first[row.key] then
            x[#x + 1], y[#y + 1] = row.value, first[row.key]
          end
        end
        if #x < math.max(left, #series) then
          note(section, ("%s: the difference from %s is over the %d samples that both judge for the same target"
            .. " (of %d and %d)"):format(entry.name, runs[r].name, #x, left, #series))
        end
        local result = #x > 0 and core.bootstrap(x, y, { ci = context.ci, seed = context.seed }) or nil
        section.rows[#section.rows + 1] = line_of(entry, runs, r, result, nil)
        remember(context, entry, runs, r)
      end
    end
  end
  return section
end

return metrics
