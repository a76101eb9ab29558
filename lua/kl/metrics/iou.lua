-- Intersection over union of classes, for segmentation (keras-semantics 4.3).
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"
local Metric = require "kl.metrics.metric"

local EPSILON = require "kl.ops.epsilon"

local warned = false
local function warn_of_cut_weights()
  if not warned then core.warn("IoU: float weights are cut to whole numbers in a state of int32; dtype = \"float32\" keeps them") end
  warned = true
end

--- For classes target_class_ids: true positives / (those + false positives + false negatives), the mean over the classes that occur.
--- Targets and predictions are class numbers from 0, or with sparse_y_true or sparse_y_pred = false scores whose largest along
--- `axis` counts; those outside the classes, and targets of ignore_class, are left out.
---@class kl.metrics.IoU: kl.metrics.Metric
local IoU = Metric:extend("IoU")
local dtype = {"dtype", "int32"} -- of the counts; not a float as for other metrics
IoU.params = args.params{"num_classes", "target_class_ids", {"ignore_class"}, {"sparse_y_true", true}, {"sparse_y_pred", true},
  {"axis", -1}, dtype}
IoU.axis_params = {axis = true}
IoU._direction = "up"

local dtypes = {int = "int32", int32 = "int32", int64 = "int64", float32 = "float32", float64 = "float64"}

function IoU:init(given)
  IoU.super.init(self, given)
  local what = getmetatable(self).__name
  self.dtype = dtypes[self._config.dtype] or
    errors.fail("%s: 'dtype' must be int32, int64, float32 or float64, got %s", what, errors.show(self._config.dtype))
  self._config.dtype = self.dtype
  local n = args.check(what .. ": 'num_classes'", self.num_classes, "integer", 1)
  self.total_cm = self:add_weight{name = "total_confusion_matrix", shape = {n, n}, dtype = self.dtype} -- before a list of n
  local ids = rawget(self, "target_class_ids")
  if ids == nil then -- all of them
    ids = {}
    for i = 1, n do ids[i] = i - 1 end
  end
  if type(ids) ~= "table" or #ids == 0 then
    errors.fail("%s: 'target_class_ids' must be a list of classes, got %s", what, errors.show(ids))
  end
  for _, id in ipairs(ids) do args.check(what .. ": a class of 'target_class_ids'", id, "integer", 0, n - 1) end
  if math.type(self.axis) ~= "integer" or self.axis == 0 then
    errors.fail("%s: 'axis' must be an integer other than 0, got %s", what, errors.show(self.axis))
  end
  local ignored = rawget(self, "ignore_class")
  if ignored ~= nil and math.type(ignored) ~= "integer" then
    errors.fail("%s: 'ignore_class' must be an integer, got %s", what, errors.show(ignored))
  end
  self._ids = core.outside(core.tensor, ids, "int32")
end

local function classes_of(t, sparse, axis)
  if not sparse then return ops.argmax(t, axis) end
  return t.dtype:find("int") and t or ops.cast(t, "int32")
end

function IoU:update_state(y_true, y_pred, sample_weight)
  y_true, y_pred = Loss.as_tensors(y_true, y_pred)
  y_true = classes_of(y_true, self.sparse_y_true, self.axis)
  y_pred = classes_of(y_pred, self.sparse_y_pred, self.axis)
  y_true, y_pred = Loss.align(self.name, ops.cast(y_true, "int32"), ops.cast(y_pred, "int32"))
  local weight
  if sample_weight == nil then
    weight = ops.ones_like(y_true, self.dtype)
  else
    weight = core.kind(sample_weight) and sample_weight or core.tensor(sample_weight)
    if weight.dtype:find("float") and not self.dtype:find("float") then warn_of_cut_weights() end
    weight = Loss.fit_weight(self.name, ops.cast(weight, self.dtype), ops.cast(y_true, self.dtype))
    weight = ops.broadcast_to(weight, y_true.shape)
  end
  local n = self.num_classes
  local function inside(t) return ops.logical_and(ops.greater_equal(t, 0), ops.less(t, n)) end
  local counts = ops.logical_and(inside(y_true), inside(y_pred))
  local ignored = rawget(self, "ignore_class")
  if ignored then counts = ops.logical_and(counts, ops.not_equal(y_true, ignored)) end
  weight = ops.where(counts, weight, 0)
  local cell = ops.where(counts, y_true * n + y_pred, 0)
  local sums = ops.scatter_add(ops.zeros{n * n, dtype = self.dtype}, ops.reshape(cell, {-1, 1}), ops.reshape(weight, {-1}))
  self.total_cm:assign_add(ops.reshape(sums, {n, n}))
end

---@return kl.Tensor # a float32 scalar
function IoU:result()
  local n, ids, matrix = self.num_classes, self._ids, self.total_cm.value
  local hits = ops.take(ops.reshape(matrix, {-1}), ids * (n + 1), 1)
  local union = ops.take(ops.sum(matrix, 1) + ops.sum(matrix, 2), ids, 1) - hits
  hits, union = ops.cast(hits, "float32"), ops.cast(union, "float32")
  local occurs = ops.greater(union, 1e-9) -- Keras's bound
  local scores = ops.where(occurs, hits / (union + EPSILON), 0.0)
  return ops.sum(scores) / (ops.sum(ops.cast(occurs, "float32")) + EPSILON)
end

--- The mean over all classes that occur.
---@class kl.metrics.MeanIoU: kl.metrics.IoU
local MeanIoU = IoU:extend("MeanIoU")
MeanIoU.params = args.params{"num_classes", {"ignore_class"}, {"sparse_y_true", true}, {"sparse_y_pred", true}, {"axis", -1}, dtype}

--- IoU with one-hot targets and, unless sparse_y_pred, scores as predictions.
---@class kl.metrics.OneHotIoU: kl.metrics.IoU
local OneHotIoU = IoU:extend("OneHotIoU")
OneHotIoU.params = args.params{"num_classes", "target_class_ids", {"ignore_class"}, {"sparse_y_pred", false}, {"axis", -1}, dtype}
OneHotIoU.sparse_y_true = false

--- The mean over all classes, with one-hot targets.
---@class kl.metrics.OneHotMeanIoU: kl.metrics.IoU
local OneHotMeanIoU = IoU:extend("OneHotMeanIoU")
OneHotMeanIoU.params = args.params{"num_classes", {"ignore_class"}, {"sparse_y_pred", false}, {"axis", -1}, dtype}
OneHotMeanIoU.sparse_y_true = false

--- IoU of no and yes: predictions of at least the threshold are 1.
---@class kl.metrics.BinaryIoU: kl.metrics.IoU
local BinaryIoU = IoU:extend("BinaryIoU")
BinaryIoU.params = args.params{{"target_class_ids", {0, 1}}, {"threshold", 0.5}, dtype}
BinaryIoU.num_classes, BinaryIoU.sparse_y_true, BinaryIoU.sparse_y_pred, BinaryIoU.axis = 2, true, true, -1

function BinaryIoU:update_state(y_true, y_pred, sample_weight)
  y_true, y_pred = Loss.as_tensors(y_true, y_pred)
  if not y_pred.dtype:find("float") then y_pred = ops.cast(y_pred, "float32") end
  y_pred = ops.cast(ops.greater_equal(y_pred, self.threshold), "int32")
  BinaryIoU.super.update_state(self, y_true, y_pred, sample_weight)
end

return {classes = {IoU = IoU, MeanIoU = MeanIoU, OneHotIoU = OneHotIoU, OneHotMeanIoU = OneHotMeanIoU, BinaryIoU = BinaryIoU}}
