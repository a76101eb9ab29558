-- Losses of segmentation: how much of two sets does not overlap (keras-semantics 3.3).
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"
local family = require "kl.losses.family"()

local EPSILON = require "kl.ops.epsilon"

--- 1 - 2 sum(y_true y_pred) / (sum y_true + sum y_pred + 1e-7), over the axes or, without any, over everything: one number
--- (Dice, 1945).
family.add("Dice", "dice", function(y_true, y_pred, axis)
  y_true, y_pred = Loss.pair("dice", y_true, y_pred)
  local both = ops.sum(y_true * y_pred, axis)
  return 1 - both * 2 / (ops.sum(y_true, axis) + ops.sum(y_pred, axis) + EPSILON)
end, {{"axis"}})

--- 1 - I / (I + alpha sum(y_true (1 - y_pred)) + beta sum(y_pred (1 - y_true)) + 1e-7) with I = sum(y_true y_pred), over the axes
--- or everything (Salehi et al., 2017; alpha = beta = 0.5 is Dice).
family.add("Tversky", "tversky", function(y_true, y_pred, alpha, beta, axis)
  y_true, y_pred = Loss.pair("tversky", y_true, y_pred)
  local both = ops.sum(y_true * y_pred, axis)
  local missed = ops.sum((1 - y_pred) * y_true, axis)
  local wrong = ops.sum(y_pred * (1 - y_true), axis)
  return 1 - both / (both + missed * alpha + wrong * beta + EPSILON)
end, {{"alpha", 0.5}, {"beta", 0.5}, {"axis"}})

return family
