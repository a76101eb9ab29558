-- Model:compile, and what it stands for: loss, metrics, optimizer.
local core = require "kl.core"
local Module = require "kl.module"
local args = require "kl.args"
local call_stack = require "kl.call_stack"
local class = require "kl.class"
local compiled = require "kl.training.compiled"
local errors = require "kl.errors"
local ops = require "kl.ops"
local tree = require "kl.tree"

local methods, get = {}, {}

local compile_params = args.params{{"optimizer", "rmsprop"}, {"loss"}, {"loss_weights"}, {"metrics"}, {"weighted_metrics"},
  {"run_eagerly", false}, {"steps_per_execution", 1}, {"jit_compile", "auto"}, {"auto_scale_loss", true}, {"verbose", 0}}

--- Says how to train: optimizer, loss and metrics as names, objects or functions.  For several outputs, loss, loss_weights,
--- metrics and weighted_metrics are one for all, a list by position, or a table by output name.
---@param given table # optimizer = "rmsprop", loss, loss_weights, metrics, weighted_metrics, run_eagerly = false,
--- steps_per_execution = 1 (so many batches between callbacks), verbose = 0 (1 prints what was understood); jit_compile and
--- auto_scale_loss, of Keras's scripts and files, change nothing: every step is recorded, and floats are not scaled
function methods:compile(given)
  local o = args.read("compile", compile_params, given)
  args.check("compile: 'steps_per_execution'", o.steps_per_execution, "integer", 1)
  args.check("compile: 'run_eagerly'", o.run_eagerly, "boolean")
  for _, name in ipairs{"loss", "loss_weights", "metrics", "weighted_metrics"} do o[name] = compiled.filled(o[name]) end
  local config = {loss = o.loss, metrics = o.metrics, weighted_metrics = o.weighted_metrics, loss_weights = o.loss_weights,
    run_eagerly = o.run_eagerly, steps_per_execution = o.steps_per_execution, jit_compile = o.jit_compile}
  local optimizer = o.optimizer and require "kl.optimizers".get(o.optimizer) or false
  local new = compiled.new(self, o)
  compiled.claim(self, new, self._compiled)
  new.config = config
  new.verbose = o.verbose ~= 0 and o.verbose ~= false
  self.optimizer, self._compiled = optimizer, new
  self._loss_tracker = require "kl.metrics".Mean{name = "loss"}
  if new.verbose and new.layout then print(compiled.describe(self, new)) end
end

--- The layout of what was compiled for these outputs; it is printed when it is made late and that was asked for.
local function layout_of(self, y_pred)
  local c = self._compiled
  local early = c.layout
  local layout = compiled.layout(self, c, y_pred)
  if not early and c.verbose then print(compiled.describe(self, c)) end
  return layout
end

local function need_compiled(self, what)
  if not self._compiled then
    errors.fail("%s: model '%s' is not compiled: call model:compile{optimizer = ..., loss = ...} first", what, self.name)
  end
end
methods._need_compiled = need_compiled

local loss_params = args.params{{"x"}, {"y"}, {"y_pred"}, {"sample_weight"}, {"training", true}}

local function batch_size(x)
  local leaf = tree.is_leaf(x) and x or tree.flatten(x)[1]
  return core.kind(leaf) and core.length(leaf, 1) or 1
end

--- The loss of one of several outputs; an error in it says which.
local function loss_of_output(layout, i, y, y_pred, weight)
  local _ <close> = call_stack.about(layout.loss_words[i])
  local value = compiled.resolve_loss(layout, i, y, y_pred)(y, y_pred, weight)
  if not core.is_scalar(value) then value = ops.mean(value) end
  return value
end

--- The compiled losses of all outputs, weighted and added up; each is noted where there are several.
local function sum_of_losses(self, y, y_pred, sample_weight)
  local layout = layout_of(self, y_pred)
  if layout.count == 1 and core.are_tensors(y_pred, y) and (sample_weight == nil or core.kind(sample_weight)) then
    local total = compiled.resolve_loss(layout, 1, y, y_pred)(y, y_pred, sample_weight) -- what most steps are
    if not core.is_scalar(total) then total = ops.mean(total) end
    return layout.weights[1] and total * layout.weights[1] or total
  end
  local ys = compiled.targets(layout, "compute_loss", y)
  local preds = layout.count == 1 and core.kind(y_pred) and {y_pred} or tree.flatten(y_pred)
  local weights = compiled.sample_weights(layout, "compute_loss", sample_weight)
  local total
  for i = 1, layout.count do
    if layout.losses[i] then
      if not ys[i] then
        errors.fail("compute_loss: output '%s' has a loss, but the targets (y) have nothing for it", layout.outputs.names[i])
      end
      local value = loss_of_output(layout, i, ys[i], preds[i], weights[i] or nil)
      local tracker, weight = layout.trackers[i], layout.weights[i]
      if tracker then tracker:update_state(value, batch_size(preds[i])) end
      if weight then value = value * weight end
      if total == nil then total = value else total = total + value end
    end
  end
  return total
end

--- The compiled loss plus the losses made inside layers; subclasses may override it.
---@param given table # x, y, y_pred, sample_weight, training
---@return kl.Tensor # a scalar
function methods:compute_loss(given)
  local o = args.named("compute_loss", loss_params, given)
  local total
  if self._compiled and self._compiled.loss ~= nil then
    if o.y == nil then errors.fail("compute_loss: the model has a loss but the data has no targets (y)") end
    total = sum_of_losses(self, o.y, o.y_pred, o.sample_weight)
    compiled.resolve(self._compiled, o.y, o.y_pred) -- a step of the user's may update self.metrics one by one
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

--- Targets of shape (n) beside predictions of shape (n, 1), or the other way round, get the missing axis, for users'
--- metrics too: no silent n x n.
local function aligned_targets(y, y_pred)
  local rank, rank_pred = y.ndim, y_pred.ndim
  if rank == 1 and rank_pred == 2 and core.length(y_pred, 2) == 1 then
    y = ops.expand_dims(y, -1)
  elseif rank == 2 and rank_pred == 1 and core.length(y, 2) == 1 then
    y_pred = ops.expand_dims(y_pred, -1)
  end
  return y, y_pred
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
    self:_update_metrics(o.y, o.y_pred, o.sample_weight)
  elseif self._compiled and compiled.has_metrics(self._compiled) then
    errors.fail("compute_metrics: the model has metrics but the data has no targets (y)")
  end
  return self:get_metrics_result()
end

--- Updates the compiled metrics.
function methods:_update_metrics(y, y_pred, sample_weight)
  local c = self._compiled
  local layout = layout_of(self, y_pred)
  local entries = compiled.resolve(c, y, y_pred)
  if #entries == 0 then return end
  if layout.count == 1 and core.are_tensors(y, y_pred) and (sample_weight == nil or core.kind(sample_weight)) then
    y, y_pred = aligned_targets(y, y_pred)
    for n = 1, #entries do
      local entry = entries[n]
      entry.metric:update_state(y, y_pred, entry.weighted and sample_weight or nil)
    end
    return
  end
  local ys = compiled.targets(layout, "compute_metrics", y)
  local preds = layout.count == 1 and core.kind(y_pred) and {y_pred} or tree.flatten(y_pred)
  local weights = compiled.sample_weights(layout, "compute_metrics", sample_weight)
  local aligned = {}
  for n = 1, #entries do
    local entry = entries[n]
    local i = entry.output
    if not ys[i] then
      errors.fail("compute_metrics: output '%s' has the metric '%s', but no targets", layout.outputs.names[i], entry.name)
    end
    if not aligned[i] then
      aligned[i] = true
      ys[i], preds[i] = aligned_targets(ys[i], preds[i])
    end
    local _ <close> = call_stack.about(entry.words)
    entry.metric:update_state(ys[i], preds[i], entry.weighted and weights[i] or nil)
  end
end

local function add_result(self, results, name, value)
  if results[name] ~= nil then
    errors.fail("two metrics of model '%s' are called '%s': give one another name", self.name, name)
  end
  results[name] = value
end

--- {name = result} of every metric in `metrics`; a metric whose result is a table is merged in, with the output's name in front
--- where it was compiled for one of several.
function methods:get_metrics_result()
  local results = {}
  local names_of, prefix_of = {}, {}
  if self._compiled then names_of, prefix_of = self._compiled.names_of, self._compiled.prefix_of end
  local metrics = self.metrics
  for i = 1, #metrics do
    local m = metrics[i]
    local value = m:result()
    if tree.is_leaf(value) then
      add_result(self, results, names_of[m] or m.name, value)
    else
      local prefix = prefix_of[m] or ""
      for name, v in pairs(value) do add_result(self, results, prefix .. name, v) end
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
  local c = self._compiled
  if c then
    if self._loss_tracker and (c.loss ~= nil or c.tracks_loss) then add_new(list, seen, self._loss_tracker) end
    for i = 1, c.layout and c.layout.count or 0 do
      if c.layout.trackers[i] then add_new(list, seen, c.layout.trackers[i]) end
    end
    local entries = compiled.resolve(c)
    for i = 1, entries and #entries or 0 do add_new(list, seen, entries[i].metric) end
  end
  local own = metrics_of(Module._census(self))
  for i = 1, #own do add_new(list, seen, own[i]) end
  return list
end

-- What older tutorials call: model.compiled_loss(y, y_pred) and model.compiled_metrics:update_state(y, y_pred).

local CompiledLoss = class.Object:extend("CompiledLoss")

local compiled_loss_params = args.params{{"sample_weight"}, {"regularization_losses"}}

--- The compiled loss of a batch, plus `regularization_losses` (a list, such as model.losses); it updates the metric "loss".
function CompiledLoss:__call(y, y_pred, sample_weight, options)
  if type(sample_weight) == "table" and options == nil and (sample_weight.regularization_losses ~= nil or
    core.kind(sample_weight.sample_weight)) then
    options, sample_weight = sample_weight, nil
  end
  local o = args.read("compiled_loss", compiled_loss_params, options)
  if sample_weight == nil then sample_weight = o.sample_weight end
  local total = sum_of_losses(self.model, y, y_pred, sample_weight)
  for _, loss in ipairs(o.regularization_losses or {}) do total = total + loss end
  self.model._loss_tracker:update_state(total, batch_size(y_pred))
  return total
end

local CompiledMetrics = class.Object:extend("CompiledMetrics")

function CompiledMetrics:update_state(y, y_pred, sample_weight) self.model:_update_metrics(y, y_pred, sample_weight) end

function CompiledMetrics:reset_state()
  for _, entry in ipairs(compiled.resolve(self.model._compiled) or {}) do entry.metric:reset_state() end
end

--- {name = result} of the compiled metrics.
function CompiledMetrics:result()
  local results = {}
  for _, entry in ipairs(compiled.resolve(self.model._compiled) or {}) do results[entry.name] = entry.metric:result() end
  return results
end

function CompiledMetrics.get:metrics()
  local list = {}
  for i, entry in ipairs(compiled.resolve(self.model._compiled) or {}) do list[i] = entry.metric end
  return list
end

local function bound(cls, model, what)
  need_compiled(model, what)
  local object = cls()
  rawset(object, "model", model)
  return object
end

function get.compiled_loss(self)
  need_compiled(self, "compiled_loss")
  if self._compiled.loss == nil then errors.fail("compiled_loss: model '%s' was compiled without a loss", self.name) end
  return bound(CompiledLoss, self, "compiled_loss")
end

function get.compiled_metrics(self) return bound(CompiledMetrics, self, "compiled_metrics") end

--- The names that logs show, sorted: of the compiled losses and metrics, and of the metrics in fields; nil where that cannot be
--- known before a step has run (a step, metrics or results of the class's own; losses made in layers only).
---@param with_validation? boolean # the same with "val_" in front too
---@return string[]|nil
function methods:_log_names(with_validation)
  local Model = require "kl.model"
  for _, name in ipairs{"train_step", "test_step", "compute_metrics", "get_metrics_result"} do
    if (name ~= "test_step" or with_validation) and self[name] ~= Model[name] then return nil end
  end
  local cls = getmetatable(self).class
  local c = self._compiled
  if cls.get.metrics ~= Model.get.metrics or not c or c.loss == nil then return nil end
  local names = compiled.log_names(c)
  if not names then return nil end
  for _, metric in ipairs(metrics_of(Module._census(self))) do
    local more = compiled.names_of_metric(metric, metric.name, "")
    if not more then return nil end
    table.move(more, 1, #more, #names + 1, names)
  end
  if with_validation then
    for i = 1, #names do names[#names + 1] = "val_" .. names[i] end
  end
  table.sort(names)
  return names
end

--- Sets every metric back to its start.
function methods:reset_metrics()
  for _, m in ipairs(self.metrics) do m:reset_state() end
end

methods.get = get
return methods
