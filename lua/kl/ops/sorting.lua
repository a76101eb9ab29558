-- What is composed of sorting, of the largest elements and of comparing with all of a line.
local core = require "kl.core"
local define = require "kl.ops.define"
local errors = require "kl.errors"

local prim = core.ops
local sorting = {}

local function to_tensor(x) return core.kind(x) and x or core.tensor(x) end

--- True where the class `targets` (from 0) is among the k largest of its row of `predictions` (..., classes): where
--- fewer than k predictions are larger than its own, so that equal ones at the border are all in (keras.ops.in_top_k).
--- A class whose prediction is NaN, or one outside the classes, is not.
---@return kl.Tensor # bool, the shape of targets
sorting.in_top_k = define("kl.in_top_k", {"targets", "predictions", "k"}, function(targets, predictions, k)
  targets, predictions = to_tensor(targets), to_tensor(predictions)
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

return sorting
