-- Connectionist temporal classification (Graves et al., 2006): labels of a sequence whose alignment in time is not known.
local core = require "kl.core"
local errors = require "kl.errors"
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"
local family = require "kl.losses.family"()

-- The logarithm of a step that may not be made.  Finite, as in Keras: labels that cannot fit into the time steps have a loss of
-- about 1e5, not infinity.
local FORBIDDEN = -1e5

--- log(e^a + e^b), with a gradient that is right where a = b.
local function log_add(a, b)
  local top = ops.stop_gradient(ops.maximum(a, b))
  return ops.log(ops.exp(a - top) + ops.exp(b - top)) + top
end

--- x moved one place to the right along its last axis, `first` coming in.
local function shifted(x, first)
  return ops.pad(x[{ {}, {1, -2} }], {{0, 0}, {1, 0}}, {constant_values = first})
end

--- -log p(labels | logits) per sample: y_true (n, l) of classes from 1, 0 is the blank and fills up shorter rows; y_pred (n, time,
--- classes) of logits.  As many labels of a row count as are not 0.
---
--- The forward variables of the labels with a blank before, between and after them, 2 l + 1 states, in logarithms: at each time a
--- state is reached from itself, from the one before it, or over a blank from the label before, if that is another label.
family.add("CTC", "ctc", function(y_true, y_pred)
  y_true, y_pred = Loss.as_floats(y_true, y_pred)
  local n, m, count, times = core.length(y_true, 1), core.length(y_pred, 1), core.length(y_true, 2), core.length(y_pred, 2)
  if y_true.ndim ~= 2 or y_pred.ndim ~= 3 or n and m and n ~= m or not count or not times or times == 0 then
    errors.fail("ctc: y_true of shape %s does not fit y_pred of shape %s: (n, labels) and (n, time, classes) expected",
      core.shape_text(y_true), core.shape_text(y_pred))
  end
  if y_true.dtype ~= "int32" then y_true = ops.cast(y_true, "int32") end
  local blanks = ops.zeros_like(y_true)
  local states = ops.pad(ops.reshape(ops.stack({blanks, y_true}, {axis = -1}), {-1, 2 * count}), {{0, 0}, {0, 1}})
  local log_p = ops.log_softmax(y_pred, -1)
  local at_all_times = ops.expand_dims(states, 2) + ops.zeros_like(log_p[{ {}, {}, {1, 1} }], "int32")
  local emit = ops.take_along_axis(log_p, at_all_times, -1)

  -- Over a blank only between labels that differ; from the second label on.
  local before = ops.pad(states, {{0, 0}, {2, 0}})[{ {}, {1, -3} }]
  local may_skip = ops.logical_and(ops.not_equal(states, 0), ops.not_equal(states, before))
  local skip = ops.where(may_skip, ops.cast(0.0, y_pred.dtype), FORBIDDEN)
  local position = ops.arange(2 * count + 1)
  local start = ops.where(ops.less(position, 2), ops.cast(0.0, y_pred.dtype), FORBIDDEN)

  local alpha = emit[{ {}, 1 }] + start
  for t = 2, times do
    local one = shifted(alpha, FORBIDDEN)
    local two = shifted(one, FORBIDDEN)
    alpha = log_add(log_add(alpha, one), two + skip) + emit[{ {}, t }]
  end

  local length = ops.sum(ops.cast(ops.not_equal(y_true, 0), "int32"), -1, true)
  local last = ops.squeeze(ops.take_along_axis(alpha, length * 2, -1), -1)
  local before_last = ops.squeeze(ops.take_along_axis(alpha, ops.maximum(length * 2 - 1, 0), -1), -1)
  local empty = ops.equal(ops.squeeze(length, -1), 0)
  return ops.negative(log_add(last, ops.where(empty, FORBIDDEN, before_last)))
end).takes_labels = true

return family
