-- Are attributions made elsewhere as faithful as ours, judged by the same judge on the same rows?
--
-- A network trained in PyTorch on the breast cancer data (Wolberg 1993) was saved as ONNX, and Captum attributed
-- its decisions on 60 rows (tests/reference/captum_results.py made the files). Here its arrays are stored beside
-- our own integrated gradients and judged: the same method should get the same verdict.
--
--     lunette run experiments/captum_results.lua

local function captum(name)
  return precomputed { npy("data/captum/" .. name .. ".npy"), method = "captum " .. name, as = "captum-" .. name }
end

return experiment "captum_results" {
  model  = onnx "data/captum/model.onnx",
  inputs = npy "data/captum/x.npy",
  labels = npy "data/captum/labels.npy",
  evaluate = { accuracy, roc_auc },

  explain = {
    integrated_gradients,
    saliency { absolute = false },
    captum "integrated_gradients",
    captum "deeplift",
    captum "gradient_shap",
  },
  judge  = { deletion },
  expect = {
    better { "captum-deeplift", than = saliency, on = deletion },
    better { integrated_gradients, than = saliency, on = deletion },
  },
}
