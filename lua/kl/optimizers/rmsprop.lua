-- RMSprop (Tieleman & Hinton, 2012).
local core = require "kl.core"
local args = require "kl.args"
local ops = require "kl.ops"
local Optimizer = require "kl.optimizers.optimizer"
local slot = Optimizer.slot

--- v <- rho v + (1 - rho) g^2; w <- w - lr g / sqrt(v + epsilon), epsilon inside the root.  centered: v - a^2 in the root,
--- with a the moving average of g.  momentum: m <- momentum m + increment; w <- w - m.
---@class kl.optimizers.RMSprop: kl.optimizers.Optimizer
local RMSprop = Optimizer:extend("RMSprop")
RMSprop.params = args.params{{"learning_rate", 0.001}, {"rho", 0.9}, {"momentum", 0.0}, {"epsilon", 1e-7}, {"centered", false}}

function RMSprop:build_slots(variables)
  for _, v in ipairs(variables) do self:add_slot(v, "velocity") end
  if self.momentum > 0 then
    for _, v in ipairs(variables) do self:add_slot(v, "momentum") end
  end
  if self.centered then
    for _, v in ipairs(variables) do self:add_slot(v, "average_gradient") end
  end
end

function RMSprop:update_step(g, v, rate)
  local velocity, rho = slot(self, "velocity", v), self.rho
  if not self.centered and self.momentum <= 0 then
    core.updates.rmsprop_update(g, v, velocity, rate, rho, 1 - rho, self.epsilon)
    return
  end
  velocity:assign(velocity * rho + ops.square(g) * (1 - rho))
  local root = velocity
  if self.centered then
    local average = slot(self, "average_gradient", v)
    average:assign(average * rho + g * (1 - rho))
    root = velocity - ops.square(average)
  end
  local increment = core.ops.rmsprop_direction(g, root, rate, self.epsilon)
  if self.momentum > 0 then
    local m = slot(self, "momentum", v)
    m:assign(m * self.momentum + increment)
    increment = m
  end
  v:assign_sub(increment)
end

return RMSprop
