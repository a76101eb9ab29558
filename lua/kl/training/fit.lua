-- Model:fit, evaluate, predict and their forms for one batch.
local core = require "kl.core"
local args = require "kl.args"
local batches = require "kl.training.batches"
local CallbackList = require "kl.callbacks.list"
local dry_run = require "kl.dry_run"
local errors = require "kl.errors"
local logs = require "kl.training.logs"
local ops = require "kl.ops"
local random = require "kl.random"
local stream = require "kl.training.stream"
local tree = require "kl.tree"

local methods = {}

--- verbose: 0 nothing, 1 a bar, 2 a line per epoch; "auto" is a bar on a terminal, else lines.
local function verbosity(what, verbose)
  if verbose == "auto" then return core.is_terminal() and 1 or 2 end
  if verbose ~= 0 and verbose ~= 1 and verbose ~= 2 then
    errors.fail("%s: verbose must be 0, 1, 2 or \"auto\", got %s", what, errors.show(verbose))
  end
  if verbose == 1 and not core.is_terminal() then return 2 end
  return verbose
end

local function check_count(what, value)
  if value ~= nil and (math.type(value) ~= "integer" or value < 1) then
    errors.fail("%s must be a positive integer, got %s", what, errors.show(value))
  end
  return value
end

--- Results are tables by name (keras-semantics 18, #3).
local function check_return_dict(what, return_dict)
  if return_dict ~= true then
    errors.fail("%s: results come by name: return_dict can only be true, got %s", what, errors.show(return_dict))
  end
end

--- A source from what was given, for training or evaluation.  options: steps, shuffle, generator.
local function source_of(what, o, options)
  local is_dataset = batches.is_dataset(o.x)
  if is_dataset or batches.is_generator(o.x) then
    local it = is_dataset and "a data set" or "a generator"
    if o.y ~= nil then errors.fail("%s: %s yields its own targets: y cannot be given too", what, it) end
    if o.sample_weight ~= nil then errors.fail("%s: %s yields its own sample weights", what, it) end
    if o.class_weight ~= nil then errors.fail("%s: class_weight needs arrays, not %s", what, it) end
    if options.shuffle then core.warn(("%s: 'shuffle' is for arrays: %s gives its own order"):format(what, it)) end
    local source = is_dataset and batches.dataset(what, o.x) or batches.generator(what, o.x)
    if source.infinite and not options.steps then
      errors.fail("%s: the data set has no end: say how many batches to take (%s)", what, options.steps_name or "steps")
    end
    return source
  end
  local shuffle = options.shuffle
  if shuffle == nil then shuffle = true end
  return batches.arrays(what, o.x, o.y, o.sample_weight, {batch_size = o.batch_size, steps = options.steps,
    shuffle = options.generator and shuffle, generator = options.generator, class_weight = o.class_weight})
end

--- The number of batches a pass over a source gives: at most `steps`; nil if it is not known.
local function expected_steps(source, steps)
  return steps and source.steps and math.min(steps, source.steps) or steps or source.steps
end

--- Gives back the tensors of a step that was replayed, which nobody else has seen: the next step takes their memory, and a run
--- of such steps does not grow until the collector comes.
local function release(tensors)
  for _, value in pairs(tensors) do
    local kind = core.kind(value)
    if kind == "tensor" then
      value:free()
    elseif kind == nil and type(value) == "table" then
      release(value)
    end
  end
end

local fit_params = args.params{{"x"}, {"y"}, {"batch_size"}, {"epochs", 1}, {"verbose", "auto"}, {"callbacks"},
  {"validation_split", 0.0}, {"validation_data"}, {"shuffle"}, {"class_weight"}, {"sample_weight"},
  {"initial_epoch", 0}, {"steps_per_epoch"}, {"validation_steps"}, {"validation_batch_size"}, {"validation_freq", 1}}
local validation_params = args.params{"x", {"y"}, {"sample_weight"}}

--- validation_freq: every so many epochs, or a list of epochs (from 1).
local function check_freq(freq)
  if type(freq) ~= "table" or getmetatable(freq) ~= nil then return check_count("fit: 'validation_freq'", freq) end
  for i = 1, #freq do check_count(("fit: 'validation_freq'[%d]"):format(i), freq[i]) end
end

local function validation_due(freq, epoch)
  if type(freq) == "table" then
    for _, e in ipairs(freq) do
      if e == epoch then return true end
    end
    return false
  end
  return epoch % freq == 0
end

--- Trains for a number of epochs.
--- Options: x, y, batch_size = 32, epochs = 1, verbose, callbacks, validation_split, validation_data, shuffle = true,
--- class_weight, sample_weight, initial_epoch = 0, steps_per_epoch, validation_steps, validation_batch_size,
--- validation_freq = 1.
---@param given table
---@return kl.callbacks.History
function methods:fit(given)
  local o = args.read("fit", fit_params, given)
  self:_need_compiled("fit")
  args.check("fit: 'epochs'", o.epochs, "integer", 0)
  args.check("fit: 'initial_epoch'", o.initial_epoch, "integer", 0)
  check_count("fit: 'steps_per_epoch'", o.steps_per_epoch)
  check_count("fit: 'validation_steps'", o.validation_steps)
  check_count("fit: 'validation_batch_size'", o.validation_batch_size)
  check_freq(o.validation_freq)
  if o.shuffle ~= nil and type(o.shuffle) ~= "boolean" and o.shuffle ~= "batch" then
    errors.fail("fit: 'shuffle' must be true, false or \"batch\", got %s", errors.show(o.shuffle))
  end
  local verbose = verbosity("fit", o.verbose)
  local validation = o.validation_data
  if validation == nil and o.validation_split ~= 0 then
    args.check("fit: 'validation_split'", o.validation_split, "number", 0, 1)
    if batches.is_dataset(o.x) or batches.is_generator(o.x) then
      errors.fail("fit: validation_split needs arrays, not a data set or generator")
    end
    local train, held_out = batches.split("fit", o.x, o.y, o.sample_weight, o.validation_split)
    o.x, o.y, o.sample_weight = train.x, train.y, train.sample_weight
    validation = {held_out.x, held_out.y, held_out.sample_weight}
  end
  self._shuffle_generator = self._shuffle_generator or random.new_generator("fit/shuffle")
  local source = source_of("fit", o, {shuffle = o.shuffle, steps = o.steps_per_epoch,
    steps_name = "steps_per_epoch", generator = self._shuffle_generator})
  local validation_source
  if validation ~= nil then
    local v = args.read("fit: validation_data", validation_params, validation)
    v.batch_size = o.validation_batch_size or o.batch_size
    validation_source = source_of("fit: validation_data", v, {steps = o.validation_steps, steps_name = "validation_steps"})
    if v.y == nil and o.y ~= nil and self._compiled.loss ~= nil and self.test_step == require "kl.model".test_step and
      not batches.is_dataset(v.x) and not batches.is_generator(v.x) then
      errors.fail("fit: validation_data has no targets, and the model has a loss: give {x, y}") -- not after a whole epoch
    end
  end
  local epochs, steps = dry_run.bound_epochs(o.initial_epoch, o.epochs), o.steps_per_epoch
  if dry_run.steps then steps = dry_run.bound_steps(steps or source.steps) end
  local list = CallbackList(self, o.callbacks, {verbose = verbose, epochs = epochs, steps = steps or source.steps,
    validates = validation_source ~= nil})
  self.stop_training = false
  local batch_stream = stream.new(source, self._epochs_trained, steps)
  local run = require "kl.training.run_state".new{model = self, list = list, stream = batch_stream, source = source,
    validation = validation_source, epoch = o.initial_epoch}
  local interrupted
  list:train(function()
    local _ <close> = source
    local watch <close> = core.watch_interrupts()
    list:check_names()
    list:take_up(run) -- a callback may have kept an earlier run
    list:call("on_train_begin", {})
    local epoch_logs, first, spare = run.logs or {}, run.scalars, {}
    for epoch = run.epoch + 1, run.stopped and run.step == 0 and 0 or epochs do
      interrupted = core.interrupted()
      if interrupted then break end
      local scalars, done = run.scalars, run.step -- of this epoch, where it is taken up in its middle
      local goes_on = done == 0 or not run.stopped
      if done == 0 then self:reset_metrics() end
      list:call("on_epoch_begin", epoch, {})
      if done == 0 then batch_stream.begin() else run:load_again() end
      local step = done + 1
      local quiet = source.own_code and not list:runs_user_code("train")
      local function on_bad_loss(info)
        info.step, info.epoch = step, epoch
        return list:bad_loss(info)
      end
      local group = stream.groups(self, steps or source.steps)
      local function next_batch()
        interrupted = step > done + 1 and core.interrupted()
        if goes_on and not interrupted then return batch_stream.next(step) end
      end
      for data, sample_of in next_batch do
        if group.begins(step) then list:call("on_train_batch_begin", step, {}) end
        local replayed
        release(spare) -- of the step before: an epoch's last are still to be read
        scalars, replayed = self:_run_train_step(data, quiet and step > done + 1,
          function() return (" at step %d of epoch %d"):format(step, epoch) end, sample_of, on_bad_loss)
        self.built = true
        if not scalars then -- a callback takes a loss that is not finite for the end
          self.stop_training = true
          scalars, replayed = logs.of_bad_step(self, first, replayed), false
        end
        logs.check_names(self, "train_step", first, scalars, step)
        first = first or scalars
        if group.ends(step) then
          list:call_with_scalars("on_train_batch_end", step, scalars)
          run:after_step(step, scalars)
        end
        spare = replayed and scalars or {}
        if replayed and source.owns_batches then release(data) end
        step = step + 1
        if self.stop_training then break end
      end
      group.finish(step - 1, function(last)
        list:call_with_scalars("on_train_batch_end", last, scalars)
        run:after_step(last, scalars)
      end)
      if interrupted then break end
      if not scalars then errors.fail("fit: the data set gave no batch in epoch %d", epoch) end
      self._epochs_trained = self._epochs_trained + 1
      epoch_logs = logs.numbers(scalars)
      if validation_source and validation_due(o.validation_freq, epoch) then
        local results = self:_evaluate(validation_source, o.validation_steps, list)
        for _, name in ipairs(logs.sorted_names(results)) do
          if epoch_logs["val_" .. name] ~= nil then
            errors.fail("fit: train_step of model '%s' returned 'val_%s', which is the name of a result of the validation", self.name, name)
          end
          epoch_logs["val_" .. name] = results[name]
        end
      end
      list:call("on_epoch_end", epoch, epoch_logs)
      run:after_epoch(epoch, epoch_logs)
      if self.stop_training then break end
    end
    if interrupted then list:keep(run, true) end
    list:call("on_train_end", epoch_logs, interrupted and "interrupted" or self.stop_training and "stopped" or "finished")
    local _ = watch
  end)
  local signal = core.interrupted()
  if signal then errors.fail("fit: interrupted by %s %s", signal, run:place("before its first step")) end
  return self.history
end

--- Runs test steps over a source; the results as numbers.
function methods:_evaluate(source, steps, list)
  steps = dry_run.bound_steps(steps)
  self:reset_metrics()
  list:call("on_test_begin", {})
  local _ <close> = source
  local next_batch = source:open(0)
  local scalars, first, replayed
  local spare = {}
  local step = 1
  local quiet = source.own_code and not list:runs_user_code("test")
  local group = stream.groups(self, expected_steps(source, steps))
  while not steps or step <= steps do
    local data = next_batch(step, steps)
    if data == nil then break end
    if group.begins(step) then list:call("on_test_batch_begin", step, {}) end
    release(spare)
    scalars, replayed = self:_run_test_step(data, quiet and step > 1)
    self.built = true
    logs.check_names(self, "test_step", first, scalars, step)
    first = first or scalars
    if group.ends(step) then list:call_with_scalars("on_test_batch_end", step, scalars) end
    spare = replayed and scalars or {}
    if replayed and source.owns_batches then release(data) end
    step = step + 1
  end
  group.finish(step - 1, function(last) list:call_with_scalars("on_test_batch_end", last, scalars) end)
  if not scalars then errors.fail("evaluate: the data set gave no batch") end
  local results = logs.numbers(scalars)
  list:call("on_test_end", results)
  return results
end

local evaluate_params = args.params{{"x"}, {"y"}, {"batch_size"}, {"verbose", "auto"}, {"sample_weight"}, {"steps"},
  {"callbacks"}, {"return_dict", true}}

--- Loss and metrics on data, without training.
---@param given table # x, y, batch_size = 32, verbose, sample_weight, steps, callbacks
---@return table<string, number> # by name, never a list
function methods:evaluate(given)
  local o = args.read("evaluate", evaluate_params, given)
  self:_need_compiled("evaluate")
  check_count("evaluate: 'steps'", o.steps)
  check_return_dict("evaluate", o.return_dict)
  local source = source_of("evaluate", o, {steps = o.steps})
  local list = CallbackList(self, o.callbacks, {verbose = verbosity("evaluate", o.verbose), epochs = 1,
    steps = expected_steps(source, dry_run.bound_steps(o.steps)), no_history = true})
  return list:run(function() return self:_evaluate(source, o.steps, list) end)
end

local predict_params = args.params{{"x"}, {"batch_size"}, {"verbose", "auto"}, {"steps"}, {"callbacks"}}

--- The model's outputs on data, batch by batch, joined.
---@param given table # x, batch_size = 32, verbose, steps, callbacks
---@return any # the structure of the model's outputs
function methods:predict(given)
  local o = args.read("predict", predict_params, given)
  check_count("predict: 'steps'", o.steps)
  local source = source_of("predict", {x = o.x, batch_size = o.batch_size}, {steps = o.steps})
  local steps = dry_run.bound_steps(o.steps)
  local list = CallbackList(self, o.callbacks, {verbose = verbosity("predict", o.verbose), epochs = 1,
    steps = expected_steps(source, steps), no_history = true})
  return list:run(function()
    list:call("on_predict_begin", {})
    local _ <close> = source
    local next_batch = source:open(0)
    local collected, form = {}, nil
    local step = 1
    local quiet = source.own_code and not list:runs_user_code("predict")
    while not steps or step <= steps do
      local data = next_batch(step, steps)
      if data == nil then break end
      list:call("on_predict_batch_begin", step, {})
      local outputs, replayed = self:_run_predict_step(data, quiet and step > 1)
      self.built = true
      form = outputs
      for i, leaf in ipairs(tree.flatten(outputs)) do
        collected[i] = collected[i] or {}
        table.insert(collected[i], leaf)
      end
      list:call("on_predict_batch_end", step, {outputs = outputs})
      if replayed and source.owns_batches then release(data) end
      step = step + 1
    end
    if form == nil then errors.fail("predict: the data set gave no batch") end
    list:call("on_predict_end", {})
    local joined = {}
    for i, parts in ipairs(collected) do
      joined[i] = #parts == 1 and parts[1] or parts[1].ndim == 0 and ops.stack(parts) or ops.concatenate(parts, 1)
    end
    return tree.pack(form, joined)
  end)
end

local train_batch_params = args.params{{"x"}, {"y"}, {"sample_weight"}, {"class_weight"}, {"return_dict", true}}
local test_batch_params = args.params{{"x"}, {"y"}, {"sample_weight"}, {"return_dict", true}}
local predict_batch_params = args.params{{"x"}}

--- The one batch {x, y, sample_weight} of the arrays.
local function one_batch(what, o)
  return batches.arrays(what, o.x, o.y, o.sample_weight, {batch_size = math.maxinteger // 2, class_weight = o.class_weight}):open(0)()
end

--- One update on one batch; metrics start anew.  Returns loss and metrics as numbers, from before the update.
function methods:train_on_batch(given)
  local o = args.read("train_on_batch", train_batch_params, given)
  self:_need_compiled("train_on_batch")
  check_return_dict("train_on_batch", o.return_dict)
  local data = one_batch("train_on_batch", o)
  self:reset_metrics()
  local scalars = self:_run_train_step(data)
  self.built = true
  return logs.numbers(scalars)
end

--- Loss and metrics of one batch as numbers.
function methods:test_on_batch(given)
  local o = args.read("test_on_batch", test_batch_params, given)
  self:_need_compiled("test_on_batch")
  check_return_dict("test_on_batch", o.return_dict)
  local data = one_batch("test_on_batch", o)
  self:reset_metrics()
  local scalars = self:_run_test_step(data)
  self.built = true
  return logs.numbers(scalars)
end

--- The outputs for one batch.
function methods:predict_on_batch(given)
  local outputs = self:_run_predict_step(one_batch("predict_on_batch", args.read("predict_on_batch", predict_batch_params, given)))
  self.built = true
  return outputs
end

return methods
