-- `lunette run --resume RUN`: a run that was interrupted or failed is continued as a new run, from the
-- stored script. The model is trained again (training is deterministic), from its last checkpoint on where
-- there is one; pieces of explanations that
-- were finished are kept, with the same tensors; the rest is computed. The result has the bits of a run
-- that nobody disturbed.
--
-- Pieces are kept only where they are what this program would compute: the same identity (sources,
-- parameters, content of files, version), build and instruction set, and the same model after training.
local core = require "core"
local fail = require "fail"
local findings = require "findings"
local log = require "log"

local resume = {}

-- ---------------------------------------------------------------------------- during the run

-- The model is trained: is it the interrupted run's? It had none where it did not come that far.
function resume.model(context, bound)
  local kept = context.resume
  if not kept then return end
  local row = core.store_rows(context.store,
    "SELECT m.sha256 FROM run_model r JOIN model m ON m.id = r.model WHERE r.run = :run",
    { run = kept.run })[1]
  if row and row.sha256 ~= bound.made.sha256 then
    resume.nothing(context, "training gave another model")
  end
end

-- The state that the interrupted run's training had reached and the reports of its epochs, or nil.
function resume.training(context)
  local kept = context.resume
  if not kept then return nil end
  local row = core.store_rows(context.store,
    "SELECT epoch, state, sha256, numbers FROM checkpoint WHERE run = :run", { run = kept.run })[1]
  if not row then return nil end
  local numbers = core.tensor("f32", { #row.numbers // 4 }, row.numbers)
  if core.tensor_sha256(numbers) ~= row.sha256 then
    resume.nothing(context, "the state of its training was changed in the store")
    return nil
  end
  local state = core.json_parse(row.state)
  state.epoch, state.numbers, kept.epochs = row.epoch, numbers, row.epoch
  return state, state.epochs
end

-- Says why nothing is kept.
function resume.nothing(context, why)
  context.resume = nil
  local text = "nothing is kept of the run that is resumed: " .. why
  if context.run_id then log.event(context.store, context.run_id, "info", text) end
  if not context.options.quiet then core.err("lunette: ", text, "\n") end
end

local EXPLANATION = [[
SELECT id, coalesce(evaluations, 0) AS evaluations, coalesce(elapsed_ns, 0) AS elapsed_ns
FROM explanation WHERE run = :run AND label = :label AND params_sha256 = :params]]

-- The row at which each piece starts, and its attribution: the first, where the model has several inputs and a
-- row an attribution to each.
local PIECES = [[
SELECT a.seq, a.id, (SELECT count(*) FROM attribution b WHERE b.id BETWEEN a.id AND a.id + :rows - 1
AND b.explanation = :explanation) AS rows FROM attribution a
WHERE a.explanation = :explanation AND a.tensor_row = 0 ORDER BY a.id DESC]]

local VERDICTS = [[
SELECT m.label, m.value, m.reason FROM metric m WHERE m.attribution BETWEEN :first AND :last ORDER BY m.id]]

-- What the judges said of a kept piece goes into their means, in the order in which they said it.
local function add_verdicts(context, bound, entry, first, rows)
  local by = {}
  for _, judge in ipairs(bound.judge) do by[judge.node.label] = judge.sums[entry] end
  for _, row in ipairs(core.store_rows(context.store, VERDICTS,
    { first = first, last = first + rows - 1 })) do
    local sum = by[row.label]
    if sum and row.value then sum.total, sum.n = sum.total + row.value, sum.n + 1 end
    findings.add(entry, row.label, row.value, row.reason)
  end
end

-- What the interrupted run has of an explanation, or nil: { evaluations, elapsed_ns, piece }, where
-- piece(bound, first, rows) keeps a finished piece and says whether there was one.
function resume.explanation(context, entry, explanation)
  local kept, store = context.resume, context.store
  if not kept then return nil end
  local old = core.store_rows(store, EXPLANATION, { run = kept.run, label = entry.node.label,
    params = core.sha256(log.params_json(entry.node)) })[1]
  if not old then return nil end
  local starts
  old.rows = 0 -- attributions that were kept
  function old.piece(bound, first, rows)
    local stored = rows * (entry.parts and #entry.parts or 1)
    if not starts then
      starts = {}
      for _, row in ipairs(core.store_rows(store, PIECES, { explanation = old.id, rows = stored })) do
        starts[row.seq] = row
      end
    end
    local found = starts[first]
    if not found or found.rows < stored then return false end
    core.store_begin(store)
    local ok, first_id = pcall(core.store_keep_piece, store, { from = old.id, first_id = found.id,
      count = stored, run = context.run_id, to = explanation })
    if not ok then
      core.store_rollback(store)
      error(first_id, 0)
    end
    core.store_update(store, "explanation", explanation,
      { evaluations = old.evaluations, elapsed_ns = old.elapsed_ns })
    core.store_commit(store)
    add_verdicts(context, bound, entry, first_id, rows)
    kept.attributions, old.rows = kept.attributions + rows, old.rows + rows
    return true
  end
  return old
end

-- ------------------------------------------------------------------------------- the command

local function refuse(message, hint)
  fail.raise { message = message, hint = hint, status = 2 }
end

local function check_status(run)
  if run.status == "ok" then
    refuse(("run %d is finished: there is nothing to resume"):format(run.id),
      ("`lunette reproduce %d` runs it again and compares"):format(run.id))
  elseif run.status == "running" then
    refuse(("run %d is still running"):format(run.id))
  end
end

local function check_options(options)
  if #options.operands > 0 or #options.arguments > 0 then
    refuse("--resume takes the stored script and its arguments: give no other")
  elseif #options.set > 0 or options.seed or options.numerics or options.needed or options.confine
    or #options.allow > 0 then
    refuse("--resume takes the settings of the stored run: --set, --seed, --numerics, --needed, "
      .. "--confine and --allow do not go with it")
  end
end

-- Why pieces of the old run are not what this program would compute, or nil.
local function unlike(run, bound)
  local here = core.environment()
  if run.identity ~= bound.identity then
    return "its script or parameters mean something else to this version"
  elseif run.isa ~= here.isa then
    return ("it ran on %s, this is %s"):format(run.isa or "another instruction set", here.isa)
  elseif run.build ~= here.build then
    return "it was made by another build of Lunette"
  end
end

function resume.main(options)
  local M, report, stored = require "run", require "report", require "stored"
  check_options(options)
  fail.trace = options.trace
  local store <close> = core.store(options.db, "write")
  local run = stored.read(store, core.store_find_run(store, options.resume))
  check_status(run)
  local folder <close> = require("scratch").folder()
  local moved = {}
  local wrong = stored.check_files(store, run, moved, folder.make)
  if #wrong > 0 then
    stored.print_wrong(wrong)
    return 4
  end
  local checked, sources, settings = stored.load(run, moved)
  local one, experiment = stored.find(store, run, checked)
  local context = M.context(options, sources, settings)
  context.store, context.parent_run = store, run.id
  stored.pin(store, run, context)
  if options.dry_run then
    core.print(require("plan").text({ experiment }))
    return 0
  end
  local bound = M.bind(one, context)
  context.resume = { run = run.id, attributions = 0 }
  local why = unlike(run, bound)
  if why then resume.nothing(context, why) end
  local id = M.execute(one, bound, context)
  if not options.quiet then
    report.run(store, id, one, 1, 1)
    local kept = context.resume or { attributions = 0 }
    core.print(("\nresumed run %d: %s%d attributions were kept\n"):format(run.id,
      kept.epochs and ("%d epoch%s of training and "):format(kept.epochs, kept.epochs == 1 and "" or "s")
      or "", kept.attributions))
  end
  local held = true
  if #experiment.runs == 1 then
    held = M.expectations(experiment, { id }, context)
  elseif not options.quiet and #experiment.expect > 0 then
    core.print(("what the experiment expects of its %d runs is judged by `lunette run %s --needed`\n")
      :format(#experiment.runs, settings.script))
  end
  if not options.quiet then report.closing(store, { id }) end
  return held and 0 or 3
end

return resume
