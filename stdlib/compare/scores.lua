-- The scores that a run's metrics were made of, again from the store: rows of `prediction` with the
-- outputs they point to, and two runs' rows side by side. Scores are what engine/model/forward.c makes
-- of outputs: probabilities as they are, else softmax or sigmoid in float64.
--
-- A row is one and the same in two runs where both read the same file and its number and label are
-- equal.
local core = require "core"

local scores = {}

local ROWS = [[
SELECT coalesce(d.meta ->> 'file_sha256', d.sha256) || ':' || s.idx AS key, s.idx, p.class, p.label,
p.score, p.output, p.output_row, r.split, r.weight FROM prediction p
JOIN sample s ON s.id = p.sample JOIN dataset d ON d.id = s.dataset
LEFT JOIN run_sample r ON r.run = p.run AND r.sample = p.sample WHERE p.run = :run ORDER BY s.idx]]

local TASK = [[
SELECT (SELECT p.text FROM param p WHERE p.run = :run AND p.key = 'task') AS task,
(SELECT json_array_length(d.meta, '$.classes') FROM run_sample r JOIN sample s ON s.id = r.sample
JOIN dataset d ON d.id = s.dataset WHERE r.run = :run LIMIT 1) AS classes]]

local function sigmoid(z)
  local small = math.exp(-math.abs(z))
  return z >= 0 and 1 / (1 + small) or small / (1 + small)
end

local function softmax(z)
  local most, sum, out = z[1], 0, {}
  for c = 2, #z do most = math.max(most, z[c]) end
  for c = 1, #z do
    out[c] = math.exp(z[c] - most)
    sum = sum + out[c]
  end
  for c = 1, #z do out[c] = out[c] / sum end
  return out
end

-- Each row's outputs as a list, or nil where the store has none.
local function read_outputs(store, rows)
  local tensors = {}
  for _, row in ipairs(rows) do
    if row.output then
      local known = tensors[row.output]
      if not known then
        local tensor = core.store_get_tensor(store, row.output)
        local shape = core.tensor_info(tensor).shape
        local width = 1
        for axis = 2, #shape do width = width * shape[axis] end
        known = { tensor = tensor, width = width }
        tensors[row.output] = known
      end
      row.outputs = {}
      for c = 1, known.width do
        row.outputs[c] = core.tensor_at(known.tensor, row.output_row * known.width + c - 1)
      end
    end
  end
end

-- Whether outputs are the probabilities already: then each row's score is among them.
local function are_probabilities(rows)
  for _, row in ipairs(rows) do
    local out, class = row.outputs, row.class
    if out and class then
      local own = out[class + 1]
      if #out == 1 then own = class == 1 and out[1] or 1 - out[1] end
      if own ~= row.score then return false end
    end
  end
  return true
end

local function probabilities_of(row, ready)
  local out = row.outputs
  if not out then -- scores from a file: two classes are told by the one that is stored
    return row.class and row.class <= 1
      and { row.class == 0 and row.score or 1 - row.score, row.class == 1 and row.score or 1 - row.score }
  end
  if #out == 1 then
    if ready then return { 1 - out[1], out[1] } end
    return { sigmoid(-out[1]), sigmoid(out[1]) }
  end
  return ready and out or softmax(out)
end

-- { list, by key, regression }: each row with `scores`, a list of float64 (nil where unknown).
function scores.of(store, run)
  local rows = core.store_rows(store, ROWS, { run = run })
  local regression = core.store_rows(store, TASK, { run = run })[1].task == "regression"
  read_outputs(store, rows)
  local ready = are_probabilities(rows)
  local by = {}
  for _, row in ipairs(rows) do
    if regression or row.class == nil then
      row.scores = row.outputs or row.score and { row.score }
      regression = true
    else
      row.scores = probabilities_of(row, ready)
    end
    row.outputs = nil
    by[row.key] = row
  end
  return { list = rows, by = by, regression = regression }
end

local function in_split(row, split) return split == nil or row.split == split end

-- What the metrics of a split read, of the rows that both runs have: { n, first, second } as
-- core.metric's inputs, and how many rows each run has; or nil and why not.
function scores.paired(a, b, split)
  local left, right, labels, weights, weighted = {}, {}, {}, {}, false
  local counts, classes = { 0, 0 }, 0
  for _, row in ipairs(b.list) do
    if in_split(row, split) then counts[2] = counts[2] + 1 end
  end
  for _, row in ipairs(a.list) do
    local other = b.by[row.key]
    if in_split(row, split) then
      counts[1] = counts[1] + 1
      if other and in_split(other, split) and row.label ~= nil and other.label == row.label then
        if not row.scores or not other.scores then return nil, "the store has no scores of these rows" end
        left[#left + 1], right[#right + 1] = row, other
        labels[#labels + 1] = row.label
        weights[#weights + 1] = row.weight or 1
        weighted = weighted or row.weight ~= nil
        classes = math.max(classes, #row.scores, #other.scores)
      end
    end
  end
  if #left == 0 then return nil, "no row is common to both" end
  local n = #left
  local function input(rows)
    local numbers = {}
    for i, row in ipairs(rows) do
      if #row.scores ~= classes then return nil end
      for c = 1, classes do numbers[(i - 1) * classes + c] = row.scores[c] end
    end
    return { scores = core.tensor("f64", { n, classes }, numbers),
             labels = core.tensor(a.regression and "f64" or "i32", { n }, labels),
             weights = weighted and core.tensor("f64", { n }, weights) or nil }
  end
  local first, second = input(left), input(right)
  if not first or not second then return nil, "the runs have different numbers of classes" end
  return { n = n, counts = counts, first = first, second = second, left = left, right = right }
end

return scores
