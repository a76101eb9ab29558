-- The steps that fit, evaluate and predict run; subclasses override them.  `data` is always a list {x, y, sample_weight}.
local core = require "kl.core"
local errors = require "kl.errors"
local grad = require "kl.grad"
local logs = require "kl.training.logs"
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
    if type(self.optimizer) ~= "table" then
      errors.fail("model '%s' has no optimizer%s: give compile one", self.name,
        self.optimizer and ", but " .. errors.show(self.optimizer) or "")
    end
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

--- Raises for a metric among what a step returned that gives more than one value.
local function check_metric_value(model, name, value)
  local c = model._compiled
  for _, m in ipairs(model.metrics) do
    if (c and c.names_of[m] or m.name) == name and not core.is_scalar(m:result()) then
      errors.fail("the metric '%s' of model '%s' gives %s, but bars, History and callbacks show scalars: %s", name, model.name,
        errors.show(value), m.params.by_name.average and "give it average = \"macro\", \"micro\" or \"weighted\""
        or "let it give a scalar, or a table of scalars by name")
    end
  end
end

--- Checks what a step returned: a table of scalars by name.
local function check_logs(model, what, given)
  if type(given) ~= "table" or getmetatable(given) ~= nil then
    errors.fail("%s of model '%s' must return a table of scalars by name, got %s", what, model.name, errors.show(given))
  end
  for name, value in pairs(given) do
    if type(name) ~= "string" or not core.is_scalar(value) then
      check_metric_value(model, name, value)
      errors.fail("%s of model '%s' must return a table of scalars by name: '%s' is %s", what, model.name, tostring(name),
        errors.show(value))
    end
  end
  return given
end

--- The step of that name as a function of the batch, the same one each time: plans know by it what belongs together.
local function step_of(self, name)
  local list = rawget(self, "_step_functions")
  if not list then
    list = {}
    rawset(self, "_step_functions", list)
  end
  local step = list[name]
  if not step then
    step = function(data) return self[name](self, data) end
    list[name] = step
  end
  return step
end

--- Runs a step of that name on a batch {x, y, sample_weight}: replayed where all of it is kl's own, else recorded by its Lua;
--- operation by operation with compile{run_eagerly = true}.  A second result tells if it was replayed: then nobody else knows
--- the tensors of the first one, nor was given those of the batch; a third if the step is kl's own.
local function run(self, name, data, unchanged)
  local compiled = self._compiled
  if compiled and compiled.config.run_eagerly then return (self[name](self, data)) end
  local replay = replays.of(self, name, unchanged)
  if replay then
    local result = replay(data[1], data[2], data[3])
    return result, replay.replayed, true
  end
  return (run_step(step_of(self, name), data))
end

--- run(self, "train_step", data), guarded: a target of tape:gradient that is not finite ends it with everything as it was
--- before; a fourth result is then that target's value as text.
local function run_guarded(self, data, unchanged)
  local held = rawget(self, "_guard")
  if not held or held:is_open() then -- a step inside a step of the same model has its own
    held = core.guard()
    rawset(self, "_guard", held)
  end
  local compiled = self._compiled
  local guard <close> = held:open(compiled and compiled.config.run_eagerly)
  local ok, result, replayed, own = xpcall(run, run_step.handler, self, "train_step", data, unchanged)
  if ok then return result, replayed, own end
  local value = type(result) == "string" and result:match("the target of tape:gradient is ([%-a-z]+)")
  if not value then error(result, 0) end
  guard:undo()
  return nil, nil, nil, value
end

--- One guarded training step.  unchanged: since the step before it only kl's own code has run.  `where` (gives " at step 3 of
--- epoch 1") and sample_of (from a row of the batch to the number of the sample) are for the error that a loss which is not
--- finite raises, unless on_bad_loss{value, message, data, undone} returns true.
---@return table<string, kl.Tensor>|nil, boolean|string # and if it was replayed; of a bad loss nil, and its value as text
function methods:_run_train_step(data, unchanged, where, sample_of, on_bad_loss)
  local scalars, replayed, own, value = run_guarded(self, data, unchanged)
  local undone, state = value ~= nil, ""
  if undone then
    state = "; the step was not done: variables, metrics and generators are as they were before it"
  else
    if not own then check_logs(self, "train_step", scalars) end
    value = logs.bad_loss(scalars)
    if not value then return scalars, replayed end
  end
  local message = logs.bad_loss_text(self, value, where, data, sample_of, state)
  if on_bad_loss and on_bad_loss{value = value, message = message, data = data, undone = undone} then return nil, value end
  errors.fail("%s", message)
end

function methods:_run_test_step(data, unchanged)
  local scalars, replayed, own = run(self, "test_step", data, unchanged)
  return own and scalars or check_logs(self, "test_step", scalars), replayed
end

function methods:_run_predict_step(data, unchanged)
  local outputs, replayed = run(self, "predict_step", data, unchanged)
  for _, leaf in ipairs(tree.flatten(outputs)) do
    if not core.kind(leaf) then
      errors.fail("predict_step of model '%s' must return tensors, got %s", self.name, errors.show(leaf))
    end
  end
  return outputs, replayed
end

return methods
