-- Which columns decide about a credit, and on which do kernel_shap, permutation_shap and lime agree?
--
-- One network, three explainers by column, on the scale of probabilities so that their values compare. Charts
-- beside the store: how one applicant's probability comes about, and every attribution of the greatest columns.
-- off_manifold says how many of the rows that each of them asks the network about are unlike any applicant: of
-- lime's own package nearly all, since it draws 0 dependents and 0 credits where there is never one less than 1
-- (lime-package), and then calls these columns the greatest; with point_bins = "value" lime draws what there is.
-- How much hangs on the background that is drawn: shap_credit_backgrounds.lua, which goes on from here.
local credit = csv "data/german_credit.csv" {
  target = "class", positive = "bad", split = { train = 0.7, test = 0.3, stratify = true },
}
local drawn = rows { split = "train", sample = 50 }

return experiment "shap_credit" {
  seed = 7, link = "probability", target = "bad",
  data = credit, model = network { dense { 32 }, relu, dense { 16 }, relu, dense { 2 } },
  train = { epochs = 30, batch = 32, optimizer = adam { lr = 1e-3, weight_decay = 1e-3 } },
  evaluate = { accuracy, roc_auc },
  inputs = rows { split = "test", take = 100 },
  explain = {
    kernel_shap { background = drawn, samples = 1000 },
    permutation_shap { background = drawn, evaluations = 500 },
    lime { features = "all", point_bins = "value" },
    lime { features = "all", as = "lime-package" },
  },
  control = { random_attribution },
  judge = { deletion, insertion, off_manifold },
  pictures = { waterfall_chart { sample = 0 }, beeswarm_chart, importance_bar { top = 12 } },
  expect = {
    better { kernel_shap, than = random_attribution, on = deletion },
    better { permutation_shap, than = random_attribution, on = deletion },
    better { "lime", than = random_attribution, on = deletion },
    better { "lime", than = "lime-package", on = deletion },
  },
}
