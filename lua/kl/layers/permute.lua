-- Axes of each sample in another order.
local Layer = require "kl.layer"
local args = require "kl.args"
local errors = require "kl.errors"
local ops = require "kl.ops"

--- Permute{2, 1}: axis i of a sample's result is axis dims[i] of the sample, counted from 1 without the batch.
---@class kl.layers.Permute: kl.Layer
local Permute = Layer:extend("Permute")
Permute.params = args.params{"dims"}

function Permute:init(given)
  if type(given) == "table" and type(given[1]) == "number" then
    local named = {dims = {table.unpack(given)}}
    for key, value in pairs(given) do
      if type(key) == "string" then named[key] = value end
    end
    given = named
  end
  Permute.super.init(self, given)
  self.dims = self._config.dims
  if type(self.dims) ~= "table" then errors.fail("Permute: 'dims' must be a list of axes, got %s", errors.show(self.dims)) end
  for _, d in ipairs(self.dims) do args.check("Permute: an axis in 'dims'", d, "integer") end
  local sorted = {table.unpack(self.dims)}
  table.sort(sorted)
  for i, d in ipairs(sorted) do
    if d ~= i then errors.fail("Permute: dims must be a permutation of 1 to %d, got (%s)", #sorted, table.concat(self.dims, ", ")) end
  end
  self:_expect{ndim = #self.dims + 1}
end

function Permute:call(x)
  local axes = {1}
  for i, d in ipairs(self.dims) do axes[i + 1] = d + 1 end
  return ops.transpose(x, axes)
end

return Permute
