-- What the charts of two classes read from the store: the curve that a metric left there, else the
-- predictions (labels and probabilities) themselves. Rows of the test split where there is one.
--
--   order       rows by falling score, equal scores as one step: { { score, positives, negatives } }
--               counted up from the greatest score; O(n log n)
local core = require "core"

local scores = {}

local PREDICTIONS = [[
SELECT p.label, p.class, p.score, r.split FROM prediction p
LEFT JOIN run_sample r ON r.run = p.run AND r.sample = p.sample
WHERE p.run = :run AND p.label IS NOT NULL AND p.score IS NOT NULL ORDER BY p.sample]]

local CURVE = [[
SELECT m.id, m.label, c.series, c.x, c.y FROM curve c JOIN metric m ON m.id = c.metric
WHERE m.run = :run AND m.name = :name AND m.scope = 'model' ORDER BY m.id, c.series, c.seq]]

local CLASSES = [[
SELECT d.meta FROM run_sample r JOIN sample s ON s.id = r.sample JOIN dataset d ON d.id = s.dataset
WHERE r.run = :run LIMIT 1]]

-- Names of the classes, "class 0" where the data have none.
function scores.class_names(context, count)
  local row = core.store_rows(context.store, CLASSES, { run = context.run })[1]
  local known = row and row.meta and core.json_parse(row.meta).classes
  local names = {}
  for i = 1, count do
    names[i] = type(known) == "table" and known[i] and tostring(known[i]) or ("class %d"):format(i - 1)
  end
  return names
end

-- Predictions with labels: { label, class, score }, of the test split where any has it.
function scores.predictions(context)
  if context.shared.predictions then return context.shared.predictions end
  local rows = core.store_rows(context.store, PREDICTIONS, { run = context.run })
  local tested = {}
  for _, row in ipairs(rows) do
    if row.split == "test" then tested[#tested + 1] = row end
  end
  context.shared.predictions = #tested > 0 and tested or rows -- for all charts of the run
  return context.shared.predictions
end

-- Curves of a metric in the store: { { name, points = { { x, y } ... } } ... }, empty where it has none.
function scores.stored(context, metric)
  local list, by = {}, {}
  for _, row in ipairs(core.store_rows(context.store, CURVE, { run = context.run, name = metric })) do
    local key = row.id .. "/" .. row.series
    local one = by[key]
    if not one then
      one = { series = row.series, label = row.label, points = {} }
      by[key], list[#list + 1] = one, one
    end
    one.points[#one.points + 1] = { x = row.x or 0 / 0, y = row.y or 0 / 0 }
  end
  return list
end

-- What a metric of that name says for the whole run, or nil.
function scores.metric(context, name)
  local rows = core.store_rows(context.store, "SELECT value FROM metric WHERE run = :run AND name = :name "
    .. "AND scope = 'model' AND value IS NOT NULL AND class IS NULL AND slice IS NULL ORDER BY id",
    { run = context.run, name = name })
  return #rows == 1 and rows[1].value or nil
end

-- What a stored curve is called: the class of several, else `alone`.
function scores.curve_name(context, stored, i, alone)
  local class = math.tointeger(tonumber(stored[i].series))
  if #stored == 1 or not class then return #stored == 1 and alone or stored[i].series end
  return scores.class_names(context, class + 1)[class + 1]
end

local function read_two_classes(context)
  local rows = scores.predictions(context)
  if #rows == 0 then return nil, "There are no predictions with labels in the store." end
  local positives, found = 0, { rows = {} }
  for i, row in ipairs(rows) do
    if math.type(row.label) ~= "integer" or row.class == nil then
      return nil, "This chart is about two classes, and the run is a regression."
    elseif row.label > 1 or row.class > 1 then
      return nil, "This chart is about two classes, and the run has more."
    end
    positives = positives + row.label
    found.rows[i] = { label = row.label, score = row.class == 1 and row.score or 1 - row.score }
  end
  found.positives, found.negatives, found.n = positives, #rows - positives, #rows
  found.names = scores.class_names(context, 2)
  return found
end

-- Labels 0 and 1 with the probability of class 1, or nil and why there are none.
function scores.two_classes(context)
  local shared = context.shared
  if not shared.two then shared.two = { read_two_classes(context) } end
  return table.unpack(shared.two, 1, 2)
end

-- The same, of labels that are not all equal.
function scores.binary(context)
  local found, why = scores.two_classes(context)
  if found and (found.positives == 0 or found.negatives == 0) then
    return nil, ("One class only: each of the %d rows is %s, so there is nothing to tell apart.")
      :format(found.n, found.names[found.positives > 0 and 2 or 1])
  end
  return found, why
end

function scores.order(found)
  if found.steps then return found.steps end
  local rows = found.rows
  table.sort(rows, function(a, b) return a.score > b.score end)
  local steps, positives, negatives = {}, 0, 0
  for i, row in ipairs(rows) do
    positives, negatives = positives + row.label, negatives + 1 - row.label
    if i == #rows or rows[i + 1].score ~= row.score then
      steps[#steps + 1] = { score = row.score, positives = positives, negatives = negatives }
    end
  end
  found.steps = steps
  return steps
end

-- A curve by the trapezium rule.
function scores.area(points)
  local area = 0
  for i = 2, #points do
    area = area + (points[i].x - points[i - 1].x) * (points[i].y + points[i - 1].y) / 2
  end
  return area
end

-- "300 rows, 90 of them bad"
function scores.subject(found)
  return ("%d rows, %d of them %s"):format(found.n, found.positives, found.names[2])
end

return scores
