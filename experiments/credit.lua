-- Which attributes drive a network's credit decisions, and do the explainers agree on them?
--
-- Statlog German Credit (Hofmann 1994): 1000 applicants, 20 attributes, good or bad. A small network
-- is trained on 70 % of them; five explainers attribute its decision on 100 unseen applicants to the
-- attributes, and deletion judges which of them found what the network really relies on.
--
--     lunette run experiments/credit.lua
--
-- The answer is printed at the end (metrics, strongest attributes by explainer, verdicts) and kept
-- in the store: `lunette show last`, or any question in SQL (docs/store.md).

local credit = csv "data/german_credit.csv" {
  target = "class", positive = "bad",
  split = { train = 0.7, test = 0.3, stratify = true },
}

return experiment "credit" {
  seed  = 7,
  data  = credit,
  model = network { dense { 64 }, relu, dense { 32 }, relu, dense { 2 } },
  train = { epochs = 12, batch = 32, optimizer = adam { lr = 1e-3 }, loss = cross_entropy },

  evaluate = { accuracy, precision, recall, f1, roc_auc, ks, lift { at = 0.1 }, log_loss,
               confusion_matrix },

  inputs  = rows { split = "test", take = 100 },
  target  = predicted,
  explain = {
    saliency,
    input_x_gradient,
    integrated_gradients { steps = sweep { 16, 64 }, baseline = "mean" },
    guided_backprop,
    feature_ablation { baseline = "mean" },
  },
  judge  = { deletion { baseline = "mean" } },
  expect = {
    at_least { accuracy, 0.70 },
    at_least { roc_auc, 0.75 },
    better   { integrated_gradients { steps = 64 }, than = saliency, on = deletion, ci = 0.95 },
  },
}
