-- lua/kl/callbacks/tensorboard.lua: which runs, tags and steps a training writes.
local kl = require "kl"
local raises = require "raises"
local training = require "training"
local events = dofile "tests/summary/events.lua"

local x, y = training.column{1, 2, 3, 4}, training.column{2, 4, 6, 8}

describe("callbacks.TensorBoard", function()
  local dir, remove
  before_each(function() dir, remove = events.folder() end)
  after_each(function() remove() end)
  local function callback(options)
    options = options or {}
    options.log_dir = dir
    return kl.callbacks.TensorBoard(options)
  end
  local function fit(model, tb, options)
    local given = {x, y, batch_size = 2, epochs = 2, verbose = 0, callbacks = {tb}}
    for name, value in pairs(options or {}) do given[name] = value end
    return model:fit(given)
  end
  local function steps(run, tag) return events.steps(dir .. "/" .. run, tag) end

  it("writes Keras's tags in two runs, with the values of History", function()
    local history = fit(training.line(1, {metrics = {"mae"}}), callback{histogram_freq = 1, write_steps_per_second = true},
      {validation_data = {x, y}})
    local weight = events.tags(dir .. "/train")
    assert.matches("/kernel/histogram$", weight[6])
    assert.is_nil(weight[7])
    assert.same({"epoch_learning_rate", "epoch_loss", "epoch_mae", "epoch_steps_per_second", "keras"}, {table.unpack(weight, 1, 5)})
    assert.same({"epoch_loss", "epoch_mae", "evaluation_loss_vs_iterations", "evaluation_mae_vs_iterations"},
      events.tags(dir .. "/validation"))
    local function f32(v) return (string.unpack("<f", string.pack("<f", v))) end
    for epoch = 1, 2 do
      assert.same({epoch - 1, f32(history.history.loss[epoch])}, events.curve(dir .. "/train", "epoch_loss")[epoch])
      assert.same({epoch - 1, f32(history.history.val_mae[epoch])}, events.curve(dir .. "/validation", "epoch_mae")[epoch])
    end
    assert.same({2, 4}, steps("validation", "evaluation_loss_vs_iterations"))
    assert.same({0, 1}, steps("train", weight[6]))
  end)

  it("shows weights as Keras cuts them", function()
    local model = kl.Sequential{kl.Input{5}, kl.layers.Dense{3, name = "d"}, name = "m"}
    model:compile{optimizer = "sgd", loss = "mse"}
    model:fit{kl.ones{2, 5}, kl.ones{2, 3}, verbose = 0, callbacks = {callback{histogram_freq = 1, write_images = true}}}
    local sizes = {}
    for _, e in ipairs(events.read_file(events.files(dir .. "/train")[1])) do
      if e.plugin == "images" then sizes[e.tag] = {e.tensor.strings[1], e.tensor.strings[2], #e.tensor.strings} end
    end
    assert.same({["m/d/kernel/image"] = {"5", "3", 3}, ["m/d/bias/image"] = {"1", "3", 3}}, sizes)
  end)

  it("writes batches as update_freq says", function()
    for freq, expected in pairs{batch = {1, 2, 3, 4}, epoch = {}, [3] = {3}} do
      fit(training.line(1), callback{update_freq = freq})
      assert.same(expected, steps("train", "batch_loss"))
      remove()
    end
  end)

  it("writes as `every` says, by the rule of all callbacks, and goes on in its rhythm", function()
    for _, case in ipairs{
      {{steps = 1}, {1, 2, 3, 4}, {0, 1}}, {{steps = 3}, {3}, {0, 1}}, {{epochs = 2}, {}, {1}}, {{epochs = 1}, {}, {0, 1}},
      {{minutes = 1e-9}, {1, 2, 3, 4}, {0, 1}}, {{minutes = 60}, {}, {0, 1}},
    } do
      fit(training.line(1), callback{every = case[1]})
      assert.same(case[2], steps("train", "batch_loss"))
      assert.same(case[3], steps("train", "epoch_loss"))
      remove()
    end
    local model = training.line(1)
    fit(model, callback{every = {steps = 3}}) -- 4 steps
    fit(model, callback{every = {steps = 3}}, {initial_epoch = 2, epochs = 4})
    assert.same({3, 6}, steps("train", "batch_loss"))
    raises(function() kl.callbacks.TensorBoard{every = {steps = 2}, update_freq = 3} end, "'update_freq' and 'every' say the same")
    raises(function() kl.callbacks.TensorBoard{every = {setps = 2}} end, "did you mean 'steps'")
  end)

  it("goes on in a second fit, and where initial_epoch says", function()
    local model, tb = training.line(1), callback{update_freq = "batch"}
    fit(model, tb)
    fit(model, tb, {epochs = 1})
    fit(model, callback{update_freq = "batch"}, {initial_epoch = 3, epochs = 4})
    assert.same({0, 1, 2, 3}, steps("train", "epoch_loss"))
    assert.same({1, 2, 3, 4, 5, 6, 7, 8}, steps("train", "batch_loss"))
  end)

  it("tells readers from where on older files no longer hold", function()
    local function starts(run)
      local list = {}
      for _, path in ipairs(events.files(dir .. "/" .. run)) do
        for _, e in ipairs(events.read_file(path)) do
          if e.start then list[#list + 1] = e.step end
        end
      end
      return list
    end
    local model = training.line(1)
    fit(model, callback(), {validation_data = {x, y}})
    fit(model, callback(), {validation_data = {x, y}, initial_epoch = 1, epochs = 2})
    assert.same({0, 1}, starts "train")
    assert.same({0, 5}, starts "validation") -- four iterations are done: their points stay
  end)

  it("does not change what is trained, nor read values where it writes nothing", function()
    local function train(callbacks, options)
      kl.set_seed(4)
      local model = training.line(1, options)
      model:fit{x, y, batch_size = 1, epochs = 3, verbose = 0, callbacks = callbacks}
      return training.weight(model)
    end
    local plain = train{}
    for _, freq in ipairs{"epoch", "batch", 2} do
      for _, eager in ipairs{false, true} do
        assert.equal(plain, train({callback{update_freq = freq, histogram_freq = 1}}, {run_eagerly = eager}))
        assert.equal(plain, train({callback{every = {steps = 3}, histogram_freq = 1}}, {run_eagerly = eager}))
      end
    end
    assert.is_false(kl.callbacks.List(training.line(1), {callback()}, {verbose = 0}):runs_user_code())
  end)

  it("gives kl.summary in a train_step the batch's step", function()
    local Own = kl.Model:extend("Own")
    function Own:init() Own.super.init(self) self.w = self:add_weight{name = "w", shape = {}} end
    function Own:call(inputs) return inputs * self.w end
    function Own:train_step(data)
      local loss = kl.mean(data[1])
      kl.summary.scalar("mine", loss)
      return {loss = loss}
    end
    local model = Own()
    model:compile{}
    fit(model, callback{update_freq = 2})
    assert.same({2, 4}, steps("train", "mine"))
    assert.same({2, 4}, steps("train", "batch_loss")) -- of a model without an optimizer too
    assert.is_nil(kl.summary.default_writer())
  end)

  it("keeps what was written when the training fails", function()
    local failing = {on_epoch_end = function(_, epoch) if epoch == 2 then error("no more", 0) end end}
    local tb = callback{update_freq = "batch"}
    assert.has_error(function() fit(training.line(1), nil, {callbacks = {tb, failing}}) end)
    assert.same({0, 1}, steps("train", "epoch_loss"))
    assert.is_nil(kl.summary.default_writer())
  end)

  it("writes the validation of evaluate, and a trace of the profiled batches", function()
    local model, tb = training.line(1), callback{profile_batch = {2, 3}}
    model:evaluate{x, y, verbose = 0, callbacks = {tb}}
    assert.same({0}, steps("validation", "evaluation_loss_vs_iterations"))
    fit(model, tb)
    local file <close> = assert(io.open(dir .. "/train/profile_batch_2-3.trace.json"))
    assert.is_table(kl.json.decode(file:read("a")))
  end)

  it("refuses options that make no sense, before the first step", function()
    local TensorBoard = kl.callbacks.TensorBoard
    raises(function() TensorBoard{update_freq = "never"} end, "'update_freq'")
    raises(function() TensorBoard{update_freq = 0} end, "'update_freq'")
    raises(function() TensorBoard{histogram_freq = -1} end, "'histogram_freq'")
    raises(function() TensorBoard{profile_batch = "3,2"} end, "'profile_batch'")
    raises(function() TensorBoard{embeddings_freq = 1} end, "embeddings")
    raises(function() TensorBoard{log_dirs = "a"} end, "did you mean 'log_dir'")
    local model = training.line(1)
    local ok, message = pcall(fit, model, TensorBoard{log_dir = "/proc/nothing"})
    assert.is_false(ok)
    assert.matches("/train: the folder /proc/nothing cannot be made", message)
    assert.equal(1.0, training.weight(model))
  end)
end)
