-- What `lunette run` prints when a run is done. It reads only the store, so that the same can be
-- printed again later; numbers are rounded for reading, the store keeps them whole.
local core = require "core"

local report = {}

local TOP = 5

local function number(value)
  if value == nil then return "-" end
  if math.type(value) == "integer" then return tostring(value) end
  local size = math.abs(value)
  if size == 0 or (size >= 1e-3 and size < 1e5) then return ("%.4f"):format(value) end
  return ("%.3g"):format(value)
end

local function width(text) return utf8.len(text) or #text end

-- Rows of texts in aligned columns; `right` marks columns that hold numbers.
local function table_text(rows, right, indent)
  local widths = {}
  for _, row in ipairs(rows) do
    for c, cell in ipairs(row) do widths[c] = math.max(widths[c] or 0, width(cell)) end
  end
  local lines = {}
  for _, row in ipairs(rows) do
    local cells = {}
    for c, cell in ipairs(row) do
      local pad = (" "):rep(widths[c] - width(cell))
      cells[c] = right[c] and pad .. cell or cell .. pad
    end
    lines[#lines + 1] = (indent .. table.concat(cells, "  ")):gsub("%s+$", "")
  end
  return table.concat(lines, "\n") .. "\n"
end

local function section(title, rows, right)
  if #rows == 0 then return end
  core.print("\n" .. title .. "\n" .. table_text(rows, right, "  "))
end

local HEAD = [[
SELECT r.id, x.name AS experiment, r.status, r.seed,
(julianday(r.finished_at) - julianday(r.started_at)) * 86400.0 AS seconds,
m.format, m.parameters, m.name AS model, d.name AS data, d.rows AS data_rows
FROM run r JOIN experiment x ON x.id = r.experiment
LEFT JOIN run_model rm ON rm.run = r.id LEFT JOIN model m ON m.id = rm.model
LEFT JOIN run_sample s ON s.run = r.id LEFT JOIN sample sa ON sa.id = s.sample
LEFT JOIN dataset d ON d.id = sa.dataset WHERE r.id = :run LIMIT 1]]

-- A matrix as rows of numbers: "187 23 / 41 49".
local function matrix(store, tensor)
  local values = core.store_get_tensor(store, tensor)
  local shape, lines = core.tensor_info(values).shape, {}
  for row = 0, shape[1] - 1 do
    local cells = {}
    for column = 0, shape[2] - 1 do
      cells[column + 1] = ("%.6g"):format(core.tensor_at(values, row * shape[2] + column))
    end
    lines[row + 1] = table.concat(cells, " ")
  end
  return table.concat(lines, " / ")
end

local METRICS = [[
SELECT label, value, lower, upper, split, n, status, reason, tensor FROM metric
WHERE run = :run AND scope = 'model' AND split IS NOT 'train' ORDER BY id]]

local function metrics(store, run)
  local rows, where = {}, nil
  for _, row in ipairs(core.store_rows(store, METRICS, { run = run })) do
    local note = row.lower and ("[%s, %s]"):format(number(row.lower), number(row.upper))
    if row.tensor then note = matrix(store, row.tensor) .. " (a line a true class)" end
    rows[#rows + 1] = { row.label, row.tensor and "" or number(row.value), note or row.reason or "" }
    where = where or (row.split or "all") .. " rows" .. (row.n and ", n = " .. row.n or "")
  end
  section(("metrics (%s)"):format(where or ""), rows, { false, true, false })
end

-- The ordinary top columns: mean absolute attribution of each explanation, greatest first.
local IMPORTANCE = [[
SELECT name, idx, mean_abs, mean FROM feature_importance WHERE run = :run AND explanation = :explanation
ORDER BY mean_abs DESC, idx LIMIT :top]]

local EXPLANATIONS = [[
SELECT e.id, e.label, e.status, e.evaluations, count(a.id) AS n,
sum(a.residual IS NOT NULL) AS checked, max(abs(a.residual)) AS residual
FROM explanation e LEFT JOIN attribution a ON a.explanation = e.id
WHERE e.run = :run GROUP BY e.id ORDER BY e.seq]]

local function explanations(store, run)
  local list = core.store_rows(store, EXPLANATIONS, { run = run })
  if #list == 0 then return end
  local rows, top = { { "explanation", "rows", "evaluations", "greatest |residual|" } }, {}
  for e, explanation in ipairs(list) do
    rows[#rows + 1] = { explanation.label, number(explanation.n), number(explanation.evaluations),
                        explanation.checked > 0 and number(explanation.residual) or "-" }
    top[e] = core.store_rows(store, IMPORTANCE,
      { run = run, explanation = explanation.id, top = TOP })
  end
  section("explanations", rows, { false, true, true, true })
  local ranks = { { "" } }
  for e, explanation in ipairs(list) do ranks[1][e + 1] = explanation.label end
  for rank = 1, TOP do
    local cells, any = { tostring(rank) }, false
    for e in ipairs(list) do
      local row = top[e][rank]
      any = any or row ~= nil
      cells[e + 1] = row and ("%s %s"):format(row.name or "[" .. row.idx .. "]", number(row.mean_abs))
        or ""
    end
    if any then ranks[#ranks + 1] = cells end
  end
  section("strongest features (mean |attribution|)", ranks, { true })
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

-- All of a finished run. With many runs only its line and metrics.
function report.run(store, run, runs)
  local head = core.store_rows(store, HEAD, { run = run })[1]
  core.print(("%s: run %d, %s, %.1f s\n"):format(head.experiment, head.id, head.status,
    head.seconds or 0))
  local rows = {}
  if head.data then rows[#rows + 1] = { "data", ("%s, %d rows"):format(head.data, head.data_rows) } end
  if head.format then
    rows[#rows + 1] = { "model", ("%s, %d parameters"):format(head.format, head.parameters or 0) }
  end
  core.print(table_text(rows, {}, "  "))
  metrics(store, run)
  if runs == 1 then
    explanations(store, run)
    judges(store, run)
  end
end

function report.expectations(verdicts)
  local rows = {}
  for i, verdict in ipairs(verdicts) do
    rows[i] = { verdict.held and "held" or "NOT HELD", verdict.text, verdict.detail or "" }
  end
  section("expectations", rows, {})
end

function report.closing(store, ids)
  core.print(("\nstored in %s: lunette show %s --db %s\n"):format(core.store_path(store),
    #ids == 1 and tostring(ids[1]) or "last", core.store_path(store)))
end

return report
