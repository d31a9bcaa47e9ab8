-- Thresholds by rule, by hand: six rows, scores 0.9 (class 1), 0.8 (0), 0.8 (1), 0.5 (1), 0.3 (0), 0.1 (0).
local t = ...
local thresholds = require "thresholds"

local scores, labels = { 0.1, 0.9, 0.8, 0.3, 0.8, 0.5 }, { 0, 1, 0, 0, 1, 1 }

t.test("youden: TPR - FPR is 1/3, 1/3, 2/3, 1/3, 0 from the highest score down", function()
  t.equal(thresholds.choose("youden", scores, labels), 0.5)
end)

t.test("f1 is 1/2, 2/3, 6/7, 3/4, 2/3 from the highest score down", function()
  t.equal(thresholds.choose("f1", scores, labels), 0.5)
end)

t.test("rate: the share of rows is 1/6, 3/6, 4/6, 5/6, 1; the nearest, among equals the highest", function()
  t.equal(thresholds.choose("rate:0.1", scores, labels), 0.9)
  t.equal(thresholds.choose("rate:0.45", scores, labels), 0.8)
  t.equal(thresholds.choose("rate:0.6", scores, labels), 0.5)
  t.equal(thresholds.choose("rate:0.75", { 0.2, 0.4, 0.6, 0.8 }, { 0, 1, 0, 1 }), 0.4)
  t.equal(thresholds.choose("rate:0.375", { 0.2, 0.4, 0.6, 0.8 }, { 0, 1, 0, 1 }), 0.8)
end)

t.test("rows count by their weight: without the row of score 0.5, youden stops at 0.8", function()
  t.equal(thresholds.choose("youden", scores, labels, { 1, 1, 1, 1, 1, 0 }), 0.8)
  t.equal(thresholds.choose("youden", scores, labels, { 1, 3, 1, 1, 1, 0 }), 0.9)
end)

t.test("one class only: a threshold all the same", function()
  t.equal(thresholds.choose("youden", { 0.2, 0.7 }, { 1, 1 }), 0.2)
  t.equal(thresholds.choose("youden", { 0.2, 0.7 }, { 0, 0 }), 0.7)
  t.equal(thresholds.choose("f1", { 0.2, 0.7 }, { 0, 0 }), 0.7)
end)

t.test("scores that are no numbers, and rows that weigh nothing, have no threshold", function()
  t.equal(thresholds.choose("youden", { 0.2, 0 / 0, 0.7 }, { 0, 1, 1 }), nil)
  t.equal(thresholds.choose("rate:0.5", { 0.2, 0.7 }, { 0, 1 }, { 0, 0 }), nil)
end)

t.test("rules", function()
  t.equal({ thresholds.parse "youden", thresholds.parse "rate:0.25" }, { true, 0.25 })
  for _, text in ipairs { "rate:0", "rate:1", "rate:", "rate:1.2.3", "roc", "0.5" } do
    t.equal(thresholds.parse(text), nil)
  end
end)
