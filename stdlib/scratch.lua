-- A folder for files of one command, made when first needed and removed with all that is in it.
local core = require "core"

local scratch = {}

-- `local folder <close> = scratch.folder()`; folder.make() makes it where it is not there yet, and
-- returns its path.
function scratch.folder()
  local path
  return setmetatable({ make = function()
    path = path or core.folder_scratch()
    return path
  end }, { __close = function()
    if path then core.folder_remove(path) end
  end })
end

return scratch
