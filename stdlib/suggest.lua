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

-- The nearest of `names`, or nil.
function suggest.nearest(word, names)
  if type(word) ~= "string" then return nil end
  return core.nearest(word, names)
end

-- A hint: "did you mean 'saliency'?", else `what: a, b, c` ("fields: a, b, c").
function suggest.hint(word, names, what)
  local near = suggest.nearest(word, names)
  if near then return ("did you mean '%s'?"):format(near) end
  if #names == 0 then return nil end
  return (what or "there are") .. ": " .. suggest.list(names)
end

return suggest
