-- Inputs one behind the other.
local Layer = require "kl.layer"
local args = require "kl.args"
local check_list = require "kl.layers.merge".check_list
local ops = require "kl.ops"

--- Joins a list of tensors along an axis; all other axes must agree.
---@class kl.layers.Concatenate: kl.Layer
local Concatenate = Layer:extend("Concatenate")
Concatenate.params = args.params{{"axis", -1}}
Concatenate.axis_params = {axis = true}

function Concatenate:init(given)
  Concatenate.super.init(self, given)
  self.axis = args.check("Concatenate: 'axis'", self._config.axis, "integer")
end

function Concatenate:call(inputs)
  check_list(self, inputs)
  return ops.concatenate(inputs, self.axis)
end

return Concatenate
