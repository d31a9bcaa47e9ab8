-- The pictures of a run: each word of `pictures` is one chart, drawn from the store alone when the
-- run's results are there, and written as PNG and SVG beside the store, in
-- <store without .db>-pictures/run-<id>/<label>.png. A row in `artifact` names each file with its hash.
-- `lunette export RUN --format png` draws heat maps or bars of single explanations into a folder.
local core = require "core"
local fail = require "fail"
local figure = require "plot/figure"
local grid = require "plot/heat_map_grid"

local pictures = {}

local MEDIA = { png = "image/png", svg = "image/svg+xml" }

local function chart_of(word)
  if word == "heat_map_grid" then return grid.chart end
  return require("plot/" .. word)
end

local function title_of(store, run, text)
  local row = core.store_rows(store, "SELECT x.name FROM run r JOIN experiment x ON x.id = r.experiment "
    .. "WHERE r.id = :run", { run = run })[1]
  return ("%s: %s"):format(row and row.name or "run " .. run, text)
end

local names = {
  heat_map_grid = "heat maps", importance_bar = "importance of columns", roc_chart = "ROC curve",
  pr_chart = "precision and recall", ks_chart = "Kolmogorov\u{2013}Smirnov", lift_chart = "lift",
  gain_chart = "cumulative gain", calibration_chart = "calibration",
  confusion_chart = "confusion matrix", kernels = "kernels", activations = "activation maps",
  gradients = "gradient maps",
  histograms = "parameters and gradients",
  randomisation_chart = "do explanations depend on what was learnt?",
  waterfall_chart = "from the baseline to a sample", beeswarm_chart = "attributions of every sample",
  interaction_map = "what pairs of features do together",
}

-- The folder of a run's pictures: beside the store, so that both may be moved together.
function pictures.folder(store, run)
  local base = core.store_path(store):gsub("%.db$", "")
  return ("%s-pictures/run-%d"):format(base, run)
end

-- Raises where pictures cannot be drawn on this machine at all: asked before a run, not after it.
function pictures.ready(nodes)
  if #nodes == 0 then return end
  local _ <close> = fail.within(nodes[1], nil, figure.new, 8, 8, { svg = false })
end

-- One picture; what is too large for any is said in its place.
local function drawn(node, context)
  local ok, result = xpcall(chart_of(node.word), fail.traced, context)
  if ok then return result end
  if type(result) == "table" and result.oversized then
    return figure.message(context.title, result.oversized)
  end
  error(result, 0)
end

-- Draws all pictures of a run and writes their rows. nodes: of the script's list.
function pictures.draw(store, run, nodes)
  if #nodes == 0 then return end
  local folder, rows, shared = pictures.folder(store, run), {}, {}
  local beside = folder:match("[^/]*/[^/]*$") -- from the store's folder
  core.folder_make(folder)
  for _, node in ipairs(nodes) do
    local context = { store = store, run = run, options = node.options, shared = shared,
                      title = node.options.title or title_of(store, run, names[node.word]) }
    local canvas <close> = drawn(node, context)
    for _, format in ipairs { "png", "svg" } do
      local name = node.label .. "." .. format
      local path = folder .. "/" .. name
      local bytes, sha256 = core.draw_save(canvas, path, format)
      rows[#rows + 1] = { run = run, name = name, media_type = MEDIA[format],
                          path = beside .. "/" .. name, sha256 = sha256, bytes = bytes }
    end
  end
  core.store_begin(store)
  for _, row in ipairs(rows) do core.store_insert(store, "artifact", row) end
  core.store_commit(store)
end

-- ----------------------------------------------------------------------------------------- export

local EXPORTED = [[SELECT id, label, (SELECT layer FROM attribution a WHERE a.explanation = e.id AND
a.space = 'layer') AS layer, EXISTS (SELECT 1 FROM attribution a WHERE a.explanation = e.id AND
a.kind = 'interaction') AS of_pairs, EXISTS (SELECT 1 FROM attribution a WHERE a.explanation = e.id AND
a.input IS NOT NULL) AS several FROM explanation e WHERE run = :run ORDER BY seq]]

local function plain(text) return (text:gsub("[^%w_.-]", "_")) end

-- One heat map with its title, colour bar and the input beside it.
local function single(label, map, sample, p, part, experiment)
  local kind, size = grid.colours({ map }), 360
  local canvas = figure.new(sample and 880 or 520, 480, { svg = false })
  local x = 24
  local caption = sample and table.concat(grid.caption(sample), ", ") or ("row %d"):format(map.row)
  figure.title(canvas, ("%s: %s"):format(experiment, label), caption, 24, sample and 832 or 472)
  if sample then
    grid.draw(canvas, x, 76, size, size, sample.images[p], { image = true, low = part.low, high = part.high })
    figure.text(canvas, x + size / 2, 446, part.name or "input", { size = 12, x = 0.5 })
    x = x + size + 24
  end
  grid.draw(canvas, x, 76, size, size, map.values, { limit = map.most, map = kind })
  local text = ("target %d"):format(map.target)
  if map.target < 0 then text = "attribution" end
  if map.most == 0 then text = text .. ", all 0" end
  if map.nan > 0 then text = ("%s, %d NaN (grey)"):format(text, map.nan) end
  figure.text(canvas, x + size / 2, 446, text, { size = 12, x = 0.5 })
  local bar = { x = x + size + 16, y = 76, width = 14, height = size, map = kind }
  core.draw_colours(canvas, bar)
  core.draw_rectangle(canvas, bar.x, bar.y, 14, size, { stroke = "#b3b3b3", width = 0.75 })
  local marks = kind == "signed" and { map.most, 0, -map.most } or { map.most, map.most / 2, 0 }
  for i, mark in ipairs(marks) do
    figure.text(canvas, bar.x + 20, 76 + (i - 1) * size / 2, figure.minus(figure.number(mark)),
      { size = 10.5, y = (i - 1) / 2 })
  end
  return canvas
end

-- A file a map, beside the input that is number `p` of those that are images. input: its name, where there are several
-- and the maps are of one.
local function export_maps(maps, samples, p, input, one, folder, experiment, say)
  local part = samples and samples.parts and samples.parts[p] or {}
  local label = plain(input and one.label .. "." .. input or one.label)
  for _, map in ipairs(maps.list) do
    local name = ("%s.%s"):format(label, map.row < 0 and "all" or map.row)
    if maps.several then name = ("%s.target-%d"):format(name, map.target) end
    local path = ("%s/%s.png"):format(folder, name)
    local canvas <close> = single(one.label, map, samples and grid.sample(samples, map.row), p, part, experiment)
    core.draw_save(canvas, path, "png")
    say(path)
  end
end

-- Whether an explanation has maps: of each input that is an image, else of a layer.
local function export_all_maps(store, samples, one, folder, experiment, say)
  local any = false
  for p, part in ipairs(samples and samples.parts or {}) do
    local maps = part.name and grid.maps(store, one.id, part.name)
    if maps then export_maps(maps, samples, p, part.name, one, folder, experiment, say) end
    any = any or maps
  end
  local maps = not any and grid.maps(store, one.id)
  if maps then export_maps(maps, samples, 1, nil, one, folder, experiment, say) end
  return any or maps
end

-- `lunette export RUN --format png -o DIR`: DIR/<label>.<row>.png of each explained sample where
-- attributions are pictures, else DIR/<label>.png with the bars of the explanation's columns, or its pairs.
function pictures.export(options)
  local store <close> = core.store(options.db, "read")
  local run = core.store_find_run(store, options.operands[1])
  local experiment = title_of(store, run, ""):gsub(": $", "")
  local function say(path)
    if not options.quiet then core.print(path, "\n") end
  end
  core.folder_make(options.output)
  local list, samples = core.store_rows(store, EXPORTED, { run = run }), grid.samples(store, run)
  for _, one in ipairs(list) do
    local drawn = one.of_pairs == 0 and export_all_maps(store, samples, one, options.output, experiment, say)
    local values = not drawn and one.of_pairs == 0 and core.store_explanation(store, one.id) or nil
    if values and one.layer then
      if not options.quiet then
        core.err(("lunette: %s: layer '%s' has no rows of shape (H, W) or (C, H, W) to draw\n"):format(
          one.label, one.layer))
      end
    elseif values or one.several == 1 or one.of_pairs == 1 then -- of several inputs all others, too
      local path = ("%s/%s.png"):format(options.output, plain(one.label))
      local chart = require(one.of_pairs == 1 and "plot/interaction_map" or "plot/importance_bar")
      local canvas <close> = chart { store = store, run = run, only = one.id, shared = {},
        options = { top = 30, of = one.label }, title = ("%s: %s"):format(experiment, one.label) }
      core.draw_save(canvas, path, "png")
      say(path)
    end
  end
  if #list == 0 and not options.quiet then
    core.err("lunette: the run has no explanations, so there is nothing to draw\n")
  end
  return 0
end

return pictures
