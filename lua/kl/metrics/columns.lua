-- Metrics that count per column of targets (n, columns): what F-scores and R2 share.
local core = require "kl.core"
local errors = require "kl.errors"
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"

local columns = {}

--- y_true and y_pred as tensors of the metric's dtype and of one shape (n, columns).  The first update decides how many columns
--- there are; then `make(count)` makes the state.
---@param metric kl.metrics.Metric
---@param what string # what a column is, for messages: "classes"
---@param make fun(count: integer)
---@return kl.Tensor, kl.Tensor
function columns.read(metric, what, y_true, y_pred, make)
  y_true, y_pred = Loss.as_tensors(y_true, y_pred)
  y_true, y_pred = Loss.pair(metric.name, y_true, ops.cast(y_pred, metric.dtype))
  local count, known = core.length(y_pred, -1), columns.known(metric)
  if y_pred.ndim ~= 2 or not count or known and known ~= count then
    errors.fail("%s: y_true and y_pred of shape (n, %s) expected, got %s", metric.name, known or what, core.shape_text(y_pred))
  end
  if not known then
    metric._columns = count
    make(count)
  end
  return y_true, y_pred
end

--- The number of columns, nil before the first update.
---@return integer|nil
function columns.known(metric) return rawget(metric, "_columns") end

return columns
