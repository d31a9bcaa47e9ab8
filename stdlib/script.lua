-- Loading a script and the modules it requires: text only, each in its own strict environment, under
-- the sandbox's hook. Every file that was read is remembered, for the store.
local core = require "core"
local fail = require "fail"
local newcomer = require "newcomer"
local source = require "source"
local strict = require "strict"

local script = {}

local function folder_of(path)
  local folder = path:match("^(.*)/[^/]*$")
  if folder == "" then return "/" end
  return folder or "."
end

-- What a script's error means to its author. Errors of words are tables already; those of Lua are
-- texts that begin with the place. A script can raise a table of its own making: nothing is asked of
-- it but plain fields, and it does not choose the exit status.
function script.failure(path, err, trace)
  local failure = { script = path, traceback = trace }
  if type(err) == "table" and type(rawget(err, "message")) == "string" then
    for _, key in ipairs { "script", "line", "field", "message", "hint", "traceback" } do
      local value = rawget(err, key)
      if type(value) == "string" or math.type(value) == "integer" then failure[key] = value end
    end
    failure.status = rawget(err, "status") == 4 and 4 or 2
    return failure
  end
  if type(err) ~= "string" then
    failure.message = "the script raised an error that is no text: a " .. type(err)
  else
    local where, line, message = err:match("^(.-):(%d+): (.*)$")
    if where and source.known(where) then
      failure.script, failure.line, failure.message = where, math.tointeger(tonumber(line)), message
      failure.hint = newcomer.runtime(message)
    else
      failure.message = err
    end
  end
  return failure
end

local function script_error(...) fail.raise(script.failure(...)) end

local function compile(path, text, environment)
  local body = text:gsub("^\xEF\xBB\xBF", "")
  if body:sub(1, 1) == "#" then body = "--" .. body end -- #!/usr/bin/env lunette
  if body:sub(1, 1) == "\27" then
    fail.raise { script = path, message = "this is compiled Lua: scripts are read as text only" }
  end
  if body:find("\0", 1, true) then
    fail.raise { script = path, message = "this is no text: it holds zero bytes" }
  end
  source.add(path, body)
  local chunk, problem = load(body, "@" .. path, "t", environment)
  if problem == "not enough memory" then error(problem, 0) end
  if not chunk then
    local failure = script.failure(path, problem)
    failure.hint = newcomer.syntax(failure.message, path, failure.line)
    fail.raise(failure)
  end
  return chunk
end

-- A file's text, kept in `sources` with its hash. A stored run's sources come from the store.
local function read(path, role, sources)
  local stored = sources.stored
  if stored then
    local source = stored.find(path, role)
    sources[#sources + 1] = source
    return source.text
  end
  local text, sha256 = core.read_file(path)
  sources[#sources + 1] = { path = core.absolute(path), text = text, sha256 = sha256, role = role }
  return text
end

-- The file that `require "name"` means: name.lua beside the script, and nowhere else.
local function module_path(folder, name, stored)
  if type(name) ~= "string" or not name:find("^[%w_-]+$") and not name:find("^[%w_-][%w_/-]*[%w_-]$") then
    error(("require takes the name of a file beside the script, without .lua: found %s")
      :format(fail.shown(name)), 3)
  end
  local path = (folder == "." and "" or folder .. "/") .. name .. ".lua"
  if stored then return path end
  local real, root = core.realpath(path), core.realpath(folder)
  if not real then
    fail.raise { status = 4, message = ("there is no %s.lua beside the script"):format(name) }
  end
  if root ~= "/" and real:sub(1, #root + 1) ~= root .. "/" then
    fail.raise { message = ("%s.lua leads out of the script's folder"):format(name) }
  end
  return path
end

function script.requirer(folder, sources)
  local loaded, loading = {}, {}
  local function load_module(path, name)
    local text = read(path, "module", sources)
    local chunk = compile(path, text, strict.environment { require = loaded.require })
    local value = chunk(name)
    return value == nil and true or value
  end
  -- The caller's place is put into whatever goes wrong with the file itself.
  loaded.require = core.calling(function(line, chunk, name)
    local ok, path = pcall(module_path, folder, name, sources.stored)
    if not ok then
      if type(path) == "table" then
        path.script, path.line = chunk:sub(2), line
        path.field = path.field or ("require %s"):format(fail.shown(name))
        error(path, 0)
      end
      fail.raise { script = chunk:sub(2), line = line, message = (path:gsub("^[^:]*:%d+: ", "")) }
    end
    if loading[path] then
      fail.raise { script = chunk:sub(2), line = line,
                   message = ("'%s' requires itself"):format(name) }
    end
    if loaded[path] == nil then
      loading[path] = true
      loaded[path] = load_module(path, name)
      loading[path] = nil
    end
    return loaded[path]
  end)
  return loaded.require
end

-- The script's text; where there is none, the script that may have been meant.
local function read_script(path, sources)
  local ok, text = pcall(read, path, "script", sources)
  if ok then return text end
  if type(text) == "table" and not text.hint then
    if core.realpath(path .. "/") then
      text.hint = ("a script is wanted: %s/NAME.lua"):format((path:gsub("/+$", "")))
    elseif core.realpath(path .. ".lua") then
      text.hint = ("did you mean '%s.lua'?"):format(path)
    end
  end
  error(text, 0)
end

-- Runs the script. Returns what it returned, and the files that were read, the script first:
-- { path, text, sha256, role = "script" | "module" }. stored: where the sources are of a run that is run
-- again (stored.lua); no file is read then.
function script.load(path, arguments, stored)
  local sources = { stored = stored }
  local text = read_script(path, sources)
  local folder = folder_of(path)
  local arg = table.move(arguments, 1, #arguments, 1, { [0] = path })
  local environment = strict.environment { require = script.requirer(folder, sources), arg = arg }
  local chunk = compile(path, text, environment)
  math.randomseed(0) -- the same numbers every time
  local ok, value, trace = core.guarded(chunk, table.unpack(arguments))
  if not ok then script_error(path, value, trace) end
  return value, sources, stored and stored.folder or core.realpath(folder) or folder
end

return script
