-- The picture of docs/explainers/shapley_interaction.md: what pairs of columns do together in a credit network.
--
--     lunette run docs/images/interactions.lua --db pictures.db
--
-- and then pictures-pictures/run-1/shapley_interaction.png goes to docs/images.
return experiment "credit" {
  seed     = 1,
  data     = csv "../../experiments/data/german_credit.csv" { target = "class", positive = "bad" },
  model    = network { dense { 32 }, relu, dense { 2 } },
  train    = { epochs = 20, optimizer = adam { lr = 3e-3 } },
  inputs   = rows { split = "test", take = 50 },
  target   = "bad",
  explain  = { shapley_interaction { background = rows { split = "train", take = 50 } } },
  pictures = { interaction_map { top = 10, as = "shapley_interaction" } },
}
