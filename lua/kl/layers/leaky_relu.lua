-- Leaky rectified linear units.
local Layer = require "kl.layer"
local args = require "kl.args"
local ops = require "kl.ops"

--- x above 0, negative_slope * x below.  The layer's slope is 0.3 by default, the function's 0.2: both are Keras's.
---@class kl.layers.LeakyReLU: kl.Layer
local LeakyReLU = Layer:extend("LeakyReLU")
LeakyReLU.params = args.params{{"negative_slope", 0.3}}

function LeakyReLU:init(given)
  LeakyReLU.super.init(self, given)
  self.negative_slope = args.check("LeakyReLU: 'negative_slope'", self._config.negative_slope, "number", 0)
end

function LeakyReLU:call(x) return ops.leaky_relu(x, self.negative_slope) end

return LeakyReLU
