-- The pictures of the pages in docs/explainers: what each method says of three digits that one network reads.
--
--     make data                                                          (once: brings MNIST into ~/.cache/lunette)
--     lunette run docs/images/explainers.lua --db pictures.db
--
-- and then, for each word, pictures-pictures/run-N/WORD.png goes to docs/images. The network is that of
-- experiments/mnist_explainers.lua; it is trained once, for one epoch, for all of them.

local folder = (... or "~/.cache/lunette") .. "/mnist/"

local function images(part)
  return {
    inputs = idx(folder .. part .. "-images-idx3-ubyte.gz") { scale = 1/255 },
    labels = idx(folder .. part .. "-labels-idx1-ubyte.gz"),
  }
end
local train = images "train"
local some = rows { split = "train", take = 20 }

local function maps(word, explain, target)
  return { word = word, explain = explain, target = target, pictures = { heat_map_grid { samples = 3, by_class = true, as = word } } }
end

local function channels(word, explain)
  return { word = word, explain = explain,
           pictures = { activations { samples = 3, by_class = true, most = 8, scale = word == "layer_activation" and "shared" or "map", as = word } } }
end

local pages = {
  maps("saliency", { saliency, saliency { absolute = false, as = "signed" } }),
  maps("input_x_gradient", { input_x_gradient }),
  maps("integrated_gradients", { integrated_gradients, integrated_gradients { method = "exact", as = "exact" } }),
  maps("gradient_shap", { gradient_shap { samples = 50, background = some } }),
  maps("smooth_grad", { smooth_grad { samples = 25, stdev = 0.2 }, smooth_grad { samples = 25, stdev = 0.2, mode = "squared", as = "squared" } }),
  maps("deeplift", { deeplift { as = "rescale" }, deeplift { rule = "reveal_cancel", as = "reveal_cancel" } }),
  maps("deeplift_shap", { deeplift_shap { background = some } }),
  maps("guided_backprop", { guided_backprop }),
  maps("deconvnet", { deconvnet }),
  maps("lrp", { lrp { as = "epsilon" }, lrp { composite = "epsilon_plus", as = "epsilon_plus" },
    lrp { composite = "epsilon_gamma_box", low = 0, high = 1, as = "gamma_box" } }),
  maps("deep_taylor", { deep_taylor { low = 0, high = 1 } }),
  maps("excitation_backprop", { excitation_backprop }),
  maps("grad_cam", { grad_cam { layer = "maps" } }),
  maps("grad_cam_pp", { grad_cam_pp { layer = "maps" } }),
  maps("layer_cam", { layer_cam { layer = "maps" } }),
  maps("score_cam", { score_cam { layer = "maps" } }),
  maps("guided_grad_cam", { guided_grad_cam { layer = "maps" } }),
  channels("layer_activation", { layer_activation { layer = "maps" } }),
  channels("layer_gradient_x_activation", { layer_gradient_x_activation { layer = "maps" } }),
  channels("layer_conductance", { layer_conductance { layer = "maps" } }),
  channels("internal_influence", { internal_influence { layer = "maps" } }),
  channels("layer_integrated_gradients", { layer_integrated_gradients { layer = "maps" } }),
  maps("fgsm", { fgsm { epsilon = 0.1, low = 0, high = 1, as = "fgsm-0.1" }, fgsm { epsilon = 0.25, low = 0, high = 1, as = "fgsm-0.25" } }, label),
  maps("pgd", { pgd { epsilon = 0.1, steps = 20, low = 0, high = 1, as = "pgd-0.1" }, pgd { epsilon = 0.25, steps = 20, low = 0, high = 1, as = "pgd-0.25" } }, label),
}

local list = {}
for i, page in ipairs(pages) do
  list[i] = experiment(page.word) {
    seed  = 1,
    data  = arrays { inputs = train.inputs, labels = train.labels, test = images "t10k", shape = { 1, 28, 28 } },
    model = network {
      conv2d { 10, kernel_size = 5 }, relu, max_pool2d { 2 },
      conv2d { 20, kernel_size = 5 }, relu { name = "maps" }, max_pool2d { 2 },
      flatten, dense { 50 }, relu, dense { 10 },
    },
    train = { epochs = 1, batch = 100, optimizer = adam { lr = 2e-3 } },
    inputs = rows { split = "test", take = 30 },
    target = page.target or predicted, explain = page.explain, pictures = page.pictures,
  }
end
return list
