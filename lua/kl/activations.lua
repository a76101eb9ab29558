-- Activations by name (keras-semantics 7): functions of one tensor.
local define = require "kl.ops.define"
local errors = require "kl.errors"
local lookup = require "kl.lookup"
local ops = require "kl.ops"

local activations = {}

--- x itself.
function activations.linear(x) return x end

for _, name in ipairs{"relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "hard_sigmoid", "hard_silu",
  "hard_tanh", "hard_shrink", "soft_shrink", "tanh_shrink", "threshold", "softplus", "softsign", "exponential", "sigmoid",
  "log_sigmoid", "tanh", "squareplus", "sparse_plus", "sparse_sigmoid", "softmax", "log_softmax", "glu"} do
  activations[name] = ops[name]
end

--- x from the threshold up, at most max_value; negative_slope * (x - threshold) below.
---@param x kl.Tensor
---@param options? table # negative_slope = 0, max_value, threshold = 0
activations.relu = define("kl.activations.relu", {"x", {"negative_slope", 0.0}, {"max_value"}, {"threshold", 0.0}},
  function(x, slope, max_value, threshold)
    local y
    if threshold == 0 and slope == 0 then
      y = ops.relu(x)
    else -- without a slope 0 itself, because 0 * -inf is no number
      y = ops.where(ops.greater_equal(x, threshold), x, slope == 0 and 0.0 or slope * (x - threshold))
    end
    return max_value and ops.minimum(y, max_value) or y
  end)

local index = lookup.index(activations)
index.swish, index.hard_swish = activations.silu, activations.hard_silu

local names_of = {}
for name, f in pairs(activations) do names_of[f] = name end

--- A function from a function, a name, or nil (linear).
function activations.get(given)
  if given == nil then return activations.linear end
  if type(given) == "function" then return given end
  if type(given) == "table" and getmetatable(given) and getmetatable(given).__call then return given end
  if type(given) ~= "string" then errors.fail("an activation must be a name or a function, got %s", errors.show(given)) end
  return lookup.find("activation", index, given)
end

--- The name of one of these functions, or nil.
function activations.name_of(f) return names_of[f] end

return activations
