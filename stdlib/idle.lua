-- Options of an explainer that a script gives and that say nothing beside another one. Each is a mistake with a
-- reason, not a silence: who writes `steps = 500` beside a method that takes no steps believes in them.
-- What depends on the model or on numbers of a word's own (when it first looks at errors) the engine refuses itself,
-- where `idle.allows` says the same: references.lua hands that on.
local fail = require "fail"

local idle = {}

local allowed = false

-- Stored scripts ran, maybe before an option here was found to say nothing: they are not refused afterwards.
function idle.allow(yes)
  allowed = yes
end

-- Whether such options of the node are let pass: in stored scripts, and of a sweep, where another variant may read them.
function idle.allows(node)
  return allowed or next(node.swept or {}) ~= nil
end

local function no_steps(options)
  return options.method == "exact" and 'method = "exact" goes from one bend of the network to the next'
end

-- Words that draw training rows in bins, or cover groups in their place.
local function no_bins(options, image)
  return options.baseline ~= nil and "a baseline covers features: no rows are drawn, and there are no bins"
    or image and "groups of an image are covered: no rows are drawn, and there are no bins" or nil
end

-- The parameters of rules of lrp: read where its own rule is that one and stands somewhere, or by a composite of
-- the literature.
local function closes(composite)
  local last = type(composite) == "table" and composite[#composite]
  return last and not (last.type or last.place or last.layer)
end

local function of_rule(rule, composite)
  return function(options)
    local other = options.composite
    if other == composite then return nil end
    if type(other) == "string" and other ~= "none" then
      return ('composite = "%s" says which rules there are'):format(other)
    elseif closes(other) then
      return "the composite's last entry holds for all layers that no other does"
    end
    return rule and options.rule ~= rule and ('the rule is "%s"'):format(options.rule) or nil
  end
end

-- word -> { field, the reason why it says nothing, or nil }, in the order of the word's fields.
local of_word = {
  integrated_gradients = { { "steps", no_steps } },
  layer_integrated_gradients = { { "steps", no_steps } },
  kernel_shap = {
    { "sampling", function(options)
      return options.samples == "all" and not options.stop and 'samples = "all" draws none' or nil
    end },
  },
  lime = {
    { "features", function(options)
      return options.selection == "none" and options.features ~= "all" and 'selection = "none" keeps all features' or nil
    end },
    { "discretize", no_bins },
    { "point_bins", function(options, image)
      return no_bins(options, image) or options.discretize == "none" and 'discretize = "none" makes no bins' or nil
    end },
  },
  anchors = { { "discretize", no_bins } },
  lrp = {
    { "rule", of_rule() }, { "gamma", of_rule("gamma", "epsilon_gamma_box") },
    { "alpha", of_rule "alpha_beta" }, { "beta", of_rule "alpha_beta" },
    { "low", of_rule("z_box", "epsilon_gamma_box") }, { "high", of_rule("z_box", "epsilon_gamma_box") },
  },
  pgd = {
    { "stream", function(options) return not options.random_start and "without random_start nothing is drawn" or nil end },
  },
}

local by_method = {
  slic = { "kernel_size", "max_dist", "ratio" },
  quickshift = { "segments", "compactness" },
}

local function refuse(node, field, reason)
  fail.at(node, field, ("'%s' says nothing here: %s"):format(field, reason), "leave it out")
end

-- `outer` is the node that asks this one, or it itself; `image`: the word covers groups of rows that are images.
function idle.check(node, outer, image)
  if idle.allows(outer) then return end
  local options, groups = node.options, node.options.groups
  for _, entry in ipairs(of_word[node.word] or {}) do
    local reason = node.given[entry[1]] and entry[2](options, image)
    if reason then refuse(node, entry[1], reason) end
  end
  if node.flags.takes_groups and groups ~= nil and outer.given.space then
    refuse(outer, "space", "there are groups, and each has one value")
  end
  if type(groups) == "table" and groups.word == "superpixels" then
    for _, name in ipairs(by_method[groups.options.method]) do
      if groups.given[name] then refuse(groups, name, ('method = "%s" does not read it'):format(groups.options.method)) end
    end
  end
end

return idle
