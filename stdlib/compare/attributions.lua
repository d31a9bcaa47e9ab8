-- Do two runs explain alike? For every explanation that both have, sample by sample (and target by
-- target): cosine, Spearman's rank correlation, overlap of the top features, greatest difference. All
-- of it is SQL over the store's tensor functions.
local core = require "core"

local attributions = {}

local EXPLANATIONS = [[
SELECT e.id, e.label, count(a.id) AS n, max(length(attribution_values(first.id))) AS bytes FROM explanation e
LEFT JOIN attribution a ON a.explanation = e.id AND a.status = 'ok'
LEFT JOIN attribution first ON first.id = (SELECT min(id) FROM attribution b WHERE b.explanation = e.id AND
b.status = 'ok') WHERE e.run = :run GROUP BY e.id ORDER BY e.seq]]

-- Pairs of attributions of one sample, target and input; :k is how many features the overlap looks at.
local PAIRS = [[
WITH side AS (SELECT a.explanation, a.id, a.target, a.input, a.seq, a.tensor, a.tensor_row, s.idx,
  coalesce(d.meta ->> 'file_sha256', d.sha256) AS file
  FROM attribution a LEFT JOIN sample s ON s.id = a.sample LEFT JOIN dataset d ON d.id = s.dataset
  WHERE a.explanation IN (:left, :right) AND a.status = 'ok')
SELECT x.idx, x.target, x.input, x.id AS left, y.id AS right,
attribution_values(x.id) = attribution_values(y.id) AS same,
tensor_cosine(attribution_values(x.id), attribution_values(y.id)) AS cosine,
tensor_spearman(attribution_values(x.id), attribution_values(y.id)) AS spearman,
tensor_topk_iou(attribution_values(x.id), attribution_values(y.id), :k) AS overlap,
tensor_maxdiff(attribution_values(x.id), attribution_values(y.id)) AS greatest
FROM side x JOIN side y ON x.explanation = :left AND y.explanation = :right
AND x.idx IS y.idx AND x.target IS y.target AND x.input IS y.input AND x.file IS y.file
ORDER BY cosine IS NULL, cosine, greatest DESC, x.seq]]

local TOP = 5

local function mean_and_least(rows, field)
  local sum, n, least = 0, 0, nil
  for _, row in ipairs(rows) do
    local value = row[field]
    if value then
      sum, n = sum + value, n + 1
      least = (not least or value < least) and value or least
    end
  end
  return n > 0 and sum / n or nil, least
end

local function by_label(list)
  local by = {}
  for _, one in ipairs(list) do by[one.label] = one end
  return by
end

local function note(section, ...)
  section.notes = section.notes or {}
  section.notes[#section.notes + 1] = (...):format(select(2, ...))
end

local function number(name) return { name = name, right = true } end

-- Adds what one explanation says of runs 1 and r to the two sections.
local function compare_one(store, runs, r, a, b, context, summary, worst)
  local rows = core.store_rows(store, PAIRS, { left = a.id, right = b.id, k = TOP })
  local same, greatest = 0, 0
  for _, row in ipairs(rows) do
    same = same + (row.same or 0)
    greatest = math.max(greatest, row.greatest or 0)
  end
  local most = math.max(a.n, b.n)
  if #rows < most then
    note(summary, "%s: %d of %d attributions have no partner in %s (another sample or target)", a.label,
      most - #rows, most, runs[r].name)
  end
  if #rows == 0 then return end
  local cosine, least_cosine = mean_and_least(rows, "cosine")
  local spearman, least_spearman = mean_and_least(rows, "spearman")
  local overlap = mean_and_least(rows, "overlap")
  summary.rows[#summary.rows + 1] = { a.label, runs[r].name, #rows, same, cosine, least_cosine, spearman,
    least_spearman, overlap, greatest }
  local shown = 0
  for _, row in ipairs(rows) do
    if row.same ~= 1 and shown < context.limit then
      shown = shown + 1
      worst.rows[#worst.rows + 1] = { row.input and a.label .. "." .. row.input or a.label, runs[r].name, row.idx, row.target, row.cosine, row.spearman,
        row.overlap, row.greatest }
    end
  end
  context.worst[a.label] = context.worst[a.label] or {}
  for i = 1, math.min(context.limit, #rows) do
    table.insert(context.worst[a.label], rows[i].idx)
  end
end

-- Two sections: a line an explanation, and the samples on which the runs agree least, worst first.
function attributions.sections(store, runs, context)
  local summary = { title = "attributions", key = "attributions", rows = {}, columns = {
    { name = "explanation" }, { name = "of" }, number "pairs", number "same bits", number "cosine",
    number "least", number "spearman", number "least", number("top " .. TOP), number "greatest |difference|" } }
  local worst = { title = "samples on which they differ most", key = "worst", rows = {}, columns = {
    { name = "explanation" }, { name = "of" }, number "row", number "target", number "cosine",
    number "spearman", number("top " .. TOP), number "greatest |difference|" } }
  summary.columns[6].name, summary.columns[8].name = "least cosine", "least spearman"
  local first = core.store_rows(store, EXPLANATIONS, { run = runs[1].id })
  context.worst, context.common = {}, {}
  for r = 2, #runs do
    local others = core.store_rows(store, EXPLANATIONS, { run = runs[r].id })
    local other, mine = by_label(others), by_label(first)
    for _, a in ipairs(first) do
      local b = other[a.label]
      if not b then
        note(summary, "%s: not in %s", a.label, runs[r].name)
      elseif a.bytes ~= b.bytes and a.n > 0 and b.n > 0 then
        note(summary, "%s: the attributions of %s have another size", a.label, runs[r].name)
      elseif a.n > 0 and b.n > 0 then
        compare_one(store, runs, r, a, b, context, summary, worst)
        context.common[a.label] = context.common[a.label] or { a.id }
        table.insert(context.common[a.label], b.id)
      end
    end
    for _, b in ipairs(others) do
      if not mine[b.label] then note(summary, "%s: not in %s", b.label, runs[1].name) end
    end
  end
  if #summary.rows > 0 and #worst.rows == 0 then note(summary, "every pair has the same bits") end
  return summary, worst
end

return attributions
