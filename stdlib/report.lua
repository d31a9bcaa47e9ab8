-- What `lunette run` prints when a run is done. It reads only the store, so that the same can be
-- printed again later; numbers are rounded for reading, the store keeps them whole.
local core = require "core"
local aligned = require "aligned"
local pictures = require "pictures"
local scores = require "plot/scores"

local report = {}

local TOP = 5

local number, table_text = aligned.number, aligned.text

local function section(title, rows, right)
  if #rows == 0 then return end
  core.print("\n" .. title .. "\n" .. table_text(rows, right, "  "))
end

local HEAD = [[
SELECT r.id, x.name AS experiment, r.status, r.seed,
(julianday(r.finished_at) - julianday(r.started_at)) * 86400.0 AS seconds,
m.format, m.parameters, m.name AS model, d.name AS data, d.rows AS data_rows,
json_extract(d.meta, '$.dropped') AS dropped
FROM run r JOIN experiment x ON x.id = r.experiment
LEFT JOIN run_model rm ON rm.run = r.id LEFT JOIN model m ON m.id = rm.model
LEFT JOIN run_sample s ON s.run = r.id LEFT JOIN sample sa ON sa.id = s.sample
LEFT JOIN dataset d ON d.id = sa.dataset WHERE r.id = :run LIMIT 1]]

-- A matrix as a list of lines of texts.
local function matrix(store, tensor)
  local values = core.store_get_tensor(store, tensor)
  local shape, lines = core.tensor_info(values).shape, {}
  for row = 0, shape[1] - 1 do
    lines[row + 1] = {}
    for column = 0, shape[2] - 1 do
      lines[row + 1][column + 1] = ("%.6g"):format(core.tensor_at(values, row * shape[2] + column))
    end
  end
  return lines
end

-- Up to SMALL classes stand in the line of the metric, "187 23 / 41 49"; more are a table of their own.
local SMALL = 3

local function matrix_note(lines)
  if #lines > SMALL then return ("%d x %d, below"):format(#lines, #lines[1]) end
  local texts = {}
  for i, line in ipairs(lines) do texts[i] = table.concat(line, " ") end
  return table.concat(texts, " / ") .. " (a line a true class)"
end

local function matrix_section(label, lines, names)
  local rows, right = { { "" } }, { true }
  for i, line in ipairs(lines) do
    rows[1][i + 1] = names[i]
    rows[i + 1] = { names[i], table.unpack(line) }
    right[i + 1] = true
  end
  section(label .. " (a line a true class, a column a predicted one)", rows, right)
end

local METRICS = [[
SELECT label, value, lower, upper, split, n, status, reason, tensor, slice, params,
(SELECT count(*) FROM curve c WHERE c.metric = metric.id) AS points FROM metric
WHERE run = :run AND scope = 'model' AND split IS NOT 'train' ORDER BY id]]

local function metrics(store, run)
  local rows, where, large = {}, nil, {}
  for _, row in ipairs(core.store_rows(store, METRICS, { run = run })) do
    local note = row.lower and ("[%s, %s]"):format(number(row.lower), number(row.upper))
    if row.tensor then
      local lines = matrix(store, row.tensor)
      note = matrix_note(lines)
      if #lines > SMALL and not row.slice then large[#large + 1] = { row.label, lines } end
    end
    local drawn = row.points > 0
    if drawn then note = ("%d points in the table curve"):format(row.points) end
    local rule = row.params and core.json_parse(row.params)
    if rule and rule.threshold_rule and not row.slice then
      note = ("%s from %s (%s of the %s rows)"):format(note or row.reason or "", number(rule.threshold),
        rule.threshold_rule, rule.threshold_rows):gsub("^%s+", "")
    end
    rows[#rows + 1] = { row.slice and "  " .. row.slice or row.label, (row.tensor or drawn) and "" or number(row.value),
                        note or row.reason or row.slice and row.n and "n = " .. row.n or "" }
    where = where or (row.split or "all") .. " rows" .. (row.n and ", n = " .. row.n or "")
  end
  section(("metrics (%s)"):format(where or ""), rows, { false, true, false })
  for _, one in ipairs(large) do
    matrix_section(one[1], one[2], scores.class_names({ store = store, run = run }, #one[2]))
  end
end

-- The ordinary top columns: mean absolute attribution of each explanation, greatest first.
local IMPORTANCE = [[
SELECT input, name, idx, mean_abs, mean FROM feature_importance WHERE run = :run AND explanation = :explanation
ORDER BY mean_abs DESC, input, idx LIMIT :top]]

local EXPLANATIONS = [[
SELECT e.id, e.label, e.status, e.evaluations, count(a.id) AS n, count(DISTINCT a.sample) AS samples,
count(DISTINCT a.input) AS inputs,
sum(a.residual IS NOT NULL) AS checked, max(abs(a.residual)) AS residual, sum(a.space = 'layer' OR a.kind <> 'feature') AS featureless
FROM explanation e LEFT JOIN attribution a ON a.explanation = e.id
WHERE e.run = :run GROUP BY e.id ORDER BY e.seq]]

-- Of each explanation how many attributions have numbers that are none, and how many miss what their method promises, as
-- `lunette verify` finds them; the inputs of a model together.
local AMISS = [[
SELECT e.id, sum(w.undefined) AS undefined, sum(w.residual > (e.params ->> '$.tolerance') * w.scale) AS beyond
FROM (SELECT explanation, seq, max(status <> 'ok') AS undefined, max(abs(residual)) AS residual,
max(abs(output)) + ifnull(max(abs(baseline_output)), 0) + total(l1) AS scale FROM attribution
WHERE explanation IN (SELECT id FROM explanation WHERE run = :run) GROUP BY explanation, seq) w
JOIN explanation e ON e.id = w.explanation GROUP BY e.id]]

-- Columns of the table of explanations for that, where there is any such attribution.
local function add_amiss(store, run, list, rows)
  local found = {}
  for _, row in ipairs(core.store_rows(store, AMISS, { run = run })) do found[row.id] = row end
  for _, column in ipairs { { "undefined", "undefined" }, { "beyond", "beyond tolerance" } } do
    local counts, any = {}, false
    for e, explanation in ipairs(list) do
      counts[e] = found[explanation.id] and found[explanation.id][column[1]] or 0
      any = any or counts[e] > 0
    end
    if any then table.insert(rows[1], column[2]) end
    for e = 1, any and #list or 0 do table.insert(rows[e + 1], counts[e] > 0 and number(counts[e]) or "-") end
  end
end

local function explanations(store, run)
  local list = core.store_rows(store, EXPLANATIONS, { run = run })
  if #list == 0 then return end
  local rows, top = { { "explanation", "rows", "evaluations", "greatest |residual|" } }, {}
  for e, explanation in ipairs(list) do
    explanation.n = explanation.n // math.max(1, explanation.inputs) -- all inputs of a model together
    local count = number(explanation.n)
    if explanation.samples > 0 and explanation.n > explanation.samples then -- several targets a row
      count = ("%d x %s"):format(explanation.samples, number(explanation.n // explanation.samples))
    end
    rows[#rows + 1] = { explanation.label, count, number(explanation.evaluations),
                        explanation.checked > 0 and number(explanation.residual) or "-" }
    top[e] = core.store_rows(store, IMPORTANCE,
      { run = run, explanation = explanation.id, top = TOP })
  end
  add_amiss(store, run, list, rows)
  section("explanations", rows, { false, true, true, true, true, true })
  local ranks = { { "" } }
  for e = #list, 1, -1 do -- those of a layer have no features, nor have attacked rows, pairs, nor rows of own groups
    if (list[e].featureless or 0) > 0 or list[e].n > 0 and #top[e] == 0 then
      table.remove(list, e)
      table.remove(top, e)
    end
  end
  for e, explanation in ipairs(list) do ranks[1][e + 1] = explanation.label end
  for rank = 1, TOP do
    local cells, any = { tostring(rank) }, false
    for e in ipairs(list) do
      local row = top[e][rank]
      any = any or row ~= nil
      cells[e + 1] = row and ("%s %s"):format(row.name or ("%s[%d]"):format(row.input or "", row.idx),
        number(row.mean_abs)) or ""
    end
    if any then ranks[#ranks + 1] = cells end
  end
  if #ranks > 1 then section("strongest features (mean |attribution|)", ranks, { true }) end
end

-- The strongest pairs of explanations that are of pairs: mean |interaction|, both halves, greatest first.
local PAIRS = [[
SELECT e.name, e.i0, e.i1, 2 * avg(abs(e.value)) AS mean_abs FROM attribution a, element e
WHERE a.explanation = :explanation AND e.attribution = a.id AND e.i0 < e.i1 GROUP BY e.idx
ORDER BY mean_abs DESC, e.idx LIMIT :top]]
local OF_PAIRS = [[
SELECT e.id, e.label, count(*) AS n, min(a.tensor) AS tensor FROM explanation e JOIN attribution a
ON a.explanation = e.id WHERE e.run = :run AND a.kind = 'interaction' GROUP BY e.id ORDER BY e.seq]]
local PAIR_NUMBERS = 4000000 -- more are not walked for a table

local function pairs_section(store, run)
  local columns = {}
  for _, one in ipairs(core.store_rows(store, OF_PAIRS, { run = run })) do
    local shape = one.tensor and core.tensor_info(core.store_get_tensor(store, one.tensor)).shape
    if shape and one.n * shape[#shape] ^ 2 <= PAIR_NUMBERS then
      one.rows = core.store_rows(store, PAIRS, { explanation = one.id, top = TOP })
      columns[#columns + 1] = one
    end
  end
  local ranks = { { "" } }
  for c, one in ipairs(columns) do
    ranks[1][c + 1] = one.label
    for rank, row in ipairs(one.rows) do
      ranks[rank + 1] = ranks[rank + 1] or { tostring(rank) }
      ranks[rank + 1][c + 1] = ("%s %s"):format(row.name or ("[%d]:[%d]"):format(row.i0, row.i1), number(row.mean_abs))
    end
  end
  for _, cells in ipairs(ranks) do
    for c = 2, #columns + 1 do cells[c] = cells[c] or "" end
  end
  if #ranks > 1 then section("strongest pairs (mean |interaction|)", ranks, { true }) end
end

-- Rules in words, those that were found for the most rows first. Rows come by the same conditions in several orders,
-- which count as one; of rules about whole groups only the beginning stands in a table.
local RULES = [[
SELECT CASE WHEN length(rule) > 120 THEN substr(rule, 1, 117) || '...' ELSE rule END AS rule, n, held, coverage FROM (
SELECT min(rule) AS rule, count(*) AS n, avg(value) AS held, max(coverage) AS coverage FROM (
SELECT p.params ->> 'rule' AS rule, p.value, c.value AS coverage FROM metric p
JOIN metric c ON c.attribution = p.attribution AND c.label = 'anchor_coverage'
WHERE p.run = :run AND p.scope = 'attribution' AND p.label = 'anchor_precision' AND p.explanation = :explanation)
WHERE rule IS NOT NULL GROUP BY (SELECT group_concat(value, ' AND ') FROM (SELECT value FROM
json_each('[' || replace(json_quote(rule), ' AND ', '","') || ']') ORDER BY value))
ORDER BY n DESC, coverage DESC, rule LIMIT :top)]]
local OF_RULES = [[
SELECT DISTINCT e.id, e.label FROM explanation e JOIN metric m ON m.explanation = e.id
WHERE e.run = :run AND m.run = :run AND m.scope = 'explanation' AND m.label = 'anchor_precision' ORDER BY e.seq]]

local function rules_section(store, run)
  local rows = { { "explanation", "rule", "rows", "precision", "coverage" } }
  for _, one in ipairs(core.store_rows(store, OF_RULES, { run = run })) do
    for place, row in ipairs(core.store_rows(store, RULES, { run = run, explanation = one.id, top = TOP })) do
      rows[#rows + 1] = { place == 1 and one.label or "", row.rule, number(row.n), number(row.held), number(row.coverage) }
    end
  end
  if #rows > 1 then section("rules (those of most rows)", rows, { false, false, true, true, true }) end
end

local JUDGES = [[
SELECT m.label AS judge, e.label AS explainer, m.value, m.reason, m.higher_is_better FROM metric m
JOIN explanation e ON e.id = m.explanation WHERE m.run = :run AND m.scope = 'explanation'
ORDER BY m.label, e.seq]]

local function judges(store, run)
  local names, by, order = {}, {}, {}
  for _, row in ipairs(core.store_rows(store, JUDGES, { run = run })) do
    if not by[row.explainer] then
      by[row.explainer] = {}
      order[#order + 1] = row.explainer
    end
    if not names[row.judge] then
      names[row.judge] = #names + 1
      names[#names + 1] = row.judge .. (row.higher_is_better == 1 and " (higher is better)"
        or " (lower is better)")
    end
    by[row.explainer][names[row.judge]] = row.value and number(row.value) or row.reason
  end
  if #order == 0 then return end
  local rows, right = { { "", table.unpack(names) } }, { false }
  for c in ipairs(names) do right[c + 1] = true end
  for _, explainer in ipairs(order) do
    local cells = { explainer }
    for c in ipairs(names) do cells[c + 1] = by[explainer][c] or "-" end
    rows[#rows + 1] = cells
  end
  section("judges", rows, right)
end

-- A run that --needed left out.
function report.kept(store, run)
  local head = core.store_rows(store, HEAD, { run = run })[1]
  core.print(("%s: run %d is in the store already\n"):format(head.experiment, head.id))
end

-- The values that tell this run from the others of its experiment: " (seed 1, train.epochs = 3)".
local function swept_text(swept)
  local names, parts = {}, {}
  for name in pairs(swept or {}) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local value = swept[name]
    parts[i] = ("%s = %s"):format(name, type(value) == "table" and (value.word or core.json(value))
      or tostring(value))
  end
  return #parts > 0 and " (" .. table.concat(parts, ", ") .. ")" or ""
end

-- Where the pictures are, and which.
local function drawn(store, run)
  local names = {}
  for _, row in ipairs(core.store_rows(store, "SELECT name FROM artifact WHERE run = :run AND "
    .. "media_type = 'image/png' ORDER BY id", { run = run })) do
    names[#names + 1] = (row.name:gsub("%.png$", ""))
  end
  if #names == 0 then return end
  core.print(("\npictures in %s (png, svg): %s\n"):format(pictures.folder(store, run),
    table.concat(names, ", ")))
end

-- All of a finished run; of one among several its metrics and judges. `description` is the checked
-- run, for what was swept; it is the `number`th of `runs`.
function report.run(store, run, description, runs, number)
  local head = core.store_rows(store, HEAD, { run = run })[1]
  core.print(number > 1 and "\n" or "", ("%s: run %d%s, %s, %.1f s\n"):format(head.experiment, head.id,
    swept_text(description.swept), head.status, head.seconds or 0))
  local rows = {}
  if head.data then
    local text = ("%s, %d rows"):format(head.data, head.data_rows)
    if head.dropped then text = text .. (" (%d left out, which lack a value)"):format(head.dropped) end
    rows[#rows + 1] = { "data", text }
  end
  if head.format then
    rows[#rows + 1] = { "model", ("%s, %d parameters"):format(head.format, head.parameters or 0) }
  end
  core.print(table_text(rows, {}, "  "))
  metrics(store, run)
  if runs == 1 then
    explanations(store, run)
    pairs_section(store, run)
    rules_section(store, run)
  end
  judges(store, run)
  drawn(store, run)
  core.flush() -- a run that is stored is told, also to a pipe
end

-- ------------------------------------------------------------------------- over several runs

-- Runs that differ only in these are draws of one thing.
local draws = { seed = true, ["data.split.fold"] = true, ["data.split.repeat"] = true,
                ["data.split.seed"] = true }

-- Runs of equal settings, whatever their seed and fold: { title =, ids = { ... } } in order.
local function alike(runs, ids)
  local groups, by = {}, {}
  for r, run in ipairs(runs) do
    local texts = {}
    for name, value in pairs(run.swept) do
      if not draws[name] then texts[#texts + 1] = ("%s = %s"):format(name, tostring(value)) end
    end
    table.sort(texts)
    local title = table.concat(texts, ", ")
    if not by[title] then
      by[title] = { title = title, ids = {} }
      groups[#groups + 1] = by[title]
    end
    table.insert(by[title].ids, ids[r])
  end
  return groups
end

local SINGLE = [[
SELECT label, value FROM metric WHERE run = :run AND scope = 'model' AND split IS NOT 'train'
AND class IS NULL AND slice IS NULL AND value IS NOT NULL ORDER BY id]]

-- Mean and standard deviation (n - 1) of each metric over the runs.
local function spread(store, ids)
  local order, values = {}, {}
  for _, id in ipairs(ids) do
    for _, row in ipairs(core.store_rows(store, SINGLE, { run = id })) do
      if not values[row.label] then
        values[row.label] = {}
        order[#order + 1] = row.label
      end
      table.insert(values[row.label], row.value)
    end
  end
  local rows = {}
  for i, label in ipairs(order) do
    local list, sum, squares = values[label], 0, 0
    for _, value in ipairs(list) do sum = sum + value end
    local mean = sum / #list
    for _, value in ipairs(list) do squares = squares + (value - mean) ^ 2 end
    rows[i] = { label, number(mean), #list > 1 and number(math.sqrt(squares / (#list - 1))) or "-",
                tostring(#list) }
  end
  return rows
end

-- What the runs of one experiment have in common, where there are several.
function report.several(store, runs, ids)
  for _, group in ipairs(alike(runs, ids)) do
    local rows = #group.ids > 1 and spread(store, group.ids) or {}
    if #rows > 0 then
      table.insert(rows, 1, { "", "mean", "deviation", "runs" })
      section(("metrics over %d runs%s"):format(#group.ids,
        group.title ~= "" and " with " .. group.title or ""), rows, { false, true, true, true })
    end
  end
end

function report.expectations(verdicts, quiet)
  core.print(quiet and "" or "\n", "expectations\n")
  for _, verdict in ipairs(verdicts) do
    core.print(("  %-8s  %s\n"):format(verdict.held and "held" or "NOT HELD", verdict.text))
    if verdict.detail then core.print((" "):rep(12), verdict.detail, "\n") end
  end
end

function report.closing(store, ids)
  local path = core.store_path(store)
  core.print(("\nstored in %s: lunette show %s%s\n"):format(path,
    #ids == 1 and tostring(ids[1]) or "last", path == "lunette.db" and "" or " --db " .. path))
end

return report
