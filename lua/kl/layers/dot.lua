-- Dot products of two inputs.
local Layer = require "kl.layer"
local args = require "kl.args"
local check_list = require "kl.layers.merge".check_list
local core = require "kl.core"
local errors = require "kl.errors"
local ops = require "kl.ops"

--- Contracts an axis of each of two inputs, the batch is kept; a result without other axes gets one of length 1.
--- normalize: both are scaled to unit length along the axis first (the cosine).
---@class kl.layers.Dot: kl.Layer
local Dot = Layer:extend("Dot")
Dot.params = args.params{"axes", {"normalize", false}}
Dot.axis_params = {axes = true}

function Dot:init(given)
  Dot.super.init(self, given)
  self.axes = self._config.axes
  self.normalize = args.check("Dot: 'normalize'", self._config.normalize, "boolean")
  local pair = type(self.axes) == "table" and self.axes or {self.axes, self.axes}
  if #pair ~= 2 or math.type(pair[1]) ~= "integer" or math.type(pair[2]) ~= "integer" then
    errors.fail("Dot: 'axes' must be an axis or a pair of axes, got %s", errors.show(self.axes))
  end
  rawset(self, "_pair", pair)
end

--- The batch, the axes, the contracted one.
local function appended(axes, last)
  local order = {1, table.unpack(axes)}
  order[#order + 1] = last
  return order
end

--- The axes but the batch and one, and their lengths.
local function others(t, contracted)
  local axes, lengths = {}, {}
  for i, n in ipairs(t.shape) do
    if i > 1 and i ~= contracted then
      axes[#axes + 1], lengths[#lengths + 1] = i, n
    end
  end
  return axes, lengths
end

--- (batch, a, b, ..., k) as a stack of matrices (batch, a b ..., k): an axis of length 1 where there is none.
local function as_matrices(t, lengths)
  if #lengths == 1 then return t end
  if #lengths == 0 then return ops.expand_dims(t, 2) end
  local product, shape = 1, t.shape
  for _, n in ipairs(lengths) do
    if not n then
      errors.fail("Dot: an input of more than three axes must be known but for its batch, got %s", core.shape_text(t))
    end
    product = product * n
  end
  return ops.reshape(t, {shape[1] or -1, product, shape[#shape]})
end

function Dot:call(inputs)
  check_list(self, inputs, 2)
  local x, y = inputs[1], inputs[2]
  local function place(t, axis)
    local a = axis < 0 and t.ndim + axis + 1 or axis
    if a < 2 or a > t.ndim then
      errors.fail("Dot: axis %d of a tensor of rank %d: one of the axes behind the batch expected", axis, t.ndim)
    end
    return a
  end
  local a, b = place(x, self._pair[1]), place(y, self._pair[2])
  local k, l = x.shape[a], y.shape[b]
  if k and l and k ~= l then
    errors.fail("Dot: axis %d of shape %s and axis %d of shape %s must have the same length", a, core.shape_text(x), b,
      core.shape_text(y))
  end
  if self.normalize then
    x = x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), a, true), 1e-12))
    y = y * ops.rsqrt(ops.maximum(ops.sum(ops.square(y), b, true), 1e-12))
  end
  local x_axes, rows = others(x, a)
  local y_axes, columns = others(y, b)
  local left = as_matrices(ops.transpose(x, appended(x_axes, a)), rows)
  local right = as_matrices(ops.transpose(y, appended(y_axes, b)), columns)
  local result = ops.matmul(left, ops.swapaxes(right, 2, 3))
  if #rows == 1 and #columns == 1 then return result end
  local shape = {result.shape[1] or -1}
  for _, lengths in ipairs{rows, columns} do
    for _, n in ipairs(lengths) do shape[#shape + 1] = n end
  end
  if #shape == 1 then shape[2] = 1 end
  return ops.reshape(result, shape)
end

return Dot
