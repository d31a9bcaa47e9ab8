-- How good is a credit network as a scorecard, and how much of that is luck of the seed?
--
-- The measures of a credit department (KS, lift in the riskiest tenth, AUC, Brier score) on 300 unseen applicants, each
-- with its 95 % interval, for three seeds of the same network: where the intervals of the seeds overlap, a difference
-- between them says nothing. Statlog German Credit (Hofmann 1994).
--
--     lunette run experiments/scorecard.lua
--
-- The curves behind the numbers are in the store: table `curve` (docs/store.md).

return experiment "scorecard" {
  seed  = sweep { 1, 2, 3 },
  data  = csv "data/german_credit.csv" {
    target = "class", positive = "bad",
    split = { train = 0.7, test = 0.3, stratify = true },
  },
  model = network { dense { 32 }, relu, dropout { 0.2 }, dense { 2 } },
  train = { epochs = 20, optimizer = adam { lr = 1e-3 }, class_weights = "balanced" },

  evaluate = {
    roc_auc { ci = 0.95 }, ks { ci = 0.95 }, ks_threshold, brier { ci = 0.95 },
    lift { at = sweep { 0.1, 0.2, 0.3 } }, gain { at = sweep { 0.1, 0.2, 0.3 } },
    recall { ci = 0.95 }, precision, expected_calibration_error,
    roc_curve, ks_curve, lift_curve, gain_curve, calibration_curve,
  },
  expect = {
    at_least { roc_auc, 0.75 },
    at_least { ks, 0.4 },
    at_least { lift { at = 0.1 }, 1.8 },
  },
}
