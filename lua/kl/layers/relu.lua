-- Rectified linear units with Keras's three parameters.
local Layer = require "kl.layer"
local activations = require "kl.activations"
local args = require "kl.args"

--- x from the threshold up, at most max_value; negative_slope * (x - threshold) below.
---@class kl.layers.ReLU: kl.Layer
local ReLU = Layer:extend("ReLU")
ReLU.params = args.params{{"max_value"}, {"negative_slope", 0.0}, {"threshold", 0.0}}

function ReLU:init(given)
  ReLU.super.init(self, given)
  local o = self._config
  self.max_value = o.max_value ~= nil and args.check("ReLU: 'max_value'", o.max_value, "number", 0) or nil
  self.negative_slope = args.check("ReLU: 'negative_slope'", o.negative_slope, "number", 0)
  self.threshold = args.check("ReLU: 'threshold'", o.threshold, "number", 0)
end

function ReLU:call(x)
  return activations.relu(x, {max_value = self.max_value, negative_slope = self.negative_slope, threshold = self.threshold})
end

return ReLU
