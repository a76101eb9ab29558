-- A vector repeated as a sequence.
local Layer = require "kl.layer"
local args = require "kl.args"
local ops = require "kl.ops"

--- (batch, features) to (batch, n, features).
---@class kl.layers.RepeatVector: kl.Layer
local RepeatVector = Layer:extend("RepeatVector")
RepeatVector.params = args.params{"n"}

function RepeatVector:init(given)
  RepeatVector.super.init(self, given)
  self.n = args.check("RepeatVector: 'n'", self._config.n, "integer", 1)
  self:_expect{ndim = 2}
end

function RepeatVector:call(x)
  local shape = x.shape
  return ops.broadcast_to(ops.expand_dims(x, 2), {shape[1], self.n, shape[2]})
end

return RepeatVector
