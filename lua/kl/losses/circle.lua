-- The circle loss of embeddings (Sun et al., 2020, with cosine distances; keras-semantics 3.3).
local core = require "kl.core"
local errors = require "kl.errors"
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"
local family = require "kl.losses.family"()

local NONE = -1e30 -- the logarithm of "no pair": finite, so that its gradient is 0 and not NaN

--- log(sum(exp(x))) over the last axis of the entries that count, and whether any does.
local function log_sum(x, counts)
  x = ops.where(counts, x, NONE)
  local top = ops.stop_gradient(ops.max(x, -1, true))
  local sum = ops.log(ops.sum(ops.exp(x - top), -1)) + ops.squeeze(top, -1)
  return sum, ops.any(counts, -1)
end

local function refuse(what, labels, embeddings)
  errors.fail("circle: %s of shape %s does not fit %s of shape %s: labels (n) and embeddings (n, d) expected",
    what == "y_true" and what or "ref_labels", core.shape_text(labels), what == "y_true" and "y_pred" or "ref_embeddings",
    core.shape_text(embeddings))
end

--- The labels of embeddings as a column (n, 1) of integers.
local function column(what, labels, embeddings)
  local n = core.length(embeddings, 1)
  if labels.dtype ~= "int32" and labels.dtype ~= "int64" then labels = ops.cast(labels, "int32") end
  local ok = labels.ndim == 1 or labels.ndim == 2 and core.length(labels, 2) == 1
  if ok and n and core.length(labels, 1) then ok = core.length(labels, 1) == n end
  if not ok then refuse(what, labels, embeddings) end
  return labels.ndim == 1 and ops.expand_dims(labels, -1) or labels
end

--- For embeddings of length 1 (n, d) and labels (n): pairs of one label shall be near, others far.  Per sample
--- softplus(lse(gamma a_p (d_p - margin)) + lse(gamma a_n (1 - margin - d_n))) over its pairs p of the same label and n of others,
--- d = 1 - cosine and the weights a_p = max(margin + d_p, 0), a_n = max(1 + margin - d_n, 0).  Pairs are made with ref_embeddings
--- (m, d) and ref_labels (m) where they are given, else within the batch, leaving out a sample with itself if remove_diagonal.
---@return kl.Tensor, kl.Tensor # (n), and which of them are above 0: only those count in a mean
local function circle(y_true, y_pred, ref_labels, ref_embeddings, remove_diagonal, gamma, margin)
  y_true, y_pred = Loss.as_floats(y_true, y_pred)
  if y_pred.ndim ~= 2 then refuse("y_true", y_true, y_pred) end
  if (ref_labels == nil) ~= (ref_embeddings == nil) then errors.fail("circle: ref_labels and ref_embeddings belong together") end
  local references = y_pred
  if ref_embeddings ~= nil then
    ref_labels, references = Loss.as_tensors(ref_labels, ref_embeddings)
    references = ops.cast(references, y_pred.dtype)
    if references.ndim ~= 2 or core.length(references, 2) ~= core.length(y_pred, 2) then
      errors.fail("circle: ref_embeddings of shape %s do not fit embeddings of shape %s", core.shape_text(references),
        core.shape_text(y_pred))
    end
  end
  local labels = column("y_true", y_true, y_pred)
  local others = ops.transpose(ref_labels == nil and labels or column("ref_labels", ref_labels, references))
  local same = ops.equal(labels, others)
  local positive, negative = same, ops.logical_not(same)
  if remove_diagonal then
    -- counted, for in a graph the number of samples is not known yet
    local row, line = ops.cumsum(ops.ones_like(labels, "int32"), 1), ops.cumsum(ops.ones_like(others, "int32"), 2)
    positive = ops.logical_and(positive, ops.not_equal(row, line))
  end
  local distance = ops.maximum(1 - ops.matmul(y_pred, ops.transpose(references)), 0)
  local pull = ops.maximum(distance + margin, 0) * (distance - margin) * gamma
  local push = ops.maximum(1 + margin - distance, 0) * (1 - margin - distance) * gamma
  local near, has_near = log_sum(pull, positive)
  local far, has_far = log_sum(push, negative)
  local values = ops.where(ops.logical_and(has_near, has_far), ops.softplus(near + far), 0.0)
  return values, ops.greater(values, 0)
end

family.add_function("circle", circle,
  {{"ref_labels"}, {"ref_embeddings"}, {"remove_diagonal", true}, {"gamma", 80}, {"margin", 0.4}})

---@class kl.losses.Circle: kl.losses.Loss
local Circle = Loss.of("Circle", function(y_true, y_pred, gamma, margin, remove_diagonal)
  return circle(y_true, y_pred, nil, nil, remove_diagonal, gamma, margin)
end, {{"gamma", 80.0}, {"margin", 0.4}, {"remove_diagonal", true}})
Circle.takes_labels = true
family.classes.Circle = Circle

return family
