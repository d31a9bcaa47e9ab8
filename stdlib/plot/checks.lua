-- What only the model and the bound explanations can tell of a picture's options, before a run: a layer or an
-- explanation that is not there, a sample too many.
local fail = require "fail"
local models = require "models"
local suggest = require "suggest"

local checks = {}

function checks.kernels(node, bound)
  local wanted = node.options.layer
  if wanted == nil or not bound.model then return end
  local names = {}
  for number, one in ipairs(models.info(bound.model).graph.nodes) do
    if wanted == number - 1 or wanted == one.name then
      if one.layer:find("^conv2d") then return end
      fail.at(node, "layer", ("layer %s is %s: kernels are drawn of conv2d"):format(one.name, one.layer))
    end
    if one.layer:find("^conv2d") then names[#names + 1] = one.name end
  end
  fail.at(node, "layer", ("the network has no layer %s"):format(type(wanted) == "string" and "'" .. wanted .. "'"
    or tostring(wanted)), #names > 0 and suggest.hint(wanted, names, "its conv2d are") or nil)
end

-- An explanation of the kind that is drawn, and one that `of` names.
local function explanation(node, bound, fits, what, hint)
  local labels, any = {}, false
  for _, entry in ipairs(bound.explain) do
    local fit = fits(entry)
    any = any or fit
    if fit then labels[#labels + 1] = entry.node.label end
    if entry.node.label == node.options.of then
      if fit then return end
      fail.at(node, "of", ("%s is no %s"):format(node.options.of, what), hint)
    end
  end
  if node.options.of then
    fail.at(node, "of", ("explain has no '%s'"):format(node.options.of),
      any and suggest.hint(node.options.of, labels, "there are") or hint)
  end
  if not any then fail.at(node, nil, ("explain has no %s to draw"):format(what), hint) end
end

function checks.activations(node, bound)
  explanation(node, bound, function(entry) return entry.space == "layer" end, "explanation of a layer",
    "add layer_activation { layer = ... } to explain")
end

function checks.gradients(node, bound)
  explanation(node, bound, function(entry)
    local word, options = entry.node.word, entry.node.options
    return word == "saliency" and options.absolute == false
      or word == "layer_gradient_x_activation" and options.multiply_by_activation == false
  end, "plain gradient", "add layer_gradient_x_activation { layer = ..., multiply_by_activation = false } or "
    .. "saliency { absolute = false } to explain")
end

-- One of the samples explained, where the picture is of one.
local function sample(node, bound)
  if not node.options.sample then return end
  local count = bound.count * (bound.per_row or 1)
  if node.options.sample >= count then
    fail.at(node, "sample", ("%d is one too many: %d %s explained, numbered from 0"):format(node.options.sample, count,
      count == 1 and "row is" or "rows are"))
  end
end

-- Charts of features: those of a layer have none, nor have pairs.
function checks.importance_bar(node, bound)
  explanation(node, bound, function(entry) return entry.space ~= "layer" and not entry.players end,
    "explanation of single features", "interaction_map draws pairs, activations draws layers")
end
checks.beeswarm_chart = checks.importance_bar

function checks.waterfall_chart(node, bound)
  checks.importance_bar(node, bound)
  sample(node, bound)
end

function checks.heat_map_grid(node, bound)
  explanation(node, bound, function(entry) return not entry.players end, "explanation of single features",
    "interaction_map draws pairs")
end

function checks.interaction_map(node, bound)
  explanation(node, bound, function(entry) return entry.players ~= nil end, "explanation of pairs",
    "add shapley_interaction to explain")
  sample(node, bound)
end

return function(run, bound)
  for _, node in ipairs(run.pictures) do
    local check = checks[node.word]
    if check then check(node, bound) end
  end
end
