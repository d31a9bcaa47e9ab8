-- What all charts share: a canvas, a frame with axes, nice ticks, light grid lines and a legend that
-- stands beside the data, never over them. A chart is a function (context) -> canvas; a context has
-- the store, the run's id and the chart's options.
local core = require "core"

local figure = { WIDTH = 640, HEIGHT = 480 }

local INK, SOFT, GRID, EDGE = "#262626", "#6b6b6b", "#e6e6e6", "#8c8c8c"
figure.ink, figure.soft, figure.edge = INK, SOFT, EDGE

-- M. Okabe and K. Ito, Color Universal Design, 2008: apart for all kinds of colour vision.
figure.colours = { "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000" }

function figure.colour(i) return figure.colours[(i - 1) % #figure.colours + 1] end

local LARGE, MOST = 8000, 32000 -- units a side: from here on at single size; not at all

-- A canvas. Raises { oversized = sentence } where the picture would be too large.
function figure.new(width, height, options)
  width, height = width or figure.WIDTH, height or figure.HEIGHT
  local side = math.max(width, height)
  if side > MOST then
    error({ oversized = ("This picture would be %d x %d pixels: draw fewer samples, columns or "
      .. "explanations."):format(math.ceil(width), math.ceil(height)) }, 0)
  end
  return core.canvas(width, height, { scale = side > LARGE and 1 or 2,
                                      svg = not options or options.svg })
end

-- ---------------------------------------------------------------------------------------- numbers

-- A number for reading: three digits, or a whole number, without an exponent where that is short.
function figure.number(value)
  if value ~= value then return "nan" end
  local size = math.abs(value)
  if size ~= 0 and (size < 1e-3 or size >= 1e6) then
    local text = ("%.1e"):format(value):gsub("e([+-])0*(%d)", "e%1%2"):gsub("e%+", "e"):gsub("%.0e", "e")
    return text
  end
  if size == 0 then return "0" end
  return (size >= 99.95 and "%.0f" or "%#.3g"):format(value)
end

-- Minus signs as typography has them.
local function minus(text) return (text:gsub("^%-", "\u{2212}"):gsub("e%-", "e\u{2212}")) end
figure.minus = minus

-- `unit`: the power of ten of the last digit that is needed.
local function tick_text(value, unit)
  if math.abs(value) < unit * 1e-9 then return "0" end
  local decimals = math.max(0, -math.floor(math.log(unit, 10) + 1e-9))
  if decimals > 5 or math.abs(value) >= 1e7 then return minus(figure.number(value)) end
  return minus(("%%.%df"):format(decimals):format(value))
end

-- Ticks at multiples of 1, 2, 2.5 or 5 times a power of ten, at most `most` of them (Heckbert 1990).
function figure.ticks(low, high, most)
  local raw = (high - low) / math.max(1, most - 1)
  local power = 10.0 ^ math.floor(math.log(raw, 10))
  local step, unit = 10 * power, 10 * power
  for _, factor in ipairs { 5, 2.5, 2, 1 } do
    if factor * power >= raw * (1 - 1e-9) then
      step, unit = factor * power, factor == 2.5 and power / 10 or power
    end
  end
  local ticks = {}
  for i = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) do
    ticks[#ticks + 1] = { at = i * step, text = tick_text(i * step, unit) }
  end
  return ticks
end

-- Limits widened to whole ticks, so that data do not touch the frame.
function figure.limits(low, high, most)
  if low == high then
    local room = low == 0 and 1 or math.abs(low) * 0.1
    low, high = low - room, high + room
  end
  local ticks = figure.ticks(low, high, most or 6)
  local step = #ticks > 1 and ticks[2].at - ticks[1].at or high - low
  return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
end

-- ------------------------------------------------------------------------------------------- text

-- Text at a place; `style` as core.draw_text has it: x and y say which point of it stands there.
function figure.text(canvas, x, y, text, style)
  core.draw_text(canvas, x, y, text, style or {})
end

function figure.title(canvas, text, subtitle, x, width)
  x, width = x or 24, width or figure.WIDTH - 48
  core.draw_text(canvas, x, 26, text,
    figure.fitting(canvas, text, { size = 15, bold = true, y = 0.5, colour = INK }, width, 11.5))
  if subtitle then
    core.draw_text(canvas, x, 38, subtitle, { size = 11.5, colour = SOFT, most = width })
  end
end

-- The greatest size, from `size` down to `least`, at which a text is at most that wide.
function figure.fitting(canvas, text, style, width, least)
  while style.size > least and core.draw_measure(canvas, text, style) > width do
    style.size = style.size - 0.5
  end
  style.most = width
  return style
end

-- A picture of words: why there is nothing to draw.
function figure.message(title, text)
  local canvas = figure.new()
  figure.title(canvas, title)
  core.draw_rectangle(canvas, 24, 64, figure.WIDTH - 48, figure.HEIGHT - 88,
    { fill = "#f7f7f7", stroke = GRID })
  local lines, line = {}, ""
  for word in text:gmatch("%S+") do
    if #line + #word > 66 then
      lines[#lines + 1], line = line, word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  lines[#lines + 1] = line
  core.draw_text(canvas, figure.WIDTH / 2, 64 + (figure.HEIGHT - 88) / 2, table.concat(lines, "\n"),
    { size = 14, colour = SOFT, x = 0.5, y = 0.5 })
  return canvas
end

-- ------------------------------------------------------------------------------------------- axes

-- A frame: box { x, y, width, height }; axes x and y { low, high, label, ticks, format }. Draws grid,
-- ticks and labels; returns functions from data to canvas, x(value) and y(value).
function figure.axes(canvas, box, x, y)
  local function px(value) return box.x + (value - x.low) / (x.high - x.low) * box.width end
  local function py(value)
    return box.y + box.height - (value - y.low) / (y.high - y.low) * box.height
  end
  local x_ticks = x.ticks or figure.ticks(x.low, x.high, math.max(2, box.width // 55))
  local y_ticks = y.ticks or figure.ticks(y.low, y.high, math.max(2, box.height // 50))
  for _, tick in ipairs(x_ticks) do
    local at = px(tick.at)
    if not x.no_grid then
      core.draw_line(canvas, { at, box.y, at, box.y + box.height }, { stroke = GRID })
    end
    core.draw_line(canvas, { at, box.y + box.height, at, box.y + box.height + 4 }, { stroke = EDGE })
    figure.text(canvas, at, box.y + box.height + 7, tick.text,
      { size = 11, x = 0.5, colour = INK, most = x.most })
  end
  local widest = 0
  for _, tick in ipairs(y_ticks) do
    local at = py(tick.at)
    if not y.no_grid then
      core.draw_line(canvas, { box.x, at, box.x + box.width, at }, { stroke = GRID })
    end
    core.draw_line(canvas, { box.x - 4, at, box.x, at }, { stroke = EDGE })
    local style = { size = 11, x = 1, y = 0.5, colour = INK, most = y.most, middle = true }
    widest = math.max(widest, (core.draw_measure(canvas, tick.text, style)))
    figure.text(canvas, box.x - 7, at, tick.text, style)
  end
  core.draw_line(canvas, { box.x, box.y, box.x, box.y + box.height, box.x + box.width,
    box.y + box.height }, { stroke = EDGE, width = 1 })
  if x.label then
    figure.text(canvas, box.x + box.width / 2, box.y + box.height + 26, x.label,
      { size = 12, x = 0.5, colour = INK, most = box.width })
  end
  if y.label then
    figure.text(canvas, box.x - widest - 18, box.y + box.height / 2, y.label,
      { size = 12, x = 0.5, y = 1, turn = -90, colour = INK, most = box.height })
  end
  return px, py
end

-- A line through { x =, y = } points of the data, inside the frame.
function figure.line(canvas, box, px, py, points, pen)
  local flat = {}
  for i, point in ipairs(points) do
    flat[2 * i - 1], flat[2 * i] = px(point.x), py(point.y)
  end
  core.draw_clip(canvas, box.x - 1, box.y - 1, box.width + 2, box.height + 2)
  core.draw_line(canvas, flat, pen)
  core.draw_unclip(canvas)
end

-- Entries { text, colour, dash, note } in a column; returns its height.
function figure.legend(canvas, x, y, width, entries)
  local at = y
  for _, entry in ipairs(entries) do
    if entry.square then
      core.draw_rectangle(canvas, x + 6, at + 3, 12, 12, { fill = entry.colour })
    else
      core.draw_line(canvas, { x, at + 9, x + 24, at + 9 },
        { stroke = entry.colour, width = entry.width or 2, dash = entry.dash })
    end
    figure.text(canvas, x + 32, at + 9, entry.text,
      { size = 11.5, y = 0.5, colour = INK, most = width - 32 })
    at = at + 20
    if entry.note then
      figure.text(canvas, x + 32, at - 3, entry.note, { size = 10.5, colour = SOFT, most = width - 32 })
      at = at + 16
    end
  end
  return at - y
end

return figure
