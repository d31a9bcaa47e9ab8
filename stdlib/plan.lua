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

local function swept_text(swept)
  local names = {}
  for name in pairs(swept) do
    if name ~= "seed" then names[#names + 1] = name end
  end
  table.sort(names)
  for i, name in ipairs(names) do
    local value = swept[name]
    names[i] = ("%s = %s"):format(name, type(value) == "string" and value or fail.shown(value))
  end
  return table.concat(names, ", ")
end

local function file_text(node)
  if not node then return nil end
  if node.options.path then return ("%s %s"):format(node.word, node.options.path) end
  if node.word == "network" then
    local names = {}
    for i, layer in ipairs(node.options.layers) do names[i] = layer.word end
    return "network of " .. table.concat(names, ", ")
  end
  if node.word == "rows" then
    local options = node.options
    local text = "rows of the " .. options.split .. " split"
    if options.class ~= nil then text = text .. ", class " .. tostring(options.class) end
    if options.take then text = text .. ", the first " .. options.take end
    if options.sample then text = text .. ", " .. options.sample .. " drawn" end
    return text
  end
  return node.word
end

local function target_text(target)
  if target.value == nil then return target.kind end
  if target.kind == "list" then return ("a list of %d"):format(#target.value) end
  return tostring(target.value)
end

local function train_text(train)
  if not train then return nil end
  return ("%s, batches of %d, %s, %s"):format(counted(train.epochs, "epoch"), train.batch,
    train.optimizer.word, train.loss and train.loss.word or "the loss that fits the target")
end

local function list_text(nodes)
  if #nodes == 0 then return nil end
  return table.concat(labels.of(nodes), ", ")
end

local function run_lines(run, lines)
  local function add(name, text)
    if text then lines[#lines + 1] = ("    %-9s %s"):format(name, text) end
  end
  add("data", file_text(run.data))
  add("model", file_text(run.model))
  add("train", train_text(run.train))
  add("inputs", file_text(run.inputs))
  add("labels", file_text(run.labels))
  add("scores", file_text(run.scores))
  if #run.explain > 0 then add("target", target_text(run.target)) end
  add("evaluate", list_text(run.evaluate))
  add("explain", list_text(run.explain))
  add("judge", list_text(run.judge))
end

-- All runs and what each one does.
function plan.text(checked)
  local lines = { plan.summary(checked) }
  for _, experiment in ipairs(checked) do
    lines[#lines + 1] = ""
    lines[#lines + 1] = experiment.name
    for i, run in ipairs(experiment.runs) do
      local swept = swept_text(run.swept)
      lines[#lines + 1] = ("  run %d of %d: seed %d%s"):format(i, #experiment.runs, run.seed,
        swept ~= "" and ", " .. swept or "")
      run_lines(run, lines)
    end
    for _, node in ipairs(experiment.expect) do
      lines[#lines + 1] = "  expect " .. node.text
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

return plan
