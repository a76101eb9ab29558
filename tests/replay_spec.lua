-- Replays: kl.jit with replay = true, and the steps of fit, evaluate and predict that are all kl's own.
local kl = require "kl"
local compare = require "compare"

--- The same function immediate, recorded and replayed on fresh state; results and variables must agree bit for bit.
local function agree(make, arguments)
  local seen = {}
  for i, wrap in ipairs{
    function(f) return f end, kl.jit, function(f) return kl.jit(f, {replay = true}) end,
  } do
    kl.set_seed(9)
    local f, variables = make()
    local g, list = wrap(f), {}
    for _, args in ipairs(arguments) do
      for _, r in ipairs{g(table.unpack(args))} do list[#list + 1] = r end
      for _, v in ipairs(variables) do list[#list + 1] = v.value:copy() end
    end
    seen[i] = list
  end
  for i = 2, 3 do
    assert.equal(#seen[1], #seen[i])
    for k, t in ipairs(seen[i]) do compare.bits(t, seen[1][k], ("way %d, value %d"):format(i, k)) end
  end
end

describe("kl.jit with replay", function()
  it("runs the Lua once per signature, and gives the bits of immediate mode", function()
    local calls = 0
    local f = kl.jit(function(x, k)
      calls = calls + 1
      return {kl.sum(x * k), {x = x + 1}}
    end, {replay = true})
    for i = 1, 3 do
      local r = f(kl.ones{3} * i, 2)
      assert.equal(6.0 * i, r[1]:item())
      assert.same({i + 1.0, i + 1.0, i + 1.0}, r[2].x:totable())
    end
    assert.equal(1, calls)
    f(kl.ones{4}, 2) -- another shape
    f(kl.ones{3}, 3) -- another number
    f(kl.ones{3, dtype = "int32"}, 2)
    assert.equal(4, calls)
    f(kl.ones{4}, 2)
    assert.equal(4, calls)
  end)

  it("reads and writes variables as they are then", function()
    agree(function()
      local v, w = kl.Variable(kl.ones{2, 3}), kl.Variable(2.0)
      return function(x)
        local before = v.value
        v:assign_add(x * w)
        w:assign(w * 1.5)
        return before, v.value, kl.sum(v), w.value
      end, {v, w}
    end, {{kl.ones{2, 3}}, {kl.ones{2, 3} * 3}, {kl.ones{2, 3} * 7}})
  end)

  it("returns a variable that it does not assign, an argument, a constant and plain values", function()
    local v, c = kl.Variable(1.0), kl.ones{2}
    local f = kl.jit(function(x) return v.value, x, c, "text", 5, x * 2 end, {replay = true})
    f(kl.ones{1})
    v:assign(7)
    local value, x, constant, text, number, doubled = f(kl.ones{1} * 3)
    assert.equal(7.0, value:item())
    assert.same({3.0}, x:totable())
    assert.same({1.0, 1.0}, constant:totable())
    assert.equal("text", text)
    assert.equal(5, number)
    assert.same({6.0}, doubled:totable())
  end)

  it("returns keys of generators, each its own, drawn anew each time", function()
    local g = kl.random.SeedGenerator{3}
    local f = kl.jit(function()
      local key = g:next(2)
      return key, kl.reshape(key, {1, 2}), kl.random.uniform{{2}, seed = g}
    end, {replay = true})
    local keys = {}
    for i = 1, 4 do keys[2 * i - 1], keys[2 * i] = f() end
    for i = 1, 4 do
      assert.equal(4 * (i - 1), keys[2 * i - 1][2]:item())
      assert.equal(4 * (i - 1), keys[2 * i][1][2]:item())
    end
  end)

  it("tells arguments apart that were one tensor when it was recorded, or an upvalue", function()
    local same = kl.ones{2}
    local f = kl.jit(function(a, b) return a - b, a - same end, {replay = true})
    f(same, same)
    local difference, other = f(same * 5, same * 2)
    assert.same({3.0, 3.0}, difference:totable())
    assert.same({4.0, 4.0}, other:totable())
  end)

  it("gives probabilities whose logits a loss outside can read, as immediate mode does", function()
    local logits, labels = kl.tensor{{300.0, 0.0}, {-200.0, 5.0}}, kl.tensor{1, 0}
    local expected = kl.losses.sparse_categorical_crossentropy(labels, kl.softmax(logits))
    for _, replay in ipairs{false, true} do
      local f = kl.jit(function(x) return {kl.softmax(x)} end, {replay = replay})
      for _ = 1, 3 do
        compare.bits(kl.losses.sparse_categorical_crossentropy(labels, f(logits)[1]), expected, "loss")
      end
    end
  end)

  it("draws again at every replay, as immediate mode does", function()
    agree(function()
      local generator = kl.random.SeedGenerator{5}
      local dropout = kl.layers.Dropout{0.5}
      return function(x)
        return kl.random.uniform{3}, kl.random.normal{2, seed = generator}, dropout(x, {training = true}), kl.random.uniform{2, seed = 4}
      end, {}
    end, {{kl.ones{50}}, {kl.ones{50}}, {kl.ones{50}}})
  end)

  it("trains with a tape and an optimizer", function()
    agree(function()
      local layer, optimizer = kl.layers.Dense{2}, kl.optimizers.Adam{}
      layer:build{false, 3}
      return function(x)
        local tape <close> = kl.GradientTape()
        local loss = kl.mean(kl.square(layer(x)))
        optimizer:apply_gradients(tape:gradient(loss, layer.trainable_weights), layer.trainable_weights)
        return loss
      end, layer.weights
    end, {{kl.ones{4, 3}}, {kl.ones{4, 3} * 2}, {kl.ones{4, 3} * 3}})
  end)

  it("refuses to read a value inside, and names the line", function()
    local f = kl.jit(function(x) return x:item() end, {replay = true})
    local ok, message = pcall(f, kl.ones{})
    assert.is_false(ok)
    assert.matches("^tests/replay_spec.lua:%d+: a value is read inside a step that is to be replayed", message)
    assert.equal(2.0, (kl.ones{} * 2):item()) -- and everything goes on
  end)

  it("refuses results that a replay could not give again", function()
    local left
    kl.jit(function(x) left = x * 2 end)(kl.ones{2})
    local closed, symbolic = kl.ones{2}, kl.Input{3}
    closed:free()
    for words, value in pairs{["closed, freed or left from a finished step"] = closed, ["freed or left from a finished step"] = left,
      ["a symbolic tensor, which has no value"] = symbolic} do
      local f = kl.jit(function(x) return x + 1, {value} end, {replay = true})
      for _ = 1, 3 do
        local ok, message = pcall(f, kl.ones{2})
        assert.is_false(ok)
        assert.matches("^tests/replay_spec.lua:%d+: a step that is replayed returned .*" .. words, message)
      end
    end
    assert.equal(2.0, (kl.ones{} * 2):item())
  end)

  it("leaves variables and generators as they were when a value is refused", function()
    local v = kl.Variable(kl.zeros{3})
    local generator = kl.random.SeedGenerator{1}
    local f = kl.jit(function(labels)
      v:assign_add(kl.random.uniform{3, seed = generator})
      return kl.losses.sparse_categorical_crossentropy(labels, kl.ones{2, 3})
    end, {replay = true})
    f(kl.tensor{0, 1})
    local before, state = v.value:copy(), generator:state()
    assert.is_false(pcall(f, kl.tensor{0, 9}))
    assert.is_true(kl.array_equal(before, v.value))
    assert.same(state, generator:state())
    f(kl.tensor{2, 1})
    assert.is_false(kl.array_equal(before, v.value))
  end)
end)

local function model_of(class)
  local inputs = kl.Input{4}
  local h = kl.layers.Dropout{0.5, name = "drop"}(kl.layers.Dense{8, activation = "relu", name = "first"}(inputs))
  local model = class{inputs = inputs, outputs = kl.layers.Dense{3, activation = "softmax", name = "last"}(h)}
  model:compile{optimizer = "adam", loss = "sparse_categorical_crossentropy", metrics = {"accuracy"}}
  return model
end

local function train(class, change, eager)
  kl.set_seed(2)
  local model = model_of(class)
  local x, y = kl.random.normal{40, 4}, kl.random.randint({40}, 0, 3)
  if eager then model._compiled.config.run_eagerly = true end
  for i = 1, 4 do
    if change then change(model, i) end
    model:fit{x, y, batch_size = 12, verbose = 0}
  end
  local values = model:get_weights()
  for _, v in ipairs(model.optimizer.variables) do values[#values + 1] = v.value end
  return values
end

local function same_training(change)
  local own, replayed = train(kl.Model, change, true), train(kl.Model, change)
  for i, w in ipairs(own) do compare.bits(replayed[i], w, "weight " .. i) end
end

describe("the steps of fit", function()
  it("give the bits of immediate mode when they are replayed", function() same_training() end)
  it("make no plan at a step whose like was there", function()
    kl.set_seed(1)
    local model = model_of(kl.Model)
    local x, y = kl.random.normal{40, 4}, kl.random.randint({40}, 0, 3)
    model:fit{x, y, batch_size = 10, epochs = 2, verbose = 0}
    local before = kl.plans().misses
    model:fit{x, y, batch_size = 10, epochs = 2, verbose = 0}
    assert.equal(before, kl.plans().misses)
  end)
  it("hear of a rate, a frozen layer, a learning rate and an optimizer's option that change", function()
    same_training(function(model, i)
      if i == 2 then model:get_layer("drop").rate = 0.25 end
      if i == 3 then model:get_layer("first").trainable = false end
      if i == 4 then model.optimizer.learning_rate = 0.1 end
    end)
    same_training(function(model, i)
      if i == 3 then model.optimizer.clipnorm = 0.01 end
    end)
  end)
  it("run the Lua of a user's class at every step", function()
    local steps = 0
    local Own = kl.Model:extend("Own")
    function Own:train_step(data)
      steps = steps + 1
      return Own.super.train_step(self, data)
    end
    local own, plain = train(Own), train(kl.Model)
    assert.equal(4 * 4, steps)
    for i, w in ipairs(plain) do compare.bits(own[i], w, "weight " .. i) end
  end)
  it("run the Lua of a user's layer, metric and loss function at every step", function()
    local calls = {layer = 0, metric = 0, loss = 0}
    local Own = kl.Layer:extend("Own")
    function Own:call(x)
      calls.layer = calls.layer + 1
      return x
    end
    local model = kl.Sequential{kl.Input{4}, Own{}, kl.layers.Dense{1}}
    model:compile{optimizer = "sgd", loss = function(y, p)
      calls.loss = calls.loss + 1
      return kl.mean(kl.square(y - p), -1)
    end, metrics = {function(y, p)
      calls.metric = calls.metric + 1
      return kl.mean(kl.abs(y - p), -1)
    end}}
    local before = calls.layer
    model:fit{kl.ones{8, 4}, kl.ones{8, 1}, batch_size = 2, epochs = 2, verbose = 0}
    assert.same({layer = before + 8, metric = 8, loss = 8}, calls)
  end)
  it("are run operation by operation with run_eagerly", function()
    local model = model_of(kl.Model)
    model:compile{optimizer = "sgd", loss = "sparse_categorical_crossentropy", run_eagerly = true}
    local before = kl.plans()
    model:fit{kl.ones{8, 4}, kl.zeros{8, dtype = "int32"}, verbose = 0}
    assert.same(before, kl.plans())
  end)
  it("allocate nothing that adds up", function()
    kl.set_seed(1)
    local model = model_of(kl.Model)
    local x, y = kl.random.normal{40, 4}, kl.random.randint({40}, 0, 3)
    local function live()
      collectgarbage()
      collectgarbage()
      local s = kl.core.memory_stats()
      return s.live_bytes, s.live_tensors
    end
    for _ = 1, 2 do model:fit{x, y, batch_size = 10, epochs = 3, verbose = 0} end
    local bytes, tensors = live()
    model:fit{x, y, batch_size = 10, epochs = 50, verbose = 0}
    assert.same({bytes, tensors}, {live()})
  end)
end)
