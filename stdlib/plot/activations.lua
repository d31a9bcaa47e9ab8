-- What a layer makes of some samples: layer_activation, or how much each unit speaks for the target
-- (layer_gradient_x_activation, layer_conductance ...).
local maps = require "plot/layer_maps"

return function(context)
  return maps(context, { which = "a.space = 'layer'", first = "e.explainer <> 'layer_activation'",
    none = "The run has no explanation that is a layer's maps: add layer_activation { layer = ... } to explain." })
end
