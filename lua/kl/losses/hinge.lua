-- Hinge losses: how far scores are from the right side of a margin of 1 (keras-semantics 3.3).
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"
local family = require "kl.losses.family"()

local last_mean = Loss.last_mean

--- Targets as -1 and 1: if every one of a batch is 0 or 1, 0 stands for -1.
local function signs(y_true)
  local binary = ops.all(ops.logical_or(ops.equal(y_true, 0), ops.equal(y_true, 1)))
  return ops.where(binary, y_true * 2 - 1, y_true)
end

--- max(1 - y_true y_pred, 0), targets as signs.
local function margin(what, y_true, y_pred)
  y_true, y_pred = Loss.pair(what, y_true, y_pred)
  return ops.maximum(1 - signs(y_true) * y_pred, 0)
end

--- mean(max(1 - y_true y_pred, 0)) over the last axis; targets -1 and 1, or 0 and 1.
family.add("Hinge", "hinge", function(y_true, y_pred) return last_mean(margin("hinge", y_true, y_pred)) end)

--- mean(max(1 - y_true y_pred, 0)^2) over the last axis; targets -1 and 1, or 0 and 1.
family.add("SquaredHinge", "squared_hinge", function(y_true, y_pred)
  return last_mean(ops.square(margin("squared_hinge", y_true, y_pred)))
end)

--- max(max((1 - y_true) y_pred) - sum(y_true y_pred) + 1, 0) over the last axis; targets one-hot.
family.add("CategoricalHinge", "categorical_hinge", function(y_true, y_pred)
  y_true, y_pred = Loss.pair("categorical_hinge", y_true, y_pred)
  Loss.need_axis("categorical_hinge", y_pred)
  local right = ops.sum(y_true * y_pred, -1)
  local wrong = ops.max((1 - y_true) * y_pred, -1)
  return ops.maximum(wrong - right + 1, 0)
end)

return family
