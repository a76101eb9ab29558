-- Gradients: GradientTape and what stands around it (keras-semantics 14).
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local ops = require "kl.ops"
local tree = require "kl.tree"

local grad = {}

local tape_params = args.params{{"persistent", false}, {"watch_accessed_variables", true}}

--- Records operations on watched tensors from now on until the tape is closed:
---   local tape <close> = kl.GradientTape()
--- Trainable variables are watched when they are read.
---@param options? table # persistent = false, watch_accessed_variables = true
---@return kl.GradientTape
function grad.GradientTape(options)
  local o = args.read("GradientTape", tape_params, options)
  return core.tape(o.persistent, o.watch_accessed_variables)
end

local Tape = core.tape_methods

--- Watches a tensor, a variable, or a structure of them.  Only floats can be watched.
function Tape:watch(structure)
  for _, leaf in ipairs(tree.flatten(structure)) do
    if not self:_watch(leaf) then
      core.warn_once("watch: a tensor of " .. leaf.dtype .. " has no gradient: only floats do")
    end
  end
end

local gradient_params = args.params{{"output_gradients"}, {"unconnected_gradients", "none"}}

--- The gradient of the sum of `target` (a tensor or a list) with respect to `sources`, in the structure of sources.
--- Where no path leads from a source to the target: nil for a single source, false in a structure, zeros with
--- unconnected_gradients = "zero".
---@param options? table # output_gradients: one weight per target (a vector-Jacobian product); unconnected_gradients
function Tape:gradient(target, sources, options)
  local o = args.read("gradient", gradient_params, options)
  local targets, seeds = tree.flatten(target), {}
  if o.output_gradients ~= nil then
    seeds = tree.flatten(o.output_gradients)
    if #seeds ~= #targets then
      errors.fail("gradient: output_gradients has %d entries for %d targets", #seeds, #targets)
    end
  end
  if o.unconnected_gradients ~= "none" and o.unconnected_gradients ~= "zero" then
    errors.fail("gradient: unconnected_gradients must be \"none\" or \"zero\", got %s",
      errors.show(o.unconnected_gradients))
  end
  local leaves = tree.flatten(sources)
  local results = self:_gradient(targets, leaves, seeds)
  if o.unconnected_gradients == "zero" then
    for i, g in ipairs(results) do
      if not g then results[i] = ops.zeros_like(leaves[i]) end
    end
  end
  if tree.is_leaf(sources) then return results[1] or nil end
  return tree.pack(sources, results)
end

return grad
