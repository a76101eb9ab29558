-- Runs of fit that are stopped and taken up again, for tests/callbacks/resume_spec.lua: in this process, or in a child of its own
-- that is killed (the child reads this file too).
--
-- A case is a function (folder) -> model, options of fit, callbacks.  It is called for every run, after kl.set_seed.
local kl = require "kl"
local layers, callbacks, Dataset = kl.layers, kl.callbacks, kl.data.Dataset

local resuming = {cases = {}}
local cases = resuming.cases

local function numbers(n, seed) return kl.random.normal({n, 3}, {seed = seed}) end
local function columns(x) return kl.sum(x * x, 2, true) end

local SAMPLES, BATCH = 20, 4 -- five batches an epoch
local function data(n)
  local x = numbers(n or SAMPLES, 5)
  return x, columns(x)
end

local function network(options)
  local inputs = kl.Input{3}
  local h = layers.Dropout{0.4}(layers.BatchNormalization{}(layers.Dense{6, activation = "tanh"}(inputs)))
  local model = kl.Model{inputs = inputs, outputs = layers.Dense{1}(layers.Dropout{0.2, seed = 3}(h))}
  local given = {optimizer = "adam", loss = "mse", metrics = {"mae"}}
  for name, value in pairs(options or {}) do given[name] = value end
  model:compile(given)
  return model
end

local function arrays(options, compile)
  return function()
    local x, y = data()
    local given = {x, y, batch_size = BATCH, epochs = 3}
    for name, value in pairs(options or {}) do given[name] = value end
    return network(compile), given, {}
  end
end

-- Where data comes from

cases.arrays = arrays()
cases.arrays_in_order = arrays{shuffle = false, initial_epoch = 1}
cases.arrays_within_batches = arrays{shuffle = "batch", batch_size = 3, validation_split = 0.3, class_weight = nil}
cases.arrays_by_steps = arrays{steps_per_epoch = 3, batch_size = BATCH} -- epochs go on where the last ended
cases.eagerly = arrays(nil, {run_eagerly = true})
cases.two_steps_at_once = arrays(nil, {steps_per_execution = 2})

local function dataset(make, options)
  return function()
    local x, y = data()
    local given = {make(Dataset.from_tensor_slices(x, y)), epochs = 3}
    for name, value in pairs(options or {}) do given[name] = value end
    local validation = Dataset.from_tensor_slices(x, y):shuffle(7):batch(8)
    given.validation_data = validation
    return network(), given, {}
  end
end

cases.dataset = dataset(function(ds) return ds:shuffle(SAMPLES):batch(BATCH):prefetch(2) end)
cases.dataset_same_order = dataset(function(ds) return ds:shuffle(SAMPLES, {reshuffle_each_iteration = false}):batch(BATCH) end)
cases.dataset_cache = dataset(function(ds) return ds:shuffle(SAMPLES):cache():shuffle(3):batch(BATCH) end)
cases.dataset_endless = dataset(function(ds) return ds:shuffle(9):repeat_():batch(BATCH) end, {steps_per_epoch = 4})
cases.dataset_noise = dataset(function(ds)
  return ds:shuffle(SAMPLES):map(function(x, y) return x + kl.random.normal(x.shape) * 0.1, y end):batch(BATCH)
end)
cases.dataset_counting = dataset(function(ds)
  local calls = 0
  return ds:map(function(x, y)
    calls = calls + 1
    return x * (1 + calls % 20 / 10), y
  end, {stateful = true}):batch(BATCH)
end, {epochs = 1})
cases.dataset_generator = dataset(function()
  return Dataset.from_generator(function()
    for i = 1, 5 do coroutine.yield(numbers(BATCH, i), columns(numbers(BATCH, i + 1))) end
  end)
end)

local function generator(make, options)
  return function()
    local given = {make(), epochs = 3}
    for name, value in pairs(options or {}) do given[name] = value end
    return network(), given, {}
  end
end

local function counting(count)
  local i = 0
  return function()
    i = i + 1
    if i <= (count or math.huge) then return numbers(BATCH, i), columns(numbers(BATCH, i)) end
  end
end

cases.generator = generator(counting, {steps_per_epoch = 4})
cases.generator_thread = generator(function()
  return coroutine.create(function()
    for i = 1, 100 do coroutine.yield(numbers(BATCH, i), columns(numbers(BATCH, i))) end
  end)
end, {steps_per_epoch = 4})
cases.generator_passes = generator(function()
  local pass = 0
  return function()
    pass = pass + 1
    local i = 0
    return function()
      i = i + 1
      if i <= 4 then return numbers(BATCH, 10 * pass + i), columns(numbers(BATCH, i)) end
    end
  end
end)
cases.generator_object = generator(function()
  local object = {i = 0}
  function object:get_state() return {i = self.i} end
  function object:set_state(state) self.i = state.i end
  return setmetatable(object, {__call = function(self)
    self.i = self.i + 1
    return numbers(BATCH, self.i), columns(numbers(BATCH, self.i))
  end})
end, {steps_per_epoch = 4})
cases.generator_validation = function()
  local x, y = data()
  return network(), {x, y, batch_size = BATCH, epochs = 3, validation_data = counting(), validation_steps = 2}, {
    callbacks.ReduceLROnPlateau{monitor = "val_loss", patience = 1, min_delta = 1}}
end

-- Optimizers

for name, class in pairs(kl.optimizers.classes) do
  if name ~= "Optimizer" then
    cases["optimizer " .. name] = function() return arrays({epochs = 2}, {optimizer = class{learning_rate = 0.01}})() end
  end
end
for name, given in pairs{
  momentum = function() return kl.optimizers.SGD{learning_rate = 0.01, momentum = 0.9, nesterov = true, weight_decay = 0.01} end,
  centered = function() return kl.optimizers.RMSprop{learning_rate = 0.01, momentum = 0.5, centered = true} end,
  amsgrad = function() return kl.optimizers.Adam{learning_rate = 0.01, amsgrad = true, clipnorm = 1.0} end,
  schedule = function()
    return kl.optimizers.Adam{learning_rate = kl.optimizers.schedules.CosineDecay{0.1, decay_steps = 12}}
  end,
} do
  cases["optimizer with " .. name] = function() return arrays({epochs = 2}, {optimizer = given()})() end
end

-- Callbacks

local Counting = callbacks.Callback:extend("Counting")
Counting.state_fields = {"steps"}
function Counting:on_train_begin() self.steps = self:resumes() and self.steps or 0 end
function Counting:on_train_batch_end()
  self.steps = self.steps + 1
  if self.steps % 4 == 0 then self.model.optimizer.learning_rate = self.model.optimizer.learning_rate:item() * 0.9 end
end

function cases.callbacks(folder)
  local model, given = cases.dataset()
  given.epochs, given.validation_freq = 4, 2
  local table_of_hooks = {total = 0}
  function table_of_hooks:on_epoch_end(_, logs)
    self.total = self.total + logs.loss
    logs.total = self.total
  end
  function table_of_hooks:get_state() return {total = self.total} end
  function table_of_hooks:set_state(state) self.total = state.total end
  return model, given, {
    callbacks.EarlyStopping{monitor = "loss", patience = 2, restore_best_weights = true},
    table_of_hooks,
    callbacks.LearningRateScheduler{function(epoch, rate) return epoch == 3 and rate * 0.5 or rate end},
    callbacks.CSVLogger{folder .. "/log.csv"},
    callbacks.ReduceLROnPlateau{monitor = "loss", patience = 1, min_delta = 0.5},
    callbacks.ModelCheckpoint{folder .. "/best.weights.h5", monitor = "loss", save_best_only = true, save_weights_only = true},
    callbacks.ModelCheckpoint{folder .. "/{epoch}-{batch}.weights.h5", save_weights_only = true, save_freq = 3},
    Counting{},
  }
end

function cases.every_minute(folder)
  local model, given = cases.arrays()
  return model, given, {callbacks.ModelCheckpoint{folder .. "/{epoch}-{batch}.weights.h5", save_weights_only = true,
    every = {minutes = 1e-9}}}
end

function cases.curves(folder)
  local model, given = cases.dataset()
  model:fit{given[1], epochs = 2, verbose = 0} -- the curves of a model that was trained before begin there
  return model, given, {callbacks.TensorBoard{folder .. "/logs", update_freq = "batch", histogram_freq = 1}}
end

function cases.stops_early(folder)
  local model, given = cases.arrays()
  given.epochs = 20
  return model, given, {callbacks.CSVLogger{folder .. "/log.csv"},
    callbacks.EarlyStopping{monitor = "loss", mode = "max", patience = 2, restore_best_weights = true}}
end

function cases.stops_in_an_epoch(folder)
  local model, given = cases.arrays()
  return model, given, {{
    on_train_batch_end = function() model.stop_training = model.stop_training or model.optimizer.iterations:item() == 7 end,
    on_train_end = function(_, logs, reason)
      kl.core.io.write_file(folder .. "/end.csv", reason .. kl.json.encode(logs))
    end,
  }}
end

-- Models

local Twice = kl.Model:extend("Twice") -- lays its outputs out with the first batch, and has state in Lua
function Twice:init()
  self.dense, self.noise = layers.Dense{2}, kl.random.SeedGenerator{}
  self.calls = 0
end
function Twice:call(x) return {sum = self.dense(x), plain = x + 0.01 * kl.random.normal(x.shape, {seed = self.noise})} end
function Twice:train_step(batch)
  self.calls = self.calls + 1
  return Twice.super.train_step(self, {batch[1] * (1 + self.calls % 3), batch[2]})
end
function Twice:get_state() return {calls = self.calls} end
function Twice:set_state(state) self.calls = state.calls end

function cases.class_of_the_users()
  local x = numbers(SAMPLES, 5)
  local model = Twice()
  model(x)
  model:compile{optimizer = "adam", loss = {sum = "mse"}, metrics = {sum = {"accuracy", kl.metrics.FBetaScore{average = "micro"},
    kl.metrics.AUC{multi_label = true}}}}
  return model, {x, {sum = kl.cast(kl.greater(x[{{}, {1, 2}}], 0), "float32")}, batch_size = BATCH, epochs = 2}, {}
end

local Duel = kl.Model:extend("Duel") -- two optimizers in fields, a metric of its own that counts in Lua
local Steps = kl.metrics.Mean:extend("Steps")
function Steps:update_state(value)
  self.seen = (rawget(self, "seen") or 0) + 1
  Steps.super.update_state(self, value * (self.seen % 4))
end
function Steps:get_state() return {seen = rawget(self, "seen") or 0} end
function Steps:set_state(state) self.seen = state.seen end

function Duel:init()
  self.a, self.b = layers.Dense{1}, layers.Dense{1}
  self.first, self.second = kl.optimizers.Adam{learning_rate = 0.1}, kl.optimizers.RMSprop{learning_rate = 0.01}
  self.mean = Steps{name = "loss"}
end
function Duel:call(x) return self.a(x) + self.b(x) end
function Duel:train_step(batch)
  for _, player in ipairs{{self.a, self.first}, {self.b, self.second}} do
    local tape <close> = kl.GradientTape()
    local loss = kl.mean((self(batch[1]) - batch[2]) ^ 2)
    player[2]:apply_gradients(tape:gradient(loss, player[1].weights), player[1].weights)
  end
  self.mean:update_state(kl.mean((self(batch[1]) - batch[2]) ^ 2))
  return {loss = self.mean:result()}
end

function cases.two_optimizers()
  local x, y = data()
  local model = Duel()
  model(x)
  model:compile{}
  return model, {x, y, batch_size = BATCH, epochs = 2}, {}
end

function cases.frozen()
  local model, given = cases.arrays()
  return model, given, {{on_epoch_begin = function(_, epoch)
    model.layers[2].trainable = epoch ~= 2 and model.layers[2].trainable
    model.optimizer.learning_rate = model.optimizer.learning_rate:item() * 0.8
  end}}
end

-- Runs

local Stop = callbacks.Callback:extend("Stop") -- at the n-th call of a hook: an error, or the end of the process
function Stop:init(hook, n, kill)
  self.left = n
  self[hook] = function(callback)
    callback.left = callback.left - 1
    if callback.left > 0 then return end
    if not kill then error("power cut", 0) end
    os.execute("kill -9 " .. kill)
  end
end

--- One fit of a case, from its beginning or from the backup in the folder.  options: seed (27; false: none is set), stop = {hook, n},
--- kill (a process), backup (options of BackupAndRestore; false: none).
---@return kl.Model, kl.callbacks.History
function resuming.run(name, folder, options)
  if options.seed ~= false then kl.set_seed(options.seed or 27) end
  local model, given, list = cases[name](folder)
  given.verbose, given.callbacks = 0, list
  if options.backup ~= false then
    local backup = {folder .. "/backup"}
    for key, value in pairs(options.backup or {}) do backup[key] = value end
    table.insert(list, #list // 2 + 1, callbacks.BackupAndRestore(backup)) -- its place among the others does not matter
  end
  if options.stop then -- behind all others, but before the backup is removed
    local at = options.stop[1] == "on_train_end" and 1 or #list + 1
    table.insert(list, at, Stop(options.stop[1], options.stop[2], options.kill))
  end
  return model, model:fit(given)
end

return resuming
