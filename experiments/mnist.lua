-- How well does a small convolutional network read handwritten digits, and which pixels decide?
--
-- MNIST (LeCun, Cortes and Burges 1998): 60,000 images of 28 x 28 pixels to train on, 10,000 to test. The
-- network has 21,840 weights and reads more than 98.5 % of the test images, after about a minute on two
-- cores; every number of it is the same for any --threads.
--
--     make data                                  (once: brings the images into ~/.cache/lunette)
--     lunette run experiments/mnist.lua
--     lunette run experiments/mnist.lua -- FOLDER     (where they lie in FOLDER/mnist)
--
-- The training keeps a checkpoint after each epoch: `lunette run --resume last` goes on after a Ctrl-C.
-- Other scripts take the trained network with model = saved { run = "mnist" }.

local folder = (... or "~/.cache/lunette") .. "/mnist/"

local function images(part)
  return {
    inputs = idx(folder .. part .. "-images-idx3-ubyte.gz") { scale = 1/255 },
    labels = idx(folder .. part .. "-labels-idx1-ubyte.gz"),
  }
end
local train = images "train"

return experiment "mnist" {
  seed  = 1,
  data  = arrays { inputs = train.inputs, labels = train.labels, test = images "t10k", shape = { 1, 28, 28 } },
  model = network {
    conv2d { 10, kernel_size = 5 }, relu, max_pool2d { 2 },
    conv2d { 20, kernel_size = 5 }, relu, max_pool2d { 2 },
    flatten, dense { 50 }, relu, dense { 10 },
  },
  train = { epochs = 6, batch = 100, optimizer = adam { lr = 2e-3 },
            schedule = cosine_annealing_lr { t_max = 6 }, checkpoint = 1 },

  evaluate = { accuracy, f1 { average = "macro" }, log_loss, confusion_matrix },

  inputs   = rows { split = "test", take = 100 },
  explain  = { saliency, input_x_gradient, integrated_gradients { steps = 32 }, layer_activation { layer = 1 } },
  pictures = {
    confusion_chart, heat_map_grid { samples = 10, by_class = true },
    kernels, activations { samples = 10, by_class = true },
  },
  expect   = { at_least { accuracy, 0.985 } },
}
