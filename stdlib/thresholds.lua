-- Thresholds by rule: where class 1 begins is chosen on the validation rows, where there are some, else on
-- the training rows; never on those that are evaluated.
--
--   "youden"      the greatest TPR - FPR
--   "f1"          the greatest f1 of class 1
--   "rate:0.1"    the share of rows predicted as class 1 that is nearest to 0.1
--
-- Among equals the highest. A threshold is one of the scores: class 1 is predicted from it on, rows count
-- by their weight. Cost: a sort of the rows.
local core = require "core"
local log = require "log"

local thresholds = {}

function thresholds.is_rule(value) return type(value) == "string" end

-- The rule's number, true where it has none, or nil: no rule.
function thresholds.parse(text)
  if text == "youden" or text == "f1" then return true end
  local share = tonumber(text:match("^rate:([%d.]+)$"))
  return share and share > 0 and share < 1 and share or nil
end

-- How good a threshold is with these weights of rows from it on: of class 1 (hit), in all (said).
local function worth(rule, share, hit, said, positive, total)
  if rule == "youden" then
    local negative = total - positive
    return (positive > 0 and hit / positive or 0) - (negative > 0 and (said - hit) / negative or 0)
  elseif rule == "f1" then
    return 2 * hit / (said + positive)
  end
  return -math.abs(said / total - share)
end

-- scores, labels, weights: lists; the score of class 1. nil where scores are no numbers or nothing weighs.
function thresholds.choose(rule, scores, labels, weights)
  local order, positive, total = {}, 0.0, 0.0
  for i = 1, #scores do
    order[i] = i
    local weight = weights and weights[i] or 1
    total = total + weight
    if scores[i] ~= scores[i] then return nil end
    if labels[i] == 1 then positive = positive + weight end
  end
  table.sort(order, function(a, b)
    if scores[a] ~= scores[b] then return scores[a] > scores[b] end
    return a < b
  end)
  local share = thresholds.parse(rule)
  local best, at, hit, said = -math.huge, nil, 0.0, 0.0
  for place, i in ipairs(order) do
    local weight = weights and weights[i] or 1
    said = said + weight
    if labels[i] == 1 then hit = hit + weight end
    local last = order[place + 1] == nil or scores[order[place + 1]] ~= scores[i]
    if last then -- equal scores are one threshold
      local value = worth(rule, share, hit, said, positive, total)
      if value > best then best, at = value, scores[i] end
    end
  end
  return at
end

-- The options with the number that the rule gives on `input`, and the params to store: the number, the
-- rule, and the rows it was chosen on.
function thresholds.resolved(node, input)
  local rule = node.options.threshold
  local both, scores = core.lists(input.scores), {}
  for i, row in ipairs(both) do scores[i] = row[2] end
  local options, params = {}, log.plain(node.options)
  for name, value in pairs(node.options) do options[name] = value end
  local found = thresholds.choose(rule, scores, core.lists(input.labels),
    input.weights and core.lists(input.weights))
  options.threshold = found or 0.5 -- without one the metric itself says what is wrong with the scores
  params.threshold, params.threshold_rule, params.threshold_rows = found, rule, input.split
  return options, core.json(params)
end

-- Options with some number in place of a rule, for checks.
function thresholds.placeholder(options)
  if not thresholds.is_rule(options.threshold) then return options end
  local copy = {}
  for name, value in pairs(options) do copy[name] = value end
  copy.threshold = 0.5
  return copy
end

return thresholds
