-- `lunette repl`: the language, a statement at a time.
--
-- A statement is as many lines as Lua needs to make one. Names that it assigns (with or without `local`)
-- stay for the statements that follow. Where it is an expression its value is shown; an experiment, or a
-- list of them, is run. What the store keeps as the run's script is what was typed so far, in a form that
-- runs as it is, so that `lunette reproduce` takes it.
local core = require "core"
local fail = require "fail"
local script = require "script"
local source = require "source"
local strict = require "strict"
local words = require "words"

local repl = {}

local NAME = "repl" -- what errors call the session

local greeting = [[
Lunette %s. A word or an expression shows what it is, an experiment is run.
help "WORD" describes a word, query "SQL" asks the store; Tab completes, Ctrl-D ends.
]]

-- --------------------------------------------------------------------------------- statements

-- `local x = ...` at the session's own level: x stays.
local function without_local(text)
  local rest = text:match("^%s*local%s+(function%s.*)$")
  if rest then return rest end
  local names, value = text:match("^%s*local%s+([%a_][%w_]*[%w_%s,]*)(=.*)$")
  return names and names .. value or text
end

-- A chunk whose lines are those of the session, or nil and what Lua says.
local function compiled(text, session)
  local lines = ("\n"):rep(session.lines)
  return load(lines .. text, "@" .. NAME, "t", session.environment)
end

-- A chunk that returns the statement's value, or else one that runs it. nil, true: more lines are needed.
local function compile(text, session)
  local chunk, wrong = compiled("return " .. text, session)
  if chunk then return chunk, false, text end
  local returned = text:match("^%s*return%s(.*)$")
  chunk = returned and compiled(text, session)
  if chunk then return chunk, false, returned end
  local problem
  chunk, problem = compiled(without_local(text), session)
  if chunk then return chunk, false end
  local more = (problem .. wrong):find("<eof>", 1, true) ~= nil
  return nil, more, problem
end

-- ---------------------------------------------------------------------------------- running

-- The session as a script: its statements, their names declared first, and what is returned.
local function as_script(session, expression)
  local names = {}
  for name in pairs(session.names) do names[#names + 1] = name end
  table.sort(names)
  local head = #names > 0 and "local " .. table.concat(names, ", ") .. "; " or ""
  return head .. session.text .. "return " .. expression .. "\n"
end

local function experiments_in(value)
  local raw = words.held(value)
  if raw then return words.is_word(raw, "experiment") end
  if type(value) ~= "table" or #value == 0 then return false end
  for _, item in ipairs(value) do
    local held = words.held(item)
    if not held or not words.is_word(held, "experiment") then return false end
  end
  return true
end

local function run(value, session, expression)
  local options = session.options
  local text = as_script(session, expression)
  local settings = { script = NAME, folder = session.folder, set = options.set, seed = options.seed,
                     numerics = options.numerics,
                     confine = session.confine, arguments = {} }
  local checked = require("schema").check(value, settings)
  if options.dry_run then
    core.print(require("plan").text(checked))
    return 0
  end
  local sources = { { path = session.folder .. "/" .. NAME, text = text, sha256 = core.sha256(text),
                      role = "script" } }
  table.move(session.modules, 1, #session.modules, 2, sources)
  return require("run").main(checked, options, sources, settings)
end

local function shown(value)
  local raw = words.held(value)
  if raw then return words.text(raw) end
  if type(value) == "string" then return value end
  if type(value) ~= "table" then return tostring(value) end
  local ok, text = pcall(function() return words.text(words.raw(value, { script = NAME })) end)
  return ok and text or tostring(value)
end

local function show(values)
  for i = 2, values.n do values[i - 1] = shown(values[i]) end
  if values.n > 1 then core.print(table.concat(values, "\t", 1, values.n - 1), "\n") end
end

-- `run(x)` is x: an experiment is run because it is the statement's value.
local function run_call(expression)
  local inside = expression:match("^%s*run%s*(%b())%s*;?%s*$")
  return inside or expression
end

-- Executes a complete statement; its exit status.
local function execute(session, chunk, text, expression)
  local values = table.pack(core.guarded(chunk))
  if not values[1] then error(script.failure(NAME, values[2], values[3]), 0) end
  local status = 0
  if expression and experiments_in(values[2]) then
    status = run(values[2], session, run_call(expression))
  elseif expression then
    show(values)
  end
  -- What computes and shows is no part of the session's script; what assigns is.
  local kept = expression and "" or without_local(text)
  local blank = select(2, text:gsub("\n", "")) + 1 - select(2, kept:gsub("\n", ""))
  session.text = session.text .. kept .. ("\n"):rep(blank)
  session.lines = session.lines + select(2, text:gsub("\n", "")) + 1
  return status
end

-- ------------------------------------------------------------------------------------- errors

-- Says what went wrong, as the program does when a script fails; the exit status it stands for.
local function report(err)
  if type(err) ~= "table" then
    core.err("lunette: ", tostring(err), "\n")
    return 1
  end
  local place = err.script and (err.line and ("%s:%d: "):format(err.script, err.line)
    or err.script .. ": ") or "lunette: "
  core.err(place, err.field and err.field ~= "" and err.field .. ": " or "", tostring(err.message), "\n")
  if err.hint then core.err("    ", err.hint, "\n") end
  if err.traceback then core.err(err.traceback, "\n") end
  return err.status or 1
end

-- Interrupted in a session at a terminal is only the statement.
local function attempt(session, text)
  local chunk, more, detail = compile(text, session)
  if more then return nil end
  source.add(NAME, session.text .. text)
  local ok, result = xpcall(function()
    if not chunk then error(script.failure(NAME, detail), 0) end
    return execute(session, chunk, text, detail)
  end, fail.traced)
  core.progress()
  if ok then return result end
  if fail.interrupted(result) and session.terminal and core.repl_resume() then
    core.err("interrupted\n")
    return 0
  end
  if fail.interrupted(result) then error(result, 0) end
  return report(result)
end

-- ------------------------------------------------------------------------------------ session

local function name_of(value)
  local raw = words.held(value)
  return raw and words.name_of(raw) or value
end

-- What can be called besides the words.
local function commands(session)
  return {
    query = function(sql)
      if type(sql) ~= "string" then error("query takes SQL as a text: query \"SELECT ...\"", 2) end
      core.repl_query(session.options.db, sql, session.options.format)
    end,
    help = function(name)
      require("help").help { operands = { name ~= nil and tostring(name_of(name)) or nil } }
    end,
    run = function(value)
      if not experiments_in(value) then
        error("run takes an experiment, or a list of them: run(experiment \"name\" { ... })", 2)
      end
      return value
    end,
    quit = function() session.over = true end,
  }
end

local function confinement(options, folder)
  return require("command").confinement(options, folder)
end

function repl.session(options)
  local folder = core.absolute(".")
  local session = { options = options, folder = folder, lines = 0, text = "", names = {}, modules = {},
                    confine = confinement(options, folder), terminal = core.repl_terminal() }
  session.commands = commands(session)
  local extra = { require = script.requirer(".", session.modules), arg = { [0] = NAME } }
  for name, command in pairs(session.commands) do extra[name] = command end
  session.environment = strict.environment(extra, session.names)
  return session
end

function repl.main(options)
  fail.trace = options.trace
  local session = repl.session(options)
  local pending, failed = nil, 0
  if session.terminal then
    core.print(greeting:format(core.version))
    local complete = require "complete"
    core.repl_completer(function(text)
      return complete.at((pending and pending .. "\n" or "") .. text, session)
    end)
  end
  math.randomseed(0)
  while not session.over do
    local line = core.repl_line(pending and "     ..> " or "lunette> ")
    if line == nil then break end
    if line == false then -- Ctrl-C at the prompt: what was begun is dropped
      pending = nil
    else
      local text = pending and pending .. "\n" .. line or line
      local status = 0
      if text:find("%S") then status = attempt(session, text) end
      pending = status == nil and text or nil
      if failed == 0 then failed = status or 0 end
    end
  end
  if pending then
    local status = report { script = NAME, line = session.lines + 1, status = 2,
      message = "the statement that begins here does not end" }
    if failed == 0 then failed = status end
  end
  return session.terminal and 0 or failed
end

return repl
