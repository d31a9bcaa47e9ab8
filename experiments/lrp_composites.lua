-- Which rules of layer-wise relevance propagation are faithful to a convolutional network?
--
-- 8x8 digits (Alpaydin and Kaynak 1998): 1797 images of 64 pixels, 0 to 16. A small convolutional network
-- is explained on unseen images by one rule for all layers, by composites of the literature, which choose by
-- kind and place of the layer, and by two of our own; deeplift and a random control stand beside them. Judged
-- by deletion: how fast does the predicted class lose its probability when pixels go, the most relevant first?
--
--     lunette run experiments/lrp_composites.lua
--
-- Every relevance map is conserved: with what biases absorbed it sums to the output (`lunette verify`).

-- Rules from the input to the output, as Montavon et al. 2019 (Layer-Wise Relevance Propagation: An Overview)
-- have them: the bounds of a pixel, then more weight for what speaks for the class, then less noise.
local layered = {
  { place = "first", rule = "z_box", low = 0, high = 1 },
  { type = "conv2d", rule = "gamma", gamma = 0.25 },
  { place = "last", rule = "epsilon", epsilon = 1e-6 },
  { type = "dense", rule = "epsilon", epsilon = 0.25 },
}

-- The same, but for the pixels of the first layer: all of a window alike.
local even = table.move(layered, 2, #layered, 2, { { layer = "edges", rule = "flat" } })

return experiment "lrp_composites" {
  seed  = 1,
  data  = csv "data/digits.csv" {
    target = "digit", shape = { 1, 8, 8 },
    split = { train = 0.75, test = 0.25, stratify = true },
  },
  model = network {
    conv2d { 8, kernel_size = 3, padding = 1, name = "edges" }, relu,
    conv2d { 16, kernel_size = 3, padding = 1 }, relu, max_pool2d { 2 },
    flatten, dense { 32 }, relu, dense { 10 },
    encode = { numeric = "minmax" },
  },
  train = { epochs = 20, batch = 32, optimizer = adam { lr = 2e-3 } },

  evaluate = { accuracy },
  inputs   = rows { split = "test", take = 60 },
  explain  = {
    lrp { as = "epsilon" },
    lrp { epsilon = 0.25, as = "epsilon-0.25" },
    lrp { composite = "epsilon_plus", as = "epsilon_plus" },
    lrp { composite = "epsilon_alpha2_beta1", as = "alpha2_beta1" },
    lrp { composite = "epsilon_gamma_box", low = 0, high = 1, as = "gamma_box" },
    lrp { composite = layered, as = "layered" },
    lrp { composite = even, as = "even" },
    deeplift,
  },
  control  = { random_attribution },
  judge    = { deletion, sparseness },
  pictures = { heat_map_grid { samples = 6, by_class = true } },
  expect   = {
    at_least { accuracy, 0.93 },
    better { "epsilon_plus", than = random_attribution, on = deletion },
    better { "layered", than = random_attribution, on = deletion },
    better { "epsilon-0.25", than = random_attribution, on = deletion },
  },
}
