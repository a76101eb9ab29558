-- Softmax as a layer.
local Layer = require "kl.layer"
local args = require "kl.args"
local ops = require "kl.ops"

--- Softmax along an axis, or over several at once; where options.mask is false the logit is lowered by 1e9 and the output is 0.
---@class kl.layers.Softmax: kl.Layer
local Softmax = Layer:extend("Softmax")
Softmax.params = args.params{{"axis", -1}}
Softmax.axis_params = {axis = true}

function Softmax:init(given)
  Softmax.super.init(self, given)
  self.axis = self._config.axis
  for _, axis in ipairs(type(self.axis) == "table" and self.axis or {self.axis}) do
    args.check("Softmax: 'axis'", axis, "integer")
  end
end

function Softmax:_softmax(x)
  if type(self.axis) ~= "table" then return ops.softmax(x, self.axis) end
  return ops.exp(x - ops.logsumexp(x, self.axis, true))
end

function Softmax:call(x, options)
  local mask = options.mask
  if mask == nil then return self:_softmax(x) end
  local keep = ops.cast(ops.cast(mask, "bool"), x.dtype)
  return self:_softmax(x + (1.0 - keep) * -1e9) * keep
end

return Softmax
