-- How many steps does integrated gradients need?
--
-- Its attributions sum to the difference between the output and the output at the baseline only in the
-- limit: with few steps a part is missing, the residual. Here the steps are swept from 4 to 256 for a
-- network on Statlog German Credit (Hofmann 1994), and the judge `completeness` measures what is missing
-- on 100 applicants. With relu the path has kinks, so the residual falls slowly, about as 1 / steps.
--
--     lunette run experiments/steps.lua
--     lunette query "SELECT label, max(abs(residual)) FROM attribution_view GROUP BY explanation"

local ig = integrated_gradients { baseline = "mean" }

return experiment "steps" {
  seed  = 7,
  data  = csv "data/german_credit.csv" { target = "class", positive = "bad" },
  model = network { dense { 64 }, relu, dense { 32 }, relu, dense { 2 } },
  train = { epochs = 20, optimizer = adam { lr = 1e-3 } },

  evaluate = { accuracy },
  inputs   = rows { split = "test", take = 100 },
  explain  = { ig { steps = sweep { 4, 16, 64, 256 } } },
  judge    = { completeness },
  pictures = { importance_bar { top = 10 } },
  expect   = {
    better { ig { steps = 16 },  than = ig { steps = 4 },  on = completeness },
    better { ig { steps = 64 },  than = ig { steps = 16 }, on = completeness },
    better { ig { steps = 256 }, than = ig { steps = 64 }, on = completeness },
  },
}
