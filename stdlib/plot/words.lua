-- The words of `pictures`, in the shape of vocabulary.lua.
local label = { name = "as", type = "label", otherwise = "the word",
  help = "its label, the name of its files: letters, digits, _ . and -" }
local title = { name = "title", type = "string",
  otherwise = "the experiment's name and what is shown", help = "what stands above the picture" }

local function picture(name, summary, params)
  params[#params + 1] = title
  params[#params + 1] = label
  return { name = name, category = "picture", summary = summary, params = params,
           example = ("pictures = { %s }"):format(name) }
end

-- Options of pictures of maps.
local function maps(otherwise, of)
  return {
    { name = "of", type = "string", otherwise = otherwise, help = of },
    { name = "samples", type = "int", default = "6", min = 1, max = 100,
      help = "how many of the explained samples, from the first" },
    { name = "by_class", type = "bool", default = "false",
      help = "one sample of each true class after the other" },
    { name = "most", type = "int", default = "12", min = 1, max = 100, help = "how many channels, from the first" },
    { name = "scale", type = "choice", choices = "shared|map", default = '"shared"',
      help = "the darkest colour is the greatest |value| of all maps drawn, or each map's own" },
  }
end

return {
  picture("heat_map_grid", "attributions of images: a row a sample, a column an explanation", {
    { name = "samples", type = "int", default = "8", min = 1, max = 100,
      help = "how many of the explained samples, from the first" },
    { name = "by_class", type = "bool", default = "false",
      help = "one sample of each true class after the other" },
    { name = "scale", type = "choice", choices = "map|shared", default = '"map"',
      help = "the darkest colour is each map's own greatest |value|, or that of its column" },
    { name = "colours", type = "choice", choices = "auto|signed|absolute", default = '"auto"',
      help = "two colours around 0, or one for |value|; auto: absolute where nothing is negative" },
    { name = "overlay", type = "bool", default = "false",
      help = "whether a map lies on its input" },
    { name = "outlines", type = "bool", default = "false",
      help = "whether lines are drawn between the groups of an explanation that has groups" },
  }),
  picture("importance_bar", "mean |attribution| by column: bars, a panel an explanation", {
    { name = "top", type = "int", default = "15", min = 1, max = 200,
      help = "how many columns, the greatest first" },
  }),
  picture("waterfall_chart", "how one sample's number comes about, from the baseline's: a panel an explanation", {
    { name = "sample", type = "int", default = "0", min = 0,
      help = "which of the explained samples, from 0 (of several targets a sample, which attribution)" },
    { name = "top", type = "int", default = "10", min = 1, max = 100,
      help = "features shown alone, the greatest; the others are one bar" },
  }),
  picture("beeswarm_chart", "every attribution of the greatest columns: a dot a sample, a panel an explanation", {
    { name = "top", type = "int", default = "12", min = 1, max = 100,
      help = "how many columns, the greatest first" },
  }),
  picture("interaction_map", "what pairs of features do together: a row and a column a feature", {
    { name = "of", type = "string", otherwise = "the first explanation of pairs",
      help = "the label of an explanation of pairs: shapley_interaction" },
    { name = "sample", type = "int", otherwise = "the mean |value| of all", min = 0,
      help = "which of the explained samples, from 0" },
    { name = "top", type = "int", default = "12", min = 2, max = 60,
      help = "how many features, those that do most with others" },
  }),
  picture("roc_chart", "true against false positive rate, of two classes", {}),
  picture("pr_chart", "precision against recall, of two classes", {}),
  picture("ks_chart", "shares of both classes below each score, and where they are furthest apart", {}),
  picture("lift_chart", "how much richer in positives the first x % by score are than all", {}),
  picture("gain_chart", "which share of all positives the first x % by score hold", {}),
  picture("calibration_chart", "how often what is said with probability p is true", {
    { name = "bins", type = "int", default = "10", min = 2, max = 50, help = "of equal width" },
  }),
  picture("confusion_chart", "counts of true against predicted classes", {}),
  picture("randomisation_chart", "how alike attributions stay when layers are drawn anew: a line an explanation", {}),
  picture("kernels", "kernels of a convolution, from the trained weights", {
    { name = "layer", type = "layer", otherwise = "the first conv2d",
      help = "the convolution: its number, from 0, or its name" },
    { name = "most", type = "int", default = "32", min = 1, max = 200,
      help = "how many channels are drawn, of those made and of those read" },
  }),
  picture("histograms", "parameters and their gradients by layer, after the training", {
    { name = "most", type = "int", default = "40", min = 1, max = 200, help = "how many layers, from the first" },
  }),
  picture("activations", "a layer's maps for some samples: a row a sample, a column a channel", maps(
    "the first explanation that has maps of a layer",
    "the label of an explanation of a layer: layer_activation, layer_gradient_x_activation ...")),
  picture("gradients", "gradients by a layer or the input for some samples: a row a sample, a column a channel", maps(
    "the first such gradients, of a layer before those of the input",
    "the label of layer_gradient_x_activation { multiply_by_activation = false } or saliency { absolute = false }")),
}
