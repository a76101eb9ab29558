-- Adam (Kingma & Ba, 2014), in the form with epsilon outside the bias correction.
local core = require "kl.core"
local args = require "kl.args"
local ops = require "kl.ops"
local Optimizer = require "kl.optimizers.optimizer"
local slot = Optimizer.slot

--- alpha = lr sqrt(1 - beta_2^t) / (1 - beta_1^t); m <- m + (g - m)(1 - beta_1); v <- v + (g^2 - v)(1 - beta_2);
--- w <- w - alpha m / (sqrt(v) + epsilon).  amsgrad: the largest v so far in the root.
---@class kl.optimizers.Adam: kl.optimizers.Optimizer
local Adam = Optimizer:extend("Adam")
Adam.params = args.params{{"learning_rate", 0.001}, {"beta_1", 0.9}, {"beta_2", 0.999}, {"epsilon", 1e-7}, {"amsgrad", false}}

function Adam:init(given)
  Adam.super.init(self, given)
  args.check("Adam: 'beta_1'", self.beta_1, "number", 0, 1)
  args.check("Adam: 'beta_2'", self.beta_2, "number", 0, 1)
end

function Adam:build_slots(variables)
  for _, v in ipairs(variables) do
    self:add_slot(v, "momentum")
    self:add_slot(v, "velocity")
  end
  if self.amsgrad then
    for _, v in ipairs(variables) do self:add_slot(v, "velocity_hat") end
  end
end

function Adam:begin_step(rate)
  local t = ops.cast(self.iterations + 1, "float32")
  -- 1 - beta^t as -expm1(t log(beta)): the difference itself would lose three digits at the first steps
  local function one_minus_power(beta) return ops.negative(ops.expm1(t * math.log(beta))) end
  rawset(self, "_alpha", rate * ops.sqrt(one_minus_power(self.beta_2)) / one_minus_power(self.beta_1))
end

function Adam:update_step(g, v)
  local m, velocity = slot(self, "momentum", v), slot(self, "velocity", v)
  if not self.amsgrad then
    core.updates.adam_update(g, v, m, velocity, self._alpha, 1 - self.beta_1, 1 - self.beta_2, self.epsilon)
    return
  end
  m:assign_add((g - m) * (1 - self.beta_1))
  velocity:assign_add((ops.square(g) - velocity) * (1 - self.beta_2))
  local hat = slot(self, "velocity_hat", v)
  hat:assign(ops.maximum(hat, velocity))
  v:assign_sub(core.ops.adam_direction(m, hat, self._alpha, self.epsilon))
end

return Adam
