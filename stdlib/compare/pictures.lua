-- Explanations of several runs side by side, DIR/<label>.png: of pictures the heat maps of the samples
-- on which the runs differ most, else the strongest columns of each run.
local core = require "core"
local grid = require "plot/heat_map_grid"

local pictures = {}

-- The first `limit` different rows of a list.
local function distinct(rows, limit)
  local out, seen = {}, {}
  for _, row in ipairs(rows or {}) do
    if not seen[row] and #out < limit then
      seen[row] = true
      out[#out + 1] = row
    end
  end
  return out
end

function pictures.draw(store, runs, context, options)
  local labels, count = {}, 0
  for label in pairs(context.common) do labels[#labels + 1] = label end
  table.sort(labels)
  core.folder_make(options.output)
  for _, label in ipairs(labels) do
    local list = {}
    for i, id in ipairs(context.common[label]) do list[i] = { id = id, label = runs[i].name } end
    local drawing = { store = store, run = runs[1].id, explanations = list, shared = {},
                      rows = distinct(context.worst[label], context.limit),
                      title = ("%s of %d runs"):format(label, #list) }
    local maps = grid.maps(store, list[1].id)
    drawing.options = maps and { scale = "own", colours = "auto" } or { top = 15 }
    local chart = maps and grid.chart or require "plot/importance_bar"
    local canvas <close> = chart(drawing)
    local path = ("%s/%s.png"):format(options.output, (label:gsub("[^%w_.-]", "_")))
    core.draw_save(canvas, path, "png")
    if options.format ~= "json" and not options.quiet then
      core.print(count == 0 and "\n" or "", path, "\n")
    end
    count = count + 1
  end
  if count == 0 and not options.quiet then
    core.err("lunette: the runs have no explanations in common, so there is nothing to draw\n")
  end
end

return pictures
