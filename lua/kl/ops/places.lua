-- Taking and adding elements at places that a tensor of indices names, all axes at once.
local core = require "kl.core"
local define = require "kl.ops.define"
local errors = require "kl.errors"
local to_tensor = require "kl.ops.to_tensor"

local prim = core.ops
local places = {}

-- Indices of shape (..., k): k, the lengths before it, and their product.
local function read_indices(what, indices)
  local shape = indices.shape
  local k, outer, count = table.remove(shape), shape, 1
  for _, n in ipairs(outer) do
    if not n then errors.fail("%s: indices have an axis of unknown length", what) end
    count = count * n
  end
  if not k or k < 1 then
    errors.fail("%s: indices of shape (..., k) expected, got %s", what, core.shape_text(indices))
  end
  return k, outer, count
end

--- The parts of x at places in its first k axes: indices (..., k), counted from 0, give (..., the other axes of x)
--- (tf.gather_nd).
---@return kl.Tensor
places.gather_nd = define("kl.gather_nd", {"x", "indices"}, function(x, indices)
  indices = to_tensor("kl.gather_nd", "indices", indices)
  local k, outer = read_indices("kl.gather_nd", indices)
  if k > x.ndim then
    errors.fail("kl.gather_nd: indices name places in %d axes, x has shape %s", k, core.shape_text(x))
  end
  local shape, flat, rows = x.shape, nil, 1
  for axis = 1, k do
    local n = shape[axis]
    if not n then errors.fail("kl.gather_nd: axis %d of x has an unknown length", axis) end
    local at = prim.cast(prim.take(indices, axis - 1, -1), "int64")
    -- one that is outside must not become another row's place
    at = prim.take(prim.sequence(0, 1, n, "int64"), at)
    flat, rows = flat and prim.add(prim.multiply(flat, n), at) or at, rows * n
  end
  local joined = table.move(shape, k + 1, #shape, 2, {rows})
  for i = 2, #joined do joined[i] = joined[i] or -1 end
  local taken = prim.take(prim.reshape(x, joined), prim.reshape(flat, {-1}), 1)
  return prim.reshape(taken, table.move(joined, 2, #joined, #outer + 1, outer))
end)

--- A tensor of that shape, 0 but for values added at places in its first k axes: indices (..., k), counted from 0, and
--- values (..., the other axes); equal places add up (keras.ops.scatter, tf.scatter_nd).
---@return kl.Tensor
places.scatter = define("kl.scatter", {"indices", "values", "shape"}, function(indices, values, shape)
  indices, values = to_tensor("kl.scatter", "indices", indices), to_tensor("kl.scatter", "values", values)
  if type(shape) ~= "table" then errors.fail("kl.scatter: 'shape' must be a list of integers, got %s", errors.show(shape)) end
  local k, outer, count = read_indices("kl.scatter", indices)
  if k > #shape then errors.fail("kl.scatter: indices name places in %d axes, the shape has %d", k, #shape) end
  local rest = table.move(shape, k + 1, #shape, 1, {})
  local expected = table.move(rest, 1, #rest, #outer + 1, table.move(outer, 1, #outer, 1, {}))
  local zeros = prim.broadcast_to(prim.cast(0, values.dtype), shape)
  return prim.scatter_add(zeros, prim.reshape(indices, {count, k}),
    prim.reshape(prim.broadcast_to(values, expected), table.move(rest, 1, #rest, 2, {count})))
end)
places.scatter_nd = places.scatter

return places
