-- Parts of matrices: diagonals and triangles; grids of coordinates.
local core = require "kl.core"
local args = require "kl.args"
local define = require "kl.ops.define"
local errors = require "kl.errors"

local prim = core.ops
local matrix = {}

-- The diagonal of axes p and q, as a last axis.
local function diagonal_of(what, x, offset, p, q)
  local shape, order, rest = x.shape, {}, {}
  local rows, columns = shape[p], shape[q]
  if not rows or not columns then errors.fail("%s: the matrix has an axis of unknown length", what) end
  if p == q then errors.fail("%s: two different axes expected, got %d twice", what, p) end
  for axis, n in ipairs(shape) do
    if axis ~= p and axis ~= q then order[#order + 1], rest[#rest + 1] = axis, n or -1 end
  end
  local last = #order
  order[last + 1], order[last + 2], rest[last + 1] = p, q, rows * columns
  local first_row, first_column = math.max(0, -offset), math.max(0, offset)
  local length = math.max(0, math.min(rows - first_row, columns - first_column))
  local at = prim.sequence(first_row * columns + first_column, columns + 1, length, "int64")
  return prim.take(prim.reshape(prim.transpose(x, order), rest), at, last + 1)
end

--- The elements at (i, i + offset) of two axes, along a last axis in their place (numpy's diagonal).
matrix.diagonal = define("kl.diagonal", {"x", {"offset", 0}, {"axis1", 1}, {"axis2", 2}}, function(x, offset, axis1, axis2)
  args.check("kl.diagonal: 'offset'", offset, "integer")
  if x.ndim < 2 then errors.fail("kl.diagonal: a tensor with at least two axes expected, got shape %s", core.shape_text(x)) end
  return diagonal_of("kl.diagonal", x, offset, args.axis("kl.diagonal", axis1, x.ndim), args.axis("kl.diagonal", axis2, x.ndim))
end)

--- The sum of the elements at (i, i + offset) of two axes.
matrix.trace = define("kl.trace", {"x", {"offset", 0}, {"axis1", 1}, {"axis2", 2}}, function(x, offset, axis1, axis2)
  return prim.sum(matrix.diagonal(x, offset, axis1, axis2), -1)
end)

--- A matrix with the vector x on its k-th diagonal, 0 elsewhere; of a matrix its k-th diagonal.
matrix.diag = define("kl.diag", {"x", {"k", 0}}, function(x, k)
  args.check("kl.diag: 'k'", k, "integer")
  if x.ndim == 2 then return matrix.diagonal(x, k) end
  if x.ndim ~= 1 or not x.shape[1] then errors.fail("kl.diag: a vector or a matrix expected, got shape %s", core.shape_text(x)) end
  local n = x.shape[1]
  local size, above = n + math.abs(k), math.max(0, k)
  local padded = prim.reshape(prim.pad(x, {above}, {size - n - above}, prim.cast(0, x.dtype)), {1, size})
  local rows = prim.reshape(prim.sequence(k, 1, size, "int64"), {size, 1})
  local on = prim.equal(rows, prim.sequence(0, 1, size, "int64"))
  return prim.where(on, padded, prim.cast(0, x.dtype))
end)

-- x where keep(row number + k, column number) is true, 0 elsewhere.
local function triangle(what, x, k, keep)
  args.check(what .. ": 'k'", k, "integer")
  local rows, columns = x.shape[x.ndim - 1], x.shape[x.ndim]
  if x.ndim < 2 or not rows or not columns then
    errors.fail("%s: matrices of known shape expected, got %s", what, core.shape_text(x))
  end
  local row = prim.reshape(prim.sequence(k, 1, rows, "int64"), {rows, 1})
  return prim.where(keep(row, prim.sequence(0, 1, columns, "int64")), x, prim.cast(0, x.dtype))
end

--- The matrices of x with 0 above their k-th diagonal.
matrix.tril = define("kl.tril", {"x", {"k", 0}}, function(x, k) return triangle("kl.tril", x, k, prim.greater_equal) end)

--- The matrices of x with 0 below their k-th diagonal.
matrix.triu = define("kl.triu", {"x", {"k", 0}}, function(x, k) return triangle("kl.triu", x, k, prim.less_equal) end)

local grid_params = args.params{{"indexing", "xy"}}

--- For vectors x, y, ... the coordinates of all points of their grid: a list with a tensor for each, of shape (length of y,
--- length of x, ...), or (length of x, length of y, ...) with indexing = "ij".
---@return kl.Tensor[]
function matrix.meshgrid(...)
  local given = table.pack(...)
  local options = given[given.n]
  if type(options) == "table" and getmetatable(options) == nil and next(options) ~= nil and #options == 0 then
    given.n = given.n - 1
  else
    options = nil
  end
  local o = args.read("kl.meshgrid", grid_params, options)
  if o.indexing ~= "xy" and o.indexing ~= "ij" then
    errors.fail("kl.meshgrid: 'indexing' must be \"xy\" or \"ij\", got %s", errors.show(o.indexing))
  end
  local shape, vectors, result = {}, {}, {}
  local function place(i) return o.indexing == "xy" and given.n > 1 and i <= 2 and 3 - i or i end
  for i = 1, given.n do
    vectors[i] = core.kind(given[i]) and given[i] or core.tensor(given[i])
    if vectors[i].ndim > 1 then errors.fail("kl.meshgrid: vectors expected, got shape %s", core.shape_text(vectors[i])) end
    shape[place(i)] = vectors[i].shape[1] or 1
  end
  for i, vector in ipairs(vectors) do
    local wide = {}
    for axis = 1, given.n do wide[axis] = axis == place(i) and -1 or 1 end
    result[i] = prim.broadcast_to(prim.reshape(vector, wide), shape)
  end
  return result
end

return matrix
