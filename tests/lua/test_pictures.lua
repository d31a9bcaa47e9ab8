-- Ticks, numbers and curves of the charts, and the folder of a run's pictures. What is drawn is in
-- tests/engine/test_draw.c, the files in tests/spec.
local t = ...
local figure = require "plot/figure"
local grid = require "plot/heat_map_grid"
local panels = require "plot/panels"
local scores = require "plot/scores"

local function texts(low, high, most)
  local list = {}
  for i, tick in ipairs(figure.ticks(low, high, most)) do list[i] = tick.text end
  return table.concat(list, " ")
end

t.test("ticks are round numbers inside the range, never more than wanted", function()
  t.equal(texts(0, 1, 6), "0 0.2 0.4 0.6 0.8 1.0")
  t.equal(texts(0, 1, 5), "0 0.25 0.50 0.75 1.00")
  t.equal(texts(-3, 7, 6), "\u{2212}2 0 2 4 6")
  t.equal(texts(0, 50000, 6), "0 10000 20000 30000 40000 50000")
  t.equal(texts(0.013, 0.019, 4), "0.014 0.016 0.018")
  t.equal(texts(0, 10, 11), "0 1 2 3 4 5 6 7 8 9 10")
  t.equal(texts(0, 3e-7, 4), "0 1e\u{2212}7 2e\u{2212}7 3e\u{2212}7")
  for most = 2, 12 do
    for _, high in ipairs { 1, 1.7, 3, 9.99, 123, 0.00456 } do
      local count = #figure.ticks(0, high, most)
      t.truthy(count <= most and count >= 1, ("%d ticks for %g, wanted %d"):format(count, high, most))
    end
  end
end)

t.test("limits hold the data and end at ticks", function()
  t.equal({ figure.limits(0, 0.93, 6) }, { 0, 1 })
  t.equal({ figure.limits(-1.2, 7.7, 6) }, { -2, 8 })
  t.equal({ figure.limits(0, 0, 6) }, { -1, 1 })
end)

t.test("numbers have three digits or are whole", function()
  t.equal(figure.number(0.123456), "0.123")
  t.equal(figure.number(12345), "12345")
  t.equal(figure.number(0), "0")
  t.equal(figure.number(0.3), "0.300")
  t.equal(figure.number(-99.94), "-99.9")
  t.equal(figure.number(99.96), "100")
  t.equal(figure.number(0.00012), "1.2e-4")
  t.equal(figure.number(3e9), "3e9")
  t.equal(figure.number(0 / 0), "nan")
  t.equal(figure.minus("-1.2e-4"), "\u{2212}1.2e\u{2212}4")
end)

t.test("equal scores are one step of a curve", function()
  local found = { rows = { { label = 0, score = 0.2 }, { label = 1, score = 0.9 },
    { label = 0, score = 0.5 }, { label = 1, score = 0.5 } } }
  t.equal(scores.order(found), {
    { score = 0.9, positives = 1, negatives = 0 },
    { score = 0.5, positives = 2, negatives = 1 },
    { score = 0.2, positives = 2, negatives = 2 },
  })
  t.equal(scores.area { { x = 0, y = 0 }, { x = 0, y = 0.5 }, { x = 0.5, y = 1 }, { x = 1, y = 1 } }, 0.875)
end)

t.test("a waterfall's bars end with the greatest, and leave nothing out", function()
  local rows = { { idx = 0, name = "a", raw = 2.5, value = -3 }, { idx = 1, name = "b", raw = "x", value = 2 },
                 { idx = 2, value = 1 }, { idx = 3, value = -0.5 } }
  local function texts(top)
    local list = {}
    for i, bar in ipairs(panels.bars(rows, top)) do list[i] = ("%s: %g"):format(bar.name, bar.value) end
    return table.concat(list, ", ")
  end
  t.equal(texts(2), "2 others: 0.5, b = x: 2, a = 2.5: -3")
  t.equal(texts(3), "input 3: -0.5, input 2: 1, b = x: 2, a = 2.5: -3")
  t.equal(texts(9), texts(3))
end)

t.test("a map keeps its proportions, but a series is so wide that it can be seen", function()
  t.equal({ grid.extent(120, 100, 8, 8) }, { 100.0, 100.0 })
  t.equal({ grid.extent(120, 100, 10, 40) }, { 120.0, 30.0 }) -- still an image
  t.equal({ grid.extent(120, 100, 2, 60) }, { 120.0, 60 })
  t.equal({ grid.extent(120, 40, 1, 60) }, { 120.0, 40 })
  t.equal({ grid.extent(120, 100, 50, 3) }, { 60, 100.0 })
end)

t.test("labels that are too wide break where both lines are shortest", function()
  local function lines(text) return table.concat(grid.broken(text, 12, utf8.len), "|") end
  t.equal(lines("saliency"), "saliency")
  t.equal(lines("integrated_gradients-exact"), "integrated_|gradients-exact")
  t.equal(lines("lrp-epsilon_plus"), "lrp-|epsilon_plus")
  t.equal(lines("withoutanyplacetobreak"), "withoutanyplacetobreak")
end)

t.test("of several inputs those that are images are drawn, each from its place in a row", function()
  local meta = { inputs = { { name = "ids", shape = { 5, 2 } }, { name = "left", shape = { 5, 3, 4, 6 } },
                            { name = "age", shape = { 5 } }, { name = "right", shape = { 5, 4, 6 } } } }
  t.equal(grid.parts(meta, { 5, 99 }), { { name = "left", shape = { 3, 4, 6 }, first = 2 },
                                         { name = "right", shape = { 4, 6 }, first = 75 } })
  t.equal(grid.parts({}, { 5, 4, 6 }), { { shape = { 4, 6 }, first = 0 } })
  t.equal(grid.parts(nil, { 5, 30 }), {})
end)
