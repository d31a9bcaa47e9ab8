-- What runs were made of, as sections of `lunette compare`: the runs themselves, script and modules,
-- data, model, parameters, environment. Only what differs, unless `all`.
local core = require "core"
local diff = require "compare/diff"

local setup = {}

local function short(sha256) return sha256 and sha256:sub(1, 12) end

-- A table with a line a field and a column a run. fields: { { name, value of run 1, ... } }.
local function side_by_side(title, key, runs, fields, all)
  local section = { title = title, key = key, columns = { { name = "", key = "field" } }, rows = {} }
  for r, run in ipairs(runs) do section.columns[r + 1] = { name = run.name } end
  for _, field in ipairs(fields) do
    local differs = false
    for r = 2, #runs do differs = differs or field[r + 1] ~= field[2] end
    if differs or all or field.always then section.rows[#section.rows + 1] = field end
  end
  return section
end

-- fields of a list of { column, heading } from one row of a query a run.
local function fields_of(rows, columns)
  local fields = {}
  for f, column in ipairs(columns) do
    fields[f] = { column[2] or column[1], always = column.always }
    for r, row in ipairs(rows) do
      local value = row[column[1]]
      if column.short then value = short(value) end
      fields[f][r + 1] = value
    end
  end
  return fields
end

local RUN = [[
SELECT r.uuid, s.experiment, r.status, r.started_at, s.seconds, r.seed, r.script_sha256, r.identity,
r.numerics, r.threads, r.error, r.argv FROM run r JOIN run_summary s ON s.id = r.id WHERE r.id = :run]]

function setup.runs(store, runs, all)
  local rows = {}
  for r, run in ipairs(runs) do rows[r] = core.store_rows(store, RUN, { run = run.id })[1] end
  return side_by_side("runs", "runs", runs, fields_of(rows, {
    { "uuid", always = true }, { "experiment", always = true }, { "status", always = true },
    { "started_at", "started", always = true }, { "seconds" }, { "seed" },
    { "script_sha256", "script", short = true }, { "identity", short = true }, { "numerics" },
    { "threads" }, { "argv", "command line" }, { "error" } }), all)
end

local SOURCES = [[
SELECT r.role, coalesce(r.path, s.path) AS path, r.sha256, s.text FROM run_source r
JOIN source s ON s.sha256 = r.sha256 WHERE r.run = :run ORDER BY r.role DESC, path]]

-- Scripts are compared with each other, modules by their file names.
local function by_name(store, run)
  local order, sources = {}, {}
  for _, row in ipairs(core.store_rows(store, SOURCES, { run = run })) do
    local name = row.role == "script" and "script" or "module " .. row.path:match("[^/]*$")
    if not sources[name] then order[#order + 1] = name end
    sources[name] = row
  end
  return order, sources
end

function setup.sources(store, runs)
  local section = { title = "script", key = "script", columns = {}, rows = {}, lines = {} }
  local order, first = by_name(store, runs[1].id)
  for r = 2, #runs do
    local others, other = by_name(store, runs[r].id)
    local names = { table.unpack(order) }
    for _, name in ipairs(others) do
      if not first[name] then names[#names + 1] = name end
    end
    for _, name in ipairs(names) do
      local a, b = first[name], other[name]
      if (a and a.sha256) ~= (b and b.sha256) then
        section.lines[#section.lines + 1] = ("--- %s %s"):format(runs[1].name, a and a.path or "(none)")
        section.lines[#section.lines + 1] = ("+++ %s %s"):format(runs[r].name, b and b.path or "(none)")
        for _, line in ipairs(diff.lines(a and a.text or "", b and b.text or "")) do
          section.lines[#section.lines + 1] = line
        end
      end
    end
  end
  return section
end

local DATA = [[
SELECT d.id, d.name, d.path, d.rows, d.sha256, d.meta ->> 'file_sha256' AS file,
(SELECT count(*) FROM feature f WHERE f.dataset = d.id) AS columns,
d.meta ->> 'target' AS target, d.meta ->> 'classes' AS classes,
sum(r.split = 'train') AS train, sum(r.split = 'test') AS test, sum(r.input IS NOT NULL) AS explained
FROM run_sample r JOIN sample s ON s.id = r.sample JOIN dataset d ON d.id = s.dataset
WHERE r.run = :run GROUP BY d.id ORDER BY d.id LIMIT 1]]

function setup.data(store, runs, all)
  local rows = {}
  for r, run in ipairs(runs) do rows[r] = core.store_rows(store, DATA, { run = run.id })[1] or {} end
  return side_by_side("data", "data", runs, fields_of(rows, {
    { "name" }, { "path" }, { "sha256", short = true }, { "file", "file's sha256", short = true },
    { "rows" }, { "columns" }, { "target" }, { "classes" }, { "train", "training rows" },
    { "test", "test rows" }, { "explained", "explained rows" } }), all)
end

local MODEL = [[
SELECT m.name, m.format, m.parameters, m.sha256, m.file, m.graph FROM run_model r
JOIN model m ON m.id = r.model WHERE r.run = :run ORDER BY m.id LIMIT 1]]

-- The layers in order: "dense (32)".
local function layers_of(graph)
  local parts = {}
  for i, node in ipairs(graph and core.json_parse(graph).nodes or {}) do
    local shape = {}
    for _, dim in ipairs(node.shape or {}) do
      if math.type(dim) == "integer" then shape[#shape + 1] = tostring(dim) end
    end
    parts[i] = ("%s (%s)"):format(node.operator, table.concat(shape, ", "))
  end
  return #parts > 0 and table.concat(parts, ", ") or nil
end

function setup.model(store, runs, all)
  local rows = {}
  for r, run in ipairs(runs) do
    rows[r] = core.store_rows(store, MODEL, { run = run.id })[1] or {}
    rows[r].layers = layers_of(rows[r].graph)
  end
  local section = side_by_side("model", "model", runs, fields_of(rows, {
    { "name" }, { "format" }, { "file" }, { "layers" }, { "parameters" },
    { "sha256", short = true } }), all)
  local same_layers = true
  for r = 2, #runs do same_layers = same_layers and rows[r].layers == rows[1].layers end
  if same_layers and #section.rows > 0 and rows[1].layers and not all then
    section.notes = { "the layers are the same, their weights differ" }
  end
  return section
end

local PARAMS = [[SELECT key, coalesce(text, num) AS value FROM param WHERE run = :run ORDER BY key]]

function setup.params(store, runs, all)
  local keys, by = {}, {}
  for r, run in ipairs(runs) do
    for _, row in ipairs(core.store_rows(store, PARAMS, { run = run.id })) do
      if not by[row.key] then
        by[row.key] = { row.key }
        keys[#keys + 1] = row.key
      end
      by[row.key][r + 1] = tostring(row.value)
    end
  end
  table.sort(keys)
  local fields = {}
  for k, key in ipairs(keys) do fields[k] = by[key] end
  return side_by_side("parameters", "parameters", runs, fields, all)
end

local ENVIRONMENT = [[
SELECT v.version, v.build, v.host, v.os, v.cpu, v.isa, v.compiler, v.libraries FROM run r
JOIN environment v ON v.id = r.environment WHERE r.id = :run]]

function setup.environment(store, runs, all)
  local rows = {}
  for r, run in ipairs(runs) do
    rows[r] = core.store_rows(store, ENVIRONMENT, { run = run.id })[1] or {}
  end
  return side_by_side("environment", "environment", runs, fields_of(rows, {
    { "version", "lunette" }, { "build" }, { "host" }, { "os" }, { "cpu" }, { "isa" },
    { "compiler" }, { "libraries" } }), all)
end

return setup
