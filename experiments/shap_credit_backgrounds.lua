-- How much of an attribution hangs on the background rows that were drawn? The network of shap_credit.lua,
-- explained with eight other backgrounds: the seed draws them, and each explainer's own samples.
--
--   lunette run experiments/shap_credit.lua
--   lunette run experiments/shap_credit_backgrounds.lua
--   lunette query "$(cat experiments/shap_credit.sql)"
--
-- The query gives the columns that all three explainers have among their eight greatest, in every draw, with
-- each explainer's share of a row's attribution: its mean over the draws, and the least and the greatest.
-- lime has no background; its draws are its samples.
local drawn = rows { split = "train", sample = 50 }

return experiment "shap_credit_backgrounds" {
  seed = sweep { 11, 12, 13, 14, 15, 16, 17, 18 }, link = "probability", target = "bad",
  data = csv "data/german_credit.csv" {
    target = "class", positive = "bad", split = { train = 0.7, test = 0.3, stratify = true },
  },
  model = saved { run = "shap_credit" },
  inputs = rows { split = "test", take = 100 },
  explain = {
    kernel_shap { background = drawn, samples = 1000 },
    permutation_shap { background = drawn, evaluations = 500 },
    lime { features = "all", point_bins = "value" },
  },
}
