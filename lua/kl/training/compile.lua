-- Model:compile, and what it stands for: loss, metrics, optimizer.
local core = require "kl.core"
local Module = require "kl.module"
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local ops = require "kl.ops"
local tree = require "kl.tree"

local methods, get = {}, {}

local compile_params = args.params{{"optimizer", "rmsprop"}, {"loss"}, {"loss_weights"}, {"metrics"}, {"weighted_metrics"},
  {"run_eagerly", false}, {"steps_per_execution", 1}, {"jit_compile", "auto"}, {"auto_scale_loss", true}}

local function as_list(given)
  if given == nil then return {} end
  if type(given) == "table" and getmetatable(given) == nil then return given end
  return {given}
end

--- "accuracy" is resolved when shapes are known (keras-semantics 4.5); other names at once, so that a misspelt one is an
--- error here.
local function check_metric(given)
  if type(given) == "string" and (given:lower() == "accuracy" or given:lower() == "acc") then return given end
  return require "kl.metrics".get(given)
end

--- Says how to train: optimizer, loss and metrics as names, objects or functions.
---@param given table # optimizer = "rmsprop", loss, metrics = {...}, weighted_metrics = {...}, run_eagerly = false
function methods:compile(given)
  local o = args.read("compile", compile_params, given)
  local config = {loss = o.loss, metrics = o.metrics, weighted_metrics = o.weighted_metrics, loss_weights = o.loss_weights,
    run_eagerly = o.run_eagerly, steps_per_execution = o.steps_per_execution, jit_compile = o.jit_compile}
  for what, value in pairs{loss = o.loss, metrics = o.metrics, weighted_metrics = o.weighted_metrics} do
    if type(value) == "table" and getmetatable(value) == nil and (tree.names(value) or what == "loss") and not value.class_name then
      errors.fail("compile: '%s' by output is for models with several outputs, which this version does not train yet", what)
    end
  end
  if o.loss_weights ~= nil then
    errors.fail("compile: 'loss_weights' is for models with several outputs, which this version does not train yet")
  end
  if o.steps_per_execution ~= 1 then errors.fail("compile: only steps_per_execution = 1 is supported") end
  local optimizer = o.optimizer and require "kl.optimizers".get(o.optimizer) or false
  local compiled = {config = config, loss = require "kl.losses".get(o.loss), metrics = {}, weighted_metrics = {}}
  for i, m in ipairs(as_list(o.metrics)) do compiled.metrics[i] = check_metric(m) end
  for i, m in ipairs(as_list(o.weighted_metrics)) do compiled.weighted_metrics[i] = check_metric(m) end
  self.optimizer, self._compiled = optimizer, compiled
  self._loss_tracker = require "kl.metrics".Mean{name = "loss"}
end

--- The metric that "accuracy" means for these shapes; it keeps the string as its name.
local function resolve_accuracy(name, y, y_pred)
  local metrics = require "kl.metrics"
  local last = y_pred.shape[y_pred.ndim]
  local cls
  if last == 1 then
    cls = metrics.BinaryAccuracy
  elseif y.ndim < y_pred.ndim or y.shape[y.ndim] == 1 then
    cls = metrics.SparseCategoricalAccuracy
  else
    cls = metrics.CategoricalAccuracy
  end
  return cls{name = name}
end

--- The compiled metrics as objects with names that differ: {metric, weighted} in order.
function methods:_resolve_metrics(y, y_pred)
  local compiled = self._compiled
  if compiled.resolved then return compiled.resolved end
  local list, names_of, taken = {}, {}, {loss = true}
  for pass, given in ipairs{compiled.metrics, compiled.weighted_metrics} do
    for _, m in ipairs(given) do
      if type(m) == "string" then
        if not core.kind(y) or not core.kind(y_pred) then
          errors.fail("compile: the metric '%s' needs one target and one output", m)
        end
        m = resolve_accuracy(m, y, y_pred)
      end
      local name = m.name
      if taken[name] and pass == 2 then name = "weighted_" .. name end
      local base, n = name, 0
      while taken[name] do
        n = n + 1
        name = ("%s_%d"):format(base, n)
      end
      taken[name] = true
      list[#list + 1] = {metric = m, weighted = pass == 2, name = name}
      names_of[m] = name
    end
  end
  compiled.resolved, compiled.names_of = list, names_of
  return list
end

--- The names that fit will show, sorted; nil where they are known only once a step has run: the steps, or the metrics, are not
--- kl's own.  (STUB: from the names of the compiled loss and metrics; to be replaced together with compile.)
---@param with_validation? boolean
---@return string[]|nil
function methods:_log_names(with_validation)
  local Model = require "kl.model"
  for _, name in ipairs{"train_step", "test_step", "compute_metrics", "get_metrics_result"} do
    if (name ~= "test_step" or with_validation) and self[name] ~= Model[name] then return nil end
  end
  local compiled = self._compiled
  if not compiled then return nil end
  local names, taken = {"loss"}, {loss = true}
  local function add(name)
    if not taken[name] then
      taken[name] = true
      names[#names + 1] = name
    end
  end
  for pass, given in ipairs{compiled.metrics, compiled.weighted_metrics} do
    for _, m in ipairs(given) do
      local name = type(m) == "string" and m or m.name
      if taken[name] and pass == 2 then name = "weighted_" .. name end
      local base, n = name, 0
      while taken[name] do
        n = n + 1
        name = ("%s_%d"):format(base, n)
      end
      add(name)
    end
  end
  for _, m in ipairs(self.metrics) do add(compiled.names_of and compiled.names_of[m] or m.name) end
  for i = 1, with_validation and #names or 0 do names[#names + 1] = "val_" .. names[i] end
  table.sort(names)
  return names
end

local function need_compiled(self, what)
  if not self._compiled then
    errors.fail("%s: model '%s' is not compiled: call model:compile{optimizer = ..., loss = ...} first", what, self.name)
  end
end
methods._need_compiled = need_compiled

local loss_params = args.params{{"x"}, {"y"}, {"y_pred"}, {"sample_weight"}, {"training", true}}

--- The compiled loss plus the losses made inside layers; subclasses may override it.
---@param given table # x, y, y_pred, sample_weight, training
---@return kl.Tensor # a scalar
function methods:compute_loss(given)
  local o = args.named("compute_loss", loss_params, given)
  local total
  local compiled = self._compiled
  if compiled and compiled.loss then
    if o.y == nil then errors.fail("compute_loss: the model has a loss but the data has no targets (y)") end
    if not core.are_tensors(o.y_pred, o.y) then
      errors.fail("compute_loss: one target and one output expected; models with several outputs are not trained by fit yet")
    end
    total = compiled.loss(o.y, o.y_pred, o.sample_weight)
    if not core.is_scalar(total) then total = ops.mean(total) end
  end
  local losses = self.losses
  for i = 1, #losses do
    if total == nil then total = losses[i] else total = total + losses[i] end
  end
  if total == nil then
    errors.fail("model '%s' has no loss to compute: give compile a loss, or use add_loss in a layer", self.name)
  end
  return total
end

local function batch_size(x)
  local leaf = tree.is_leaf(x) and x or tree.flatten(x)[1]
  return core.kind(leaf) and core.length(leaf, 1) or 1
end

local metric_params = args.params{{"x"}, {"y"}, {"y_pred"}, {"sample_weight"}, {"loss"}}

--- Updates the compiled metrics, and the loss tracker if `loss` is given (weighted by batch size).
---@return table<string, kl.Tensor> # the results so far by name
function methods:compute_metrics(given)
  local o = args.named("compute_metrics", metric_params, given)
  if o.loss ~= nil then
    need_compiled(self, "compute_metrics")
    self._compiled.tracks_loss = true -- losses made inside layers are shown too, where compile got none
    self._loss_tracker:update_state(o.loss, batch_size(o.x))
  end
  if self._compiled and o.y ~= nil then
    local entries = self:_resolve_metrics(o.y, o.y_pred)
    local y, y_pred = o.y, o.y_pred
    if #entries > 0 and core.are_tensors(y, y_pred) then y, y_pred = methods._aligned_targets(y, y_pred) end
    for i = 1, #entries do
      local entry = entries[i]
      if entry.weighted then
        entry.metric:update_state(y, y_pred, o.sample_weight)
      else
        entry.metric:update_state(y, y_pred)
      end
    end
  end
  return self:get_metrics_result()
end

--- Targets of shape (n) beside predictions of shape (n, 1), or the other way round, get the missing axis, for users'
--- metrics too: no silent n x n.
function methods._aligned_targets(y, y_pred)
  local rank, rank_pred = y.ndim, y_pred.ndim
  if rank == 1 and rank_pred == 2 and core.length(y_pred, 2) == 1 then
    y = ops.expand_dims(y, -1)
  elseif rank == 2 and rank_pred == 1 and core.length(y, 2) == 1 then
    y_pred = ops.expand_dims(y_pred, -1)
  end
  return y, y_pred
end

local function add_result(self, results, name, value)
  if results[name] ~= nil then
    errors.fail("two metrics of model '%s' are called '%s': give one another name", self.name, name)
  end
  results[name] = value
end

--- {name = result} of every metric in `metrics`; a metric whose result is a table is merged in.
function methods:get_metrics_result()
  local results = {}
  local compiled_names = self._compiled and self._compiled.names_of or {}
  local metrics = self.metrics
  for i = 1, #metrics do
    local m = metrics[i]
    local value = m:result()
    if tree.is_leaf(value) then
      add_result(self, results, compiled_names[m] or m.name, value)
    else
      for name, v in pairs(value) do add_result(self, results, name, v) end
    end
  end
  return results
end

local function add_new(list, seen, m)
  if not seen[m] then
    seen[m] = true
    list[#list + 1] = m
  end
end

--- Those of the objects in fields that are metrics; as long as a census holds, so does this list.
local function metrics_of(census)
  if not census.metrics then
    local Metric = require "kl.metrics.metric"
    census.metrics = {}
    for _, object in ipairs(census.others) do
      if class.is(object, Metric) then table.insert(census.metrics, object) end
    end
  end
  return census.metrics
end

--- The metrics that fit resets at each epoch: the loss tracker, the compiled ones, those in fields of the model and its
--- layers.  Override it to list your own.
function get.metrics(self)
  local list, seen = {}, {}
  local compiled = self._compiled
  if compiled then
    if self._loss_tracker and (compiled.loss or compiled.tracks_loss) then add_new(list, seen, self._loss_tracker) end
    local entries = compiled.resolved
    for i = 1, entries and #entries or 0 do add_new(list, seen, entries[i].metric) end
  end
  local own = metrics_of(Module._census(self))
  for i = 1, #own do add_new(list, seen, own[i]) end
  return list
end

--- Sets every metric back to its start.
function methods:reset_metrics()
  for _, m in ipairs(self.metrics) do m:reset_state() end
end

methods.get = get
return methods
