-- Where does a network look when it reads a handwritten digit, and do explainers point to the ink?
--
-- 8x8 digits (Alpaydin and Kaynak 1998): 1797 images of 64 pixels, 0 to 16. A small dense network is
-- trained on three quarters of them; four explainers attribute its decision on unseen images, one
-- of each digit in the picture, to the pixels. Red speaks for the predicted digit, blue against it.
--
--     lunette run experiments/digits.lua
--
-- The heat maps are in <store>-pictures/run-<id>/, and their paths in the store's table `artifact`.

local digits = csv "data/digits.csv" {
  target = "digit", shape = { 1, 8, 8 },
  split = { train = 0.75, test = 0.25, stratify = true },
}

return experiment "digits" {
  seed  = 1,
  data  = digits,
  model = network {
    flatten, dense { 64 }, relu, dense { 32 }, relu, dense { 10 },
    encode = { numeric = "minmax" },
  },
  train = { epochs = 40, batch = 32, optimizer = adam { lr = 2e-3 } },

  evaluate = { accuracy, confusion_matrix },

  inputs  = rows { split = "test", take = 40 },
  explain = {
    saliency,
    input_x_gradient,
    integrated_gradients { steps = 64 },
    feature_ablation,
  },
  judge    = { deletion },
  pictures = { heat_map_grid { samples = 10, by_class = true }, confusion_chart },
  expect   = {
    at_least { accuracy, 0.93 },
    better { integrated_gradients, than = saliency, on = deletion },
  },
}
