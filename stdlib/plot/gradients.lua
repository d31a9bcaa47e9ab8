-- How the explained number changes with each number of a layer, or of the input, for some samples: the plain
-- gradients of layer_gradient_x_activation { multiply_by_activation = false } and saliency { absolute = false }.
local maps = require "plot/layer_maps"

local GRADIENTS = "(e.explainer = 'saliency' AND e.params ->> 'absolute' = 0 "
  .. "OR e.explainer = 'layer_gradient_x_activation' AND e.params ->> 'multiply_by_activation' = 0)"

return function(context)
  return maps(context, { which = GRADIENTS, first = "e.explainer = 'saliency'",
    none = "The run has no gradients that are maps: add layer_gradient_x_activation { layer = ..., "
      .. "multiply_by_activation = false } or saliency { absolute = false } to explain." })
end
