-- Rectified linear units with a learned slope (He et al., 2015).
local Layer = require "kl.layer"
local args = require "kl.args"
local constraints = require "kl.constraints"
local errors = require "kl.errors"
local initializers = require "kl.initializers"
local ops = require "kl.ops"
local regularizers = require "kl.regularizers"

--- x above 0, alpha * x below; alpha has the shape of a sample, with length 1 along shared_axes.
---@class kl.layers.PReLU: kl.Layer
local PReLU = Layer:extend("PReLU")
PReLU.params = args.params{{"alpha_initializer", "zeros"}, {"alpha_regularizer"}, {"alpha_constraint"}, {"shared_axes"}}

function PReLU:init(given)
  PReLU.super.init(self, given)
  local o = self._config
  self.alpha_initializer = initializers.get(o.alpha_initializer)
  self.alpha_regularizer = regularizers.get(o.alpha_regularizer)
  self.alpha_constraint = constraints.get(o.alpha_constraint)
  self.shared_axes = type(o.shared_axes) == "number" and {o.shared_axes} or o.shared_axes
end

--- shared_axes count from 1 without the batch, as Keras's config has them.
function PReLU:build(input_shape)
  local shape = {}
  for i = 2, #input_shape do shape[i - 1] = input_shape[i] end
  for _, axis in ipairs(self.shared_axes or {}) do shape[axis] = 1 end
  for i, n in ipairs(shape) do
    if not n then errors.fail("PReLU: axis %d of a sample must be known, or shared", i) end
  end
  self.alpha = self:add_weight{name = "alpha", shape = shape, initializer = self.alpha_initializer,
    regularizer = self.alpha_regularizer, constraint = self.alpha_constraint}
end

function PReLU:call(x) return ops.relu(x) - self.alpha * ops.relu(-x) end

return PReLU
