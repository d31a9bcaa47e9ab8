-- What explanations and judges refer to, as tensors: baselines, groups, masks, attributions from files.
local arrays = require "arrays"
local core = require "core"
local datasets = require "datasets"
local fail = require "fail"
local groups = require "groups"
local idle = require "idle"
local inputs = require "inputs"
local masks = require "masks"
local own = require "own"

local references = {}

local within = fail.within

-- blur and noise: made from each row itself -> (N, width).
local fills = {}

function fills.blur(value, node, bound, _, shared)
  if not bound.shape or #bound.shape < 2 then
    fail.at(node, "baseline", ("blur smooths along the axes of an array: these rows %s"):format(bound.shape
      and "have shape " .. arrays.shape_text(bound.shape) or "are columns of a table, which have no order"),
      'give a number, "mean", "median" ...')
  end
  return core.fill_blur { x = bound.x, model = bound.model, shape = bound.shape, sigma = value.options.sigma,
                          pool = shared.pool }
end

function fills.noise(value, node, bound, run)
  local own = bound.shape and #bound.shape >= 2 -- numbers of one kind, channel by channel
  if not own and not bound.train_x then
    fail.at(node, "baseline", "the noise of a column is as wide as its training rows, and there are none",
      'give data with a split, a number, or npy "baseline.npy"')
  end
  return core.fill_noise { x = bound.x, model = bound.model, row_ids = bound.row_ids, shape = bound.shape,
    training = not own and bound.train_x or nil, stdev = value.options.stdev, seed = run.seed,
    stream = value.options.stream }
end

-- baseline: a number, a statistic of the training rows, or an array -> (1, width) or (N, width).
local function bind_baseline(node, run, bound, shared)
  local value = node.options.baseline
  if value == nil then return nil end
  local width = bound.info.width
  if type(value) == "number" then return core.fill("f32", { 1, width }, value) end
  if value == "zero" then return core.fill("f32", { 1, width }, 0) end
  if type(value) == "string" then
    if not bound.train_x then
      fail.at(node, "baseline", ("'%s' is taken over the training rows, and there are none"):format(
        value), "give data with a split, a number, or npy \"baseline.npy\"")
    end
    return core.statistic(bound.train_x, value)
  end
  if fills[value.word] then
    inputs.check_single(bound.info, node, "baseline")
    return fills[value.word](value, node, bound, run, shared)
  end
  local array, tensor
  if value.word == "inputs" then
    tensor, array = inputs.rows(value, bound.info, shared, "spread")
  else
    inputs.check_single(bound.info, node, "baseline")
    array = arrays.read(value, shared, node, "baseline")
    tensor = arrays.rows(array, node, "baseline", width)
  end
  local rows = core.tensor_info(tensor).shape[1]
  if rows ~= 1 and rows ~= bound.count then
    fail.at(node, "baseline", ("expected 1 row, or one for each of the %d inputs, found %d in %s")
      :format(bound.count, rows, array.path))
  end
  return tensor
end

local DRAWN = 100 -- rows of a background that the script leaves out

-- background: rows of the data or an array -> (K, width); without it 100 training rows, drawn, or
-- the baseline where the word takes that too. Words that look at how the training rows are spread get
-- all of them, and the classes of these rows besides.
local function bind_background(node, run, bound, shared)
  if not node.flags.takes_background then return nil end
  local value, data, rows = node.options.background, bound.data, nil
  local spread = node.flags.of_training and not node.options.baseline and bound.train_rows
    and #(bound.shape or {}) <= 1
  if value == nil and node.flags.takes_baseline and not spread then return nil end
  if value and value.word == "inputs" then
    return (inputs.rows(value, bound.info, shared, "spread"))
  elseif value and value.category == "array" then
    inputs.check_single(bound.info, node, "background")
    local array = arrays.read(value, shared, node, "background")
    return arrays.rows(array, node, "background", bound.info.width)
  elseif value then
    rows = datasets.rows(data, value, run)
  elseif spread then
    rows = bound.train_rows
  elseif bound.train_rows then
    local all = core.tensor_info(bound.train_rows).shape[1] <= DRAWN
    rows = all and bound.train_rows or core.dataset_rows(data.dataset,
      { split = "train", sample = DRAWN, class = -1, seed = run.seed })
  else
    fail.at(node, "background", "it compares with a background, and there are no training rows to draw it from",
      'give background = npy "background.npy"' .. (data and " or rows { ... }" or ""))
  end
  if core.tensor_info(rows).shape[1] == 0 then
    fail.at(node, "background", "the background has no rows")
  end
  local labels = node.flags.of_training and bound.info.task == "classification"
    and core.tensor_convert(core.dataset_labels(data.dataset, rows), "i64") or nil
  return within(data.node, nil, core.model_encode, bound.model, data.dataset, rows), labels
end

-- groups from an array of integers: of the input's shape, or of an image's (H, W), which its channels share;
-- with a row's own for each row where there are as many. What may be read as either is all rows' groups.
local function groups_of_array(node, bound, shared)
  local info = bound.info
  local array = arrays.read(node.options.groups, shared, node, "groups")
  local given, shape, rows = array.info.shape, bound.shape or { info.width }, bound.count
  local image = #shape == 3 and { shape[2], shape[3] } or nil
  local by_row, channels
  for _, first in ipairs { 1, 2 } do -- where the shape of one row begins
    for _, one in ipairs { shape, image } do
      local size = arrays.product(one)
      if not channels and #given >= first and (first == 1 or given[1] == rows) and arrays.product(given, first) == size then
        by_row, channels = first == 2, info.width // size
      end
    end
  end
  if not channels then
    fail.at(node, "groups", ("expected the input's shape %s%s, or a row's own for each row, %s, found %s in %s")
      :format(arrays.shape_text(shape), image and " or an image's " .. arrays.shape_text(image) or "",
        arrays.shape_text { rows, table.unpack(image or shape) }, arrays.shape_text(given), array.path))
  end
  if array.info.dtype == "f32" or array.info.dtype == "f64" then
    fail.at(node, "groups", ("expected whole numbers, found %s in %s"):format(array.info.dtype,
      array.path))
  end
  local tensor = within(node, "groups", core.tensor_convert, array.tensor, "i64")
  if by_row then return { row_groups = { given = core.group_ids(tensor, rows, channels) } } end
  local ids, count = core.group_ids(tensor, 1, channels)
  return { groups = ids, width = count }
end

-- groups: array of integers, a grid, superpixels, or lists of column names -> { groups, the group of each
-- encoded input; width, their number; space, what to call it }, or row_groups where each row has its own.
-- Columns are the groups of a table unless space = "input".
local function bind_groups(node, bound, shared, space)
  local info, explained = bound.info, bound.explained
  if node.flags.of_pieces and not node.options.background and not explained and groups.is_image(bound) then
    node.options.groups = node.options.groups or groups.default(node)
  end
  local value = node.options.groups
  if value ~= nil and explained then
    fail.at(node, "groups", ("groups are of one input, and the model has %d: %s"):format(#info.inputs,
      inputs.text(info)), "leave groups out: every number is replaced alone")
  end
  if value == nil and explained then return { groups = explained.live, width = explained.width, space = space } end
  if value == nil then
    if space == "column" and info.columns then
      return { groups = info.column_of, width = #info.columns, space = "column" }
    end
    return { width = info.width, space = space }
  end
  if value.word == "grid" then
    local ids, count = groups.grid(value, node, bound.shape)
    return { groups = ids, width = count }
  end
  if value.word == "superpixels" then
    return { row_groups = groups.superpixels(value, node, bound) }
  end
  if value.category == "array" then return groups_of_array(node, bound, shared) end
  if not info.columns then
    fail.at(node, "groups", bound.shape and "lists of column names need a table, and these rows are arrays"
      or "lists of column names need a table (data = csv)",
      "use grid { 4, 4 }, or npy \"groups.npy\" with the input's shape")
  end
  local place, group_of, count = {}, {}, 0
  for i, name in ipairs(info.columns) do place[name] = i end
  for g, names in ipairs(value) do
    if #names == 0 then fail.at(node, ("groups[%d]"):format(g), "a group has no columns") end
    for j, name in ipairs(names) do
      local column = place[name]
      if not column then
        fail.at(node, ("groups[%d][%d]"):format(g, j), ("there is no column '%s'"):format(name),
          fail.nearest(name, info.columns))
      end
      if group_of[column] then
        fail.at(node, ("groups[%d][%d]"):format(g, j),
          ("column '%s' is in two groups"):format(name))
      end
      group_of[column] = g - 1
    end
    count = g
  end
  for column = 1, #info.columns do -- columns that no list names stay alone
    if not group_of[column] then
      group_of[column] = count
      count = count + 1
    end
  end
  return { groups = core.compose_groups(info.column_of, group_of), width = count }
end

-- clustering: a linkage matrix, or pairs of column names -> (features - 1, 2), the nodes that each joins: features
-- first, then the pairs in their order. nil: by correlation.
local function bind_tree(node, bound, shared, entry)
  local value, info = node.options.clustering, bound.info
  if value == nil or value == "correlation" then
    if value and entry.background and core.tensor_info(entry.background).shape[1] == 1 then
      fail.at(node, "clustering", "a background of one row shows no correlation",
        'give pairs of column names or npy "tree.npy", or a background of more rows')
    end
    return nil
  end
  if entry.row_groups then
    fail.at(node, "clustering", "one tree is for all rows, and here every row has groups of its own",
      'expected "correlation"')
  end
  if value.category == "array" then
    local array = arrays.read(value, shared, node, "clustering")
    local shape, pairs_of = array.info.shape, entry.width - 1
    if #shape ~= 2 or shape[1] ~= pairs_of or shape[2] < 2 then
      fail.at(node, "clustering", ("a tree of %d features joins two nodes %d times: expected shape (%d, 2), or (%d, 4) as a linkage matrix has it, found %s in %s")
        :format(entry.width, pairs_of, pairs_of, pairs_of, arrays.shape_text(shape), array.path))
    end
    return within(node, "clustering", core.tree_nodes, core.tensor_convert(array.tensor, "f64"))
  end
  if entry.space ~= "column" then
    fail.at(node, "clustering", "pairs of column names join columns, and the features here are "
      .. (entry.space == "group" and "groups" or "inputs"), 'give npy "tree.npy" of shape (features - 1, 2)')
  end
  local place, joined, used = {}, {}, {}
  for i, name in ipairs(info.columns) do place[name] = i - 1 end
  local function join(item, field)
    if type(item) == "string" then
      local column = place[item]
      if not column then
        fail.at(node, field, ("there is no column '%s'"):format(item), fail.nearest(item, info.columns))
      end
      used[column] = true
      return column
    end
    local left, right = join(item[1], field .. "[1]"), join(item[2], field .. "[2]")
    joined[#joined + 1], joined[#joined + 2] = left, right
    return #info.columns + #joined // 2 - 1
  end
  join(value, "clustering")
  for i, name in ipairs(info.columns) do
    if not used[i - 1] then
      fail.at(node, "clustering", ("column '%s' is in no pair"):format(name), "a tree has all columns")
    end
  end
  return core.tensor("i64", { #joined // 2, 2 }, joined)
end

-- The array with its first axes, rows and the targets of each, as one.
local function items_first(array, node, bound)
  local shape, per_row = array.info.shape, bound.per_row
  if shape[2] ~= per_row then
    fail.at(node, "values", ("each row has %d targets: expected shape (%d, %d, ...), found %s in %s"):format(
      per_row, bound.count, per_row, arrays.shape_text(shape), array.path))
  end
  local flat = { shape[1] * per_row, table.unpack(shape, 3) }
  local tensor = core.tensor_reshape(array.tensor, flat)
  return { tensor = tensor, path = array.path, info = core.tensor_info(tensor) }
end

-- Attributions from a file: a number a column of a table, or a number an input.
local function bind_precomputed(node, bound, shared, entry)
  if bound.explained then
    fail.at(node, "values", "attributions from files are of one input, and the model has "
      .. #bound.info.inputs)
  end
  local array = arrays.read(node.options.values, shared, node, "values")
  local shape, info = array.info.shape, bound.info
  local width = arrays.product(shape, 2)
  if shape[1] ~= bound.count then
    fail.at(node, "values", ("expected one attribution for each of the %d inputs, found shape %s in %s")
      :format(bound.count, arrays.shape_text(shape), array.path))
  end
  local per_row = bound.per_row > 1 and "target" or "row"
  if bound.per_row > 1 then
    array = items_first(array, node, bound)
    width = arrays.product(array.info.shape, 2)
  end
  local columns = info.columns and #info.columns
  entry.space = width == columns and node.options.space ~= "input" and "column" or "input"
  if entry.space == "input" and width ~= info.width then
    fail.at(node, "values", ("expected %s%d numbers a %s, one an input, found shape %s in %s"):format(
      columns and ("%d numbers a %s, one a column, or "):format(columns, per_row) or "", info.width,
      per_row, arrays.shape_text(shape), array.path))
  end
  entry.sum_over = entry.space == "column" and info.column_of or nil
  entry.width = width
  entry.values = arrays.rows(array, node, "values", width)
end

-- Whose references an explanation has: the word's, or those of the explainer that it asks.
local function subject(node) return node.flags.wraps and node.options.of or node end

-- Values of pairs: of `players` things, a number for each two.
local function bind_pairs(asked, node, bound, entry)
  if asked ~= node then
    fail.at(node, "of", ("%s gives a number for each two features, and %s is about single ones"):format(asked.word,
      node.word), "expected an explainer with a number a feature")
  elseif entry.row_groups then
    fail.at(node, "groups", "pairs are of the same groups in every row, and here every row has groups of its own",
      'expected grid { 4, 4 }, npy "groups.npy" with the input\'s shape, or lists of column names')
  elseif bound.explained then
    fail.at(node, nil, ("pairs are of features of one input, and the model has %d: %s"):format(#bound.info.inputs,
      inputs.text(bound.info)))
  end
  entry.players, entry.width = entry.width, entry.width * entry.width
end

-- layer: what the explainer looks at; the values of some are the layer's.
local function bind_layer(node, bound, entry)
  local value, name = within(node, "layer", core.model_layer, bound.model, node.options.layer)
  entry.layer = { value = value, name = name }
  if node.flags.at_layer then entry.space = "layer" end -- width and shape are the job's
  if node.flags.no_target then entry.per_row = 1 end
end

-- neuron: a hidden unit in place of an output; then there is no target.
local function bind_neuron(node, bound, entry)
  local given = node.options.neuron
  local value, name, shape = within(node, "neuron.layer", core.model_layer, bound.model, given.layer)
  local unit = given.unit
  if type(unit) == "table" then
    if #unit ~= #shape then
      fail.at(node, "neuron.unit", ("expected a number, or a place in the layer's shape %s, found %d number%s"):format(
        arrays.shape_text(shape), #unit, #unit == 1 and "" or "s"))
    end
    local flat = 0
    for axis, at in ipairs(unit) do
      if at >= shape[axis] then
        fail.at(node, "neuron.unit", ("the layer's shape is %s, numbered from 0: there is no %d on axis %d"):format(
          arrays.shape_text(shape), at, axis - 1))
      end
      flat = flat * shape[axis] + at
    end
    unit = flat
  end
  entry.neuron = { value = value, name = name, unit = unit }
  entry.link, entry.per_row = "raw", 1
end

-- at: the rows that an attack of the same list makes of the inputs.
local function bind_attack(node, bound, list)
  local labels = {}
  for _, entry in ipairs(list) do
    if entry.node.flags.attacks then
      if entry.node.label == node.options.at then
        if bound.per_row ~= 1 then
          fail.at(node, "at", ("an attack makes one row of each and each target, and there are %d targets a row"):format(
            bound.per_row), "give one target: target = label, predicted, a class or a list")
        end
        return entry
      end
      labels[#labels + 1] = entry.node.label
    end
  end
  fail.at(node, "at", ("no attack of the list has the label %s"):format(fail.shown(node.options.at)),
    #labels == 0 and ("add one to explain: fgsm { epsilon = 0.1, as = %s }"):format(fail.shown(node.options.at))
      or fail.nearest(node.options.at, labels, "its attacks"))
end

function references.explain(run, bound, shared)
  local list = {}
  for i, node in ipairs(run.explain) do
    local asked = subject(node)
    local flags = asked.flags
    idle.check(asked, node, flags.of_training and #(bound.shape or {}) > 1 and not asked.options.background)
    if flags.of_probability and not node.options.link then
      node.options.link = bound.info.task == "classification" and "probability" or run.link
    end
    local space = bound.info.columns and (node.options.space or "column") or "input"
    if flags.attacks then space = "input" end
    local entry = { node = node, space = space, shape = bound.shape,
                    link = flags.no_target and "raw" or node.options.link or run.link }
    entry.baseline = bind_baseline(asked, run, bound, shared)
    local given = asked.options.baseline
    entry.own_baselines = type(given) == "table" and fills[given.word] and 1 or nil
    entry.background, entry.background_labels = bind_background(asked, run, bound, shared)
    if node.flags.wraps and bound.info.columns and bound.train_x then
      entry.range = core.statistic(bound.train_x, "range")
    end
    if flags.takes_layer then bind_layer(asked, bound, entry) end
    if asked.options.neuron then bind_neuron(asked, bound, entry) end
    entry.untargeted = flags.no_target or entry.neuron ~= nil
    if flags.at_layer then
      entry.width = nil
    elseif node.word == "precomputed" then
      bind_precomputed(node, bound, shared, entry)
    elseif flags.takes_groups then
      local found = bind_groups(asked, bound, shared, space)
      entry.groups, entry.row_groups = found.groups, found.row_groups
      entry.width, entry.space = found.width or bound.info.width, found.space or "group"
      if flags.of_pairs then bind_pairs(asked, node, bound, entry) end
    elseif space == "column" then
      entry.sum_over = bound.info.column_of
      entry.width = #bound.info.columns
    elseif bound.explained then
      entry.sum_over, entry.width = bound.explained.live, bound.explained.width
    else
      entry.width = bound.info.width
    end
    if flags.takes_tree then entry.tree = bind_tree(asked, bound, shared, entry) end
    if bound.explained and not flags.at_layer then entry.parts = bound.explained.parts end
    list[i] = entry
  end
  for _, entry in ipairs(list) do
    local within_of = subject(entry.node)
    if within_of ~= entry.node and within_of.options.at then
      fail.at(within_of, "at", "belongs to the explainer around it", ("write %s { of = %s, at = %s }"):format(
        entry.node.word, within_of.word, fail.shown(within_of.options.at)))
    end
    if entry.node.options.at then entry.attack = bind_attack(entry.node, bound, list) end
  end
  bound.explain = list
end

-- What off_manifold compares the rows of explainers with: the training rows, or so many of them, drawn; nil
-- where nobody asks.
function references.watch(run, bound)
  for _, node in ipairs(run.judge) do
    if node.flags and node.flags.watches then
      local options, data, rows = node.options, bound.data, bound.train_rows
      if core.tensor_info(rows).shape[1] > options.rows then
        rows = core.dataset_rows(data.dataset, { split = "train", sample = options.rows, class = -1, seed = run.seed })
      end
      return { training = within(data.node, nil, core.model_encode, bound.model, data.dataset, rows),
               quantile = options.quantile, samples = options.samples }
    end
  end
end

local function check_watch(run, bound)
  local first
  for _, node in ipairs(run.judge) do
    if node.flags and node.flags.watches then
      if first then
        fail.at(node, nil, ("%s is asked twice: the rows are looked at once"):format(node.word), "leave one of them out")
      elseif not (bound.data and bound.train_rows) then
        fail.at(node, nil, "it compares rows with the training rows, and there are none", "give data with a training split")
      end
      first = node
    end
  end
end

function references.judges(run, bound, shared)
  check_watch(run, bound)
  bound.judge = {}
  for i, node in ipairs(run.judge) do
    bound.judge[i] = { node = node, baseline = bind_baseline(node, run, bound, shared), sums = {},
      masks = masks.bind(node, bound, function(value)
        return arrays.read(value, shared, node, "mask")
      end) }
  end
end

-- Where the values of a layer's explanation are: at the layer, or enlarged to the input's pixels, which
-- the channels of an image share.
local function place_layer(entry, bound, job)
  local of_pixels
  entry.width, entry.shape, of_pixels = core.job_shape(job)
  if not of_pixels then return end
  entry.space, entry.shape = "input", bound.shape
  if entry.width == bound.info.width then return end
  local pixel_of = {}
  for i = 1, bound.info.width do pixel_of[i] = (i - 1) % entry.width end
  entry.space = "group"
  entry.groups = entry.groups or core.tensor("i32", { bound.info.width }, pixel_of)
end

-- The job of one explanation for targets; made once in advance to learn that it can be done.
function references.job(run, bound, entry, targets, pool)
  local node = entry.node
  local asked = subject(node)
  if entry.untargeted then targets = core.fill("i64", { bound.count }, 0) end
  local job = within(node, nil, core.job, {
    explainer = node.word, model = bound.model, link = entry.link, x = bound.x,
    row_ids = bound.row_ids, targets = targets, per_row = entry.per_row or bound.per_row,
    baseline = entry.baseline, own_baselines = entry.own_baselines, background = entry.background,
    background_labels = entry.background_labels,
    tree = entry.tree, groups = entry.groups, group_count = entry.groups and (entry.players or entry.width) or nil, row_groups = entry.row_groups,
    params = node.options, allows_idle = idle.allows(node) and 1 or nil,
    seed = run.seed, stream = node.options.stream or 0, pool = pool,
    shape = bound.shape, layer = entry.layer and entry.layer.value or nil, range = entry.range,
    neuron = entry.neuron, watch = node.flags.watched and pool and bound.watch or nil,
    of = asked ~= node and { explainer = asked.word, params = asked.options } or nil,
  })
  if asked.flags.at_layer then place_layer(entry, bound, job) end
  return job
end

return references
