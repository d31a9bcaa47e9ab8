-- A stored run as something to run again: its sources, settings and files come from the store, not from
-- the disk. Used by `reproduce` and by `run --resume`.
local arrays = require "arrays"
local core = require "core"
local fail = require "fail"
local log = require "log"

local stored = {}

local function folder_of(path)
  local folder = path:match("^(.*)/[^/]*$")
  return folder == "" and "/" or folder or "."
end

-- ------------------------------------------------------------------------------------- reading

local RUN = [[
SELECT r.id, r.uuid, r.status, r.identity, r.argv, r.error, x.name AS experiment, s.settings,
v.isa, v.build, v.version, v.libraries
FROM run r JOIN experiment x ON x.id = r.experiment LEFT JOIN run_settings s ON s.run = r.id
LEFT JOIN environment v ON v.id = r.environment WHERE r.id = :run]]

local SOURCES = [[
SELECT r.role, r.path, r.sha256, s.text FROM run_source r JOIN source s ON s.sha256 = r.sha256
WHERE r.run = :run ORDER BY r.role DESC, r.path]]

local FILES = "SELECT role, path, sha256 FROM run_file WHERE run = :run ORDER BY seq"

-- Runs of the first version of the store kept the hash of their table, and no other file's.
local OLD_FILES = [[
SELECT DISTINCT 'data' AS role, d.path, json_extract(d.meta, '$.file_sha256') AS sha256
FROM dataset d WHERE d.path IS NOT NULL AND json_extract(d.meta, '$.file_sha256') IS NOT NULL
AND d.id IN (SELECT s.dataset FROM run_sample r JOIN sample s ON s.id = r.sample WHERE r.run = :run)]]

local valued = { db = true, threads = true, set = true, seed = true, numerics = true, allow = true,
                 memory = true, timeout = true }

-- The settings of a run that kept only its command line.
local function settings_of(argv, script)
  local settings = { script = script, folder = folder_of(script), set = {}, arguments = {},
                     confine = false }
  local at = 2
  while argv[at] do
    local name, value = argv[at]:match("^%-%-(%w+)=?(.*)$")
    if argv[at] == "--" then
      settings.arguments = table.move(argv, at + 1, #argv, 1, {})
      break
    elseif name and valued[name] then
      if not argv[at]:find("=", 1, true) then
        at = at + 1
        value = argv[at]
      end
      if name == "set" then settings.set[#settings.set + 1] = value end
      if name == "seed" then settings.seed = math.tointeger(tonumber(value)) end
      if name == "numerics" then settings.numerics = value end
    end
    at = at + 1
  end
  return settings
end

-- { id, uuid, status, experiment, settings, sources, files, isa, build, version ... }
function stored.read(store, id)
  local run = core.store_rows(store, RUN, { run = id })[1]
  run.sources = core.store_rows(store, SOURCES, { run = id })
  local script = run.sources[1]
  if not script or script.role ~= "script" then
    fail.raise { message = ("run %d has no script in the store"):format(id), status = 1 }
  end
  run.files = core.store_rows(store, run.settings and FILES or OLD_FILES, { run = id })
  if run.settings then
    run.settings = core.json_parse(run.settings)
  else
    run.settings = settings_of(core.json_parse(run.argv or "[]"), script.path)
  end
  return run
end

-- -------------------------------------------------------------------------------------- files

local function hash_at(path)
  local ok, _, sha256 = pcall(core.read_file, path)
  return ok and sha256 or nil
end

local CARRIED = "SELECT 1 AS yes FROM file WHERE sha256 = :sha256"

local function carried(store, file)
  return #core.store_rows(store, CARRIED, { sha256 = file.sha256 }) > 0
end

-- Writes the files that the store carries below `folder`, with their whole paths, so that what lies side by
-- side stays so: `moved` gets the new place of each, and of the folders that hold it (images are read by
-- folder, a model's data beside it).
local function write_out(store, run, folder, moved)
  for _, file in ipairs(run.files) do
    if carried(store, file) then
      local path = file.path
      core.folder_make(folder_of(folder .. path))
      core.store_write_file(store, file.sha256, folder .. path)
      repeat
        moved[path] = folder .. path
        arrays.moved[folder .. path] = path
        path = folder_of(path)
      until path == "/" or moved[path]
    end
  end
end

-- Looks at every file that the run read. Returns what is missing or changed, { role, path, sha256,
-- found (a hash, or nil: missing) } each. Where a file on the disk is not what it was and the store
-- carries it, all files that it carries are read from copies, in a folder that `make_folder` makes.
function stored.check_files(store, run, moved, make_folder)
  local wrong, any = {}, false
  for _, file in ipairs(run.files) do
    local found = hash_at(file.path)
    if found ~= file.sha256 and carried(store, file) then
      any = true
    elseif found ~= file.sha256 then
      wrong[#wrong + 1] = { role = file.role, path = file.path, sha256 = file.sha256, found = found }
    end
  end
  if any and #wrong == 0 then write_out(store, run, make_folder(), moved) end
  return wrong
end

function stored.print_wrong(wrong)
  core.print("inputs missing or changed\n")
  for _, file in ipairs(wrong) do
    core.print(("  %s (%s)\n    expected sha256 %s\n"):format(file.path, file.role, file.sha256),
      file.found and ("    found           %s\n"):format(file.found) or "    found           no file\n")
  end
end

-- ------------------------------------------------------------------------------------ loading

-- Where script.lua finds the sources: modules by their path below the script's folder.
local function finder(run)
  local script, modules = run.sources[1], {}
  local root = folder_of(script.path)
  if root ~= "/" then root = root .. "/" end
  for _, source in ipairs(run.sources) do
    if source.role == "module" and source.path:sub(1, #root) == root then
      modules[source.path:sub(#root + 1)] = source
    end
  end
  local given = folder_of(run.settings.script)
  return { folder = run.settings.folder, find = function(path, role)
    if role == "script" then return script end
    local source = modules[given == "." and path or path:sub(#given + (given == "/" and 1 or 2))]
    if not source then
      fail.raise { message = ("run %d did not read %s: it is not in the store"):format(run.id, path) }
    end
    return source
  end }
end

-- key -> the row, of the parameters that decide results.
local function params_by_key(rows)
  local by = {}
  for _, row in ipairs(rows) do
    if not row.key:find("%.path$") then by[row.key] = row end
  end
  return by
end

local function same_param(a, b)
  return a and b and a.type == b.type and a.text == b.text and (a.num or 0) == (b.num or 0)
end

-- How the parameters of a checked run differ from the stored ones: "train.epochs was 3, now 4" ... One that was
-- not there is a later version's, at its default: whether it changes anything the outputs say.
local function differing(store, run, checked)
  local was = params_by_key(core.store_rows(store,
    "SELECT key, type, num, text FROM param WHERE run = :run", { run = run.id }))
  local now, list = params_by_key(log.params_of(checked)), {}
  local function shown(row) return row and tostring(row.text or row.num) or "not there" end
  for key, row in pairs(was) do
    if not same_param(row, now[key]) then
      list[#list + 1] = ("%s was %s, now %s"):format(key, shown(row), shown(now[key]))
    end
  end
  table.sort(list)
  return list
end

-- Its place among what the script describes. Of a run that did not keep it, the one with its parameters.
local function pick(store, run, checked)
  local at = run.settings
  if at.experiment then
    local experiment = checked[at.experiment]
    return experiment, experiment and experiment.runs[at.run], at.experiment, at.run
  end
  for e, experiment in ipairs(checked) do
    for r, one in ipairs(experiment.runs) do
      if experiment.name == run.experiment and #differing(store, run, one) == 0 then
        return experiment, one, e, r
      end
    end
  end
end

-- Loads the stored script under its stored settings. Returns the checked run, its experiment, the
-- sources, and the settings, for run.context.
function stored.load(run, moved)
  local settings = run.settings
  local value, sources, folder = require("script").load(settings.script, settings.arguments,
    finder(run))
  local asked = { script = settings.script, folder = folder, set = settings.set, seed = settings.seed,
                  numerics = settings.numerics,
                  confine = settings.confine or nil, moved = moved }
  require("idle").allow(true)
  local checked = require("schema").check(value, asked)
  asked.moved, asked.arguments = nil, settings.arguments
  asked.confine = asked.confine or false
  return checked, sources, asked
end

-- The one of the checked runs that the stored one was.
function stored.find(store, run, checked)
  local experiment, one, e, r = pick(store, run, checked)
  if not one then
    fail.raise { status = 1, message = ("the stored script does not describe run %d any more"):format(
      run.id), hint = "this version of Lunette reads it differently" }
  end
  one.place = { experiment = e, run = r }
  return one, experiment
end

-- `saved { run = "credit" }` means the run that it meant then, not the newest of that name.
function stored.pin(store, run, context)
  local by = {}
  for _, row in ipairs(core.store_rows(store, "SELECT key, text FROM param WHERE run = :run AND key IN "
    .. "('model', 'model.run', 'model.uuid')", { run = run.id })) do by[row.key] = row.text end
  if by.model == "saved" and by["model.uuid"] then
    context.shared.pinned = { [by["model.run"]] = by["model.uuid"] }
  end
end

-- How the program resolves other parameters than the stored run had (another version has other defaults),
-- as lines. Asked once the run is bound, which fills some in.
function stored.differing(store, run, one) return differing(store, run, one) end

return stored
