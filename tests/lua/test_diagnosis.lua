-- What is said of a network in training, by its layers' numbers.
local t = ...
local diagnosis = require "diagnosis"

local function layer(name, gradient, change)
  return { layer = name, gradient = gradient, change = change or 0.01 }
end
local function relu(name, units, dead) return { layer = name, units = units, dead = dead } end

local function findings(layers)
  diagnosis.judge(layers)
  local out = {}
  for i, one in ipairs(layers) do out[i] = one.finding or "-" end
  return table.concat(out, " ")
end

t.test("gradients vanish below a ten-thousandth of the greatest nearer the loss", function()
  t.truthy(findings { layer("a", 0.99e-4), layer("b", 1.01e-4), layer("c", 1) } == "vanishing - -")
  t.truthy(findings { layer("a", 1e-3), layer("b", 0.5e-4), layer("c", 1), layer("d", 0.01) }
    == "- vanishing - -")
end)

t.test("a gradient of 0 vanishes only where none gets farther from the loss", function()
  t.truthy(findings { layer("a", 0.5), layer("slope", 0), layer("c", 1) } == "- - -")
  t.truthy(findings { layer("a", 0), layer("b", 0), layer("c", 1) } == "vanishing vanishing -")
end)

t.test("layers behind a small gradient do not vanish for a greater one before them", function()
  t.truthy(findings { layer("a", 1), layer("b", 1e-6) } == "- -")
  t.truthy(findings { layer("a", 0), layer("b", 0) } == "- -")
end)

t.test("steps explode from the size of the weights on, or without a number", function()
  t.truthy(findings { layer("a", 1, 0.99), layer("b", 1, 1), layer("c", 1, 30) } == "- exploding exploding")
  t.truthy(findings { { layer = "a" } } == "exploding")
end)

t.test("more than a quarter of dead units is a finding", function()
  t.truthy(findings { relu("r", 8, 2), relu("s", 8, 3), relu("t", 8, 8), relu("u", 100, 25) } == "- dead dead -")
end)

t.test("each finding of a layer is said once, several layers in one sentence", function()
  local known = {}
  local layers = { layer("a", 1e-7), layer("b", 1e-6), layer("c", 1, 12), relu("r", 4, 3) }
  diagnosis.judge(layers)
  local news = diagnosis.news({ epoch = 2, layers = layers }, known)
  t.truthy(#news == 3)
  t.truthy(news[1] == "epoch 2: gradients vanish in a and b: down to 1e-7, and 1.00 in c, nearer the loss; relu in "
    .. "place of sigmoid or tanh, batch_norm or residual { ... } let them through")
  t.truthy(news[2] == "epoch 2: steps explode in c: one is 12.0 times as large as the weights; a lower learning rate "
    .. "or scaled inputs keep them small")
  t.truthy(news[3] == "epoch 2: 3 of 4 units of r are dead: 0 for every row, so they learn nothing; a lower learning "
    .. "rate or leaky_relu keeps them alive")
  t.truthy(#diagnosis.news({ epoch = 3, layers = layers }, known) == 0)
  layers[5] = relu("s", 2, 2)
  diagnosis.judge(layers)
  t.truthy(diagnosis.news({ epoch = 4, layers = layers }, known)[1]:find("^epoch 4: 2 of 2 units of s are dead"))
end)

t.test("of many layers four are named", function()
  local layers = {}
  for i = 1, 6 do layers[i] = layer("l" .. i, 1e-9) end
  layers[7] = layer("last", 1)
  diagnosis.judge(layers)
  t.truthy(diagnosis.news({ epoch = 1, layers = layers }, {})[1]:find("in l1, l2, l3, l4 and 2 more: ", 1, true))
end)
