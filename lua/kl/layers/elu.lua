-- Exponential linear units.
local Layer = require "kl.layer"
local args = require "kl.args"
local ops = require "kl.ops"

---@class kl.layers.ELU: kl.Layer
local ELU = Layer:extend("ELU")
ELU.params = args.params{{"alpha", 1.0}}

function ELU:init(given)
  ELU.super.init(self, given)
  self.alpha = args.check("ELU: 'alpha'", self._config.alpha, "number")
end

function ELU:call(x) return ops.elu(x, self.alpha) end

return ELU
