-- Two runs of one store, number by number: is the second the first again? Rows are matched by what they
-- are (sample, target, label, place), never by their ids. Tensors are stored by content, so rows that
-- point to the same row of the same tensor need no look; where they do not, bits are compared.
local core = require "core"

local verdict = {}

-- A number may be this far from the stored one, relative to the greatest of its tensor (of its own
-- magnitude where it stands alone, 1 at least), to be called the same on another machine.
local TOLERANCE = 1e-3
local NAMED = 10 -- differences that are told

local function new_findings()
  return { parts = {}, lines = {}, more = 0, identical = true, tolerated = true, greatest = 0 }
end

local function part(found, name, count)
  local one = { name = name, count = count, differing = 0 }
  found.parts[#found.parts + 1] = one
  return one
end

local function tell(found, one, line)
  found.identical = false
  one.differing = one.differing + 1
  if #found.lines < NAMED then found.lines[#found.lines + 1] = line else found.more = found.more + 1 end
end

-- Something that no tolerance covers.
local function broken(found, one, line)
  found.tolerated = false
  tell(found, one, line)
end

local function shown(value)
  if value == nil then return "nothing" end
  return type(value) == "number" and core.json(value) or tostring(value)
end

-- A number that differs; `scale` of its surroundings.
local function number(found, one, where, a, b, scale)
  local apart = math.abs(a - b)
  if not (apart <= TOLERANCE * scale) then found.tolerated = false end
  if apart > found.greatest then found.greatest, found.greatest_at = apart, where end
  tell(found, one, ("%s: stored %s, now %s"):format(where, shown(a), shown(b)))
end

-- Two values of a row, of any type. Returns whether they are the same.
local function value(found, one, where, a, b)
  if a == b then return true end
  if math.type(a) == "float" and math.type(b) == "float" then
    number(found, one, where, a, b, math.max(1, math.abs(a), math.abs(b)))
  else
    broken(found, one, ("%s: stored %s, now %s"):format(where, shown(a), shown(b)))
  end
  return false
end

-- ------------------------------------------------------------------------------------- tensors

local function tensor_of(store, kept, id)
  if kept.id ~= id then kept.id, kept.tensor = id, core.store_get_tensor(store, id) end
  return kept.tensor
end

-- a, b: { tensor =, row = or nil }. `name(i)` says what element i is.
local function tensors(store, found, one, where, a, b, name)
  if a.tensor == b.tensor and a.row == b.row then return true end
  if not a.tensor or not b.tensor then
    broken(found, one, ("%s: stored %s, now %s"):format(where, a.tensor and "numbers" or "nothing",
      b.tensor and "numbers" or "nothing"))
    return false
  end
  found.held_a, found.held_b = found.held_a or {}, found.held_b or {}
  local difference = core.tensor_difference(tensor_of(store, found.held_a, a.tensor),
    tensor_of(store, found.held_b, b.tensor), a.row or -1, b.row or -1)
  if not difference then return true end
  local place = ("%s, tensor %d%s"):format(where, a.tensor, a.row and " row " .. a.row or "")
  if not difference.first then
    broken(found, one, place .. ": stored and now of different size")
    return false
  end
  local element = name and name(difference.first) or ("element %d"):format(difference.first)
  if not (difference.greatest <= TOLERANCE * difference.scale) then found.tolerated = false end
  if difference.greatest > found.greatest then
    found.greatest, found.greatest_at = difference.greatest, where
  end
  local rest = difference.count > 1 and (" (and %d more elements)"):format(difference.count - 1) or ""
  tell(found, one, ("%s, %s: stored %s, now %s%s"):format(place, element, shown(difference.a),
    shown(difference.b), rest))
  return false
end

-- --------------------------------------------------------------------------------------- parts

local function count(store, sql, run)
  return core.store_rows(store, "SELECT count(*) AS n " .. sql, { run = run })[1].n
end

-- As many rows as before?
local function counted(found, one, what, now)
  if now ~= one.count then
    broken(found, one, ("%s: stored %d, now %d"):format(what, one.count, now))
  end
end

local MODEL = [[
SELECT m.id, m.sha256, m.weights FROM run_model r JOIN model m ON m.id = r.model WHERE r.run = :run]]

-- The stored model's row serves the new run too where its hash is the same, so what training gave is
-- compared with what the row says.
local function model(store, found, old, again)
  local was = core.store_rows(store, MODEL, { run = old })[1]
  if not was then return end
  local one, made = part(found, "model", 1), again.made
  if was.weights and made.weights then
    if not tensors(store, found, one, "weights of the model", { tensor = was.weights },
      { tensor = made.weights }) then return end
  end
  if was.sha256 ~= made.sha256 then
    local line = ("model: stored hash %s, now %s"):format(was.sha256:sub(1, 16), made.sha256:sub(1, 16))
    -- Its encoding's constants may differ in their last bits as weights do.
    if was.weights then tell(found, one, line) else broken(found, one, line) end
  end
end

local INPUTS = [[
SELECT s.idx AS row, a.split AS split_a, b.split AS split_b, a.fold AS fold_a, b.fold AS fold_b,
a.weight AS weight_a, b.weight AS weight_b, a.input AS input_a, b.input AS input_b,
a.input_row AS input_row_a, b.input_row AS input_row_b, b.run AS there
FROM run_sample a JOIN sample s ON s.id = a.sample
LEFT JOIN run_sample b ON b.run = :new AND b.sample = a.sample
WHERE a.run = :old AND NOT (b.run IS NOT NULL AND a.split IS b.split AND a.fold IS b.fold
  AND a.weight IS b.weight AND a.input IS b.input AND a.input_row IS b.input_row)
ORDER BY s.idx]]

local function inputs(store, found, old, new)
  local one = part(found, "samples and inputs", count(store, "FROM run_sample WHERE run = :run", old))
  counted(found, one, "samples", count(store, "FROM run_sample WHERE run = :run", new))
  for _, row in ipairs(core.store_rows(store, INPUTS, { old = old, new = new })) do
    local where = ("row %d"):format(row.row)
    if not row.there then
      broken(found, one, where .. ": is not there any more")
    else
      local same = value(found, one, where .. ", split", row.split_a, row.split_b)
        and value(found, one, where .. ", fold", row.fold_a, row.fold_b)
        and value(found, one, where .. ", weight", row.weight_a, row.weight_b)
      if same then
        tensors(store, found, one, where .. ", input", { tensor = row.input_a, row = row.input_row_a },
          { tensor = row.input_b, row = row.input_row_b })
      end
    end
  end
end

local PREDICTIONS = [[
SELECT s.idx AS row, a.class AS class_a, b.class AS class_b, a.label AS label_a, b.label AS label_b,
a.score AS score_a, b.score AS score_b, a.output AS output_a, b.output AS output_b,
a.output_row AS output_row_a, b.output_row AS output_row_b, b.run AS there
FROM prediction a JOIN sample s ON s.id = a.sample
LEFT JOIN prediction b ON b.run = :new AND b.sample = a.sample
WHERE a.run = :old AND NOT (b.run IS NOT NULL AND a.class IS b.class AND a.label IS b.label
  AND a.score IS b.score AND a.output IS b.output AND a.output_row IS b.output_row)
ORDER BY s.idx]]

local function predictions(store, found, old, new)
  local total = count(store, "FROM prediction WHERE run = :run", old)
  local now = count(store, "FROM prediction WHERE run = :run", new)
  if total == 0 and now == 0 then return end
  local one = part(found, "predictions", total)
  counted(found, one, "predictions", now)
  for _, row in ipairs(core.store_rows(store, PREDICTIONS, { old = old, new = new })) do
    local where = ("prediction of row %d"):format(row.row)
    if not row.there then
      broken(found, one, where .. ": is not there any more")
    elseif tensors(store, found, one, where, { tensor = row.output_a, row = row.output_row_a },
      { tensor = row.output_b, row = row.output_row_b }) then
      local _ = value(found, one, where .. ", class", row.class_a, row.class_b)
        and value(found, one, where .. ", label", row.label_a, row.label_b)
        and value(found, one, where .. ", score", row.score_a, row.score_b)
    end
  end
end

-- Columns of an attribution besides its numbers, the most telling first.
local FIELDS = { "target", "kind", "space", "layer", "unit", "output", "baseline_output", "absorbed",
                 "total", "residual", "min", "max", "l1", "nan_count", "status", "reason" }

local function attribution_sql()
  local columns, same = {}, {}
  for _, field in ipairs(FIELDS) do
    columns[#columns + 1] = ("a.%s AS %s_a, b.%s AS %s_b"):format(field, field, field, field)
    same[#same + 1] = ("a.%s IS b.%s"):format(field, field)
  end
  for _, field in ipairs { "tensor", "tensor_row", "groups", "error" } do
    columns[#columns + 1] = ("a.%s AS %s_a, b.%s AS %s_b"):format(field, field, field, field)
    same[#same + 1] = ("a.%s IS b.%s"):format(field, field)
  end
  return ([[SELECT a.id, b.id AS there, s.idx AS row, a.seq, a.input AS to_input, %s
FROM attribution a LEFT JOIN sample s ON s.id = a.sample
LEFT JOIN attribution b ON b.explanation = :new AND b.sample IS a.sample AND b.seq = a.seq
AND b.input IS a.input
WHERE a.explanation = :old AND NOT (b.id IS NOT NULL AND %s) ORDER BY a.seq, a.id]]):format(
    table.concat(columns, ", "), table.concat(same, " AND "))
end

local NAME = "SELECT name, i0, i1, i2 FROM element WHERE attribution = :id AND idx = :idx"

local function element_name(store, id)
  return function(idx)
    local row = core.store_rows(store, NAME, { id = id, idx = idx })[1]
    if row and row.name then return ("element %d (%s)"):format(idx, row.name) end
    if row and row.i1 then
      return ("element %d (%s)"):format(idx, table.concat({ row.i0, row.i1, row.i2 }, ", "))
    end
    return ("element %d"):format(idx)
  end
end

local function attribution(store, found, one, label, row)
  local where = row.row and ("%s, row %d"):format(label, row.row)
    or ("%s, attribution %d"):format(label, row.seq)
  if row.target_a then where = ("%s, target %d"):format(where, row.target_a) end
  if row.to_input then where = ("%s, input '%s'"):format(where, row.to_input) end
  if not row.there then return broken(found, one, where .. ": is not there any more") end
  for _, field in ipairs { "groups", "error" } do
    if not tensors(store, found, one, where .. ", " .. field, { tensor = row[field .. "_a"] },
      { tensor = row[field .. "_b"] }) then return end
  end
  if not tensors(store, found, one, where, { tensor = row.tensor_a, row = row.tensor_row_a },
    { tensor = row.tensor_b, row = row.tensor_row_b }, element_name(store, row.id)) then return end
  for _, field in ipairs(FIELDS) do
    if not value(found, one, where .. ", " .. field, row[field .. "_a"], row[field .. "_b"]) then return end
  end
end

local EXPLANATIONS = [[
SELECT a.id, a.label, a.explainer, a.params, a.status, b.id AS there, b.explainer AS explainer_b,
b.params AS params_b, b.status AS status_b, (SELECT count(*) FROM attribution x
WHERE x.explanation = a.id) AS n, (SELECT count(*) FROM attribution x WHERE x.explanation = b.id) AS n_b
FROM explanation a LEFT JOIN explanation b ON b.run = :new AND b.label = a.label
WHERE a.run = :old ORDER BY a.seq]]

local function explanations(store, found, old, new)
  local sql = attribution_sql()
  for _, row in ipairs(core.store_rows(store, EXPLANATIONS, { old = old, new = new })) do
    local one = part(found, row.label, row.n)
    if not row.there then
      broken(found, one, row.label .. ": is not there any more")
    else
      counted(found, one, row.label .. ", attributions", row.n_b)
      for _, field in ipairs { "explainer", "params", "status" } do
        value(found, one, row.label .. ", " .. field, row[field], row[field .. "_b"])
      end
      for _, pair in ipairs(core.store_rows(store, sql, { old = row.id, new = row.there })) do
        attribution(store, found, one, row.label, pair)
      end
    end
  end
end

-- Metrics of the model and means of judges by what they are; values of judges by their attribution.
local METRICS = [[
WITH pair(a, b, row, explanation) AS (
  SELECT m.id, (SELECT k.id FROM metric k LEFT JOIN explanation f ON f.id = k.explanation
    WHERE k.run = :new AND k.scope = m.scope AND k.label = m.label AND k.split IS m.split
    AND k.class IS m.class AND k.slice IS m.slice AND f.label IS e.label), NULL, e.label
  FROM metric m LEFT JOIN explanation e ON e.id = m.explanation
  WHERE m.run = :old AND m.scope <> 'attribution'
  UNION ALL
  SELECT m.id, (SELECT k.id FROM metric k WHERE k.attribution = b.id AND k.label = m.label), s.idx, e.label
  FROM explanation e JOIN explanation f ON f.run = :new AND f.label = e.label
  JOIN attribution a ON a.explanation = e.id
  JOIN attribution b ON b.explanation = f.id AND b.sample IS a.sample AND b.seq = a.seq AND b.input IS a.input
  JOIN metric m ON m.attribution = a.id LEFT JOIN sample s ON s.id = a.sample
  WHERE e.run = :old)
SELECT m.label, p.row, p.explanation, k.id AS there, m.value AS value_a, k.value AS value_b,
m.lower AS lower_a, k.lower AS lower_b, m.upper AS upper_a, k.upper AS upper_b, m.n AS n_a, k.n AS n_b,
m.status AS status_a, k.status AS status_b, m.reason AS reason_a, k.reason AS reason_b,
m.params AS params_a, k.params AS params_b, m.tensor AS tensor_a, k.tensor AS tensor_b
FROM pair p JOIN metric m ON m.id = p.a LEFT JOIN metric k ON k.id = p.b
WHERE NOT (k.id IS NOT NULL AND m.value IS k.value AND m.lower IS k.lower AND m.upper IS k.upper
  AND m.n IS k.n AND m.status IS k.status AND m.reason IS k.reason AND m.params IS k.params
  AND m.tensor IS k.tensor)
ORDER BY m.id]]

local MEASURED = { "params", "status", "reason", "n", "value", "lower", "upper" }

local function metrics(store, found, old, new)
  local total = count(store, "FROM metric WHERE run = :run", old)
  local now = count(store, "FROM metric WHERE run = :run", new)
  if total == 0 and now == 0 then return end
  local one = part(found, "metrics and judges", total)
  counted(found, one, "metrics and judges", now)
  for _, row in ipairs(core.store_rows(store, METRICS, { old = old, new = new })) do
    local where = row.label
    if row.explanation then where = ("%s of %s"):format(where, row.explanation) end
    if row.row then where = ("%s, row %d"):format(where, row.row) end
    if not row.there then
      broken(found, one, where .. ": is not there any more")
    elseif tensors(store, found, one, where, { tensor = row.tensor_a }, { tensor = row.tensor_b }) then
      for _, field in ipairs(MEASURED) do
        local name = field == "value" and where or where .. ", " .. field
        if not value(found, one, name, row[field .. "_a"], row[field .. "_b"]) then break end
      end
    end
  end
end

local CURVES = [[
SELECT m.label, c.series, c.seq, d.metric AS there, c.x AS x_a, d.x AS x_b, c.y AS y_a, d.y AS y_b,
c.threshold AS threshold_a, d.threshold AS threshold_b
FROM metric m JOIN curve c ON c.metric = m.id
LEFT JOIN metric k ON k.run = :new AND k.scope = 'model' AND k.label = m.label AND k.split IS m.split
  AND k.class IS m.class AND k.slice IS m.slice
LEFT JOIN curve d ON d.metric = k.id AND d.series = c.series AND d.seq = c.seq
WHERE m.run = :old AND m.scope = 'model' AND NOT (d.metric IS NOT NULL AND c.x IS d.x AND c.y IS d.y
  AND c.threshold IS d.threshold)
ORDER BY m.id, c.series, c.seq]]

local POINTS = "FROM metric m JOIN curve c ON c.metric = m.id WHERE m.run = :run"

local function curves(store, found, old, new)
  local total, now = count(store, POINTS, old), count(store, POINTS, new)
  if total == 0 and now == 0 then return end
  local one = part(found, "points of curves", total)
  counted(found, one, "points of curves", now)
  for _, row in ipairs(core.store_rows(store, CURVES, { old = old, new = new })) do
    local where = ("%s%s, point %d"):format(row.label, row.series ~= "" and " (" .. row.series .. ")" or "",
      row.seq)
    if not row.there then
      broken(found, one, where .. ": is not there any more")
    else
      local _ = value(found, one, where .. ", x", row.x_a, row.x_b)
        and value(found, one, where .. ", y", row.y_a, row.y_b)
        and value(found, one, where .. ", threshold", row.threshold_a, row.threshold_b)
    end
  end
end

-- old: id of a run; again: { id =, made = { sha256, weights } of its model, differing = parameters }.
-- Returns { identical, tolerated, greatest, greatest_at, parts = { { name, count, differing } ... },
-- lines = texts of the first differences, more = how many others }.
function verdict.compare(store, old, again)
  local found = new_findings()
  if #again.differing > 0 then
    local one = part(found, "parameters", count(store, "FROM param WHERE run = :run", old))
    for _, line in ipairs(again.differing) do broken(found, one, line) end
  end
  model(store, found, old, again)
  inputs(store, found, old, again.id)
  predictions(store, found, old, again.id)
  explanations(store, found, old, again.id)
  metrics(store, found, old, again.id)
  curves(store, found, old, again.id)
  return found
end

return verdict
