-- What an explainer says itself of each attribution, in the form of a judge's rows: of the model that it fitted how
-- well it fits, of an attack whether it succeeded, of a rule how often it holds and how wide it is.

local core = require "core"
local findings = {}

local FIT, SUCCESS = "local_r2", "success"
local PRECISION, COVERAGE = "anchor_precision", "anchor_coverage"
local CONSTANT, NO_NUMBER = "the output is the same around the row", "the loss is not a number"
local NO_DECISION = "the output for the row is not a number"

local function names_of(entry)
  local flags = entry.node.flags
  if not flags.has_fit then return {} end
  return flags.attacks and { SUCCESS } or flags.has_rule and { PRECISION, COVERAGE } or { FIT }
end

local function why_none(entry)
  local flags = entry.node.flags
  return flags.attacks and NO_NUMBER or flags.has_rule and NO_DECISION or CONSTANT
end

-- Sums for the means of all attributions, by name; `short` counts rules that fall short.
function findings.start(entry)
  entry.findings = { short = { count = 0 } }
  for _, name in ipairs(names_of(entry)) do entry.findings[name] = { total = 0, n = 0 } end
end

-- One value more, of a stored attribution too; why it falls short, or nil.
function findings.add(entry, name, value, reason)
  local sum = entry.findings[name]
  if not sum or not value or value ~= value then return end
  sum.total, sum.n = sum.total + value, sum.n + 1
  local short = entry.findings.short
  if reason and name == PRECISION then short.count, short.first = short.count + 1, short.first or reason end
end

local function row_of(name, values) return { name = name, label = name, params = "{}", higher_is_better = 1,
  values = values, reasons = {} } end

-- The rule's words stand in the parameters of its precision, whose interval and number of draws are the row's own.
local function rule_rows(rules, precision)
  local about, width = row_of(PRECISION, precision), row_of(COVERAGE, {})
  about.own_params, about.lower, about.upper, about.n = {}, {}, {}, {}
  for i, rule in ipairs(rules) do
    width.values[i] = rule.coverage
    about.lower[i], about.upper[i], about.n[i] = rule.lower, rule.upper, rule.draws
    about.own_params[i] = rule.text and core.json { rule = rule.text } or "{}"
    about.reasons[i] = rule.note
  end
  return { about, width }
end

-- Rows for a piece of attributions; failed: why some have no values, by place.
function findings.rows(entry, result, failed)
  local values = core.explained_fit(result)
  if not values then return {} end
  local rules = core.explained_rules(result)
  local rows = rules and rule_rows(rules, values) or { row_of(names_of(entry)[1], values) }
  for _, row in ipairs(rows) do
    for i, value in ipairs(row.values) do
      if value ~= value then row.reasons[i] = failed[i] or why_none(entry) end
      findings.add(entry, row.name, value, row.reasons[i])
    end
  end
  return rows
end

-- { name, sum } of each, in order.
function findings.sums(entry)
  local list = {}
  for i, name in ipairs(names_of(entry)) do list[i] = { name = name, sum = entry.findings[name] } end
  return list
end

return findings
