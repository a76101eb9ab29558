-- An activation as a layer of its own.
local Layer = require "kl.layer"
local activations = require "kl.activations"
local args = require "kl.args"

--- Activation("relu"), Activation(function(x) ... end).
---@class kl.layers.Activation: kl.Layer
local Activation = Layer:extend("Activation")
Activation.params = args.params{"activation"}

function Activation:init(given)
  Activation.super.init(self, given)
  self.activation = activations.get(self._config.activation)
end

function Activation:call(x) return self.activation(x) end

return Activation
