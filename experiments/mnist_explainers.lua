-- Which explainer says best what a network sees in a handwritten digit?
--
-- MNIST (LeCun, Cortes and Burges 1998). A small convolutional network is trained for two epochs and explained by
-- eleven methods on a hundred unseen images; the picture shows one image of every digit beside the eleven maps.
-- Judged by deletion (how fast does the class lose its probability when pixels go, the most relevant first) and
-- insertion (how fast does it come up from black), beside a random control that every method has to beat.
--
--     make data                                             (once: brings the images into ~/.cache/lunette)
--     lunette run experiments/mnist_explainers.lua
--     lunette run experiments/mnist_explainers.lua -- FOLDER     (where they lie elsewhere)
--
-- The table of means is in the run's report; from the store:
--
--     lunette query "SELECT * FROM leaderboard WHERE metric = 'deletion' ORDER BY value"

local folder = (... or "~/.cache/lunette") .. "/mnist/"

local function images(part)
  return {
    inputs = idx(folder .. part .. "-images-idx3-ubyte.gz") { scale = 1/255 },
    labels = idx(folder .. part .. "-labels-idx1-ubyte.gz"),
  }
end
local train = images "train"

return experiment "mnist_explainers" {
  seed  = 1,
  data  = arrays { inputs = train.inputs, labels = train.labels, test = images "t10k", shape = { 1, 28, 28 } },
  model = network {
    conv2d { 10, kernel_size = 5 }, relu, max_pool2d { 2 },
    conv2d { 20, kernel_size = 5 }, relu { name = "maps" }, max_pool2d { 2 },
    flatten, dense { 50 }, relu, dense { 10 },
  },
  train = { epochs = 2, batch = 100, optimizer = adam { lr = 2e-3 } },

  evaluate = { accuracy },
  inputs   = rows { split = "test", take = 100 },
  explain  = {
    saliency,
    smooth_grad { samples = 25, stdev = 0.2 },
    input_x_gradient,
    integrated_gradients { steps = 32 },
    deeplift,
    guided_backprop,
    grad_cam { layer = "maps" },
    guided_grad_cam { layer = "maps" },
    lrp { composite = "epsilon_plus", as = "lrp_plus" },
    lrp { composite = "epsilon_gamma_box", low = 0, high = 1, as = "lrp_gamma" },
    deep_taylor { low = 0, high = 1 },
  },
  control  = { random_attribution },
  judge    = { deletion { step = 14 }, insertion { step = 14 }, sparseness },
  pictures = { heat_map_grid { samples = 10, by_class = true } },
  expect   = {
    at_least { accuracy, 0.96 },
    better { integrated_gradients, than = random_attribution, on = deletion },
    better { deeplift, than = random_attribution, on = deletion },
    better { "lrp_plus", than = random_attribution, on = deletion },
    better { "lrp_gamma", than = random_attribution, on = deletion },
    better { integrated_gradients, than = saliency, on = deletion },
  },
}
