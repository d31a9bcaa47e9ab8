-- How well does the credit network rank applicants it has never seen, and how much of that is luck?
--
-- One network, trained 25 times: five folds, drawn anew five times. Each run tests on the fifth of the
-- applicants that it was not trained on; the report gives mean and deviation over all runs. Weight
-- decay and a low rate keep 800 rows from being learnt by heart.
--
--     lunette run experiments/cross_validation.lua
--
-- tests/bench/cross_validation.py runs it beside scikit-learn's MLPClassifier, on the same folds.
return experiment "cross_validation" {
  data = csv "data/german_credit.csv" {
    target = "class", positive = "bad", split = { folds = 5, repeats = 5 },
  },
  model = network { dense { 64 }, relu, dense { 32 }, relu, dense { 1 } },
  train = { epochs = 20, batch = 32, optimizer = adam { lr = 3e-4, weight_decay = 0.01 } },
  evaluate = { roc_auc, average_precision, accuracy },
  expect = { at_least { roc_auc, 0.65 } },
}
