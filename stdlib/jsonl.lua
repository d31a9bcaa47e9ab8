-- `lunette export RUN --format jsonl`: a line of JSON an attribution, a prediction, a metric, each whole in
-- itself, for pandas, DuckDB and jq. Numbers read back the same; what is not a number is null.
local core = require "core"

local jsonl = {}

local RUN = [[
SELECT r.id AS run, r.uuid, x.name AS experiment FROM run r JOIN experiment x ON x.id = r.experiment
WHERE r.id = :run]]

local EXPLANATIONS = "SELECT id, label, explainer, params FROM explanation WHERE run = :run ORDER BY seq"

local ATTRIBUTIONS = [[
SELECT a.id, s.idx AS row, a.target, a.space, a.output, a.baseline_output, a.total, a.residual, a.status,
a.reason, a.input, a.tensor, a.tensor_row FROM attribution a LEFT JOIN sample s ON s.id = a.sample
WHERE a.explanation = :explanation ORDER BY a.seq, a.id]]

local NAMES = "SELECT name FROM element WHERE attribution = :id ORDER BY idx"

local PREDICTIONS = [[
SELECT s.idx AS row, r.split, p.label, p.class, p.score, p.output, p.output_row FROM prediction p
JOIN sample s ON s.id = p.sample LEFT JOIN run_sample r ON r.run = p.run AND r.sample = p.sample
WHERE p.run = :run ORDER BY s.idx]]

local METRICS = [[
SELECT m.name, m.label, m.scope, m.split, m.class, m.slice, e.label AS explanation, s.idx AS row, a.target,
m.value, m.lower, m.upper, m.n, m.higher_is_better, m.status, m.reason, m.params FROM metric m
LEFT JOIN explanation e ON e.id = m.explanation LEFT JOIN attribution a ON a.id = m.attribution
LEFT JOIN sample s ON s.id = m.sample WHERE m.run = :run ORDER BY m.id]]

-- The columns that every line of a file has, in whatever it is NULL: readers take types from all lines.
local function line(fields, row, more)
  local out = {}
  for _, field in ipairs(fields) do
    local value = row[field]
    out[field] = value == nil and core.null or value
  end
  for name, value in pairs(more) do out[name] = value end
  return core.json(out)
end

-- A reader of rows of tensors, which keeps the tensor that was read last.
local function tensor_rows(store)
  local id, tensor
  return function(wanted, row)
    if not wanted then return core.null end
    if wanted ~= id or not row then
      local raw = core.store_get_tensor(store, wanted)
      local info = core.tensor_info(raw)
      local rows = row and info.shape[1] or 1 -- without a row all of it
      id, tensor = wanted, core.tensor_convert(core.tensor_reshape(raw, { rows, info.count // rows }), "f32")
    end
    return core.row_list(tensor, row or 0)
  end
end

-- Names of the numbers where all have one; else nil.
local function names_of(store, attribution)
  local names, seen = {}, {}
  for i, row in ipairs(core.store_rows(store, NAMES, { id = attribution })) do
    if not row.name or seen[row.name] then return nil end
    names[i], seen[row.name] = row.name, true
  end
  return names
end

local function named(values, names)
  if values == core.null or not names or #names ~= #values then return values end
  local out = {}
  for i, name in ipairs(names) do out[name] = values[i] end
  return out
end

local FIELDS = { "row", "target", "space", "output", "baseline_output", "total", "residual", "status",
                 "reason" }

local function explanation_lines(store, run, one)
  local lines, values_at, names, asked = {}, tensor_rows(store), nil, false
  for i, row in ipairs(core.store_rows(store, ATTRIBUTIONS, { explanation = one.id })) do
    if not asked then names, asked = names_of(store, row.id), true end
    lines[i] = line(FIELDS, row, { run = run.run, experiment = run.experiment, label = one.label,
      explainer = one.explainer, input = row.input, -- where the model has several
      values = named(values_at(row.tensor, row.tensor_row), names) })
  end
  return lines
end

-- The parameters are an object of the line: a judge's, a threshold that was found, a rule in words.
local function metric_line(run, row)
  local text = line({ "name", "label", "scope", "split", "class", "slice", "explanation", "row", "target", "value",
    "lower", "upper", "n", "higher_is_better", "status", "reason" }, row, { run = run.run, experiment = run.experiment })
  return ('%s,"params":%s}'):format(text:sub(1, -2), row.params or "null")
end

local function plain(text) return (text:gsub("[^%w_-]", "_")) end

function jsonl.export(options)
  local store <close> = core.store(options.db, "read")
  local id = core.store_find_run(store, options.operands[1])
  local run = core.store_rows(store, RUN, { run = id })[1]
  core.folder_make(options.output)
  local function write(name, lines)
    if #lines == 0 then return end
    local path = ("%s/%s.jsonl"):format(options.output, name)
    core.file_write(path, table.concat(lines, "\n") .. "\n")
    if not options.quiet then core.print(("%s  %d lines\n"):format(path, #lines)) end
  end
  for _, one in ipairs(core.store_rows(store, EXPLANATIONS, { run = id })) do
    write(plain(one.label), explanation_lines(store, run, one))
  end
  local lines, outputs_at = {}, tensor_rows(store)
  for i, row in ipairs(core.store_rows(store, PREDICTIONS, { run = id })) do
    lines[i] = line({ "row", "split", "label", "class", "score" }, row, { run = run.run,
      experiment = run.experiment, outputs = outputs_at(row.output, row.output_row) })
  end
  write("prediction", lines)
  lines = {}
  for i, row in ipairs(core.store_rows(store, METRICS, { run = id })) do lines[i] = metric_line(run, row) end
  write("metrics", lines)
  return 0
end

return jsonl
