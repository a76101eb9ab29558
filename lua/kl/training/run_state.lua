-- Where a run of fit stands, and taking it up again so that every bit is as if it had never been stopped (reliability.md 3).
--
-- A state is a table of sections of plain values and tensors; weights and the state of the model's optimizer are saved beside it
-- (saving/training_state.lua).  Between two epochs `step` is 0; in the middle of one it counts the steps done, and `scalars` are
-- the results of the last.  Taking up happens before on_train_begin; in the middle of an epoch once more after on_epoch_begin, so
-- that what hooks do at an epoch's beginning does not happen to the model twice.  Only the data is positioned once.
local core = require "kl.core"
local class = require "kl.class"
local compiled = require "kl.training.compiled"
local errors = require "kl.errors"
local Layer = require "kl.layer"
local logs = require "kl.training.logs"
local Metric = require "kl.metrics.metric"
local Optimizer = require "kl.optimizers.optimizer"
local random = require "kl.random"
local version = require "kl.version"

---@class kl.RunState
---@field epoch integer # epochs done
---@field step integer # steps done of the one that runs
---@field scalars? table # what the last of them gave
---@field logs? table<string, number> # of the last epoch done
---@field stopped boolean # a state says that training was to stop
local RunState = {}
RunState.__index = RunState

--- parts: model, list (of callbacks), stream, source, validation (a source, or nil), epoch (from which fit begins).
function RunState.new(parts)
  parts.step, parts.stopped, parts.trained_before = 0, false, parts.model._epochs_trained
  return setmetatable(parts, RunState)
end

-- The model's parts

--- Modules with get_state and set_state of the user's.
local function has_hooks(object) return type(object.get_state) == "function" and type(object.set_state) == "function" end

local function metrics_of(model)
  local list, seen = {}, {}
  local function add(m)
    if not seen[m] then list[#list + 1], seen[m] = m, true end
  end
  for _, m in ipairs(model.metrics) do add(m) end
  for _, object in ipairs(model:_census().others) do
    if class.is(object, Metric) then add(object) end
  end
  return list
end

--- Optimizers in fields, besides that of compile: its state is in the file's own place.
local function optimizers_of(model)
  local list = {}
  for _, object in ipairs(model:_census().others) do
    if class.is(object, Optimizer) and object ~= model.optimizer then list[#list + 1] = object end
  end
  return list
end

local function values_of(variables)
  local values = {}
  for i, v in ipairs(variables) do values[i] = v.value end
  return values
end

--- f(name, generator) for those in the fields of the model's modules and those of the data, named by their place: a model that is
--- built anew in the same process has them too, and under other paths.
local function each_generator(self, f)
  for i, module in ipairs(self.model:_census().modules) do
    for key, value in next, module do
      if type(key) == "string" and random.is_generator(value) then f(("model/%d/%s"):format(i, key), value) end
    end
  end
  for i, generator in ipairs(self.source:generators()) do f(("data/%d"):format(i), generator) end
  for i, generator in ipairs(self.validation and self.validation:generators() or {}) do f(("validation/%d"):format(i), generator) end
end

local function generators_state(self)
  local state = {process = random.get_state(), placed = {}}
  each_generator(self, function(name, generator) state.placed[name] = generator:state() end)
  return state
end

local function set_generators(self, state)
  random.set_state(state.process)
  each_generator(self, function(name, generator)
    if state.placed[name] then generator:set_state(state.placed[name]) end
  end)
end

local function trainable_state(model)
  local state = {layers = {}, variables = {}}
  local census = model:_census()
  for i, module in ipairs(census.modules) do state.layers[i] = class.is(module, Layer) and module._trainable end
  for i, v in ipairs(census.variables) do state.variables[i] = v.trainable end
  return state
end

local function set_trainable(model, state)
  local census = model:_census()
  for i, module in ipairs(census.modules) do
    if class.is(module, Layer) and state.layers[i] ~= nil then rawset(module, "_trainable", state.layers[i]) end
  end
  for i, v in ipairs(census.variables) do
    if state.variables[i] ~= nil and v.trainable ~= state.variables[i] then v.trainable = state.variables[i] end
  end
end

local function metrics_state(model)
  local state = {compiled = compiled.get_state(model._compiled), list = {}}
  for i, m in ipairs(metrics_of(model)) do
    state.list[i] = {name = m.name, values = values_of(m.variables), own = has_hooks(m) and m:get_state() or nil}
  end
  return state
end

local function set_metrics(model, state)
  compiled.set_state(model, model._compiled, state.compiled)
  for i, m in ipairs(metrics_of(model)) do
    local kept = state.list[i]
    if not kept or kept.name ~= m.name or not m:_restore(kept.values) then
      core.warn(("fit: the metric '%s' is not the one of the run that is taken up: it counts from here on"):format(m.name))
    elseif kept.own ~= nil and has_hooks(m) then
      m:set_state(kept.own)
    end
  end
end

local function optimizers_state(model)
  local place, list = {}, {}
  for i, v in ipairs(model.variables) do place[v] = i end
  for i, optimizer in ipairs(optimizers_of(model)) do
    local trained = {}
    for k, v in ipairs(optimizer.built and optimizer._trained or {}) do trained[k] = place[v] or 0 end
    list[i] = {name = class.of(optimizer).__name, trained = trained, values = values_of(optimizer.variables)}
  end
  return {list = list}
end

local function set_optimizers(model, state)
  local variables = model.variables
  for i, optimizer in ipairs(optimizers_of(model)) do
    local kept = state.list[i]
    local own = kept and kept.name == class.of(optimizer).__name
    if own and not optimizer.built and #kept.trained > 0 then
      local trained = {}
      for k, at in ipairs(kept.trained) do trained[k] = variables[at] end
      if #trained == #kept.trained then optimizer:build(trained) end
    end
    if not own or #kept.values ~= #optimizer.variables then
      errors.fail("fit: optimizer %d in the fields of model '%s' (a %s) is not the one of the run that is taken up", i, model.name,
        class.of(optimizer).__name)
    end
    for k, v in ipairs(optimizer.variables) do v:assign(kept.values[k]) end
  end
end

local function hooks_state(model)
  local state = {}
  for i, module in ipairs(model:_census().modules) do
    if has_hooks(module) then state[tostring(i)] = module:get_state() end
  end
  return state
end

local function set_hooks(model, state)
  for i, module in ipairs(model:_census().modules) do
    local own = state[tostring(i)]
    if own ~= nil and has_hooks(module) then module:set_state(own) end
  end
end

-- The whole

local function environment()
  local device = core.device_info()
  return {kl = version.kl, kernels = device.cpu, blas = device.cpu == "baseline" and device.blas or nil}
end

--- Everything that what follows depends on, but for weights and the optimizer's state.
---@return table<string, table>
function RunState:sections()
  local model, in_epoch = self.model, self.step > 0
  return {
    train = {epoch = self.epoch, step = self.step, scalars = in_epoch and logs.numbers(self.scalars) or nil, logs = self.logs,
      stopped = model.stop_training, trained_before = self.trained_before, epochs_trained = model._epochs_trained,
      trainable = trainable_state(model), callbacks = self.list:get_state(), environment = environment()},
    rng = generators_state(self),
    data = {train = self.stream.state(in_epoch), validation = self.validation and self.validation:position() or nil},
    metrics = metrics_state(model),
    optimizers = optimizers_state(model),
    lua = hooks_state(model),
  }
end

local function warn_of_environment(saved)
  local now = environment()
  if saved.kernels ~= now.kernels or saved.blas ~= now.blas then
    core.warn(("fit: the run that is taken up used the kernels %s, this one uses %s: results will differ in the last bits"):format(
      saved.blas or saved.kernels, now.blas or now.kernels))
  elseif saved.kl ~= now.kl then
    core.warn(("fit: the run that is taken up was of kl %s, this is kl %s: results may differ in the last bits"):format(saved.kl, now.kl))
  end
end

local function warn_of_draws(saved)
  local seed = random.get_seed()
  if seed ~= saved.seed and random.global_was_used() then
    core.warn(("fit: random numbers were drawn before it with the seed %d, in the run that is taken up with %d: what was made of them "
      .. "differs; kl.set_seed at the script's beginning makes both the same"):format(seed, saved.seed))
  end
end

--- What is set twice in the middle of an epoch.
local function set_all(self, sections)
  local model, train = self.model, sections.train
  rawset(model, "_epochs_trained", train.epochs_trained)
  set_trainable(model, train.trainable)
  set_optimizers(model, sections.optimizers)
  set_metrics(model, sections.metrics)
  self.list:set_state(train.callbacks)
  set_hooks(model, sections.lua)
  set_generators(self, sections.rng)
  model.stop_training = train.stopped
end

--- Puts the data where it was; if it is other data, the epoch begins again.
local function set_data(self, data)
  local why = self.stream.restore(data.train)
  if why then
    core.warn(("fit: %s: its position in the run that is taken up says nothing, and the epoch begins with its first batch"):format(why))
    self.step, self.scalars = 0, nil
  end
  local validation = self.validation
  if validation and data.validation and not validation:misfit(data.validation) then validation:restore(data.validation, false) end
end

--- Writes it all to a file.
function RunState:save(path) require "kl.saving.training_state".write(self.model, path, self:sections()) end

--- Goes to where the run stood that such a file tells of.
function RunState:load(path)
  local training_state = require "kl.saving.training_state"
  local sections = training_state.read(self.model, path, function(sections)
    local before = sections.train.trained_before
    if self.trained_before < before then
      errors.fail("fit: the run kept in %s began with a model that was trained for %d epochs, this one was for %d: it is of another fit; "
        .. "each needs a backup of its own", path, before, self.trained_before)
    end
  end)
  local train = sections.train
  self.trained_before = train.trained_before
  warn_of_environment(train.environment)
  warn_of_draws(sections.rng.process)
  self.epoch, self.step, self.scalars, self.logs, self.stopped = train.epoch, train.step, train.scalars, train.logs, train.stopped
  set_generators(self, sections.rng) -- the order of arrays comes from one
  set_data(self, sections.data)
  set_all(self, sections)
  if self.step > 0 then
    self.again = function() set_all(self, training_state.read(self.model, path)) end
  end
end

--- After on_epoch_begin of the epoch that is taken up in its middle.
function RunState:load_again()
  self.again()
  self.again = nil
end

--- Where it stands, in words; at its very beginning those.
---@param at_beginning string
---@return string
function RunState:place(at_beginning)
  if self.step > 0 then return ("after step %d of epoch %d"):format(self.step, self.epoch + 1) end
  return self.epoch > 0 and ("after the end of epoch %d"):format(self.epoch) or at_beginning
end

--- A step was done.
function RunState:after_step(step, scalars)
  self.step, self.scalars = step, scalars
  if #self.list.keepers > 0 then self.list:keep(self) end
end

--- An epoch was done, with everything that belongs to it.
function RunState:after_epoch(epoch, epoch_logs)
  self.epoch, self.step, self.scalars, self.logs = epoch, 0, nil, epoch_logs
  self.list:keep(self)
end

return RunState
