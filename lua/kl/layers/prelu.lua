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
  if self.shared_axes ~= nil then args.check("PReLU: 'shared_axes'", self.shared_axes, "table") end
  for _, axis in ipairs(self.shared_axes or {}) do args.check("PReLU: an axis in 'shared_axes'", axis, "integer", 1) end
end

--- shared_axes count from 1 without the batch, as Keras's config has them.
function PReLU:build(input_shape)
  local shape = {}
  for i = 2, #input_shape do shape[i - 1] = input_shape[i] end
  local axes = {}
  for i, n in ipairs(shape) do axes[i + 1] = n or nil end
  for _, axis in ipairs(self.shared_axes or {}) do
    if axis > #shape then errors.fail("PReLU: shared axis %d of samples with %d axes", axis, #shape) end
    shape[axis], axes[axis + 1] = 1, nil
  end
  for i, n in ipairs(shape) do
    if not n then errors.fail("PReLU: axis %d of a sample must be known, or shared", i) end
  end
  self.alpha = self:add_weight{name = "alpha", shape = shape, initializer = self.alpha_initializer,
    regularizer = self.alpha_regularizer, constraint = self.alpha_constraint}
  self:_expect{ndim = #input_shape, axes = axes}
end

function PReLU:call(x) return ops.relu(x) - self.alpha * ops.relu(-x) end

return PReLU
