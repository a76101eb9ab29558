-- Activation functions of keras.ops (keras-semantics 7) composed of primitives.
local core = require "kl.core"
local define = require "kl.ops.define"

local prim = core.ops
local activation = {}

local add, mul, sub, div, where = prim.add, prim.multiply, prim.subtract, prim.divide, prim.where
local greater, exp = prim.greater, prim.exp

--- x above 0, slope * x below.
activation.leaky_relu = define("kl.leaky_relu", {"x", {"negative_slope", 0.2}}, function(x, slope)
  return where(greater(x, 0), x, mul(x, slope))
end)

--- min(max(x, 0), 6).
activation.relu6 = define("kl.relu6", {"x"}, function(x) return prim.clip(x, 0, 6) end)

--- alpha (e^x - 1) below 0; the exponent is kept at or below 0 so that its slope stays finite.
local function below_zero(x, alpha) return mul(prim.expm1(prim.minimum(x, 0)), alpha) end

--- x above 0, alpha (e^x - 1) below (Clevert et al., 2015).
activation.elu = define("kl.elu", {"x", {"alpha", 1.0}}, function(x, alpha)
  return where(greater(x, 0), x, below_zero(x, alpha))
end)

--- 1.0507 elu(x, 1.6733) (Klambauer et al., 2017).
activation.selu = define("kl.selu", {"x"}, function(x)
  return mul(activation.elu(x, 1.6732632423543772), 1.0507009873554805)
end)

--- max(x, 0) + min(0, alpha (e^(x / alpha) - 1)).
activation.celu = define("kl.celu", {"x", {"alpha", 1.0}}, function(x, alpha)
  return add(prim.relu(x), below_zero(div(x, alpha), alpha))
end)

--- x Phi(x); approximate = true: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (Hendrycks & Gimpel, 2016).
activation.gelu = define("kl.gelu", {"x", {"approximate", false}}, function(x, approximate)
  local inner
  if approximate then
    inner = prim.tanh(mul(add(mul(mul(prim.square(x), x), 0.044715), x), math.sqrt(2 / math.pi)))
  else
    inner = prim.erf(mul(x, math.sqrt(0.5)))
  end
  return mul(mul(x, 0.5), add(inner, 1.0))
end)

--- x sigmoid(x).
activation.silu = define("kl.silu", {"x"}, function(x) return mul(x, prim.sigmoid(x)) end)
activation.swish = activation.silu

--- log(sigmoid(x)).
activation.log_sigmoid = define("kl.log_sigmoid", {"x"}, function(x)
  return prim.negative(prim.softplus(prim.negative(x)))
end)

--- x / (1 + |x|).
activation.softsign = define("kl.softsign", {"x"}, function(x) return div(x, add(prim.abs(x), 1.0)) end)

--- relu6(x + 3) / 6.
activation.hard_sigmoid = define("kl.hard_sigmoid", {"x"}, function(x)
  return div(prim.clip(add(x, 3.0), 0, 6), 6.0)
end)

--- x hard_sigmoid(x).
activation.hard_silu = define("kl.hard_silu", {"x"}, function(x) return mul(x, activation.hard_sigmoid(x)) end)
activation.hard_swish = activation.hard_silu

--- x cut to [-1, 1].
activation.hard_tanh = define("kl.hard_tanh", {"x"}, function(x) return prim.clip(x, -1, 1) end)

--- x tanh(softplus(x)) (Misra, 2019).
activation.mish = define("kl.mish", {"x"}, function(x) return mul(x, prim.tanh(prim.softplus(x))) end)

--- 0 within the threshold, x outside.
activation.hard_shrink = define("kl.hard_shrink", {"x", {"threshold", 0.5}}, function(x, threshold)
  return where(greater(prim.abs(x), threshold), x, 0.0)
end)

--- 0 within the threshold, x moved toward 0 by it outside.
activation.soft_shrink = define("kl.soft_shrink", {"x", {"threshold", 0.5}}, function(x, threshold)
  return where(greater(x, threshold), sub(x, threshold), where(prim.less(x, -threshold), add(x, threshold), 0.0))
end)

--- x - tanh(x).
activation.tanh_shrink = define("kl.tanh_shrink", {"x"}, function(x) return sub(x, prim.tanh(x)) end)

--- x where it is above the threshold, the default value elsewhere.
activation.threshold = define("kl.threshold", {"x", "threshold", "default_value"}, function(x, threshold, value)
  return where(greater(x, threshold), x, value)
end)

--- (x + sqrt(x^2 + b)) / 2.
activation.squareplus = define("kl.squareplus", {"x", {"b", 4}}, function(x, b)
  return mul(add(x, prim.sqrt(add(prim.square(x), b))), 0.5)
end)

--- 0 below -1, (x + 1)^2 / 4 up to 1, x above.
activation.sparse_plus = define("kl.sparse_plus", {"x"}, function(x)
  return where(greater(x, 1), x, div(prim.square(prim.relu(add(x, 1.0))), 4.0))
end)

--- (x + 1) / 2 cut to [0, 1].
activation.sparse_sigmoid = define("kl.sparse_sigmoid", {"x"}, function(x)
  return prim.clip(mul(add(x, 1.0), 0.5), 0, 1)
end)

--- The first half along an axis times the sigmoid of the second (Dauphin et al., 2016).
activation.glu = define("kl.glu", {"x", {"axis", -1}}, function(x, axis)
  local halves = require "kl.ops.array".split(x, 2, axis)
  return mul(halves[1], prim.sigmoid(halves[2]))
end)

--- e^x.
activation.exponential = exp

return activation
