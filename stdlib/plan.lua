-- What a checked script would do: the line of `lunette check`, and the plan of `run --dry-run`.
local fail = require "fail"
local labels = require "labels"

local plan = {}

local function counted(n, what, whats)
  return ("%d %s"):format(n, n == 1 and what or whats or what .. "s")
end

-- "1 experiment, 3 runs, 12 explanations, 6 metrics, 2 judges, 1 expectation"
function plan.summary(checked)
  local runs, explanations, metrics, judges, expectations = 0, 0, 0, 0, 0
  for _, experiment in ipairs(checked) do
    runs = runs + #experiment.runs
    expectations = expectations + #experiment.expect
    for _, run in ipairs(experiment.runs) do
      explanations = explanations + #run.explain
      metrics = metrics + #run.evaluate
      judges = judges + #run.judge
    end
  end
  local parts = { counted(#checked, "experiment"), counted(runs, "run") }
  local function add(n, what)
    if n > 0 then parts[#parts + 1] = counted(n, what) end
  end
  add(explanations, "explanation")
  add(metrics, "metric")
  add(judges, "judge")
  add(expectations, "expectation")
  return table.concat(parts, ", ")
end

local function shown(value) return type(value) == "string" and value or fail.shown(value) end

-- "seed = 3, model[1].units = 8"
local function swept_text(swept)
  local names = {}
  for name in pairs(swept) do names[#names + 1] = name end
  table.sort(names, function(a, b)
    if (a == "seed") ~= (b == "seed") then return a == "seed" end
    return a < b
  end)
  for i, name in ipairs(names) do names[i] = ("%s = %s"):format(name, shown(swept[name])) end
  return table.concat(names, ", ")
end

-- What a file, network or choice of rows is, in parts.
local function source_parts(node)
  if not node then return {} end
  local options = node.options
  if node.file then return { ("%s %s"):format(node.word, node.file) } end
  if node.word == "network" then
    local names = {}
    for i, layer in ipairs(options.layers) do names[i] = layer.word end
    return { "network of " .. table.concat(names, ", ") }
  end
  if node.word == "rows" then
    local parts = { "rows of the " .. options.split .. " split" }
    if options.class ~= nil then parts[#parts + 1] = "class " .. tostring(options.class) end
    if options.take then parts[#parts + 1] = "the first " .. options.take end
    if options.sample then parts[#parts + 1] = options.sample .. " drawn" end
    return parts
  end
  return { node.word }
end

local function target_parts(run)
  local target = run.target
  if #run.explain == 0 then return {} end
  if target.value == nil then return { target.kind } end
  if target.kind == "top" then return { "top " .. target.value } end
  if target.kind == "list" then return { ("a list of %d"):format(#target.value) } end
  return { tostring(target.value) }
end

local function train_parts(train)
  if not train then return {} end
  return { counted(train.epochs, "epoch"), ("batches of %d"):format(train.batch),
           train.optimizer.word, train.loss and train.loss.word or "loss by the target" }
end

-- The lines of a run: { name, parts }. Controls end the list of what is explained.
local function lines_of(run)
  local explain = table.move(run.explain, 1, #run.explain - #run.control, 1, {})
  return {
    { "data", source_parts(run.data) }, { "model", source_parts(run.model) },
    { "train", train_parts(run.train) }, { "inputs", source_parts(run.inputs) },
    { "labels", source_parts(run.labels) }, { "scores", source_parts(run.scores) },
    { "target", target_parts(run) }, { "evaluate", labels.of(run.evaluate) },
    { "explain", labels.of(explain) }, { "control", labels.of(run.control) },
    { "judge", labels.of(run.judge) },
  }
end

-- Parts that all runs have in a line: what differs is what was swept, and stands beside the run.
local function common(parts, line, all)
  local kept = {}
  for _, part in ipairs(parts) do
    local everywhere = true
    for _, other in ipairs(all) do
      local found = false
      for _, one in ipairs(other[line][2]) do found = found or one == part end
      everywhere = everywhere and found
    end
    if everywhere then kept[#kept + 1] = part end
  end
  return kept
end

local function add(lines, name, text)
  if text ~= "" then lines[#lines + 1] = ("  %-9s %s"):format(name, text) end
end

-- What an experiment's runs share, once, and then a line a run with what was swept.
local function experiment_lines(experiment, lines)
  local runs, all = experiment.runs, {}
  for i, run in ipairs(runs) do all[i] = lines_of(run) end
  if not runs[1].swept.seed then add(lines, "seed", tostring(runs[1].seed)) end
  for i, line in ipairs(all[1]) do
    add(lines, line[1], table.concat(common(line[2], i, all), ", "))
  end
  for _, node in ipairs(experiment.expect) do add(lines, "expect", node.text) end
  if #runs == 1 and next(runs[1].swept) == nil then return end
  for i, run in ipairs(runs) do add(lines, ("run %d"):format(i), swept_text(run.swept)) end
end

-- All experiments: what each one does, and its runs.
function plan.text(checked)
  local lines = { plan.summary(checked) }
  for _, experiment in ipairs(checked) do
    lines[#lines + 1] = ""
    lines[#lines + 1] = experiment.name
    experiment_lines(experiment, lines)
  end
  return table.concat(lines, "\n") .. "\n"
end

return plan
