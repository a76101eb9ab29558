-- Softmax as a layer.
local Layer = require "kl.layer"
local args = require "kl.args"
local ops = require "kl.ops"

--- Softmax along an axis; where options.mask is false the logit is lowered by 1e9 and the output is 0.
---@class kl.layers.Softmax: kl.Layer
local Softmax = Layer:extend("Softmax")
Softmax.params = args.params{{"axis", -1}}
Softmax.axis_params = {axis = true}

function Softmax:init(given)
  Softmax.super.init(self, given)
  self.axis = args.check("Softmax: 'axis'", self._config.axis, "integer")
end

function Softmax:call(x, options)
  local mask = options.mask
  if mask == nil then return ops.softmax(x, self.axis) end
  local keep = ops.cast(ops.cast(mask, "bool"), x.dtype)
  return ops.softmax(x + (1.0 - keep) * -1e9, self.axis) * keep
end

return Softmax
