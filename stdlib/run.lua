-- Executes what schema.lua has checked: binds every run, then for each one trains, predicts,
-- evaluates, explains and judges, and writes each finished piece to the store. Expectations come
-- after all runs of their experiment. Returns the exit status of `lunette run`.
local core = require "core"
local fail = require "fail"
local bind = require "bind"
local bounds = require "bounds"
local diagnosis = require "diagnosis"
local findings = require "findings"
local log = require "log"
local measure = require "measure"
local own = require "own"
local randomisation = require "randomisation"
local references = require "references"
local pictures = require "pictures"
local expect = require "expect"
local report = require "report"
local resume = require "resume"

local M = {}

-- Attributions in one piece, some 256: fixed by their width alone, since the tensors of a run are its
-- identity. That number whose tensor leaves the least of the store's pages empty, if it spares a hundredth.
local PIECE_ROWS, AROUND, PIECE_NUMBERS, ROW_BYTES = 256, 64, 1 << 20, 128
local function best_rows(width)
  local function bytes(rows) return core.store_tensor_bytes(rows * width * 4) / rows + ROW_BYTES end
  local most = math.max(16, math.min(PIECE_ROWS, PIECE_NUMBERS // math.max(1, width)))
  if most < PIECE_ROWS then return most end
  local best = PIECE_ROWS
  for rows = PIECE_ROWS + AROUND, PIECE_ROWS - AROUND, -1 do
    if bytes(rows) < 0.99 * bytes(best) then best = rows end
  end
  return best
end

local pieces = {} -- by width
local function piece_rows(width)
  pieces[width] = pieces[width] or best_rows(width)
  return pieces[width]
end

-- --------------------------------------------------------------------------------------- training

local function training_key(run)
  return "trained:" .. core.json(log.plain { run.data, run.model, run.train, run.seed, run.task or "" })
end

-- Trains, from the state `start` on where there is one, telling `each` of every epoch; without it what
-- training would refuse is raised.
local function train_model(run, bound, pool, each, start)
  local function set(rows)
    return rows and { x = core.model_encode(bound.model, bound.data.dataset, rows),
                      labels = core.dataset_labels(bound.data.dataset, rows),
                      weights = core.dataset_weights(bound.data.dataset, rows) }
  end
  fail.within(run, "train", core.train, bound.model, { options = run.train, seed = run.seed, pool = pool, each = each, start = start,
      train = set(bound.train_rows), validation = set(bound.validation_rows) })
end

-- Says what is new about the network in its last epoch, and keeps it.
local function tell_news(run, context, epoch, known)
  for _, text in ipairs(diagnosis.news(epoch, known)) do
    log.event(context.store, context.run_id, "warning", text)
    core.progress()
    if not context.options.quiet then core.err(("lunette: %s: %s\n"):format(run.experiment, text)) end
  end
end

local function train(run, bound, context)
  local shared, key = context.shared, training_key(run)
  local known = {}
  if shared[key] then
    bound.model = shared[key].model
    for _, epoch in ipairs(shared[key].epochs) do tell_news(run, context, epoch, known) end
    return shared[key].epochs
  end
  local start, epochs = resume.training(context)
  local total = run.train.epochs
  epochs = epochs or {}
  for _, epoch in ipairs(epochs) do tell_news(run, context, epoch, known) end
  train_model(run, bound, context.pool, function(epoch, state)
    for _, one in ipairs(epochs[#epochs] and epochs[#epochs].layers or {}) do one.bins = nil end
    epochs[#epochs + 1] = epoch
    diagnosis.judge(epoch.layers)
    tell_news(run, context, epoch, known)
    if state then log.checkpoint(context.store, context.run_id, epochs, state) end
    core.progress(epoch.epoch, total, ("%s: training, loss %.4f"):format(run.experiment, epoch.loss))
  end, start)
  core.progress()
  shared[key] = { model = bound.model, epochs = epochs }
  return epochs
end

-- ------------------------------------------------------------------------------------ explanation

-- Why the judge can say nothing of the explanation, or nil: of a layer's numbers it says only what it sees
-- in them, of a hidden unit's nothing that the model has to answer.
local function no_concern(node, entry)
  local asks = node.own or node.flags.needs_model
  if node.flags.explains_again then
    local no = randomisation.no_concern(entry)
    if no then return no end
  end
  if entry.node.flags.attacks and (asks or node.flags.takes_mask or node.flags.explains_again) then
    return "it judges attributions, and this one is an attacked input"
  elseif entry.players and (asks or node.flags.takes_mask) then
    return "it judges attributions of single features, and this one is of pairs"
  elseif entry.space == "layer" and (asks or node.flags.takes_mask) then
    return "it judges attributions of inputs, and this one is of a layer"
  elseif entry.neuron and asks then
    return "it judges attributions of an output, and this one is of a hidden unit"
  end
end

local function undefined(count, reason)
  local values, reasons = {}, {}
  for i = 1, count do values[i], reasons[i] = 0 / 0, reason end
  return values, reasons
end

-- Values of samples into their sum; NaN is none.
local function take(sum, values)
  for i = 1, #values do
    if values[i] == values[i] then sum.total, sum.n = sum.total + values[i], sum.n + 1 end
  end
end

-- What every judge says of a piece of attributions: one value a sample, and why where there is none. `piece` says
-- which items it has, and how it was made.
local function judge_piece(run, bound, entry, context, result, piece)
  local rows, own_rows = {}, findings.rows(entry, result, core.explained_reasons(result))
  for _, judge in ipairs(bound.judge) do
    local node = judge.node
    local values, reasons
    local no = no_concern(node, entry)
    if no then
      values, reasons = undefined(core.piece_count(result), no)
    elseif node.own then
      values, reasons = own.judge(node, run, bound, entry, result)
    else
      local other = node.flags.explains_again
        and randomisation.piece(node, run, bound, entry, context.pool, piece) or nil
      values, reasons = fail.within(node, nil, core.judge, {
        judge = node.word, params = node.options, model = bound.model, link = entry.link,
        x = bound.x, items = result, other = other, shape = piece.shape, baseline = judge.baseline,
        unit_of = not entry.players and (entry.groups or entry.sum_over) or nil, mask = judge.masks and judge.masks[entry],
        seed = run.seed, pool = context.pool })
    end
    rows[#rows + 1] = { name = node.word, label = node.label, params = log.params_json(node),
      higher_is_better = node.higher_is_better and 1 or 0, values = values, reasons = reasons }
    take(judge.sums[entry], values)
  end
  return table.move(own_rows, 1, #own_rows, #rows + 1, rows)
end

local function mean_row(explanation, sum, row)
  row.scope, row.explanation, row.n = "explanation", explanation, sum.n
  row.value = sum.n > 0 and sum.total / sum.n or nil
  row.status = sum.n > 0 and "ok" or "undefined"
  row.reason = sum.n == 0 and "undefined for every sample" or nil
  return row
end

local function judge_means(bound, entry, explanation)
  local rows = {}
  for i, judge in ipairs(bound.judge) do
    local node = judge.node
    rows[i] = mean_row(explanation, judge.sums[entry], { name = node.word, label = node.label,
      params = log.params_json(node), higher_is_better = node.higher_is_better and 1 or 0 })
  end
  for _, own_one in ipairs(findings.sums(entry)) do
    rows[#rows + 1] = mean_row(explanation, own_one.sum, { name = own_one.name, label = own_one.name, params = "{}",
      higher_is_better = 1 })
  end
  return rows
end

-- A function of (first item, number of items) that gives the piece: computed by the explainer's job, or
-- cut from what the script brought (then there is no job), in a file or by a function. Of the latter
-- also the reasons of rows without values, and what it had the model evaluate.
local function piece_maker(run, bound, entry, targets, job, context, sums)
  local shape = sums.shape
  if job then
    return function(first, rows, progress)
      sums.progress = progress
      return core.job_run(job, first, rows, sums)
    end
  end
  local outputs = core.forward(bound.model, entry.link, bound.x, context.pool)
  local node = entry.node
  if node.own then entry.values = core.fill("f32", { bound.count * bound.per_row, entry.width }, 0) end
  return function(first, rows)
    local reasons, evaluations
    if node.own then
      reasons, evaluations = own.explain(node, run, bound, entry, targets, first, rows)
    end
    return core.precomputed { model = bound.model, link = entry.link, values = entry.values,
      outputs = outputs, targets = targets, per_row = bound.per_row, first = first, count = rows,
      shape = shape },
      reasons, evaluations
  end
end

-- What is bound, with what the attack made of the rows in their place. Attacks draw nothing: the rows are those
-- that the attack's own explanation has stored, or will.
local function attacked(run, bound, attack, targets, context)
  bound.attacked = bound.attacked or {}
  if not bound.attacked[attack] then
    local job <close> = references.job(run, bound, attack, targets, context.pool)
    bound.attacked[attack] = core.explained_rows(fail.within(attack.node, nil, core.job_run, job, 0, bound.count, {}))
  end
  return setmetatable({ x = bound.attacked[attack] }, { __index = bound })
end

local function warn(run, context, text)
  log.event(context.store, context.run_id, "warning", text)
  if not context.options.quiet then core.err(("lunette: %s: %s\n"):format(run.experiment, text)) end
end

-- Rows that could not be explained are in the store with their reasons; the run says how many there are.
local function tell_failures(run, context, entry, failures, count)
  local short = entry.findings.short
  local function tell(of, what)
    if of.count == 0 then return end
    warn(run, context, ("%s: %d of %d %s: %s"):format(entry.node.label, of.count, count, what, of.first))
  end
  tell(failures, "attributions could not be computed")
  tell(short, "attributions fall short of what was asked for")
end

local function explain(run, bound, entry, seq, targets, context)
  if entry.attack then bound = attacked(run, bound, entry.attack, targets, context) end
  local store, run_id, started = context.store, context.run_id, core.clock()
  local explanation = log.explanation(store, run_id, seq, entry)
  for _, judge in ipairs(bound.judge) do judge.sums[entry] = { total = 0, n = 0 } end
  findings.start(entry)
  local beyond = not bound.explained and not entry.values and bounds.beyond(entry.node, bound.x)
  if beyond then warn(run, context, beyond) end
  local job <close> = not entry.values and not entry.node.own
    and references.job(run, bound, entry, targets, context.pool) or nil
  local sums = { sum_over = entry.sum_over, columns = entry.sum_over and entry.width or nil,
    shape = entry.players and { entry.players, entry.players } or entry.space == "input" and bound.shape
      or entry.space == "layer" and entry.shape or nil }
  local piece_of = piece_maker(run, bound, entry, targets, job, context, sums)
  local per_row = entry.per_row or bound.per_row
  local count, piece = bound.count * per_row, piece_rows(entry.width)
  local before = context.submitted
  local target_ids = entry.untargeted and core.fill("i64", { count }, -1)
    or core.stored_targets(bound.model, targets)
  local item_rows = core.tensor_spread(bound.row_ids, per_row, 1)
  local kept = resume.explanation(context, entry, explanation)
  local evaluations = kept and kept.evaluations or 0
  if kept then started = started - kept.elapsed_ns end
  local text = ("%s: %s"):format(run.experiment, entry.node.label)
  local failures = { count = 0 }
  local function in_store() return math.max(0, core.store_written(store) - before + (kept and kept.rows or 0)) end
  for first = 0, count - 1, piece do
    local rows = math.min(piece, count - first)
    if not (kept and kept.piece(bound, first, rows)) then
      local result <close>, reasons, asked = fail.within(entry.node, nil, piece_of, first, rows,
        { done = in_store(), total = count, text = text })
      local samples = core.tensor_take(bound.samples, core.tensor_rows(item_rows, first, rows))
      local verdicts = judge_piece(run, bound, entry, context, result, { first = first, rows = rows,
        targets = targets, sums = sums, shape = sums.shape or entry.shape, again = {} })
      evaluations = evaluations + core.explained_evaluations(result) + (asked or 0)
      local reasons_of = core.explained_reasons(result)
      for i = 1, rows do
        if reasons_of[i] then failures.count, failures.first = failures.count + 1, failures.first or reasons_of[i] end
      end
      log.piece(store, run_id, explanation, entry, first, { samples = samples, reasons = reasons,
        targets = core.tensor_rows(target_ids, first, rows) }, result, verdicts,
        { evaluations = evaluations, elapsed_ns = core.clock() - started })
      context.submitted = context.submitted + rows
    end
    if job then core.job_progress(job, in_store(), count, text) else core.progress(in_store(), count, text) end
  end
  core.progress()
  tell_failures(run, context, entry, failures, count)
  log.explained(store, run_id, explanation, judge_means(bound, entry, explanation), evaluations,
    core.clock() - started)
  return explanation
end

-- ------------------------------------------------------------------------------------------- runs

-- Scores that come from a file are in that file: above this many rows the store does not repeat them.
local SCORE_ROWS = 200000

local function execute_scores(run, bound, context)
  if bound.count <= SCORE_ROWS then
    log.data(context.store, context.run_id, bound)
    log.predictions(context.store, context.run_id, bound, bound.row_ids, bound.scores, bound.scores,
      bound.labels)
  else
    log.event(context.store, context.run_id, "info", ("%d scores are evaluated and not kept as "
      .. "rows (kept up to %d): they are in %s"):format(bound.count, SCORE_ROWS, bound.score_file.path))
  end
  log.metrics(context.store, context.run_id,
    measure.model(run, { scores = bound.scores, labels = bound.labels }, nil, context))
end

-- Inputs of whole numbers beside real ones are no part of any explanation: said once a run.
local function tell_held(bound, context)
  local held = bound.explained and bound.explained.held or {}
  if #held == 0 then return end
  local text = ("%s %s whole numbers, which are given and not explained: attributions are to the other inputs")
    :format(#held == 1 and ("the model's input '%s'"):format(held[1])
      or "the model's inputs '" .. table.concat(held, "', '") .. "'", #held == 1 and "takes" or "take")
  log.event(context.store, context.run_id, "info", text)
  if not context.options.quiet then core.err("lunette: ", text, "\n") end
end

-- One model at a time keeps what its next explainer may use: what the one before kept goes.
local function turn_to(model, context)
  if context.model and context.model ~= model then core.model_forget(context.model) end
  context.model = model
end

local function execute_model(run, bound, context)
  local store, run_id, pool = context.store, context.run_id, context.pool
  if run.train then
    local epochs = train(run, bound, context)
    log.training(store, run_id, epochs, core.tensor_info(bound.train_rows).count)
  end
  turn_to(bound.model, context)
  core.model_numerics(bound.model, run.numerics) -- the model may be other runs' too
  log.model(store, run_id, bound)
  resume.model(context, bound)
  local raw = core.forward(bound.model, "raw", bound.x, pool)
  local scores = core.scores(bound.model, bound.x, pool)
  log.predictions(store, run_id, bound, bound.row_ids, raw, scores, bound.labels)
  if #run.evaluate > 0 then
    if bound.data then
      local data, rows = bound.data.dataset, bound.test_rows
      local x = core.model_encode(bound.model, data, rows)
      local test_scores = core.scores(bound.model, x, pool)
      local rest = core.without(rows, bound.row_ids) -- evaluated, not explained
      if rest then
        local rest_x = core.model_encode(bound.model, data, rest)
        log.predictions(store, run_id, bound, rest, core.forward(bound.model, "raw", rest_x, pool),
          core.scores(bound.model, rest_x, pool), core.dataset_labels(data, rest))
      end
      local function input(split, ids, made)
        return { split = split, scores = made or core.scores(bound.model,
                   core.model_encode(bound.model, data, ids), pool),
                 labels = core.dataset_labels(data, ids), weights = core.dataset_weights(data, ids) }
      end
      log.metrics(store, run_id, measure.model(run, input("test", rows, test_scores), "test", context,
        { data = data, rows = rows, elsewhere = function()
          if bound.validation_rows then return input("validation", bound.validation_rows) end
          return input("train", bound.train_rows)
        end }))
    else
      log.metrics(store, run_id, measure.model(run, { scores = scores, labels = bound.labels }, nil, context))
    end
  end
  if #run.explain > 0 then
    tell_held(bound, context)
    local targets = bound.target(raw)
    bound.watch = references.watch(run, bound)
    for seq, entry in ipairs(bound.explain) do explain(run, bound, entry, seq, targets, context) end
  end
end

local function execute(run, bound, context)
  context.run_id = log.start(context.store, run, bound, context)
  if bound.scores then
    execute_scores(run, bound, context)
  else
    if bound.model and bound.data then
      bound.x = core.model_encode(bound.model, bound.data.dataset, bound.row_ids)
    end
    log.data(context.store, context.run_id, bound)
    if bound.model then execute_model(run, bound, context) end
  end
  if not context.reproduces_run then pictures.draw(context.store, context.run_id, run.pictures) end
  log.finish(context.store, context.run_id, "ok")
  return context.run_id
end

-- The run that failed or was stopped keeps what it finished, and says why.
local function close_failed(context, err)
  local stopped = fail.interrupted(err) or type(err) == "table" and err.kind == "memory"
  pcall(core.store_rollback, context.store)
  pcall(core.store_settle, context.store)
  pcall(log.close_explanations, context.store, context.run_id, stopped and "interrupted" or "failed")
  pcall(log.finish, context.store, context.run_id, stopped and "interrupted" or "failed",
    fail.text(err))
end

local function guarded(run, bound, context)
  context.run_id = nil
  local ok, result = xpcall(execute, fail.traced, run, bound, context)
  core.progress()
  if not ok then
    if context.run_id then close_failed(context, result) end
    error(result, 0)
  end
  return result
end

-- What the runs of a process share. settings: how the script was asked for (log.lua keeps them).
function M.context(options, sources, settings)
  local pool = core.pool(options.threads)
  return { options = options, sources = sources, settings = settings,
           shared = { db = options.db, pool = pool }, invocation = core.uuid(), pool = pool,
           ids = {}, -- of each experiment's runs, by its name
           submitted = 0 } -- attributions given to the store
end

-- Everything that can be told before the run, which is then ready to be executed.
function M.bind(run, context)
  local bound = bind.run(run, context.shared, context.sources)
  if bound.model then turn_to(bound.model, context) end -- a hundred runs may be bound before the first starts
  pictures.ready(run.pictures)
  if run.train then train_model(run, bound) end -- only its checks
  return bound
end

-- Executes a bound run; its id.
M.execute = guarded

-- Judges what an experiment expects of its runs; whether all of it held.
function M.expectations(experiment, ids, context)
  local verdicts, held = expect.judge(experiment, ids, context), true
  if #verdicts == 0 then return true end
  log.expectations(context.store, context, experiment.name, verdicts)
  report.expectations(verdicts, context.options.quiet)
  for _, verdict in ipairs(verdicts) do held = held and verdict.held end
  return held
end

-- checked: what schema.check returned. options: of the command line. sources: script and modules.
function M.main(checked, options, sources, settings)
  local context = M.context(options, sources, settings)
  local bound, waiting = {}, {} -- waiting: how many runs a training still serves
  for e, experiment in ipairs(checked) do
    bound[e] = {}
    for r, run in ipairs(experiment.runs) do
      run.place = { experiment = e, run = r }
      bound[e][r] = M.bind(run, context)
      if run.train then
        local key = training_key(run)
        waiting[key] = (waiting[key] or 0) + 1
      end
    end
  end
  context.store = core.store(options.db, "write")
  local status = 0
  for e, experiment in ipairs(checked) do
    local ids = {}
    for r, run in ipairs(experiment.runs) do
      ids[r] = options.needed and log.find(context.store, bound[e][r].identity)
      if ids[r] then
        if not options.quiet then report.kept(context.store, ids[r]) end
      else
        ids[r] = guarded(run, bound[e][r], context)
        if not options.quiet then report.run(context.store, ids[r], run, #experiment.runs, r) end
      end
      bound[e][r] = false -- what the run held may go
      if run.train then
        local key = training_key(run)
        waiting[key] = waiting[key] - 1
        if waiting[key] == 0 then context.shared[key] = nil end
      end
    end
    if not options.quiet then report.several(context.store, experiment.runs, ids) end
    if not M.expectations(experiment, ids, context) then status = 3 end
    if not options.quiet then report.closing(context.store, ids) end
  end
  core.store_close(context.store)
  return status
end

return M
