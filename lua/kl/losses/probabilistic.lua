-- Losses between distributions that are not crossentropies (keras-semantics 3.3).
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"
local family = require "kl.losses.family"()

local EPSILON = require "kl.ops.epsilon"

--- sum(y_true log(y_true / y_pred)) over the last axis, both kept within [1e-7, 1].
family.add("KLDivergence", "kl_divergence", function(y_true, y_pred)
  y_true, y_pred = Loss.pair("kl_divergence", y_true, y_pred)
  Loss.need_axis("kl_divergence", y_pred)
  y_true, y_pred = ops.clip(y_true, EPSILON, 1), ops.clip(y_pred, EPSILON, 1)
  return ops.sum(y_true * ops.log(y_true / y_pred), -1)
end)

--- mean(y_pred - y_true log(y_pred + 1e-7)) over the last axis: the negative log likelihood of counts, without what does not
--- depend on y_pred.
family.add("Poisson", "poisson", function(y_true, y_pred)
  y_true, y_pred = Loss.pair("poisson", y_true, y_pred)
  return Loss.last_mean(y_pred - y_true * ops.log(y_pred + EPSILON))
end)

return family
