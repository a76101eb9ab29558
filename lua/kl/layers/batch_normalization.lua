-- Batch normalization (Ioffe & Szegedy, 2015).
local Layer = require "kl.layer"
local args = require "kl.args"
local constraints = require "kl.constraints"
local errors = require "kl.errors"
local initializers = require "kl.initializers"
local ops = require "kl.ops"
local regularizers = require "kl.regularizers"

local EPSILON = require "kl.ops.epsilon"

--- (x - mean) / sqrt(variance + epsilon) * gamma + beta over all axes but one.  While training mean and (biased) variance
--- are those of the batch, and moving <- moving * momentum + batch * (1 - momentum); otherwise, and when the layer is
--- frozen, the moving ones are used.  options.mask leaves positions out of the statistics.
---@class kl.layers.BatchNormalization: kl.Layer
local BatchNormalization = Layer:extend("BatchNormalization")
BatchNormalization.params = args.params{{"axis", -1}, {"momentum", 0.99}, {"epsilon", 1e-3}, {"center", true}, {"scale", true},
  {"beta_initializer", "zeros"}, {"gamma_initializer", "ones"}, {"moving_mean_initializer", "zeros"},
  {"moving_variance_initializer", "ones"}, {"beta_regularizer"}, {"gamma_regularizer"}, {"beta_constraint"},
  {"gamma_constraint"}, {"synchronized", false}, {"renorm", false}, {"renorm_clipping"}, {"renorm_momentum", 0.99}}
BatchNormalization.axis_params = {axis = true}

function BatchNormalization:init(given)
  BatchNormalization.super.init(self, given)
  local o = self._config
  if o.renorm then errors.fail("BatchNormalization: renorm is not supported") end
  self.axis = args.check("BatchNormalization: 'axis'", o.axis, "integer")
  self.momentum = args.check("BatchNormalization: 'momentum'", o.momentum, "number", 0, 1)
  self.epsilon = args.check("BatchNormalization: 'epsilon'", o.epsilon, "number", 0)
  self.center = args.check("BatchNormalization: 'center'", o.center, "boolean")
  self.scale = args.check("BatchNormalization: 'scale'", o.scale, "boolean")
  for _, name in ipairs{"beta", "gamma", "moving_mean", "moving_variance"} do
    self[name .. "_initializer"] = initializers.get(o[name .. "_initializer"])
  end
  for _, name in ipairs{"beta", "gamma"} do
    self[name .. "_regularizer"] = regularizers.get(o[name .. "_regularizer"])
    self[name .. "_constraint"] = constraints.get(o[name .. "_constraint"])
  end
end

function BatchNormalization:build(shape)
  local axis = self.axis < 0 and #shape + self.axis + 1 or self.axis
  local n = shape[axis]
  if n == nil then errors.fail("BatchNormalization: axis %d of an input with %d axes", self.axis, #shape) end
  if not n then errors.fail("BatchNormalization: the length of axis %d must be known when the layer is built", self.axis) end
  if self.scale then
    self.gamma = self:add_weight{name = "gamma", shape = {n}, initializer = self.gamma_initializer,
      regularizer = self.gamma_regularizer, constraint = self.gamma_constraint}
  end
  if self.center then
    self.beta = self:add_weight{name = "beta", shape = {n}, initializer = self.beta_initializer,
      regularizer = self.beta_regularizer, constraint = self.beta_constraint}
  end
  self.moving_mean = self:add_weight{name = "moving_mean", shape = {n}, initializer = self.moving_mean_initializer, trainable = false}
  self.moving_variance = self:add_weight{name = "moving_variance", shape = {n}, initializer = self.moving_variance_initializer,
    trainable = false}
  self:_expect{ndim = #shape, axes = {[axis] = n}}
  rawset(self, "_axis", axis)
  rawset(self, "_rank", #shape)
end

--- Mean and biased variance of x over the axes; where a mask is false the position does not count.
local function moments(x, axes, mask)
  if mask == nil then
    local mean = ops.mean(x, axes, true)
    return mean, ops.mean(ops.square(x - mean), axes, true)
  end
  local weight = ops.cast(ops.cast(mask, "bool"), x.dtype)
  while weight.ndim < x.ndim do weight = ops.expand_dims(weight, -1) end
  weight = weight * ops.ones_like(x)
  local count = ops.sum(weight, axes, true) + EPSILON -- Keras's guard against a mask that leaves nothing
  local mean = ops.sum(x * weight, axes, true) / count
  return mean, ops.sum(ops.square(x - mean) * weight, axes, true) / count
end

function BatchNormalization:call(x, options)
  local rank, axis = self._rank, self._axis
  local reduced, wide = {}, {}
  for i = 1, rank do
    wide[i] = 1
    if i ~= axis then reduced[#reduced + 1] = i end
  end
  wide[axis] = x.shape[axis]
  local function spread(v) return axis == rank and v or ops.reshape(v, wide) end
  local mean, variance
  if options.training and self._trainable then
    mean, variance = moments(x, reduced, options.mask)
    mean, variance = ops.squeeze(mean, reduced), ops.squeeze(variance, reduced)
    local m = self.momentum
    self.moving_mean:assign(self.moving_mean * m + mean * (1 - m))
    self.moving_variance:assign(self.moving_variance * m + variance * (1 - m))
  else
    mean, variance = self.moving_mean, self.moving_variance
  end
  local factor = ops.rsqrt(variance + self.epsilon)
  if self.scale then factor = factor * self.gamma end
  local y = (x - spread(mean)) * spread(factor)
  if self.center then y = y + spread(self.beta) end
  return y
end

return BatchNormalization
