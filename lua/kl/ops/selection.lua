-- What gives as many elements as values say.  A shape must be known when an operation is recorded, so the number of
-- elements is read: inside a step that is a cut, everything recorded so far runs, and recording goes on.  Where no value
-- can be read (a functional graph, a step that is to be replayed) these functions are errors.
local core = require "kl.core"
local args = require "kl.args"
local define = require "kl.ops.define"
local errors = require "kl.errors"

local prim = core.ops
local selection = {}

--- A refusal if values cannot be read here.
local function check_values(name, x)
  if core.is_symbolic(x) then
    errors.fail("%s: the shape of its result depends on values, which a functional graph does not have: kl.where keeps the shape",
      name)
  end
  if not core.may_read() then
    errors.fail("%s: the shape of its result depends on values, and this step is to be replayed, with the shapes of its "
      .. "recording: kl.where keeps the shape; or leave replay out", name)
  end
end

--- The positions of what is true in a mask: (rank, count).
local function places(mask) return prim.nonzero(mask, prim.sum(prim.cast(mask, "int64")):item()) end

--- The positions, from 0, of the elements that are not 0 (NaN is not), in C order: a list with an int32 tensor for each
--- axis.  A tensor without axes is an error.  In a step the number of elements is read, which is a cut.
---@return kl.Tensor[]
selection.nonzero = define("kl.nonzero", {"x"}, function(x)
  check_values("kl.nonzero", x)
  if x.ndim == 0 then errors.fail("kl.nonzero: a tensor with at least one axis expected, got one of shape ()") end
  local found, list = places(prim.cast(x, "bool")), {}
  for axis = 1, x.ndim do list[axis] = found[axis] end
  return list
end)

--- The parts of x where the bool tensor `mask` is true, in C order.  The axes of mask stand for as many of x from `axis`
--- on; in their place the result has one, as long as there are true elements (tf.boolean_mask).  t[mask] is the same
--- from the first axis on.  In a step their number is read, which is a cut.  Gradients go to the places that were taken.
---@return kl.Tensor
selection.boolean_mask = define("kl.boolean_mask", {"x", "mask", {"axis", 1}}, function(x, mask, axis)
  if not core.kind(mask) and type(mask) == "table" then mask = core.tensor(mask) end
  if not core.kind(mask) or mask.dtype ~= "bool" then
    errors.fail("kl.boolean_mask: 'mask' must be a bool tensor, got %s", errors.show(mask))
  end
  local shape, inner = x.shape, mask.shape
  if math.type(axis) ~= "integer" or axis == 0 or axis > #shape or axis < -#shape then
    errors.fail("kl.boolean_mask: axis %s is out of range: the tensor has %d axes", tostring(axis), #shape)
  end
  axis = axis < 0 and #shape + axis + 1 or axis
  local fits = #inner > 0
  for i, n in ipairs(inner) do fits = fits and n == shape[axis + i - 1] end
  if not fits then
    errors.fail("kl.boolean_mask: a mask of shape %s does not fit axis %d%s of a tensor of shape %s", core.shape_text(mask),
      axis, #inner > 1 and (" to %d"):format(axis + #inner - 1) or "", core.shape_text(x))
  end
  check_values("kl.boolean_mask", x)
  check_values("kl.boolean_mask", mask)
  if #inner > 1 then
    local joined, length = {}, 1
    for _, n in ipairs(inner) do length = length * n end
    for i = 1, axis - 1 do joined[i] = shape[i] end
    joined[axis] = length
    for i = axis + #inner, #shape do joined[#joined + 1] = shape[i] end
    x, mask = prim.reshape(x, joined), prim.reshape(mask, {length})
  end
  return prim.take(x, prim.squeeze(places(mask), 1), axis)
end)

--- How often each integer from 0 on is in x (a list of integers, or rows of them), or the sums of their weights: up to
--- the largest one, and at least `minlength` (keras.ops.bincount).  int32, or the dtype of the weights.  In a step the
--- largest is read, which is a cut.
---@return kl.Tensor
selection.bincount = define("kl.bincount", {"x", {"weights"}, {"minlength", 0}}, function(x, weights, minlength)
  if not x.dtype:find("int") then errors.fail("kl.bincount: x must be integers, got %s", x.dtype) end
  if x.ndim ~= 1 and x.ndim ~= 2 then
    errors.fail("kl.bincount: x must have one axis or two, got shape %s", core.shape_text(x))
  end
  args.check("kl.bincount: 'minlength'", minlength, "integer", 0)
  check_values("kl.bincount", x)
  local count, rows, length = core.size(x), x.ndim == 2 and x.shape[1] or 1, minlength
  if weights ~= nil then
    if not core.kind(weights) then weights = core.tensor(weights) end
    if core.shape_text(weights) ~= core.shape_text(x) then
      errors.fail("kl.bincount: weights of shape %s for x of shape %s", core.shape_text(weights), core.shape_text(x))
    end
    if weights.dtype == "bool" then weights = prim.cast(weights, "int32") end
  end
  if count > 0 then
    local least = prim.min(x):item()
    if least < 0 then errors.fail("kl.bincount: x must not be negative, got %d", least) end
    length = math.max(length, prim.max(x):item() + 1)
  end
  local at = prim.cast(x, "int64")
  if x.ndim == 2 then at = prim.add(at, prim.reshape(prim.sequence(0, length, rows, "int64"), {rows, 1})) end
  local dtype = weights and weights.dtype or "int32"
  local zeros = prim.broadcast_to(prim.cast(0, dtype), {rows * length})
  weights = weights and prim.reshape(weights, {count}) or prim.broadcast_to(prim.cast(1, dtype), {count})
  local sums = prim.scatter_add(zeros, prim.reshape(at, {count, 1}), weights)
  return x.ndim == 2 and prim.reshape(sums, {rows, length}) or sums
end)

--- How often each class (a row, from 0) was taken for each (a column): (num_classes, num_classes), or the sums of weights.
--- Without num_classes the largest class is read, which in a step is a cut (tf.math.confusion_matrix).
---@return kl.Tensor
selection.confusion_matrix = define("kl.confusion_matrix", {"labels", "predictions", {"num_classes"}, {"weights"}, {"dtype", "int32"}},
  function(labels, predictions, n, weights, dtype)
    labels, predictions = prim.reshape(prim.cast(labels, "int64"), {-1, 1}), prim.reshape(prim.cast(predictions, "int64"), {-1, 1})
    local count, other = labels.shape[1], predictions.shape[1]
    if count ~= other then errors.fail("kl.confusion_matrix: %s labels and %s predictions", count or "?", other or "?") end
    local pairs_of = prim.concatenate({labels, predictions}, 2)
    if n == nil then
      check_values("kl.confusion_matrix", pairs_of)
      n = count == 0 and 1 or prim.max(pairs_of):item() + 1
    end
    args.check("kl.confusion_matrix: 'num_classes'", n, "integer", 1)
    weights = prim.cast(weights == nil and 1 or weights, dtype)
    weights = prim.broadcast_to(weights.ndim > 1 and prim.reshape(weights, {-1}) or weights, {count})
    return prim.scatter_add(prim.broadcast_to(prim.cast(0, dtype), {n, n}), pairs_of, weights)
  end)

return selection
