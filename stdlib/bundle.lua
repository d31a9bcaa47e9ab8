-- Stores that travel: `lunette export RUN --format db` makes a bundle, a store with one run and all that
-- `reproduce` needs; `lunette import FILE.db` merges another store into this one.
local core = require "core"
local fail = require "fail"
local log = require "log"

local bundle = {}

local FILES = [[
SELECT DISTINCT sha256, path, role FROM run_file WHERE run IN (SELECT value FROM json_each(:runs))
ORDER BY run, seq]]

-- ------------------------------------------------------------------------------------- export

-- The run, and before it the runs whose models it uses by `saved`, to any depth.
local function with_models(store, run, list)
  local row = core.store_rows(store, "SELECT r.id FROM param p JOIN param w ON w.run = p.run AND "
    .. "w.key = 'model' AND w.text = 'saved' JOIN run r ON r.uuid = p.text WHERE p.run = :run AND "
    .. "p.key = 'model.uuid'", { run = run })[1]
  if row and row.id ~= run then with_models(store, row.id, list) end
  list[#list + 1] = run
  return list
end

-- Content of all files that the runs read, into the bundle. What is missing or has changed is an error.
local function take_files(store, into, runs)
  local wrong = {}
  for _, file in ipairs(core.store_rows(store, FILES, { runs = core.json(runs) })) do
    if not core.store_take_file(into, file.sha256, file.path)
      and not core.store_copy_file(store, into, file.sha256) then
      wrong[#wrong + 1] = ("%s (%s)"):format(file.path, file.role)
    end
  end
  if #wrong > 0 then
    fail.raise { status = 4, message = "missing, or not what the run read: " .. table.concat(wrong, ", "),
                 hint = "without --with-data the bundle has the hashes only" }
  end
end

local function write_bundle(store, run, path, options)
  local temporary = ("%s.%s.tmp"):format(path, core.uuid():sub(1, 8))
  local function clean()
    for _, ending in ipairs { "", "-wal", "-shm", "-journal" } do core.file_remove(temporary .. ending) end
  end
  local ok, err = pcall(function()
    local into <close> = core.store(temporary, "write")
    local runs = with_models(store, run, {})
    log.transaction(into, function()
      core.store_copy(store, into, runs)
      if options.with_data then take_files(store, into, runs) end
    end)
    core.store_seal(into)
  end)
  if not ok then
    clean()
    error(err, 0)
  end
  core.file_rename(temporary, path)
end

function bundle.export(options)
  local store <close> = core.store(options.db, "read")
  local run = core.store_find_run(store, options.operands[1])
  local path = options.output
  if not path:find("%.db$") then
    core.folder_make(path)
    path = ("%s/run-%d.db"):format(path:gsub("/+$", ""), run)
  end
  if core.file_exists(path) then
    fail.raise { status = 2, field = "-o", message = ("'%s' exists already"):format(path),
                 hint = "a bundle is a new file; `lunette import` merges stores" }
  end
  write_bundle(store, run, path, options)
  if not options.quiet then core.print(path, "\n") end
  return 0
end

-- ------------------------------------------------------------------------------------- import

-- Queries by name; one of the same name that asks something else gets a number.
local function import_queries(from, to)
  local added = {}
  for _, query in ipairs(core.store_rows(from, "SELECT name, sql FROM saved_query ORDER BY name")) do
    local name, number = query.name, 1
    while true do
      local there = core.store_rows(to, "SELECT sql FROM saved_query WHERE name = :name",
        { name = name })[1]
      if not there then
        core.store_insert(to, "saved_query", { name = name, sql = query.sql })
        added[#added + 1] = name
        break
      elseif there.sql == query.sql then
        break
      end
      number = number + 1
      name = ("%s-%d"):format(query.name, number)
    end
  end
  return added
end

-- Pictures stay where they are; those that are there are named by their whole path.
local function import_artifacts(from, to, one)
  local folder = core.absolute(core.store_path(from)):match("^(.*)/[^/]*$")
  for _, row in ipairs(core.store_rows(from, "SELECT name, media_type, path, sha256, bytes FROM artifact "
    .. "WHERE run = :run AND path IS NOT NULL ORDER BY id", { run = one.from })) do
    if row.path:sub(1, 1) ~= "/" then row.path = folder .. "/" .. row.path end
    if core.file_exists(row.path) then
      row.run = one.to
      core.store_insert(to, "artifact", row)
    end
  end
end

local function import_files(from, to, copied)
  local runs = {}
  for _, one in ipairs(copied) do
    if one.added then runs[#runs + 1] = one.from end
  end
  if #core.store_rows(from, "SELECT name FROM sqlite_schema WHERE name = 'file'") == 0 then return end
  for _, file in ipairs(core.store_rows(from, FILES, { runs = core.json(runs) })) do
    core.store_copy_file(from, to, file.sha256)
  end
end

-- A store of others: whole, or refused before anything is written.
local function open(path)
  local from = core.store(path, "read")
  local lines = core.store_broken(from)
  if lines ~= "" then
    fail.raise { status = 1, message = ("'%s' is damaged, and nothing is taken from it: %s"):format(path,
      lines:match("^[^\n]*")), hint = ("`lunette verify --db %s` says all of it"):format(path) }
  end
  return from
end

-- Merges the runs (a list, or nil: all) of a store; what became of each, and the names of the queries that
-- came along.
local function merge(from, to, runs)
  return log.transaction(to, function()
    local copied = core.store_copy(from, to, runs)
    for _, one in ipairs(copied) do
      if one.added then import_artifacts(from, to, one) end
    end
    import_files(from, to, copied)
    return { copied = copied, queries = runs and {} or import_queries(from, to) }
  end)
end

-- For `reproduce --from`: the run of another store, copied into this one; its number here, and whether it
-- was not here already.
function bundle.take(path, to, name)
  local from <close> = open(path)
  local merged = merge(from, to, with_models(from, core.store_find_run(from, name), {}))
  local last = merged.copied[#merged.copied]
  if last.running then
    fail.raise { status = 2, message = ("run %d of '%s' is still running"):format(last.from, path) }
  end
  return last.to, last.added
end

local LINE = [[
SELECT x.name AS experiment, r.status, r.started_at FROM run r JOIN experiment x ON x.id = r.experiment
WHERE r.id = :run]]

local function count_of(n, what) return ("%d %s%s"):format(n, what, n == 1 and "" or "s") end

local function print_merged(to, merged, path)
  local added, here, running = 0, 0, 0
  for _, one in ipairs(merged.copied) do
    if one.added then
      added = added + 1
      local row = core.store_rows(to, LINE, { run = one.to })[1]
      core.print(("run %d: %s, %s, %s, there run %d\n"):format(one.to, row.experiment, row.status,
        row.started_at:sub(1, 19):gsub("T", " "), one.from))
    elseif one.running then
      running = running + 1
    else
      here = here + 1
    end
  end
  local parts = { count_of(added, "run") .. " imported from " .. path }
  if here > 0 then parts[#parts + 1] = count_of(here, "run") .. " here already" end
  if running > 0 then parts[#parts + 1] = count_of(running, "run") .. " still running, left out" end
  if #merged.queries > 0 then
    parts[#parts + 1] = (#merged.queries == 1 and "query " or "queries ")
      .. table.concat(merged.queries, ", ")
  end
  core.print(table.concat(parts, "; "), "\n")
end

function bundle.import(options)
  local path = options.operands[1]
  if core.realpath(path) and core.realpath(path) == core.realpath(options.db) then
    fail.raise { status = 2, message = ("'%s' is this store itself"):format(path) }
  end
  local from <close> = open(path) -- before a store is made for it
  local to <close> = core.store(options.db, "write")
  local merged = merge(from, to)
  if not options.quiet then print_merged(to, merged, path) end
  return 0
end

return bundle
