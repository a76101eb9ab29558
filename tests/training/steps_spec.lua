-- lua/kl/training/steps.lua: overriding what fit, evaluate and predict do with a batch.
local kl = require "kl"
local raises = require "raises"
local training = require "training"
local column = training.column

local x, y = column{1, 2, 3, 4}, column{2, 4, 6, 8}

--- A line of that class (a subclass of kl.Model).
local function line_of(class, w, compiled)
  local inputs = kl.Input{1}
  local model = class{inputs = inputs, outputs = kl.layers.Dense{1, use_bias = false}(inputs)}
  model:set_weights{ {{w}} }
  model:compile(compiled or {optimizer = kl.optimizers.SGD{learning_rate = 0.01}, loss = "mse", metrics = {"mae"}})
  return model
end

describe("an overridden train_step", function()
  it("that does what the default does gives the same bits", function()
    local Same = kl.Model:extend("Same")
    function Same:train_step(data)
      local inputs, targets, sample_weight = data[1], data[2], data[3]
      local tape <close> = kl.GradientTape()
      local y_pred = self(inputs, {training = true})
      local loss = self:compute_loss{x = inputs, y = targets, y_pred = y_pred, sample_weight = sample_weight}
      self.optimizer:apply_gradients(tape:gradient(loss, self.trainable_weights), self.trainable_weights)
      return self:compute_metrics{x = inputs, y = targets, y_pred = y_pred, sample_weight = sample_weight, loss = loss}
    end
    local results = {}
    for i, class in ipairs{kl.Model, Same} do
      kl.set_seed(3)
      local model = line_of(class, 0.0)
      results[i] = model:fit{x, y, batch_size = 3, epochs = 4, sample_weight = {1.0, 2.0, 3.0, 4.0}, verbose = 0}.history
      results[i].weight = training.weight(model)
    end
    assert.same(results[1], results[2])
  end)

  it("may update the compiled metrics one by one, in the first step too", function()
    local Each = kl.Model:extend("Each")
    function Each:train_step(data)
      local tape <close> = kl.GradientTape()
      local y_pred = self(data[1], {training = true})
      local loss = self:compute_loss{x = data[1], y = data[2], y_pred = y_pred}
      self.optimizer:apply_gradients(tape:gradient(loss, self.trainable_weights), self.trainable_weights)
      local results = {}
      for _, m in ipairs(self.metrics) do
        if m.name == "loss" then m:update_state(loss) else m:update_state(data[2], y_pred) end
        results[m.name] = m:result()
      end
      return results
    end
    local function compiled() return {optimizer = kl.optimizers.SGD{learning_rate = 0.01}, loss = "mse", metrics = {"mae", "accuracy"}} end
    local results = {}
    for i, class in ipairs{kl.Model, Each} do
      results[i] = line_of(class, 2.0, compiled()):fit{x, y, batch_size = 4, epochs = 3, verbose = 0}.history
    end
    assert.same(results[1], results[2])
    assert.equal(3, #results[2].accuracy)
    local inputs = kl.Input{1}
    local two = Each{inputs = inputs, outputs = {kl.layers.Dense{1, name = "one"}(inputs), kl.layers.Dense{1, name = "two"}(inputs)}}
    two:compile{loss = "mse", optimizer = "sgd"}
    local ok, message = pcall(function() two:fit{x, {y, y}, verbose = 0} end)
    assert.is_false(ok)
    assert.matches("'values' must be one tensor, got a structure %[%*, %*%] %(for several outputs, model:compute_metrics", message)
  end)

  it("may keep trackers of its own, which are reset each epoch where `metrics` lists them", function()
    local Tracked = kl.Model:extend("Tracked")
    local tracker, unlisted = kl.metrics.Mean{name = "seen"}, kl.metrics.Mean{name = "unlisted"}
    function Tracked:train_step(data)
      tracker:update_state(data[1])
      unlisted:update_state(data[1])
      return {seen = tracker:result(), unlisted = unlisted:result()}
    end
    function Tracked.get:metrics() return {tracker} end
    local model = line_of(Tracked, 1.0, {})
    model:fit{x, verbose = 0}
    local h = model:fit{x * 3, epochs = 2, verbose = 0}
    assert.same({7.5, 7.5}, h.history.seen)
    assert.equal(5, h.history.unlisted[1])
    assert.near((2.5 + 7.5 + 7.5) / 3, h.history.unlisted[2], 1e-6)
  end)

  it("shows in the history what it returned, also numbers and booleans, not the state of the compiled metrics", function()
    local Own = kl.Model:extend("Own")
    function Own:train_step() return {loss = kl.tensor(2.0), steps = 5, good = kl.tensor(true)} end
    local h = line_of(Own, 1.0):fit{x, y, verbose = 0}
    assert.same({loss = {2.0}, steps = {5}, good = {1}}, h.history)
  end)

  it("may be put into one object", function()
    local model = line_of(kl.Model, 1.0)
    function model.train_step() return {other = 1.5} end
    assert.same({other = {1.5}}, model:fit{x, y, verbose = 0}.history)
  end)

  for what, case in pairs{
    ["nothing"] = {nil, "must return a table of scalars by name, got nil"},
    ["a tensor"] = {kl.tensor(1.0), "must return a table of scalars by name, got a float32 tensor of shape %(%)"},
    ["a batch of losses"] = {{loss = x}, "'loss' is a float32 tensor of shape %(4, 1%)"},
    ["a list"] = {{1.0}, "must return a table of scalars by name: '1' is float 1.0"},
    ["text"] = {{loss = "low"}, "'loss' is the string \"low\""},
  } do
    it("that returns " .. what .. " is an error, and so is such a test_step", function()
      local Wrong = kl.Model:extend("Wrong")
      function Wrong:train_step() return case[1] end
      function Wrong:test_step() return case[1] end
      local model = line_of(Wrong, 1.0)
      raises(function() model:fit{x, y, verbose = 0} end, "train_step of model 'wrong.*'.*" .. case[2])
      raises(function() model:evaluate{x, y, verbose = 0} end, "test_step of model 'wrong.*'.*" .. case[2])
    end)
  end
end)

describe("an overridden test_step", function()
  it("is run by evaluate and by the validation of fit", function()
    local Counting = kl.Model:extend("CountingTests")
    local runs = 0
    function Counting:test_step(data)
      runs = runs + 1
      return Counting.super.test_step(self, data)
    end
    local model = line_of(Counting, 2.0)
    assert.same({loss = 0.0, mae = 0.0}, model:evaluate{x, y, batch_size = 1, verbose = 0})
    local h = model:fit{x, y, validation_data = {x, y}, batch_size = 2, epochs = 3, verbose = 0}
    assert.same({0.0, 0.0, 0.0}, h.history.val_mae)
    assert.equal(4 + 3 * 2, runs)
  end)
end)

describe("an overridden predict_step", function()
  it("gives what predict and predict_on_batch return", function()
    local Classes = kl.Model:extend("Classes")
    function Classes:predict_step(data) return kl.greater(self(data[1], {training = false}), 2.5) end
    local model = line_of(Classes, 1.0)
    assert.same({{false}, {false}, {true}, {true}}, model:predict{x, batch_size = 3, verbose = 0}:totable())
    assert.same({{false}, {false}, {true}, {true}}, model:predict_on_batch{x}:totable())
  end)
end)

describe("overridden compute_loss and compute_metrics", function()
  it("are used by the built-in steps, with training told", function()
    local Double = kl.Model:extend("Double")
    local training_seen = {}
    function Double:compute_loss(given)
      training_seen[#training_seen + 1] = given.training
      return 2 * Double.super.compute_loss(self, given)
    end
    function Double:compute_metrics(given)
      local results = Double.super.compute_metrics(self, given)
      results.extra = kl.sum(given.y_pred)
      return results
    end
    local model = line_of(Double, 1.0)
    assert.same({loss = 15.0, mae = 2.5, extra = 10.0}, model:evaluate{x, y, verbose = 0})
    model:fit{x, y, verbose = 0}
    assert.near(1 + 0.01 * 2 * 2 * 30 / 4, training.weight(model), 1e-6)
    assert.same({false, true}, training_seen)
  end)
end)

describe("the built-in steps", function()
  it("tell layers whether they train", function()
    local told = {}
    local Telling = kl.Layer:extend("Telling")
    function Telling:call(inputs, options)
      told[#told + 1] = options.training
      return inputs
    end
    local model = kl.Sequential{Telling{}, kl.layers.Dense{1}}
    model:compile{optimizer = "sgd", loss = "mse"}
    model(x) -- builds
    told = {}
    model:fit{x, y, verbose = 0}
    model:evaluate{x, y, verbose = 0}
    model:predict{x, verbose = 0}
    assert.same({true, false, false}, told)
  end)

  it("need an optimizer for training, not for evaluation", function()
    local model = training.line(1)
    model:compile{optimizer = false, loss = "mse"}
    assert.same({loss = 7.5}, model:evaluate{x, y, verbose = 0})
    raises(function() model:fit{x, y, verbose = 0} end, "has no optimizer: give compile one")
    model.optimizer = "sgd"
    raises(function() model:fit{x, y, verbose = 0} end, 'has no optimizer, but the string "sgd": give compile one')
  end)
end)
