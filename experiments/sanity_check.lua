-- Do explanations depend on what the network has learnt?
--
-- The sanity checks of Adebayo et al. 2018. A small convolutional network is trained on 8x8 digits (Alpaydin and
-- Kaynak 1998) and its layers are made to forget: their weights are drawn anew, from the output down to a layer
-- (cascading), and of each layer alone (independent). Each time every explainer explains the same images and
-- classes again. A method whose maps stay the same says something of the image and not of the network: what
-- guided backpropagation is known for. Random attribution, which never looks at the network, is the control that
-- stays at 1.
--
--     lunette run experiments/sanity_check.lua
--
-- The chart shows rank correlation and structural similarity by layer; as a table, a row an explainer and layer:
--
--     lunette query "$(cat experiments/sanity_check.sql)"

local layers = { "logits", "hidden", "shapes", "edges" } -- from the output down

return experiment "sanity_check" {
  seed  = 1,
  data  = csv "data/digits.csv" {
    target = "digit", shape = { 1, 8, 8 },
    split = { train = 0.75, test = 0.25, stratify = true },
  },
  model = network {
    conv2d { 8, kernel_size = 3, padding = 1, name = "edges" }, relu,
    conv2d { 16, kernel_size = 3, padding = 1, name = "shapes" }, relu { name = "maps" }, max_pool2d { 2 },
    flatten, dense { 32, name = "hidden" }, relu, dense { 10, name = "logits" },
    encode = { numeric = "minmax" },
  },
  train = { epochs = 20, batch = 32, optimizer = adam { lr = 2e-3 } },

  evaluate = { accuracy },
  inputs   = rows { split = "test", take = 60 },
  explain  = {
    saliency { absolute = false, as = "gradient" },
    input_x_gradient,
    integrated_gradients { steps = 32 },
    deeplift,
    lrp { composite = "epsilon_plus", as = "lrp_plus" },
    guided_backprop,
    deconvnet,
    grad_cam { layer = "maps" },
  },
  control  = { random_attribution },
  judge    = {
    parameter_randomisation {
      layer = sweep(layers), order = sweep { "top_down", "independent" }, similarity = sweep { "spearman", "ssim" },
    },
  },
  pictures = { randomisation_chart, heat_map_grid { samples = 6, by_class = true } },
  expect   = { at_least { accuracy, 0.93 } },
}
