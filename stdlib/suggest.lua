-- What was probably meant: the nearest word, or else the list of what there is.
local core = require "core"

local suggest = {}

-- As many names as fit on a line or two.
local MOST = 30

function suggest.list(names)
  local shown = {}
  for i = 1, math.min(#names, MOST) do shown[i] = names[i] end
  local text = table.concat(shown, ", ")
  if #names > MOST then text = text .. (" and %d more"):format(#names - MOST) end
  return text
end

local BEGINNING = 3 -- letters that say which name is meant, where one alone begins with them

-- The nearest of `names`, or nil; but before it the one that begins with the word: `abs` is nearer to `as` than to the
-- `absolute` that it is short for.
function suggest.nearest(word, names)
  if type(word) ~= "string" then return nil end
  local near, begun, count = core.nearest(word, names), nil, 0
  for _, name in ipairs(near and #word >= BEGINNING and names or {}) do
    if name:sub(1, #word) == word then begun, count = name, count + 1 end
  end
  return count == 1 and begun or near
end

-- A hint: "did you mean 'saliency'?", else `what: a, b, c` ("fields: a, b, c").
function suggest.hint(word, names, what)
  local near = suggest.nearest(word, names)
  if near then return ("did you mean '%s'?"):format(near) end
  if #names == 0 then return nil end
  return (what or "there are") .. ": " .. suggest.list(names)
end

return suggest
