-- What a judge of randomisation compares an explanation with: the same explainer's numbers for the same rows and
-- targets of a model whose layers are drawn anew.
local core = require "core"
local fail = require "fail"
local references = require "references"

local randomisation = {}

-- Why the explainer cannot explain another model, or nil.
function randomisation.no_concern(entry)
  local node = entry.node
  if node.own then return "it explains a model again, and functions of a script are called for one alone" end
  if entry.values then return "it explains a model again, and these attributions come from a file" end
end

function randomisation.model(node, model, seed)
  local layer = node.options.layer
  local value = layer and fail.within(node, "layer", core.model_layer, model, layer)
  return fail.within(node, layer and "layer" or nil, core.model_randomise, model, value, node.options.order,
    seed)
end

-- The piece of the same items. `piece`: { first, rows, targets, sums, again }; `again` keeps what other judges of
-- the same piece have made already.
function randomisation.piece(node, run, bound, entry, pool, piece)
  local key = ("%s %s"):format(node.options.order, node.options.layer or "")
  if not piece.again[key] then
    local other = setmetatable({ model = randomisation.model(node, bound.model, run.seed) },
      { __index = bound })
    local job <close> = references.job(run, other, entry, piece.targets, pool)
    piece.again[key] = core.job_run(job, piece.first, piece.rows, piece.sums)
  end
  return piece.again[key]
end

return randomisation
