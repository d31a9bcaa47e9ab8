-- `lunette reproduce RUN`: the stored script, its modules, settings and files, run again as a new run,
-- and compared with the stored one number by number.
local core = require "core"
local fail = require "fail"

local reproduce = {}

-- ------------------------------------------------------------------------ is the stored run whole?

-- Tensors that a run refers to, with what they are to it.
local TENSORS = [[
WITH used(id, what) AS (
  SELECT m.weights, 'weights of the model' FROM run_model r JOIN model m ON m.id = r.model
  WHERE r.run = :run
  UNION ALL SELECT input, 'inputs' FROM run_sample WHERE run = :run
  UNION ALL SELECT output, 'outputs' FROM prediction WHERE run = :run
  UNION ALL SELECT a.tensor, 'attributions of ' || e.label FROM explanation e
  JOIN attribution a ON a.explanation = e.id WHERE e.run = :run
  UNION ALL SELECT a.error, 'standard errors of ' || e.label FROM explanation e
  JOIN attribution a ON a.explanation = e.id WHERE e.run = :run
  UNION ALL SELECT a.groups, 'groups of ' || e.label FROM explanation e
  JOIN attribution a ON a.explanation = e.id WHERE e.run = :run
  UNION ALL SELECT tensor, 'matrix of ' || label FROM metric WHERE run = :run)
SELECT t.id, min(u.what) AS what, lower(hex(t.sha256)) AS sha256
FROM used u JOIN tensor t ON t.id = u.id GROUP BY t.id ORDER BY t.id]]

-- Sources and tensors that are not what was stored: lines for the verdict.
local function changed_content(store, run)
  local lines = {}
  for _, source in ipairs(run.sources) do
    if core.sha256(source.text) ~= source.sha256 then
      lines[#lines + 1] = ("the stored text of %s does not have its hash"):format(source.path)
    end
  end
  for _, row in ipairs(core.store_rows(store, TENSORS, { run = run.id })) do
    local ok, tensor = pcall(core.store_get_tensor, store, row.id)
    if not ok and fail.interrupted(tensor) then error(tensor, 0) end
    if not ok or core.tensor_sha256(tensor) ~= row.sha256 then
      lines[#lines + 1] = ("tensor %d (%s) does not have the hash it was stored with"):format(row.id,
        row.what)
    end
  end
  return lines
end

-- --------------------------------------------------------------------------------------- the run

local function check_status(run)
  if run.status == "ok" then return end
  local hint
  if run.status ~= "running" then hint = ("`lunette run --resume %d` continues it"):format(run.id) end
  fail.raise { status = 2, hint = hint, message = ("run %d is %s: only a finished run can be reproduced")
    :format(run.id, run.status == "running" and "still running" or run.status) }
end

-- In what this program differs from the one that made the run, or nil.
local function elsewhere(run)
  local here, list = core.environment(), {}
  if run.isa ~= here.isa then
    list[#list + 1] = ("instruction set %s, here %s"):format(run.isa or "unknown", here.isa)
  end
  if run.build ~= here.build then
    list[#list + 1] = ("build %s (version %s), here %s (%s)"):format(run.build or "unknown",
      run.version or "unknown", here.build, here.version)
  end
  return #list > 0 and table.concat(list, "; ") or nil
end

-- What was read is what was looked at: a file may change in between.
local function check_bound(run, bound)
  local was, wrong = {}, {}
  for _, file in ipairs(run.files) do was[file.sha256] = true end
  for _, file in ipairs(bound.files) do
    if #run.files > 0 and not was[file.sha256] then
      wrong[#wrong + 1] = { role = file.role, path = file.path, found = file.sha256,
                            sha256 = "not among the files of the stored run" }
    end
  end
  return wrong
end

local function run_again(store, run, options, moved)
  local M, stored = require "run", require "stored"
  local checked, sources, settings = stored.load(run, moved)
  local one = stored.find(store, run, checked)
  local context = M.context(options, sources, settings)
  context.store, context.reproduces_run = store, run.id
  stored.pin(store, run, context)
  local bound = M.bind(one, context)
  local wrong = check_bound(run, bound)
  if #wrong > 0 then return nil, wrong end
  local differing = stored.differing(store, run, one)
  local id = M.execute(one, bound, context)
  return { id = id, differing = differing, made = bound.made }
end

local function compared(store, run, options, moved)
  local lines = changed_content(store, run)
  if #lines > 0 then return { lines = lines } end
  local again, wrong = run_again(store, run, options, moved)
  if not again then return { wrong = wrong } end
  return { again = again, found = require("verdict").compare(store, run.id, again) }
end

-- ---------------------------------------------------------------------------------------- printing

local MOST = 10 -- differences that are named

local function print_lines(lines)
  for i = 1, math.min(#lines, MOST) do core.print("  ", lines[i], "\n") end
end

local function heading(run, again, say)
  say(("run %d (%s) again: run %d\n"):format(run.id, run.experiment, again.id))
end

local function table_of(parts, say)
  local widths = { 0, 0 }
  for _, part in ipairs(parts) do
    part.text = tostring(part.count)
    widths[1] = math.max(widths[1], #part.name)
    widths[2] = math.max(widths[2], #part.text)
  end
  for _, part in ipairs(parts) do
    local verdict = part.differing == 0 and "bit-identical"
      or part.differing .. (part.differing == 1 and " differs" or " differ")
    say(("  %s%s  %s%s  %s\n"):format(part.name, (" "):rep(widths[1] - #part.name),
      (" "):rep(widths[2] - #part.text), part.text, verdict))
  end
end

-- The verdict in words; its exit status.
local function conclude(run, result, say)
  local found, where = result.found, elsewhere(run)
  if found.identical then
    core.print("bit-identical\n")
    return 0
  end
  if where and found.tolerated then
    say("  made elsewhere: " .. where .. "\n")
    core.print(("within tolerance: the greatest difference is %.3g (%s)\n"):format(found.greatest,
      found.greatest_at))
    return 0
  end
  core.print("differs\n")
  if where then core.print("  made elsewhere: ", where, "\n") end
  print_lines(found.lines)
  if found.more > 0 then core.print(("  and %d more\n"):format(found.more)) end
  return 3
end

local function reproduce_one(store, id, options)
  local stored = require "stored"
  local run = stored.read(store, id)
  check_status(run)
  local function say(text)
    if not options.quiet then core.print(text) end
  end
  local folder <close> = require("scratch").folder()
  local moved = {}
  local wrong = stored.check_files(store, run, moved, folder.make)
  local result = #wrong > 0 and { wrong = wrong } or compared(store, run, options, moved)
  if result.wrong then
    stored.print_wrong(result.wrong)
    return 4
  elseif result.lines then
    core.print("differs\n")
    print_lines(result.lines)
    say(("  nothing was run; `lunette verify %d` says more\n"):format(run.id))
    return 3
  end
  heading(run, result.again, say)
  table_of(result.found.parts, say)
  return conclude(run, result, say)
end

function reproduce.main(options)
  fail.trace = options.trace
  local name = options.operands[1]
  if options.from and not core.file_exists(options.from) then
    fail.raise { status = 4, field = "--from", message = ("there is no store '%s'"):format(options.from) }
  end
  local store <close> = core.store(options.db, "write")
  if not options.from then return reproduce_one(store, core.store_find_run(store, name), options) end
  local take = require("bundle").take
  local id, added = take(options.from, store, name)
  if added then return reproduce_one(store, id, options) end
  -- It is here already, by its uuid; what counts is what the other store says of it.
  local folder <close> = require("scratch").folder()
  options.db = folder.make() .. "/store.db"
  local apart <close> = core.store(options.db, "write")
  if not options.quiet then
    core.err(("lunette: run %d here is the same run; that of %s is reproduced apart, and not kept\n")
      :format(id, options.from))
  end
  return reproduce_one(apart, take(options.from, apart, name), options)
end

return reproduce
