-- `lunette compare RUN RUN ...`: what differs between runs, from the store alone. The first run is the
-- reference; each other one is compared with it.
local core = require "core"
local fail = require "fail"
local document = require "compare/document"
local setup = require "compare/setup"
local metrics = require "compare/metrics"
local attributions = require "compare/attributions"

local compare = {}

local function runs_of(store, options)
  local runs, seen = {}, {}
  for i, text in ipairs(options.operands) do
    local id = core.store_find_run(store, text)
    if seen[id] then
      fail.raise { message = ("'%s' and '%s' are the same run, %d"):format(seen[id], text, id) }
    end
    seen[id] = text
    runs[i] = { id = id, name = "run " .. id }
  end
  return runs
end

-- --fail-above metric=delta -> { label, delta }
local function limits_of(options)
  local limits = {}
  for i, text in ipairs(options.fail_above) do
    local label, delta = text:match("^([%w_.-]+)=(.+)$")
    delta = tonumber(delta)
    if not delta or delta ~= delta or delta < 0 then
      fail.raise { field = "--fail-above " .. text,
                   message = "expected METRIC=DELTA with DELTA from 0, such as roc_auc=0.01" }
    end
    limits[i] = { label = label, delta = delta }
  end
  return limits
end

-- A section of what got worse than --fail-above allows; whether anything did.
local function judge_limits(limits, losses)
  local section = { title = "limits", key = "limits", rows = {}, columns = { { name = "metric" },
    { name = "of" }, { name = "from", right = true }, { name = "to", right = true },
    { name = "worse by", right = true }, { name = "allowed", right = true }, { name = "verdict" } } }
  local failed = false
  for _, limit in ipairs(limits) do
    local found, labels = false, {}
    for _, one in ipairs(losses) do
      labels[#labels + 1] = one.label
      if one.label == limit.label then
        found = true
        local bad = one.loss == nil or one.loss > limit.delta
        failed = failed or bad
        section.rows[#section.rows + 1] = { one.name, one.run, one.from, one.to, one.loss and
          math.max(one.loss, 0), limit.delta, bad and "exceeded" or "kept" }
      end
    end
    if not found then
      fail.raise { field = "--fail-above " .. limit.label,
                   message = "the runs have no metric or judge of this label in common",
                   hint = fail.nearest(limit.label, labels) }
    end
  end
  return section, failed
end

function compare.main(options)
  local store <close> = core.store(options.db, "read")
  local runs, limits = runs_of(store, options), limits_of(options)
  local format = options.format or "table"
  if format ~= "table" and format ~= "md" and format ~= "json" then
    fail.raise { field = "--format " .. format, message = "'lunette compare' prints table, md or json" }
  end
  local context = { ci = 0.95, seed = 0, losses = {}, pool = core.pool(options.threads),
                    limit = options.limit >= 0 and options.limit or 5 }
  local all, sections = options.all, {}
  local function add(section)
    if #section.rows > 0 or section.notes and #section.notes > 0 or section.lines and #section.lines > 0 then
      sections[#sections + 1] = section
    end
  end
  add(setup.runs(store, runs, all))
  for _, part in ipairs { setup.sources, setup.data, setup.model, setup.params, setup.environment } do
    add(part(store, runs, all))
  end
  add(metrics.model(store, runs, context))
  add(metrics.judges(store, runs, context))
  local summary, worst = attributions.sections(store, runs, context)
  add(summary)
  add(worst)
  local section, failed = judge_limits(limits, context.losses)
  add(section)
  document.print(sections, format)
  if options.output then
    require("compare/pictures").draw(store, runs, context, options)
  end
  return failed and 3 or 0
end

return compare
