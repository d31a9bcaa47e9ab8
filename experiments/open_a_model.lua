-- What does a classifier that somebody else trained see in a picture, and can its explanations be trusted?
--
-- data/opened/model.onnx is a convolutional network that PyTorch trained on 8x8 handwritten digits and exported;
-- nothing is trained here. Its decisions on 100 images that it has not seen are explained by gradients, by integrated
-- gradients and by layer-wise relevance propagation, and judged by deletion: how fast does the predicted class lose its
-- probability when pixels go, the most relevant first? A random attribution beside them shows what chance does.
--
--     lunette show experiments/data/opened/model.onnx
--     lunette run experiments/open_a_model.lua
--
-- For a model of your own: its file, and images as it was trained on them, (N, channels, height, width), which
-- `numpy.save` writes. The heat maps are in <store>-pictures/run-<id>/.

return experiment "open_a_model" {
  model  = onnx "data/opened/model.onnx",
  inputs = npy "data/opened/images.npy",
  labels = npy "data/opened/labels.npy",

  evaluate = { accuracy, confusion_matrix },
  explain  = {
    saliency,
    integrated_gradients { steps = 64 },
    lrp { composite = "epsilon_plus" },
  },
  control  = { random_attribution },
  judge    = { deletion },
  pictures = { heat_map_grid { samples = 10, by_class = true } },
  expect   = {
    at_least { accuracy, 0.95 },
    better { integrated_gradients, than = random_attribution, on = deletion },
    better { integrated_gradients, than = saliency, on = deletion },
  },
}
