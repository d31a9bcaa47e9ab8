-- The trained numbers of a run's network, layer by layer, as the model's row in the store has them.
local core = require "core"

local MODEL = [[
SELECT m.graph, m.weights FROM run_model r JOIN model m ON m.id = r.model WHERE r.run = :run]]

-- How many numbers of a node are in the model's row: its trained ones, and what batch normalisation has seen.
local function stored(node)
  local count = node.parameters or 0
  if node.layer:find("^batch_norm") then count = count + 2 * node.shape[2] end
  return count
end

-- All numbers as one tensor, and the nodes, of which `first` says where their own begin (`parameters` of
-- them); nil and why there are none.
return function(store, run)
  local row = core.store_rows(store, MODEL, { run = run })[1]
  if not row then return nil, "The run has no model." end
  if not row.weights then
    return nil, "The store has the weights of declared networks; this model is a file of its own."
  end
  local nodes, count = core.json_parse(row.graph).nodes, 0
  for _, node in ipairs(nodes) do
    node.first = count
    count = count + stored(node)
  end
  local all = core.store_get_tensor(store, row.weights)
  if count ~= core.tensor_info(all).count then return nil, "The weights in the store are not those of its graph." end
  return all, nodes
end
