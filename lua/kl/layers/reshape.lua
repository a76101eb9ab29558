-- Another shape for each sample.
local Layer = require "kl.layer"
local args = require "kl.args"
local errors = require "kl.errors"
local ops = require "kl.ops"

--- Reshape{3, 4} or Reshape{target_shape = {3, 4}}: the batch axis is kept, one axis may be -1.
---@class kl.layers.Reshape: kl.Layer
local Reshape = Layer:extend("Reshape")
Reshape.params = args.params{"target_shape"}

function Reshape:init(given)
  if type(given) == "number" then given = {given} end
  if type(given) == "table" and type(given[1]) == "number" then -- the array part is the shape
    local named = {target_shape = {table.unpack(given)}}
    for key, value in pairs(given) do
      if type(key) == "string" then named[key] = value end
    end
    given = named
  end
  Reshape.super.init(self, given)
  self.target_shape = self._config.target_shape
  if type(self.target_shape) ~= "table" then
    errors.fail("Reshape: a shape expected, got %s", errors.show(self.target_shape))
  end
  local open = 0
  for _, n in ipairs(self.target_shape) do
    open = open + (args.check("Reshape: an axis of the shape", n, "integer", -1) == -1 and 1 or 0)
  end
  if open > 1 then errors.fail("Reshape: only one axis may be -1, got (%s)", table.concat(self.target_shape, ", ")) end
end

function Reshape:call(x)
  local shape = x.shape
  local known, size = true, 1
  for i = 2, #shape do
    known = known and shape[i] ~= false
    size = known and size * shape[i] or 0
  end
  local target, open, product = {shape[1] or -1}, nil, 1
  for i, n in ipairs(self.target_shape) do
    target[i + 1] = n
    if n == -1 then open = i + 1 else product = product * n end
  end
  if open then
    if known then
      if product == 0 or size % product ~= 0 then
        errors.fail("Reshape: samples of %d elements do not fit the shape (%s)", size, table.concat(self.target_shape, ", "))
      end
      target[open] = size // product
    end
  elseif known and size ~= product then
    errors.fail("Reshape: samples of %d elements do not fit the shape (%s)", size, table.concat(self.target_shape, ", "))
  end
  return ops.reshape(x, target)
end

return Reshape
