-- Bounds of the inputs that an explainer is told, beside what the inputs are. Rules that take inputs to lie between two
-- numbers say nothing true of others, and an attack moves those between them first, however far that is: neither is a
-- mistake that can be refused, but nobody who writes low = 0, high = 1 beside standardised images wants it.
local core = require "core"

local bounds = {}

local SLACK = 1e-6 -- of the bounds' distance: what rounding leaves

-- The bounds of the first rule z_box that lrp has at the network's inputs.
local function of_lrp(options)
  local composite = options.composite
  if composite == "epsilon_gamma_box" or composite == "none" and options.rule == "z_box" then
    return options.low, options.high
  end
  for _, entry in ipairs(type(composite) == "table" and composite or {}) do
    if entry.rule == "z_box" and entry.place ~= "last" and not entry.layer then return entry.low or 0, entry.high or 1 end
  end
end

local BETWEEN = "its rule at the inputs is for numbers between them"
local MOVED = "what lies beyond is moved there first, however far"
local of_word = {
  lrp = { of_lrp, BETWEEN },
  deep_taylor = { function(options) return options.low, options.high end, BETWEEN },
  fgsm = { function(options) return options.low, options.high end, MOVED },
  pgd = { function(options) return options.low, options.high end, MOVED },
}

local function number(value) return ("%.6g"):format(value) end

-- What is to be said of an explainer's bounds and the rows that it explains (N, width); nil: they lie between them.
function bounds.beyond(node, rows)
  local known = of_word[node.word]
  if not known then return nil end
  local low, high = known[1](node.options)
  if low == nil and high == nil then return nil end
  local least, greatest = core.heat_range(rows, false)
  local slack = SLACK * math.abs((high or greatest) - (low or least))
  if (low == nil or least >= low - slack) and (high == nil or greatest <= high + slack) then return nil end
  local said = {}
  if low then said[#said + 1] = "low = " .. number(low) end
  if high then said[#said + 1] = "high = " .. number(high) end
  return ("%s: the inputs go from %s to %s, beyond %s: %s"):format(node.label, number(least), number(greatest),
    table.concat(said, ", "), known[2])
end

return bounds
