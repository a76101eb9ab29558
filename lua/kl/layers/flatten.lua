-- All axes but the batch joined.
local Layer = require "kl.layer"
local args = require "kl.args"
local ops = require "kl.ops"

--- (batch, a, b, ...) to (batch, a b ...); a rank-1 input becomes (batch, 1).  data_format = "channels_first": axis 2 goes last
--- before, so that the order is that of the same data with channels last.
---@class kl.layers.Flatten: kl.Layer
local Flatten = Layer:extend("Flatten")
Flatten.params = args.params{{"data_format", "channels_last"}}

function Flatten:init(given)
  Flatten.super.init(self, given)
  args.choice("Flatten: 'data_format'", self._config.data_format, {"channels_last", "channels_first"})
end

function Flatten:call(x)
  if self._config.data_format == "channels_first" and x.ndim > 2 then x = ops.moveaxis(x, 2, -1) end
  local shape = x.shape
  local product = 1
  for i = 2, #shape do
    product = product and shape[i] and product * shape[i]
  end
  return ops.reshape(x, {shape[1] or -1, product or -1})
end

return Flatten
