-- Which parts of a picture tell shirts from coats? A residual network with batch normalisation on Fashion-MNIST.
--
-- Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): 60,000 images of 28 x 28 pixels of ten kinds of clothes to train
-- on, 10,000 to test. Training images are moved by up to a pixel and half of them mirrored, anew every
-- epoch. Test accuracy is above 91 %, after some minutes on two cores.
--
--     make data                                  (once: brings the images into ~/.cache/lunette)
--     lunette run experiments/fashion.lua
--     lunette run experiments/fashion.lua -- FOLDER   (where they lie in FOLDER/fashion-mnist)

local folder = (... or "~/.cache/lunette") .. "/fashion-mnist/"

local function images(part)
  return {
    inputs = idx(folder .. part .. "-images-idx3-ubyte.gz") { scale = 1/255 },
    labels = idx(folder .. part .. "-labels-idx1-ubyte.gz"),
  }
end
local train = images "train"

-- Two convolutions whose result is added to what they were given.
local function block(channels)
  return residual {
    conv2d { channels, kernel_size = 3, padding = "same", bias = false }, batch_norm2d, relu,
    conv2d { channels, kernel_size = 3, padding = "same", bias = false }, batch_norm2d,
  }
end

return experiment "fashion" {
  seed  = 1,
  data  = arrays {
    inputs = train.inputs, labels = train.labels, test = images "t10k", shape = { 1, 28, 28 },
    classes = { "T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot" },
  },
  model = network {
    conv2d { 16, kernel_size = 3, padding = "same", bias = false }, batch_norm2d, relu, max_pool2d { 2 },
    block(16), relu, max_pool2d { 2 },
    conv2d { 32, kernel_size = 3, padding = "same", bias = false }, batch_norm2d, relu,
    block(32), relu, adaptive_avg_pool2d { 1 },
    flatten, dense { 10 },
  },
  train = { epochs = 8, batch = 128, optimizer = adamw { lr = 4e-3, weight_decay = 1e-3 },
            schedule = cosine_annealing_lr { t_max = 8 }, augment = { shift = 1, flip = 0.5 }, checkpoint = 1 },

  evaluate = { accuracy, f1 { average = "macro" }, confusion_matrix },

  inputs   = rows { split = "test", take = 100 },
  explain  = { integrated_gradients { steps = 32 }, grad_cam { layer = 10 }, lrp { composite = "epsilon_plus" } },
  pictures = { confusion_chart, heat_map_grid { samples = 10, by_class = true } },
  expect   = { at_least { accuracy, 0.91 } },
}
