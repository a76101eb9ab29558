-- The fully connected layer.
local Layer = require "kl.layer"
local activations = require "kl.activations"
local args = require "kl.args"
local constraints = require "kl.constraints"
local errors = require "kl.errors"
local initializers = require "kl.initializers"
local ops = require "kl.ops"
local regularizers = require "kl.regularizers"

--- Affine map y = activation(x W + b) over the last axis.  Default initializer: Glorot & Bengio 2010.
---@class kl.layers.Dense: kl.Layer
---@field units integer      # width of the output, > 0
---@field use_bias boolean   # default true
local Dense = Layer:extend("Dense")
Dense.params = args.params{"units", {"activation"}, {"use_bias", true}, {"kernel_initializer", "glorot_uniform"},
  {"bias_initializer", "zeros"}, {"kernel_regularizer"}, {"bias_regularizer"}, {"kernel_constraint"}, {"bias_constraint"}}

function Dense:init(given)
  Dense.super.init(self, given)
  local o = self._config
  self.units = args.check("Dense: 'units'", o.units, "integer", 1)
  self.activation = activations.get(o.activation)
  self.use_bias = args.check("Dense: 'use_bias'", o.use_bias, "boolean")
  self.kernel_initializer, self.bias_initializer = initializers.get(o.kernel_initializer), initializers.get(o.bias_initializer)
  self.kernel_regularizer, self.bias_regularizer = regularizers.get(o.kernel_regularizer), regularizers.get(o.bias_regularizer)
  self.kernel_constraint, self.bias_constraint = constraints.get(o.kernel_constraint), constraints.get(o.bias_constraint)
  self:_expect{min_ndim = 2}
end

---@param input_shape (integer|false)[] # {batch, ..., features}
function Dense:build(input_shape)
  local features = input_shape[#input_shape]
  if not features then errors.fail("Dense: the last axis of the input must be known when the layer is built") end
  self.kernel = self:add_weight{name = "kernel", shape = {features, self.units}, initializer = self.kernel_initializer,
    regularizer = self.kernel_regularizer, constraint = self.kernel_constraint}
  if self.use_bias then
    self.bias = self:add_weight{name = "bias", shape = {self.units}, initializer = self.bias_initializer,
      regularizer = self.bias_regularizer, constraint = self.bias_constraint}
  end
  self:_expect{min_ndim = 2, axes = {[-1] = features}}
end

---@param x kl.Tensor # (batch, ..., features)
---@return kl.Tensor  # (batch, ..., units)
function Dense:call(x)
  local y = ops.matmul(x, self.kernel)
  if self.use_bias then y = y + self.bias end
  return self.activation(y)
end

return Dense
