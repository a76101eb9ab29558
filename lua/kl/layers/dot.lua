-- Dot products of two inputs.
local Layer = require "kl.layer"
local args = require "kl.args"
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
  self.axes, self.normalize = self._config.axes, self._config.normalize
  local pair = type(self.axes) == "table" and self.axes or {self.axes, self.axes}
  if #pair ~= 2 or math.type(pair[1]) ~= "integer" or math.type(pair[2]) ~= "integer" then
    errors.fail("Dot: 'axes' must be an axis or a pair of axes, got %s", errors.show(self.axes))
  end
  rawset(self, "_pair", pair)
end

function Dot:call(inputs)
  if getmetatable(inputs) ~= nil or type(inputs) ~= "table" or #inputs ~= 2 then
    errors.fail("Dot takes a list of exactly two tensors")
  end
  local x, y = inputs[1], inputs[2]
  local function place(t, axis)
    local a = axis < 0 and t.ndim + axis + 1 or axis
    if a < 2 or a > t.ndim then errors.fail("Dot: axis %d of a tensor of rank %d: one of the axes behind the batch expected", axis, t.ndim) end
    return a
  end
  local a, b = place(x, self._pair[1]), place(y, self._pair[2])
  if self.normalize then
    x = x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), a, true), 1e-12))
    y = y * ops.rsqrt(ops.maximum(ops.sum(ops.square(y), b, true), 1e-12))
  end
  -- (batch, rows, k) x (batch, k, columns)
  local rows, columns = {}, {}
  local left, right = {1}, {1, b}
  for i = 2, x.ndim do
    if i ~= a then
      left[#left + 1] = i
      rows[#rows + 1] = x.shape[i]
    end
  end
  left[#left + 1] = a
  for i = 2, y.ndim do
    if i ~= b then
      right[#right + 1] = i
      columns[#columns + 1] = y.shape[i]
    end
  end
  local n, k = x.shape[1] or -1, x.shape[a]
  local function product(list)
    local p = 1
    for _, d in ipairs(list) do p = p * d end
    return p
  end
  local result = ops.matmul(ops.reshape(ops.transpose(x, left), {n, product(rows), k}),
    ops.reshape(ops.transpose(y, right), {n, k, product(columns)}))
  local shape = {n}
  for _, d in ipairs(rows) do shape[#shape + 1] = d end
  for _, d in ipairs(columns) do shape[#shape + 1] = d end
  if #shape == 1 then shape[2] = 1 end
  return ops.reshape(result, shape)
end

return Dot
