-- What is wrong with a network in training, by what an epoch showed of its layers (engine/train/watch.c):
--
--   vanishing  a layer's gradients are below VANISHING of the greatest of a layer behind it, nearer the loss;
--              not where they are 0 and one farther from the loss has some: no row used these parameters
--   exploding  a layer's steps are, in the root mean square, as large as its weights: each replaces them
--   dead       more than DEAD of a relu's units were 0 for every row: no gradient gets through them
--
-- The first two compare a layer with itself or with others of the same step, so that neither the scale of the
-- loss nor the end of a training, when all gradients are small, is mistaken for one of them.
local figure = require "plot/figure"

local diagnosis = {}

local VANISHING, EXPLODING, DEAD = 1e-4, 1, 0.25

-- Gives each layer of an epoch's list its `finding`, or none.
function diagnosis.judge(layers)
  local behind, of = 0, nil -- the greatest gradient nearer the loss, and whose it is
  local reached = math.huge -- the layer farthest from the loss that has gradients
  for i = #layers, 1, -1 do
    if (layers[i].gradient or 0) > 0 then reached = i end
  end
  for i = #layers, 1, -1 do
    local one = layers[i]
    one.finding, one.than, one.that = nil, nil, nil
    if one.units then
      if one.dead > DEAD * one.units then one.finding = "dead" end
    elseif one.gradient and one.gradient < VANISHING * behind and (one.gradient > 0 or i < reached) then
      one.finding, one.than, one.that = "vanishing", of, behind
    elseif not (one.change and one.change < EXPLODING) then
      one.finding = "exploding"
    end
    if one.gradient and one.gradient > behind then behind, of = one.gradient, one.layer end
  end
end

local NAMED = 4 -- layers in one sentence

local function names(list)
  local out = {}
  for i = 1, math.min(#list, NAMED) do out[i] = list[i].layer end
  local text = table.concat(out, ", ", 1, #list > NAMED and NAMED or math.max(1, #out - 1))
  if #list > NAMED then return ("%s and %d more"):format(text, #list - NAMED) end
  return #list > 1 and text .. " and " .. out[#out] or text
end

local function least(list, field)
  local value = math.huge
  for _, one in ipairs(list) do value = math.min(value, one[field] or math.huge) end
  return value
end

local function greatest(list, field)
  local value = 0
  for _, one in ipairs(list) do value = math.max(value, one[field] or math.huge) end
  return value
end

local number = figure.number

local said = {
  vanishing = function(list)
    return ("gradients vanish in %s: down to %s, and %s in %s, nearer the loss; relu in place of sigmoid or "
      .. "tanh, batch_norm or residual { ... } let them through"):format(names(list),
      number(least(list, "gradient")), number(list[1].that), list[1].than)
  end,
  exploding = function(list)
    local most = greatest(list, "change")
    return ("steps explode in %s: one is %s times as large as the weights; a lower learning rate or scaled "
      .. "inputs keep them small"):format(names(list), most == math.huge and "beyond all numbers" or number(most))
  end,
  dead = function(list)
    local parts = {}
    for i = 1, math.min(#list, NAMED) do
      parts[i] = ("%d of %d units of %s"):format(list[i].dead, list[i].units, list[i].layer)
    end
    if #list > NAMED then parts[#parts + 1] = ("and units of %d more"):format(#list - NAMED) end
    return ("%s are dead: 0 for every row, so they learn nothing; a lower learning rate or leaky_relu keeps "
      .. "them alive"):format(table.concat(parts, ", "))
  end,
}

-- The sentences about what an epoch shows for the first time. known: { finding .. layer = true }, filled.
function diagnosis.news(epoch, known)
  local out = {}
  for _, finding in ipairs { "vanishing", "exploding", "dead" } do
    local list = {}
    for _, one in ipairs(epoch.layers or {}) do
      local key = finding .. " " .. one.layer
      if one.finding == finding and not known[key] then
        known[key] = true
        list[#list + 1] = one
      end
    end
    if #list > 0 then out[#out + 1] = ("epoch %d: %s"):format(epoch.epoch, said[finding](list)) end
  end
  return out
end

return diagnosis
