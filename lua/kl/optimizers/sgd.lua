-- Stochastic gradient descent, with momentum (Polyak, 1964; Nesterov, 1983).
local args = require "kl.args"
local Optimizer = require "kl.optimizers.optimizer"

--- Plain: w <- w - lr g.  Momentum: m <- momentum m - lr g; w <- w + m.  Nesterov: w <- w + momentum m - lr g, with the new
--- m.
---@class kl.optimizers.SGD: kl.optimizers.Optimizer
local SGD = Optimizer:extend("SGD")
SGD.params = args.params{{"learning_rate", 0.01}, {"momentum", 0.0}, {"nesterov", false}}

function SGD:init(given)
  SGD.super.init(self, given)
  args.check("SGD: 'momentum'", self.momentum, "number", 0, 1)
end

function SGD:build_slots(variables)
  if self.momentum ~= 0 then
    for _, v in ipairs(variables) do self:add_slot(v, "momentum") end
  end
end

function SGD:update_step(g, v, rate)
  local step = g * rate
  if self.momentum == 0 then
    v:assign_sub(step)
    return
  end
  local m = Optimizer.slot(self, "momentum", v)
  m:assign(m * self.momentum - step)
  if self.nesterov then
    v:assign_add(m * self.momentum - step)
  else
    v:assign_add(m)
  end
end

return SGD
