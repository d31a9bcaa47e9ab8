-- Parts of the script's own at work: functions are called with plain lists, and what they return is
-- checked. A result that is no number makes a value undefined, with the reason; it never ends a run.
-- Shapes are those of docs/own.md.
local callback = require "callback"
local core = require "core"
local fail = require "fail"

local own = {}

local function shown(value) return fail.shown(value) end

-- value, or nil and why there is none.
local function checked(value, reason, field)
  if value == nil then
    return nil, type(reason) == "string" and reason ~= "" and reason or field .. " returned nothing"
  end
  if type(value) ~= "number" then
    return nil, ("%s returned %s, expected a number"):format(field, shown(value))
  end
  if value ~= value or value == math.huge or value == -math.huge then
    return nil, ("%s returned %s"):format(field, shown(value))
  end
  return value + 0.0
end

-- ---------------------------------------------------------------------------------------- metrics

-- What core.metric returns, for a metric of the script's own.
function own.metric(node, input)
  local found, why = callback.call(node, "compute", input.seed, 0, node.options.compute,
    core.lists(input.labels), core.lists(input.scores), input.weights and core.lists(input.weights))
  local value, reason = checked(found, why, "compute")
  return { value = value, n = core.tensor_info(input.labels).shape[1],
           status = value and "ok" or "undefined", reason = reason }
end

return own
