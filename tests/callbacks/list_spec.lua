-- All callbacks of kl.callbacks.classes: each is tried in a fit, and none changes what is computed unless it is meant to.
local kl = require "kl"
local compare = require "compare"
local raises = require "raises"
local scratch = require "scratch"
local training = require "training"
local callbacks = kl.callbacks

kl.set_seed(4)

local x, y = kl.random.normal{48, 4}, kl.random.normal{48, 1}
local folder, remove

-- Options to make each with, and (changes) true if it is there to change training.
local made = {
  BackupAndRestore = {function() return {folder .. "/backup", every = {steps = 2}} end},
  CSVLogger = {function() return {folder .. "/log.csv"} end},
  EarlyStopping = {function() return {patience = 1, restore_best_weights = true} end, changes = true},
  History = {function() return {} end},
  LambdaCallback = {function() return {on_train_batch_end = function(_, logs) assert(logs.loss) end} end},
  LearningRateScheduler = {function() return {function(epoch, rate) return rate / epoch end} end, changes = true},
  ModelCheckpoint = {function() return {folder .. "/{epoch:02d}-{batch}.weights.h5", save_weights_only = true, save_freq = 2} end},
  ProgbarLogger = {function() return {} end},
  ReduceLROnPlateau = {function() return {patience = 1, min_delta = 10} end, changes = true},
  TerminateOnNaN = {function() return {} end},
}

before_each(function() folder, remove = scratch.name() end)
after_each(function() remove() end)

local function weights_after(callback, run_eagerly)
  kl.set_seed(5)
  local model = kl.Sequential{kl.Input{4}, kl.layers.Dense{8, activation = "relu"}, kl.layers.Dropout{0.3}, kl.layers.Dense{1}}
  model:compile{optimizer = "adam", loss = "mse", metrics = {"mae"}, run_eagerly = run_eagerly}
  training.output_of(function()
    model:fit{x, y, epochs = 4, batch_size = 16, validation_data = {x, y}, verbose = 0, callbacks = {callback}}
  end)
  return model:get_weights(), model
end

describe("every callback", function()
  it("has a case here", function()
    for name in pairs(callbacks.classes) do
      if name ~= "TensorBoard" then assert(made[name], "no case for " .. name) end -- it has a spec of its own
    end
  end)

  for name, case in pairs(made) do
    it("gives the same weights bit for bit with plans and without, and those of a fit without it unless it changes training: " .. name,
      function()
        local class = callbacks.classes[name]
        local planned = weights_after(class(case[1]()))
        local eager = weights_after(class(case[1]()), true)
        local plain = weights_after(nil)
        for i, t in ipairs(planned) do
          compare.bits(t, eager[i], name .. ", eagerly")
          if not case.changes then compare.bits(t, plain[i], name .. ", without it") end
        end
      end)

    it("refuses options that it does not have: " .. name, function()
      if name ~= "History" and name ~= "ProgbarLogger" then
        raises(function() callbacks.classes[name]{no_such_option = 1} end, name .. ": unknown option 'no_such_option'")
      end
    end)
  end
end)

describe("kl's own callbacks", function()
  it("make no new plans, though the learning rate changes at every epoch, and replays go on", function()
    local _, model = weights_after(callbacks.LearningRateScheduler{function(epoch) return 0.1 / epoch end})
    local before = kl.plans().plans
    model:fit{x, y, epochs = 5, batch_size = 16, verbose = 0, callbacks = {
      callbacks.LearningRateScheduler{function(epoch) return 0.1 / epoch end}, callbacks.ReduceLROnPlateau{monitor = "loss", patience = 0}}}
    assert.equal(before, kl.plans().plans)
  end)

  it("let kl skip its checks between steps; a user's that is called at steps does not", function()
    local model = training.line(1)
    local function runs(given) return callbacks.List(model, given, {verbose = 0}):runs_user_code("train") end
    assert.is_false(runs{callbacks.LearningRateScheduler{function() return 1.0 end}, callbacks.EarlyStopping{monitor = "loss"}})
    assert.is_false(runs{{on_epoch_end = print}})
    assert.is_true(runs{{on_batch_end = print}})
    assert.is_true(runs{callbacks.LambdaCallback{on_train_batch_begin = print}})
  end)
end)

describe("a name that is not in the logs", function()
  local steps
  local counting = {on_train_batch_begin = function() steps = steps + 1 end}
  for _, case in ipairs{
    {"EarlyStopping", {monitor = "val_los"}, "callback 2.: there is no 'val_los' in the logs; did you mean 'val_loss'%? "
      .. ".there are: loss, mae, val_loss, val_mae"},
    {"ReduceLROnPlateau", {monitor = "acc"}, "there is no 'acc' in the logs"},
    {"ModelCheckpoint", {"m.keras", monitor = "val_maes", save_best_only = true}, "there is no 'val_maes'"},
    {"ModelCheckpoint", {"m-{val_mse:.2f}.keras"}, "there is no 'val_mse'"},
  } do
    it("is refused before the first step: " .. case[1] .. ", " .. case[3], function()
      steps = 0
      local model = training.line(1, {metrics = {"mae"}})
      raises(function()
        model:fit{y, y, validation_data = {y, y}, verbose = 0, callbacks = {counting, callbacks[case[1]](case[2])}}
      end, case[3])
      assert.equal(0, steps)
    end)
  end

  it("of validation is refused where there is none", function()
    raises(function() training.line(1):fit{y, y, verbose = 0, callbacks = {callbacks.EarlyStopping{}}} end,
      "no 'val_loss' in the logs; there is no validation data")
  end)

  it("is refused after the first step where the model's steps are the user's own", function()
    steps = 0
    local model = training.line(1)
    local step = model.train_step
    function model:train_step(data)
      step(self, data)
      return {own = 1.0}
    end
    raises(function()
      model:fit{y, y, batch_size = 8, verbose = 0, callbacks = {counting, callbacks.EarlyStopping{monitor = "owm", mode = "min"}}}
    end, "no 'owm' in the logs; did you mean 'own'")
    assert.equal(1, steps)
    model:fit{y, y, verbose = 0, callbacks = {callbacks.EarlyStopping{monitor = "own", mode = "min"}}}
    raises(function() model:fit{y, y, verbose = 0, callbacks = {callbacks.EarlyStopping{monitor = "own"}}} end,
      "EarlyStopping: whether 'own' is better low or high is not known: say mode")
  end)

  it("may be added by a callback in front", function()
    local h = training.line(1):fit{y, y, epochs = 5, verbose = 0, callbacks = {
      {on_epoch_end = function(_, epoch, logs) logs.val_f1 = 1 - epoch end},
      callbacks.EarlyStopping{monitor = "val_f1", mode = "max", patience = 1}}}
    assert.equal(2, #h.epoch)
  end)
end)

describe("a callback that raises", function()
  it("is named with the hook, the others hear of it, and what was written is whole", function()
    local heard
    local ok, message = pcall(function()
      training.line(1):fit{y, y, epochs = 3, verbose = 0, callbacks = {
        callbacks.CSVLogger{folder .. "/log.csv"}, {on_train_error = function(_, m) heard = m end},
        callbacks.BackupAndRestore{folder .. "/backup"},
        {on_epoch_end = function(_, epoch) if epoch == 2 then error("mine") end end}}}
    end)
    assert.is_false(ok)
    assert.matches("mine %(in on_epoch_end of callback 4, a table of hooks%)\nstack:", message)
    assert.equal(message, heard)
    assert.equal(3, select(2, kl.core.io.read_file(folder .. "/log.csv"):gsub("\n", "\n")))
    -- the backup stays, of the epoch that all callbacks were done with, and training goes on from it
    local model, begun = training.line(1), {}
    local h = model:fit{y, y, epochs = 3, verbose = 0, callbacks = {callbacks.BackupAndRestore{folder .. "/backup"},
      {on_epoch_begin = function(_, epoch) begun[#begun + 1] = epoch end}}}
    assert.same({2, 3}, begun)
    assert.same({1, 2, 3}, h.epoch)
    assert.is_nil(io.open(folder .. "/backup/latest.weights.h5"))
  end)
end)

describe("TerminateOnNaN", function()
  local Bad = kl.Layer:extend("LogOf")
  function Bad:call(t) return kl.log(t - 1000) end -- the line that is to be named
  local line = debug.getinfo(Bad.call, "S").linedefined

  it("stops with the step taken back, and names batch, layer, operation and line", function()
    for _, run_eagerly in ipairs{false, true} do
      local model = kl.Sequential{kl.Input{4}, kl.layers.Dense{3}, Bad{name = "of"}, kl.layers.Dense{1}}
      model:compile{optimizer = "adam", loss = "mse", run_eagerly = run_eagerly}
      local before = model:get_weights()
      local reason
      local callback = callbacks.TerminateOnNaN{}
      local text, h = training.output_of(function()
        return model:fit{x, y, epochs = 3, verbose = 0, callbacks = {callback, {on_train_end = function(_, _, why) reason = why end}}}
      end)
      assert.matches("^Batch 1: Invalid loss, terminating training\n.*the first NaN is a result of kl%.log in layer '[^']*of' at "
        .. "tests/callbacks/list_spec.lua:" .. line, text)
      assert.equal("stopped", reason)
      assert.equal(1, #h.epoch)
      assert(h.history.loss[1] ~= h.history.loss[1])
      for i, t in ipairs(model:get_weights()) do compare.bits(t, before[i], "weights") end
      assert.equal("log", callback.found.nan.op)
      raises(function() model:fit{x, y, verbose = 0, callbacks = {callbacks.TerminateOnNaN{raise_error = true}}} end,
        "is nan at step 1 of epoch 1.*kl%.log")
    end
  end)
end)

describe("state", function()
  local function sequence(make, values, from, to, state)
    local model = training.line(1)
    local callback = make()
    callback:set_model(model)
    if state then callback:set_state(state) end
    callback:on_train_begin{}
    local trace = {}
    for epoch = from, to do
      callback:on_epoch_end(epoch, {loss = values[epoch]})
      trace[#trace + 1] = table.concat({tostring(callback.best), tostring(callback.wait), tostring(callback.cooldown_counter),
        tostring(model.stop_training), ("%.6g"):format(model.optimizer.learning_rate:item())}, " ")
    end
    return trace, callback, model
  end

  for name, make in pairs{
    EarlyStopping = function() return callbacks.EarlyStopping{monitor = "loss", patience = 4} end,
    ReduceLROnPlateau = function() return callbacks.ReduceLROnPlateau{monitor = "loss", patience = 2, cooldown = 1, factor = 1 - 1e-9} end,
    ModelCheckpoint = function()
      return callbacks.ModelCheckpoint{folder .. "/m.keras", monitor = "loss", save_best_only = true, every = {epochs = 1}}
    end,
  } do
    it("taken up by another goes on as without a break: " .. name, function()
      local values = {}
      for i = 1, 20 do values[i] = (i * 7919 % 13) / 13 + (i < 8 and 1 or 0) end
      local straight = sequence(make, values, 1, 20)
      for cut = 1, 19 do
        local _, first = sequence(make, values, 1, cut)
        local rest = sequence(make, values, cut + 1, 20, first:get_state())
        for i, text in ipairs(rest) do assert.equal(straight[cut + i]:match("^%S+ %S+ %S+"), text:match("^%S+ %S+ %S+")) end
      end
    end)
  end
end)
