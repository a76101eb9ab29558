-- Memory of a running fit: after its first steps nothing is taken from the system and live bytes stay where they are.
local kl = require "kl"
local layers = kl.layers

local x, y = kl.random.normal{320, 20}, kl.random.normal{320, 1}

local function model_of(class)
  kl.set_seed(3)
  local model = class{kl.Input{20}, layers.Dense{8, activation = "relu"}, layers.Dropout{0.5}, layers.Dense{1}}
  model:compile{optimizer = "adam", loss = "mse", metrics = {"mae"}}
  return model
end

-- Under a sanitizer no block is used again.
local before = kl.core.memory_stats().cached_bytes
kl.zeros{1000}:free()
local keeps_blocks = kl.core.memory_stats().cached_bytes > before

local function stats()
  local s = kl.core.memory_stats()
  return keeps_blocks and s.taken_blocks or 0, s.live_bytes, s.allocations
end

--- Taken blocks, live bytes and allocations after every step, and after a collection at the end.
local function watch(model, options)
  local list = {}
  collectgarbage()
  local given = {x, y, batch_size = 16, verbose = 0, callbacks = {on_train_batch_end = function() list[#list + 1] = {stats()} end}}
  for k, v in pairs(options or {}) do given[k] = v end
  model:fit(given)
  return list
end

local Own = kl.Sequential:extend("OwnStep")
function Own:train_step(data)
  local tape <close> = kl.GradientTape()
  local loss = self:compute_loss{x = data[1], y = data[2], y_pred = self(data[1], {training = true})}
  self.optimizer:apply_gradients(tape:gradient(loss, self.trainable_weights), self.trainable_weights)
  return self:compute_metrics{x = data[1], y = data[2], y_pred = data[2], loss = loss}
end

describe("a running fit", function()
  for _, shuffle in ipairs{true, false} do
    it("of kl's own steps takes nothing from step 4 on, and holds the same after every step; shuffle = " .. tostring(shuffle), function()
      local list = watch(model_of(kl.Sequential), {shuffle = shuffle})
      assert.equal(20, #list)
      for i = 5, 20 do
        assert.equal(list[4][1], list[i][1], "blocks from the system at step " .. i)
        assert(list[i][2] <= list[4][2], "live bytes at step " .. i)
        assert(list[i][3] - list[i - 1][3] <= 12, "allocations of step " .. i)
      end
    end)
  end

  it("of the user's own steps takes nothing once the collector has run, and does not grow", function()
    local model = model_of(Own)
    watch(model, {epochs = 100})
    collectgarbage() -- when it comes by itself depends on how large the heap is: on what ran before in this state
    local _, live = stats()
    local list = watch(model, {epochs = 100})
    local half = #list // 2
    assert(list[#list][1] - list[half][1] <= half // 4, "blocks from the system: " .. list[#list][1] - list[half][1])
    collectgarbage()
    assert(select(2, stats()) < live + 1e5, "live bytes")
  end)
end)

--- Two inputs and two outputs.
local function model_of_two(options)
  kl.set_seed(3)
  local a, b = kl.Input{4, name = "a"}, kl.Input{3, name = "b"}
  local hidden = layers.Dense{8, activation = "relu"}(layers.Concatenate{}{a, b})
  local model = kl.Model{inputs = {a, b}, outputs = {layers.Dense{1, activation = "sigmoid", name = "p"}(hidden),
    layers.Dense{3, activation = "softmax", name = "q"}(hidden)}}
  options.optimizer = options.optimizer or "adam"
  model:compile(options)
  return model
end

local xs = {a = kl.random.normal{320, 4}, b = kl.random.normal{320, 3}}
local ys = {p = kl.random.uniform{320, 1}, q = kl.one_hot(kl.random.randint({320}, 0, 3), 3)}
local two_losses = {p = "mse", q = "categorical_crossentropy"}
local M, C = kl.metrics, kl.callbacks

--- {what is compiled, further options of fit, what else is done}
local cases = {
  ["two losses"] = {{loss = two_losses, loss_weights = {p = 0.5}}},
  ["a loss for one output"] = {{loss = {q = "mse"}}, {y = {q = ys.q}}},
  ["weights per output"] = {{loss = "mse", weighted_metrics = {{"mae"}, {"acc"}}}, {sample_weight = {p = kl.random.uniform{320}}}},
  ["a schedule and clipping"] = {{loss = "mse", optimizer = kl.optimizers.Adam{
    kl.optimizers.schedules.CosineDecay{0.1, 100}, clipnorm = 1.0}}},
  ["metrics of many kinds"] = {{loss = two_losses, metrics = {
    p = {"mae", M.R2Score{}, M.RootMeanSquaredError{}, M.BinaryAccuracy{}, M.AUC{num_thresholds = 20}, M.PrecisionAtRecall{0.5},
      M.PearsonCorrelation{}, M.CosineSimilarity{}, M.MeanAbsolutePercentageError{}},
    q = {"accuracy", M.F1Score{average = "macro"}, M.Precision{}, M.TopKCategoricalAccuracy{2}, M.OneHotMeanIoU{3}, M.KLDivergence{}}}}},
  ["many callbacks"] = {{loss = two_losses, metrics = {q = "acc"}}, {callbacks = function() return {
    C.EarlyStopping{monitor = "q_acc", restore_best_weights = true}, C.TerminateOnNaN{}, C.ReduceLROnPlateau{monitor = "p_loss"},
    C.LearningRateScheduler{function(_, rate) return rate * 0.9 end}, C.LambdaCallback{on_epoch_end = function() end}} end}},
}

describe("a running fit of a model with two outputs", function()
  for name, case in pairs(cases) do
    it("takes nothing from step 4 on, holds the same after every step, and makes no plan: " .. name, function()
      local model, list = model_of_two(case[1]), {}
      local given = {x = xs, y = ys, batch_size = 16, verbose = 0, callbacks = {}}
      for k, v in pairs(case[2] or {}) do given[k] = type(v) == "function" and v() or v end
      table.insert(given.callbacks, {on_train_batch_end = function()
        list[#list + 1] = {stats()}
        table.insert(list[#list], kl.plans().misses)
      end})
      collectgarbage()
      model:fit(given)
      assert.equal(20, #list)
      for i = 5, 20 do
        assert.equal(list[4][1], list[i][1], "blocks from the system at step " .. i)
        assert(list[i][2] <= list[4][2], "live bytes at step " .. i)
        assert.equal(list[4][4], list[i][4], "plans at step " .. i)
      end
      assert.truthy(rawget(model, "_replays").snapshot) -- all of it is kl's own
    end)
  end

  it("leaves nothing as large as the data behind at the end of an epoch", function()
    local model, live = model_of_two{loss = "mse"}, {}
    local n = 16000
    local x_many = {a = kl.random.normal{n, 4}, b = kl.random.normal{n, 3}}
    local y_many = {p = kl.random.uniform{n, 1}, q = kl.zeros{n, 3}}
    collectgarbage()
    collectgarbage("stop")
    local ok, message = pcall(model.fit, model, {x_many, y_many, batch_size = 1000, epochs = 4, verbose = 0,
      callbacks = {on_epoch_end = function() live[#live + 1] = select(2, stats()) end}})
    collectgarbage("restart")
    assert(ok, message)
    assert(live[4] - live[1] < 4 * n, live[4] - live[1]) -- an order of the samples is 4 bytes for each
  end)
end)

describe("what a step returns", function()
  it("comes from what the collector has freed", function()
    local v, t = kl.Variable(kl.ones{100}), kl.ones{100}
    for _, replay in ipairs{true, false} do
      local f = kl.jit(function(a)
        v:assign_add(a * 0.5)
        return kl.sum(v), a + 1
      end, {replay = replay})
      for _ = 1, 6000 do f(t) end
      local taken = stats()
      for _ = 1, 6000 do f(t) end
      -- without it 12,000 and more; how many before the collector's next turn depends on what else is in the heap
      assert(stats() - taken < 4000, stats() - taken)
    end
  end)
end)
