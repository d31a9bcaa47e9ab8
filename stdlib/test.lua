-- `lunette test FILE.lua ...`: the harness of tests/lua. A file gets a table of checks; each test is
-- a function that raises when its promise does not hold.
--
--   local t = ...
--   t.test("labels are unique", function() t.equal(label, "saliency-2") end)
local core = require "core"
local fail = require "fail"

local test = {}

local counts = { passed = 0, failed = 0 }

local function shown(value)
  local ok, text = pcall(core.json, value)
  return ok and text or tostring(value)
end

local checks = {}

function checks.test(name, body)
  local ok, err = xpcall(body, function(err)
    if type(err) == "table" then return fail.text(err) .. (err.hint and " | " .. err.hint or "") end
    return debug.traceback(err, 2)
  end)
  if ok then
    counts.passed = counts.passed + 1
  else
    counts.failed = counts.failed + 1
    core.print("FAIL ", name, "\n    ", (tostring(err):gsub("\n", "\n    ")), "\n")
  end
end

-- Deep equality, through canonical JSON: 64 and 64.0 are equal, nil and absent too.
function checks.equal(found, expected)
  local a, b = shown(found), shown(expected)
  if a ~= b then error(("expected %s\n   found %s"):format(b, a), 2) end
end

function checks.truthy(value, what)
  if not value then error(what or "expected true", 2) end
end

-- The call must raise an error with this text ("script:line: field: message"), and this hint.
function checks.raises(expected, hint, call, ...)
  local ok, err = pcall(call, ...)
  if ok then error("nothing was raised, expected: " .. expected, 2) end
  if fail.text(err) ~= expected then
    error(("expected: %s\n   found: %s"):format(expected, fail.text(err)), 2)
  end
  if hint and err.hint ~= hint then
    error(("expected hint: %s\n   found hint: %s"):format(hint, tostring(err.hint)), 2)
  end
end

function test.main(options)
  for _, path in ipairs(options.operands) do
    local text = core.read_file(path)
    local chunk = assert(load(text, "@" .. path, "t"))
    chunk(checks)
  end
  core.print(("%d passed, %d failed\n"):format(counts.passed, counts.failed))
  return counts.failed == 0 and counts.passed > 0 and 0 or 1
end

return test
