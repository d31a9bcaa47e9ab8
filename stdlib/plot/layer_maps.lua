-- Maps of a layer, or of the input, for some samples: a row a sample, a column a channel, the inputs in the
-- first column. Drawn from an explanation that the run has; `activations` and `gradients` say which.
local core = require "core"
local figure = require "plot/figure"
local grid = require "plot/heat_map_grid"

local EXPLANATIONS = [[
SELECT e.id, e.label, min(a.layer) AS layer FROM explanation e JOIN attribution a ON a.explanation = e.id
WHERE e.run = :run AND a.space IN ('layer', 'input') AND a.kind <> 'interaction' AND (:label = '' OR e.label = :label) AND %s
GROUP BY e.id ORDER BY %s, e.seq]]

local LEFT, HEAD, GAP, CELL, RIGHT = 156, 104, 8, 64, 96

-- The first explanation whose rows are maps (C, H, W): { label, layer, maps, channels, of = { [row] = map } }.
local function find(context, kind)
  local list = core.store_rows(context.store, EXPLANATIONS:format(kind.which, kind.first),
    { run = context.run, label = context.options.of or "" })
  for _, one in ipairs(list) do
    local maps = grid.maps(context.store, one.id)
    local shape = maps and #maps.list > 0 and core.tensor_info(maps.list[1].values).shape
    if shape and #shape == 3 and not maps.several then
      one.maps, one.channels, one.high, one.wide = maps, shape[1], shape[2], shape[3]
      return one
    end
  end
  if context.options.of and #list == 0 then
    return nil, ("The run has no explanation of this kind that is called %s."):format(context.options.of)
  end
  return nil, kind.none
end

local function channel(one, map, c)
  return core.tensor_reshape(core.tensor_rows(map.values, c, 1), { one.high, one.wide })
end

-- The maps of the rows drawn: { [i][c] = plane }, the greatest |value| and whether any is negative.
local function planes_of(one, chosen, count)
  local planes, most, low = {}, 0, 0
  for i, sample in ipairs(chosen) do
    local map = (one.maps[sample.idx] or {})[1]
    planes[i] = {}
    for c = 1, map and count or 0 do
      local plane = channel(one, map, c - 1)
      local least, _, greatest = core.heat_range(plane, true)
      planes[i][c] = { values = plane, most = greatest }
      most, low = math.max(most, greatest), math.min(low, least)
    end
  end
  return planes, most, low < 0 and "signed" or "absolute"
end

-- kind: which explanations, as SQL, and which of them first; what is said where there is none.
return function(context, kind)
  local one, why = find(context, kind)
  if not one then return figure.message(context.title, why) end
  local samples, low, high = grid.samples(context.store, context.run)
  if not samples or #samples == 0 then
    return figure.message(context.title, "There are no inputs of shape (H, W) or (C, H, W) to draw.")
  end
  local options = context.options
  local chosen, count = grid.choice(samples, context), math.min(one.channels, options.most)
  local planes, most, kind = planes_of(one, chosen, count)
  local right = LEFT + (count + 1) * (CELL + GAP) + 16
  local width = right + RIGHT
  local canvas = figure.new(width, math.max(HEAD + #chosen * (CELL + GAP) + 20, HEAD + 150))
  figure.title(canvas, context.title, ("%s of %s: %s, %d x %d each"):format(one.label,
    one.layer and "layer " .. one.layer or "the input",
    count < one.channels and ("the first %d of %d channels"):format(count, one.channels)
      or count == 1 and "one channel" or ("all %d channels"):format(count), one.high, one.wide), 24, width - 48)
  local head = { size = 10.5, bold = true, x = 0.5, y = 1, colour = figure.ink }
  figure.text(canvas, LEFT + CELL / 2, HEAD - 6, "input", head)
  for c = 1, count do
    figure.text(canvas, LEFT + c * (CELL + GAP) + CELL / 2, HEAD - 6, tostring(c - 1), head)
  end
  for i, sample in ipairs(chosen) do
    local y = HEAD + (i - 1) * (CELL + GAP)
    figure.text(canvas, LEFT - 14, y + CELL / 2, table.concat(grid.caption(sample), "\n"),
      { size = 10, x = 1, y = 0.5, colour = figure.ink, most = LEFT - 30 })
    grid.draw(canvas, LEFT, y, CELL, CELL, sample.image, { image = true, low = low, high = high })
    for c, plane in ipairs(planes[i]) do
      grid.draw(canvas, LEFT + c * (CELL + GAP), y, CELL, CELL, plane.values,
        { limit = options.scale == "shared" and most or plane.most, map = kind })
    end
  end
  grid.bar(canvas, right, HEAD, kind, options.scale == "shared" and ("max %s"):format(figure.number(most))
    or "each its own")
  return canvas
end
