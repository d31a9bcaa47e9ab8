-- Fields that are tables of fields themselves (split, test, encode, train, augment), in the shape of the
-- parameters in vocabulary.lua.
local fields = {}

fields.split = {
  { name = "train", type = "real", min = 0, otherwise = "0.75, or what the other parts leave",
    help = "share (0.7) or number (700) of the rows to train on" },
  { name = "test", type = "real", min = 0, otherwise = "0.25, or what the other parts leave",
    help = "share or number of the rows to evaluate on and, unless inputs says otherwise, to explain" },
  { name = "validation", type = "real", default = "0", min = 0,
    help = "share or number of the rows that early stopping watches" },
  { name = "stratify", type = "bool", otherwise = "true where the target is classes",
    help = "whether the classes keep their shares in each part" },
  { name = "seed", type = "int", default = "0", min = 0,
    help = "seed of the draw; not the experiment's, so that sweeping that one keeps the split" },
  { name = "folds", type = "int", min = 2, max = 1000,
    help = "cross-validation: so many runs, each of which tests on another fold of the rows" },
  { name = "repeats", type = "int", min = 1, max = 1000, otherwise = "1",
    help = "how often the folds are drawn anew" },
  { name = "by", type = "string",
    help = "a column: rows with the same value stay in the same part" },
  { name = "column", type = "string",
    help = "a column that says each row's part: train, test or validation" },
}

-- Of data without columns: parts of groups and parts that a column names are for tables.
fields.array_split = {}
for _, field in ipairs(fields.split) do
  if field.name ~= "by" and field.name ~= "column" then
    fields.array_split[#fields.array_split + 1] = field
  end
end

fields.test = {
  { name = "inputs", type = "rows_of_inputs", required = true,
    help = "an array file of rows of the same shape" },
  { name = "labels", type = "word", choices = "array", required = true,
    help = "an array file with one label a row" },
}

fields.encode = {
  { name = "numeric", type = "choice", choices = "standard|minmax|none", default = '"standard"',
    help = "how numbers are scaled, by the training rows" },
  { name = "categorical", type = "choice", choices = "onehot|ordinal", default = '"onehot"',
    help = "how categories become numbers" },
  { name = "missing", type = "choice", choices = "mean|median|category|indicator|error",
    default = '"mean"',
    help = "mean, median: these stand for a missing number, and a missing category is all zeros; category: "
      .. "missing categories are one of their own; indicator: one more input a column, 1 where it "
      .. "lacks the value; error: refuse" },
}

fields.augment = {
  { name = "shift", type = "int", default = "0", min = 0, max = 4096,
    help = "up to so many pixels up or down and to either side, drawn; what moves in is 0" },
  { name = "flip", type = "real", default = "0", min = 0, max = 1,
    help = "share of the images that are mirrored left to right" },
}

fields.train = {
  { name = "epochs", type = "int", required = true, min = 1,
    help = "passes over the training rows" },
  { name = "batch", type = "int", default = "32", min = 1, help = "training rows a step" },
  { name = "optimizer", type = "word", choices = "optimizer", default_word = "adam",
    help = "how the weights follow the gradient" },
  { name = "loss", type = "word", choices = "loss", otherwise = "cross_entropy for classes, "
    .. "binary_cross_entropy where the network has one output, mse for numbers",
    help = "what training makes small" },
  { name = "schedule", type = "word", choices = "schedule", otherwise = "a constant rate",
    help = "how the learning rate changes from epoch to epoch" },
  { name = "class_weights", type = "class_weights", otherwise = "1 for every class",
    help = 'how much a row of each class counts: { good = 1, bad = 5 }, or { 1, 5 } from class 0; '
      .. '"balanced": the rarer the class, the more' },
  { name = "patience", type = "int", default = "0", min = 0,
    help = "epochs without a better validation loss before training stops and the best weights "
      .. "are kept; 0: off" },
  { name = "min_delta", type = "real", default = "0", min = 0,
    help = "by how much the loss must fall to count as better" },
  { name = "shuffle", type = "bool", default = "true", help = "whether the rows have a new order each epoch" },
  { name = "augment", type = "fields", fields = fields.augment, otherwise = "images as they are",
    help = "how each epoch moves and mirrors the training images: { shift = 2, flip = 0.5 }" },
  { name = "checkpoint", type = "int", default = "0", min = 0,
    help = "epochs from one state kept in the store to the next, from which `lunette run --resume` "
      .. "goes on; 0: none is kept, it trains again" },
}

return fields
