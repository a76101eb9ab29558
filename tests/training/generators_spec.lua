-- lua/kl/training/batches.lua: batches from a Lua function or coroutine; steps_per_execution; names that collide.
local kl = require "kl"
local raises = require "raises"
local training = require "training"

--- An iterator over `count` batches of one sample: x = 1, 2, ..., y = 2 x.
local function counting(count)
  local i = 0
  return function()
    i = i + 1
    if count == nil or i <= count then return training.column{i}, training.column{2 * i} end
  end
end

local function seen(given, options)
  local model = training.watched()
  options = options or {}
  options[1], options.verbose = given, 0
  model:fit(options)
  return training.all_seen(model), model
end

describe("fit from a generator", function()
  it("asks a function for the batches of an epoch", function()
    assert.same({1, 2, 3}, (seen(counting(3))))
    assert.same({1, 2, 3, 4}, (seen(counting(), {epochs = 2, steps_per_epoch = 2}))) -- an epoch goes on where the last ended
  end)

  it("begins anew every epoch where the function returns a generator", function()
    assert.same({1, 2, 3, 1, 2, 3}, (seen(function() return counting(3) end, {epochs = 2})))
    assert.same({1, 2, 3, 1}, (seen(function() return counting(3) end, {epochs = 2, steps_per_epoch = 2})))
  end)

  it("takes a coroutine, wrapped or not, and functions that return one", function()
    local function produce()
      for i = 1, 3 do coroutine.yield(training.column{i}) end
    end
    assert.same({1, 2, 3}, (seen(coroutine.wrap(produce))))
    assert.same({1, 2, 3}, (seen(coroutine.create(produce))))
    assert.same({1, 2, 3, 1, 2, 3}, (seen(function() return coroutine.create(produce) end, {epochs = 2})))
  end)

  it("takes a function that yields them itself, and begins it anew every epoch", function()
    local closed = 0
    local function produce()
      local guard <close> = setmetatable({}, {__close = function() closed = closed + 1 end})
      for i = 1, guard and 3 do coroutine.yield(training.column{i}, training.column{2 * i}) end
    end
    assert.same({1, 2, 3, 1, 2, 3}, (seen(produce, {epochs = 2})))
    assert.same({1, 2, 3, 1}, (seen(produce, {epochs = 2, steps_per_epoch = 2})))
    assert.equal(4, closed)
  end)

  it("takes numbers in tables, structures and sample weights", function()
    local _, model = seen(function() return function() return {{1.0}, {2.0}}, {{3.0}, {4.0}}, {0.5, 0.25} end end, {steps_per_epoch = 1})
    assert.same({{{1.0, 2.0}, {3.0, 4.0}, {0.5, 0.25}}}, model.seen)
  end)

  it("takes false where an output has no targets, and one weight for all samples, as from a data set", function()
    local input = kl.Input{1}
    local model = kl.Model{inputs = input, outputs = {kl.layers.Identity{name = "one"}(input), kl.layers.Identity{name = "two"}(input)}}
    model:compile{loss = {nil, "mse"}}
    local x, zero = training.column{1, 3}, training.column{0, 0}
    local function generate() coroutine.yield(x, {false, zero}, 0.5) end
    assert.same({loss = 2.5}, model:evaluate{generate, verbose = 0})
    local ds = kl.data.Dataset.from_tensor_slices(x):batch(2):map(function(a) return a, {false, a * 0}, 0.5 end)
    assert.same({loss = 2.5}, model:evaluate{ds, verbose = 0})
    raises(function() model:evaluate{ds:map(function(a) return a, {"none", a} end), verbose = 0} end,
      "evaluate: y of the data set%[1%] must be a tensor, or a list or table of tensors, got the string \"none\"")
  end)

  it("evaluates and predicts from one, and validates with one", function()
    local model = training.line(1)
    assert.near((1 + 4 + 9) / 3, model:evaluate{counting(3), verbose = 0}.loss, 1e-6)
    assert.equal((1 + 4) / 2, model:evaluate{counting(), steps = 2, verbose = 0}.loss)
    assert.same({{1}, {2}}, model:predict{counting(2), verbose = 0}:totable())
    local history = model:fit{counting(2), epochs = 1, verbose = 0, validation_data = function() return counting(2) end}
    assert.equal(1, #history.history.val_loss)
  end)

  it("gives the same bits as the arrays it was cut from, replayed and immediate", function()
    local xs, ys = kl.random.normal{32, 1}, kl.random.normal{32, 1}
    local function train(eagerly, given)
      local model = training.line(0.5, {optimizer = "adam", run_eagerly = eagerly})
      given.verbose, given.epochs = 0, 2
      if given[2] then given.shuffle, given.batch_size = false, 8 end
      model:fit(given)
      return model.weights[1].value
    end
    local function cut()
      local i = 0
      return function()
        i = i + 1
        if i <= 4 then return xs[{ {8 * i - 7, 8 * i} }], ys[{ {8 * i - 7, 8 * i} }] end
      end
    end
    local expected = train(false, {xs, ys})
    for _, eagerly in ipairs{false, true} do
      assert.is_true(kl.array_equal(expected, train(eagerly, {cut})))
      assert.is_true(kl.array_equal(expected, train(eagerly, {kl.data.Dataset.from_tensor_slices(xs, ys):batch(8)})))
    end
  end)

  for _, case in ipairs{
    {"that ends in an epoch", function() seen(counting(3), {epochs = 2, steps_per_epoch = 2}) end,
      "fit: the generator ended after 3 batches, and step 2 of 2 of an epoch asks for another"},
    {"that is used up", function() seen(counting(3), {epochs = 2}) end,
      "ended after 3 batches, and step 1 of an epoch asks for another: a function"},
    {"that gives another structure", function()
      local i = 0
      seen(function()
        i = i + 1
        if i == 3 then return {training.column{1}, training.column{2}} end
        return training.column{1}
      end, {steps_per_epoch = 4})
    end, "fit: at step 3 .* other structures than at first: x float32 %(%?, %?%) expected, got x %[float32 %(%?, %?%), float32"},
    {"that gives another dtype", function()
      local i = 0
      seen(function()
        i = i + 1
        return i == 2 and kl.tensor({{1}}, "int32") or training.column{1}
      end, {steps_per_epoch = 4})
    end, "at step 2 .* than at first: x float32 %(%?, %?%) expected, got x int32 %(%?, %?%)"},
    {"that gives too many values", function() seen(function() return training.column{1}, 2, 3, 4 end, {steps_per_epoch = 1}) end,
      "gave 4 values at step 1"},
    {"that gives no tensor", function() seen(function() return "a" end, {steps_per_epoch = 1}) end,
      "fit: at step 1, x of the generator must be a tensor, .* got the string \"a\""},
    {"that fails", function() seen(coroutine.create(function() error("no more disk") end)) end,
      "no more disk %(in the generator of fit, element 1%)"},
    {"that fails in itself", function() seen(function()
      coroutine.yield(training.column{1})
      local function read() error("no more disk") end
      read()
    end) end, "no more disk %(in the generator of fit, element 2%).*stack:\n.*generators_spec.lua:%d+: in .*'read'"},
    {"with targets besides", function() training.watched():fit{counting(1), training.column{1}} end, "a generator yields its own targets"},
    {"with a split", function() training.watched():fit{counting(1), validation_split = 0.5} end, "validation_split needs arrays"},
    {"with class weights", function() training.watched():fit{counting(1), class_weight = {[0] = 1}} end,
      "class_weight needs arrays, not a generator"},
  } do
    it("refuses one " .. case[1], function()
      local ok, message = pcall(case[2])
      assert.is_false(ok)
      assert.matches(case[3], message)
    end)
  end
end)

describe("steps_per_execution", function()
  it("calls hooks at the beginning of the first and the end of the last of so many steps", function()
    local calls = {}
    local function note(hook) return function(step) table.insert(calls, hook .. step) end end
    local callback = {on_train_batch_begin = function(_, s) note "("(s) end, on_train_batch_end = function(_, s) note ")"(s) end,
      on_test_batch_begin = function(_, s) note "["(s) end, on_test_batch_end = function(_, s) note "]"(s) end}
    local model = training.line(1, {steps_per_execution = 3})
    local xs = training.column{1, 2, 3, 4, 5}
    model:fit{xs, xs, batch_size = 1, verbose = 0, callbacks = {callback}}
    assert.equal("(1 )3 (4 )5", table.concat(calls, " "))
    calls = {}
    model:fit{counting(4), verbose = 0, callbacks = {callback}} -- whose end is not known before
    assert.equal("(1 )3 (4 )4", table.concat(calls, " "))
    calls = {}
    model:evaluate{xs, xs, batch_size = 2, verbose = 0, callbacks = {callback}}
    assert.equal("[1 ]3", table.concat(calls, " "))
  end)

  it("stops at the end of the steps that were begun together", function()
    local steps = 0
    local model = training.line(1, {steps_per_execution = 2})
    local stopper = {on_train_batch_end = function(self, step)
      steps = step
      self.model.stop_training = true
    end}
    model:fit{counting(), steps_per_epoch = 6, verbose = 0, callbacks = {stopper}}
    assert.equal(2, steps)
  end)
end)

describe("what a train_step returns", function()
  it("may not have the name of a result of the validation", function()
    local Own = kl.Model:extend("Own")
    function Own:call(inputs) return inputs end
    function Own:train_step() return {loss = 1.0, val_loss = 2.0} end
    local model = Own()
    model:compile{loss = "mse"}
    local xs = training.column{1, 2}
    raises(function() model:fit{xs, xs, validation_data = {xs, xs}, verbose = 0} end,
      "train_step of model 'own' returned 'val_loss', which is the name of a result of the validation")
  end)
end)
