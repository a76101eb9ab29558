-- The steps that fit, evaluate and predict run; subclasses override them.  `data` is always a list {x, y, sample_weight}.
local core = require "kl.core"
local errors = require "kl.errors"
local grad = require "kl.grad"
local replays = require "kl.training.replays"
local run_step = require "kl.step"
local tree = require "kl.tree"

local methods = {}

--- One update on a batch.
---@param data table # {x, y, sample_weight}
---@return table<string, kl.Tensor> # what bar, history and callbacks show
function methods:train_step(data)
  local x, y, sample_weight = data[1], data[2], data[3]
  local tape <close> = grad.GradientTape()
  local y_pred = self(x, {training = true})
  local loss = self:compute_loss{x = x, y = y, y_pred = y_pred, sample_weight = sample_weight, training = true}
  local weights = self.trainable_weights
  if #weights > 0 then
    if not self.optimizer then errors.fail("model '%s' has no optimizer: give compile one", self.name) end
    local gradients = tape:gradient(loss, weights)
    self.optimizer:apply_gradients(gradients, weights)
  end
  return self:compute_metrics{x = x, y = y, y_pred = y_pred, sample_weight = sample_weight, loss = loss}
end

--- One batch of evaluation.
function methods:test_step(data)
  local x, y, sample_weight = data[1], data[2], data[3]
  local y_pred = self(x, {training = false})
  local loss = self:compute_loss{x = x, y = y, y_pred = y_pred, sample_weight = sample_weight, training = false}
  return self:compute_metrics{x = x, y = y, y_pred = y_pred, sample_weight = sample_weight, loss = loss}
end

--- One batch of prediction.
---@return any # a structure of tensors
function methods:predict_step(data)
  return self(data[1], {training = false})
end

--- Checks what a step returned: a table of scalars by name.
local function check_logs(model, what, logs)
  if type(logs) ~= "table" or getmetatable(logs) ~= nil then
    errors.fail("%s of model '%s' must return a table of scalars by name, got %s", what, model.name, errors.show(logs))
  end
  for name, value in pairs(logs) do
    local ok = type(value) == "number" or core.kind(value) and value.ndim == 0
    if type(name) ~= "string" or not ok then
      errors.fail("%s of model '%s' must return a table of scalars by name: '%s' is %s", what, model.name, tostring(name),
        errors.show(value))
    end
  end
  return logs
end

--- Runs a step of that name on a batch {x, y, sample_weight}: replayed where all of it is kl's own, else recorded by its Lua;
--- operation by operation with compile{run_eagerly = true}.  Returns the results, and whether the step was kl's own.
local function run(self, name, data, unchanged)
  local compiled = self._compiled
  if compiled and compiled.config.run_eagerly then return self[name](self, data) end
  local replay = replays.of(self, name, unchanged)
  if replay then return replay(data[1], data[2], data[3]), true end
  return run_step(self[name], self, data)
end

local function run_scalars(self, name, data, unchanged)
  local scalars, own = run(self, name, data, unchanged)
  return own and scalars or check_logs(self, name, scalars)
end

--- unchanged: since the step before it only kl's own code has run.
function methods:_run_train_step(data, unchanged) return run_scalars(self, "train_step", data, unchanged) end
function methods:_run_test_step(data, unchanged) return run_scalars(self, "test_step", data, unchanged) end
function methods:_run_predict_step(data, unchanged)
  local outputs = run(self, "predict_step", data, unchanged)
  for _, leaf in ipairs(tree.flatten(outputs)) do
    if not core.kind(leaf) then
      errors.fail("predict_step of model '%s' must return tensors, got %s", self.name, errors.show(leaf))
    end
  end
  return outputs
end

return methods
