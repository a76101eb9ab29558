-- Steps under a recorder that only stores nodes: no value is read, and the stored nodes, run afterwards in order, give the
-- bits of immediate mode.  The steps are those of the acceptance programs 01, 02, 03, 07, 08 and 09, on small data.
local kl = require "kl"
local layers, losses, metrics = kl.layers, kl.losses, kl.metrics

local BATCH, STEPS = 8, 3

local function mnist_like()
  return kl.random.uniform{BATCH, 20}, kl.random.randint({BATCH}, 0, 4)
end

local function classifier()
  local inputs = kl.Input{20}
  local h = layers.Dropout{0.5}(layers.Dense{16, activation = "relu"}(inputs))
  return inputs, layers.Dense{4, activation = "softmax"}(h)
end

-- Each gives a step function and a function that lists everything the step changes.
local programs = {}

programs["01: fit's own train_step"] = function()
  local x, y = mnist_like()
  local inputs, outputs = classifier()
  local model = kl.Model{inputs = inputs, outputs = outputs}
  model:compile{optimizer = "rmsprop", loss = "sparse_categorical_crossentropy", metrics = {"accuracy"}}
  return function() return model:train_step{x, y} end, function()
    local list = {table.unpack(model.variables)}
    for _, v in ipairs(model.optimizer.variables) do list[#list + 1] = v end
    for _, m in ipairs(model.metrics) do
      for _, v in ipairs(m.variables) do list[#list + 1] = v end
    end
    return list
  end
end

programs["02: a loop of one's own"] = function()
  local x, y = mnist_like()
  local model = kl.Sequential{kl.Input{20}, layers.Dense{16, activation = "relu"}, layers.Dropout{0.5},
    layers.Dense{4, activation = "softmax"}}
  local loss_fn, optimizer = losses.SparseCategoricalCrossentropy{}, kl.optimizers.RMSprop{}
  local accuracy, tracker = metrics.SparseCategoricalAccuracy{}, metrics.Mean{name = "loss"}
  return function()
    local tape <close> = kl.GradientTape()
    local predictions = model(x, {training = true})
    local loss = loss_fn(y, predictions)
    local gradients = tape:gradient(loss, model.trainable_weights)
    optimizer:apply_gradients(gradients, model.trainable_weights)
    accuracy:update_state(y, predictions)
    tracker:update_state(loss)
    return {accuracy = accuracy:result(), loss = tracker:result()}
  end, function()
    local list = {table.unpack(model.weights)}
    for _, source in ipairs{optimizer, accuracy, tracker} do
      for _, v in ipairs(source.variables) do list[#list + 1] = v end
    end
    return list
  end
end

programs["03: an overridden train_step"] = function()
  local x, y = mnist_like()
  local Compiled = kl.Model:extend("Compiled")
  function Compiled:train_step(data)
    local inputs, targets, sample_weight = data[1], data[2], data[3]
    local tape <close> = kl.GradientTape()
    local predictions = self(inputs, {training = true})
    local loss = self:compute_loss{x = inputs, y = targets, y_pred = predictions, sample_weight = sample_weight}
    self.optimizer:apply_gradients(tape:gradient(loss, self.trainable_weights), self.trainable_weights)
    return self:compute_metrics{x = inputs, y = targets, y_pred = predictions, sample_weight = sample_weight, loss = loss}
  end
  local inputs, outputs = classifier()
  local model = Compiled{inputs = inputs, outputs = outputs}
  model:compile{optimizer = kl.optimizers.Adam{clipnorm = 1.0}, loss = losses.SparseCategoricalCrossentropy{},
    metrics = {metrics.SparseCategoricalAccuracy{}}}
  local weights = kl.random.uniform{BATCH}
  return function() return model:train_step{x, y, weights} end, function()
    local list = {table.unpack(model.weights)}
    for _, v in ipairs(model.optimizer.variables) do list[#list + 1] = v end
    return list
  end
end

programs["07: batch normalization and dropout"] = function()
  local x, y = kl.random.normal{BATCH, 20}, kl.random.randint({BATCH, 1}, 0, 2)
  local model = kl.Sequential{layers.Dense{16, activation = "relu"}, layers.BatchNormalization{}, layers.Dropout{0.5},
    layers.Dense{1, activation = "sigmoid"}}
  model(x)
  local loss_fn, optimizer = losses.BinaryCrossentropy{}, kl.optimizers.Adam{}
  return function()
    local tape <close> = kl.GradientTape()
    local loss = loss_fn(y, model(x, {training = true}))
    optimizer:apply_gradients(tape:gradient(loss, model.trainable_weights), model.trainable_weights)
    return {loss = loss}
  end, function()
    local list = {table.unpack(model.weights)}
    for _, v in ipairs(optimizer.variables) do list[#list + 1] = v end
    return list
  end
end

programs["08: losses made inside layers"] = function()
  local x, y = mnist_like()
  local Activity = layers.Layer:extend("Activity")
  function Activity:call(inputs)
    self:add_loss(1e-2 * kl.sum(inputs))
    return inputs
  end
  local inputs = kl.Input{20}
  local h = Activity{}(layers.Dense{16, activation = "relu"}(inputs))
  h = layers.Dense{16, activation = "relu", kernel_regularizer = kl.regularizers.L2{1e-4}}(h)
  local model = kl.Model{inputs = inputs, outputs = layers.Dense{4}(h)}
  local loss_fn, optimizer = losses.SparseCategoricalCrossentropy{from_logits = true}, kl.optimizers.SGD{learning_rate = 1e-2}
  return function()
    local tape <close> = kl.GradientTape()
    local loss = loss_fn(y, model(x, {training = true}))
    assert.equal(2, #model.losses)
    loss = loss + model.losses[1] + model.losses[2]
    optimizer:apply_gradients(tape:gradient(loss, model.trainable_weights), model.trainable_weights)
    return {loss = loss}
  end, function() return model.weights end
end

programs["09: two optimizers in one step"] = function()
  local latent = 4
  local real = kl.random.normal{BATCH, 2}
  local generator = kl.Sequential{kl.Input{latent}, layers.Dense{16}, layers.LeakyReLU{negative_slope = 0.2}, layers.Dense{2}}
  local discriminator = kl.Sequential{kl.Input{2}, layers.Dense{16}, layers.LeakyReLU{negative_slope = 0.2}, layers.Dense{1}}
  local d_tracker, g_tracker = metrics.Mean{name = "d_loss"}, metrics.Mean{name = "g_loss"}
  local loss_fn = losses.BinaryCrossentropy{from_logits = true}
  local d_optimizer, g_optimizer = kl.optimizers.Adam{beta_1 = 0.5}, kl.optimizers.Adam{beta_1 = 0.5}
  return function()
    local n = real.shape[1]
    local fake = generator(kl.random.normal{n, latent})
    local labels = kl.concatenate({kl.ones{n, 1}, kl.zeros{n, 1}}, {axis = 1})
    do
      local tape <close> = kl.GradientTape()
      local d_loss = loss_fn(labels, discriminator(kl.concatenate({real, fake}, {axis = 1})))
      local w = discriminator.trainable_weights
      d_optimizer:apply_gradients(tape:gradient(d_loss, w), w)
      d_tracker:update_state(d_loss)
    end
    local tape <close> = kl.GradientTape()
    local g_loss = loss_fn(kl.ones{n, 1}, discriminator(generator(kl.random.normal{n, latent})))
    local w = generator.trainable_weights
    g_optimizer:apply_gradients(tape:gradient(g_loss, w), w)
    g_tracker:update_state(g_loss)
    return {d_loss = d_tracker:result(), g_loss = g_tracker:result()}
  end, function()
    local list = {}
    for _, source in ipairs{generator, discriminator, d_optimizer, g_optimizer, d_tracker, g_tracker} do
      for _, v in ipairs(source.variables) do list[#list + 1] = v end
    end
    return list
  end
end

local function values(list)
  local copies = {}
  for i, v in ipairs(list) do copies[i] = v.value:copy() end
  return copies
end

describe("a recorder that only stores nodes", function()
  local names = {}
  for name in pairs(programs) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    it("runs the step of " .. name .. " without a read, and its nodes give the same bits", function()
      kl.set_seed(5)
      local step, state = programs[name]()
      local immediate = {}
      for i = 1, STEPS do immediate[i] = step() end
      local expected = values(state())

      kl.set_seed(5)
      step, state = programs[name]()
      local trace = kl.core.trace()
      for i = 1, STEPS do
        trace:begin()
        local ok, logs = pcall(step)
        local count, reads = trace:stats()
        trace:finish()
        assert.is_true(ok, tostring(logs))
        assert.equal(0, reads)
        assert.is_true(count > 20)
        for key, t in pairs(logs) do logs[key] = kl.core.promote(t) end
        trace:run()
        for key, t in pairs(logs) do assert.equal(immediate[i][key]:item(), t:item(), key) end
        trace:clear()
      end
      local got = state()
      assert.equal(#expected, #got)
      for i, v in ipairs(got) do
        assert.is_true(kl.array_equal(expected[i], v.value), ("%s differs after %d steps"):format(v.path, STEPS))
      end
    end)
  end

  it("gives handles that die with the step unless they are promoted", function()
    local trace = kl.core.trace()
    trace:begin()
    local dead, alive = kl.ones{2} * 2, kl.ones{2} * 3
    kl.core.promote(alive)
    trace:run()
    trace:finish()
    trace:clear()
    assert.has_error(function() return dead + 1 end)
    assert.same({3.0, 3.0}, alive:totable())
  end)
end)
