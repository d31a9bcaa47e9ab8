-- How far must a digit be moved before the network errs, and what do attributions say of the moved digit?
--
-- 8x8 digits (Alpaydin and Kaynak 1998): 1797 images of 64 pixels, scaled to 0 .. 1. A small convolutional network
-- is attacked on unseen images: one step along the gradient's sign (fgsm) and twenty small ones (pgd), within the
-- same bounds. The success of an attack is a metric; the attacked images are stored and drawn. Three explainers
-- explain the true class at the images as they are and, by `at`, at what pgd made of them: the picture shows how
-- the maps move.
--
--     lunette run experiments/adversarial.lua
--
-- How often an attack succeeded, and how sure the network was of the right class afterwards:
--
--     lunette query "SELECT label, avg(exp(-output)) FROM attribution_view WHERE kind = 'input' GROUP BY label"
--
-- How far attributions moved, by explainer and size of the attack: rank correlation with the clean image's, and
-- what the ten strongest pixels of both have in common (intersection over union):
--
--     lunette query "$(cat experiments/adversarial.sql)"

local moved = sweep { "pgd-0.05", "pgd-0.2" }

return experiment "adversarial" {
  seed  = 1,
  data  = csv "data/digits.csv" {
    target = "digit", shape = { 1, 8, 8 },
    split = { train = 0.75, test = 0.25, stratify = true },
  },
  model = network {
    conv2d { 8, kernel_size = 3, padding = 1 }, relu,
    conv2d { 16, kernel_size = 3, padding = 1 }, relu, max_pool2d { 2 },
    flatten, dense { 32 }, relu, dense { 10 },
    encode = { numeric = "minmax" },
  },
  train = { epochs = 20, batch = 32, optimizer = adam { lr = 2e-3 } },

  evaluate = { accuracy },
  inputs   = rows { split = "test", take = 60 },
  target   = label,
  explain  = {
    fgsm { epsilon = sweep { 0.05, 0.2 }, low = 0, high = 1 },
    pgd { epsilon = sweep { 0.05, 0.2 }, steps = 20, low = 0, high = 1 },
    saliency { absolute = false, as = "gradient" },
    saliency { absolute = false, as = "gradient", at = moved },
    integrated_gradients { steps = 32, as = "ig" },
    integrated_gradients { steps = 32, as = "ig", at = moved },
    lrp { composite = "epsilon_plus", as = "lrp_plus" },
    lrp { composite = "epsilon_plus", as = "lrp_plus", at = moved },
  },
  pictures = { heat_map_grid { samples = 8 } },
  expect   = { at_least { accuracy, 0.93 } },
}
