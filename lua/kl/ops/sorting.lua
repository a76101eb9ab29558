-- What is composed of sorting, of the largest elements and of comparing with all of a line.
local core = require "kl.core"
local define = require "kl.ops.define"
local errors = require "kl.errors"
local to_tensor = require "kl.ops.to_tensor"

local prim = core.ops
local sorting = {}

--- True where the class `targets` (from 0) is among the k largest of its row of `predictions` (..., classes): where
--- fewer than k predictions are larger than its own, so that equal ones at the border are all in (keras.ops.in_top_k).
--- A class whose prediction is NaN, or one outside the classes, is not.
---@return kl.Tensor # bool, the shape of targets
sorting.in_top_k = define("kl.in_top_k", {"targets", "predictions", "k"}, function(targets, predictions, k)
  targets = to_tensor("kl.in_top_k", "targets", targets)
  predictions = to_tensor("kl.in_top_k", "predictions", predictions)
  if math.type(k) ~= "integer" then errors.fail("kl.in_top_k: 'k' must be an integer, got %s", errors.show(k)) end
  if not targets.dtype:find("int") then
    errors.fail("kl.in_top_k: targets must be integers, got %s", targets.dtype)
  end
  local rows = predictions.shape
  local classes = table.remove(rows)
  local fits = classes ~= nil and #rows == targets.ndim
  for axis, n in ipairs(targets.shape) do fits = fits and (n == rows[axis] or not n or not rows[axis]) end
  if not fits then
    errors.fail("kl.in_top_k: targets of shape %s do not fit predictions of shape %s: one class per row expected",
      core.shape_text(targets), core.shape_text(predictions))
  end
  if not classes then errors.fail("kl.in_top_k: the number of classes of the predictions is unknown") end
  if classes == 0 then return prim.cast(targets * 0, "bool") end
  local inside = prim.logical_and(prim.greater_equal(targets, 0), prim.less(targets, classes))
  local at = prim.expand_dims(prim.where(inside, targets, 0), -1)
  local own = prim.take_along_axis(predictions, at, -1)
  local larger = prim.sum(prim.cast(prim.greater(predictions, own), "int32"), -1)
  local chosen = prim.logical_and(inside, prim.less(larger, k))
  if not predictions.dtype:find("float") then return chosen end
  return prim.logical_and(chosen, prim.logical_not(prim.squeeze(prim.isnan(own), -1)))
end)

--- The bins of numbers: how many of the ascending boundaries `bins` are not greater than each of x; one on a boundary
--- belongs to the upper bin (numpy.digitize).
---@return kl.Tensor # int32
sorting.digitize = define("kl.digitize", {"x", "bins"}, function(x, bins) return prim.searchsorted(bins, x, "right") end)

--- Axes as a list of positions, ascending; all where none are given.
local function read_axes(name, axis, ndim)
  local list, chosen = {}, {}
  for _, a in ipairs(type(axis) == "table" and axis or axis ~= nil and {axis} or {}) do
    if math.type(a) ~= "integer" or a == 0 or a > ndim or a < -ndim then
      errors.fail("%s: axis %s is out of range: the tensor has %d axes", name, tostring(a), ndim)
    end
    a = a < 0 and ndim + a + 1 or a
    if chosen[a] then errors.fail("%s: axis %d is given twice", name, a) end
    chosen[a] = true
  end
  for a = 1, ndim do
    if axis == nil or chosen[a] then list[#list + 1] = a end
  end
  return list
end

--- x with the listed axes joined to one, which is the last; that axis has n elements.
local function join_axes(name, x, axes)
  local shape, order, kept, n = x.shape, {}, {}, 1
  local next_axis = 1
  for a, length in ipairs(shape) do
    if axes[next_axis] == a then
      next_axis = next_axis + 1
      if not length then errors.fail("%s: axis %d has an unknown length", name, a) end
      n = n * length
    else
      order[#order + 1], kept[#kept + 1] = a, length or -1
    end
  end
  if n == 0 then errors.fail("%s: no elements along the axes of shape %s", name, core.shape_text(x)) end
  if #axes == 1 then return x, axes[1], n end
  table.move(axes, 1, #axes, #order + 1, order)
  kept[#kept + 1] = n
  return prim.reshape(#shape > 1 and prim.transpose(x, order) or x, kept), #kept, n
end

local methods = {
  linear = function(low, high, weight)
    local between = prim.add(prim.multiply(low, prim.subtract(1, weight)), prim.multiply(high, weight))
    return prim.where(prim.equal(weight, 0), low, between) -- an infinite neighbour with the weight 0 does not count
  end,
  lower = function(low) return low end,
  higher = function(_, high) return high end,
  midpoint = function(low, high) return prim.multiply(prim.add(low, high), 0.5) end,
  nearest = function(low, high, weight) return prim.where(prim.less_equal(weight, 0.5), low, high) end,
}

local function read_probabilities(q)
  local function check(p)
    if type(p) ~= "number" or not (p >= 0 and p <= 1) then
      errors.fail("kl.quantile: 'q' must be probabilities from 0 to 1, got %s", errors.show(p))
    end
  end
  if core.kind(q) then
    if q.ndim > 1 then
      errors.fail("kl.quantile: 'q' must be one probability or a list of them, got shape %s", core.shape_text(q))
    end
    return prim.cast(q, "float64")
  end
  if type(q) == "table" and getmetatable(q) == nil then
    for _, p in ipairs(q) do check(p) end
  else
    check(q)
  end
  return core.tensor(q, "float64")
end

--- The numbers below which the parts `q` (one probability from 0 to 1, or a list) of the elements along the axes lie
--- (keras.ops.quantile): at place q (n - 1) of the sorted ones, from 0.  Between two of them method "linear"
--- interpolates, "lower" and "higher" take one, "midpoint" their mean, "nearest" the nearer, the lower in the middle.  A
--- NaN among the elements is the result.  A list q gives a first axis.  Integers give float32.
---@return kl.Tensor
sorting.quantile = define("kl.quantile", {"x", "q", {"axis"}, {"method", "linear"}, {"keepdims", false}},
  function(x, q, axis, method, keepdims)
    local between = methods[method]
    if not between then
      errors.fail("kl.quantile: no method '%s'%s", tostring(method), errors.nearest(method, methods))
    end
    if not x.dtype:find("float") then x = prim.cast(x, "float32") end
    q = read_probabilities(q)
    if x.ndim == 0 then x = prim.reshape(x, {1}) axis, keepdims = nil, false end
    local axes = read_axes("kl.quantile", axis, x.ndim)
    local lines, along, n = join_axes("kl.quantile", x, axes)
    local sorted = prim.sort(lines, along)
    local place = prim.multiply(q, n - 1)
    local below = prim.stop_gradient(prim.floor(place))
    local function at(places) return prim.take(sorted, prim.cast(places, "int32"), along) end
    local low, high = at(below), at(prim.ceil(place))
    local listed = q.ndim == 1
    local weight = prim.cast(prim.subtract(place, below), x.dtype)
    if listed then -- the axis of q, where it now is, comes first in the end
      local shape = {}
      for a = 1, low.ndim do shape[a] = a == along and -1 or 1 end
      weight = prim.reshape(weight, shape)
    end
    local result = between(low, high, weight)
    local last = at(core.tensor(listed and {n - 1} or n - 1, "int32"))
    result = prim.where(prim.isnan(last), last, result)
    if listed and along > 1 then
      local order = {along}
      for a = 1, result.ndim do
        if a ~= along then order[#order + 1] = a end
      end
      result = prim.transpose(result, order)
    end
    if keepdims then
      for _, a in ipairs(axes) do result = prim.expand_dims(result, listed and a + 1 or a) end
    end
    return result
  end)

--- The middle element along the axes, or the mean of the two in the middle (keras.ops.median).
---@return kl.Tensor
sorting.median = define("kl.median", {"x", {"axis"}, {"keepdims", false}}, function(x, axis, keepdims)
  return sorting.quantile(x, 0.5, axis, "linear", keepdims)
end)

return sorting
