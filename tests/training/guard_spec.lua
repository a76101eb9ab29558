-- The guard of fit's steps: a loss that is not finite ends the step before it has changed anything.
local kl = require "kl"
local compare = require "compare"
local raises = require "raises"
local layers = kl.layers
local nan = 0 / 0

local x, y = kl.random.normal{12, 4}, kl.random.normal{12, 1}

--- x with NaN in sample `row`.
local function with_nan(row)
  local rows = x:totable()
  rows[row][2] = nan
  return kl.tensor(rows)
end

local Own = kl.Sequential:extend("OwnStep") -- a step whose Lua runs each time
function Own:train_step(data)
  local tape <close> = kl.GradientTape()
  local loss = self:compute_loss{x = data[1], y = data[2], y_pred = self(data[1], {training = true})}
  local metrics = self:compute_metrics{x = data[1], y = data[2], y_pred = data[2], loss = loss} -- before the gradient
  local weights = self.trainable_weights
  self.optimizer:apply_gradients(tape:gradient(loss, weights), weights)
  if self.reads then loss:item() end
  return metrics
end

local Reading = Own:extend("ReadingStep") -- and one in which the step is cut before the gradient
function Reading:compute_loss(given)
  local loss = kl.Sequential.compute_loss(self, given)
  self.seen = loss:item()
  return loss
end

local function model_of(class, run_eagerly)
  kl.set_seed(3)
  local model = class{kl.Input{4}, layers.Dense{8}, layers.BatchNormalization{}, layers.Dropout{0.5}, layers.Dense{1}}
  model:compile{optimizer = "adam", loss = "mse", metrics = {"mae"}, run_eagerly = run_eagerly}
  return model
end

local function state(model)
  local list = {}
  for _, v in ipairs(model.weights) do list[#list + 1] = v.value:copy() end
  for _, v in ipairs(model.optimizer.variables) do list[#list + 1] = v.value:copy() end
  for _, m in ipairs(model.metrics) do
    for _, v in ipairs(m.variables) do list[#list + 1] = v.value:copy() end
  end
  return list
end

local function agree(expected, got, what)
  assert.equal(#expected, #got)
  for i, t in ipairs(got) do compare.bits(t, expected[i], ("%s, variable %d"):format(what, i)) end
end

describe("a loss that is not finite", function()
  for _, way in ipairs{
    {"in a step that is replayed", kl.Sequential}, {"in a step of the user's", Own}, {"in a step that reads values", Reading},
    {"in a step run eagerly", kl.Sequential, true}, {"in a step of the user's run eagerly", Own, true},
  } do
    it(way[1] .. " leaves variables, optimizer, metrics and generators as they were before the step", function()
      local model = model_of(way[2], way[3])
      local straight = model_of(way[2], way[3])
      local before
      local function note() before = state(model) end
      model:fit{x, y, batch_size = 4, shuffle = false, verbose = 0}
      raises(function()
        model:fit{with_nan(10), y, batch_size = 4, shuffle = false, verbose = 0, callbacks = {on_train_batch_begin = note}}
      end, "the loss of model '.*' is nan at step 3 of epoch 1: sample 10 has a value in x that is not finite; "
        .. "the step was not done: variables, metrics and generators are as they were before it\nstack")
      agree(before, state(model), "after the error")
      assert.equal(5, model.optimizer.iterations:item())
      -- trained on, it is where one is that never met the bad batch: dropout's generators are where they were too
      straight:fit{x, y, batch_size = 4, shuffle = false, verbose = 0}
      straight:fit{x[{ {1, 8} }], y[{ {1, 8} }], batch_size = 4, shuffle = false, verbose = 0}
      model:fit{x, y, batch_size = 4, shuffle = false, verbose = 0}
      straight:fit{x, y, batch_size = 4, shuffle = false, verbose = 0}
      agree(state(straight), state(model), "trained on")
    end)
  end

  it("ends train_on_batch so too, at the very first step", function()
    for _, run_eagerly in ipairs{false, true} do
      local model = model_of(kl.Sequential, run_eagerly)
      local before = model.weights[1].value:copy()
      raises(function() model:train_on_batch{with_nan(2), y} end,
        "is nan: sample 2 of this batch has a value in x that is not finite; the step was not done")
      compare.bits(model.weights[1].value, before, "the first weight")
    end
  end)

  it("is the user's own affair outside fit, and in a step that catches the error", function()
    local v = kl.Variable(1.0)
    local tape <close> = kl.GradientTape()
    assert.is_true(tape:gradient(v * nan, v):item() ~= 0)
    local Catching = kl.Model:extend("Catching")
    function Catching:call(inputs) return inputs end
    function Catching:train_step()
      v:assign(2.0)
      local ok = pcall(function()
        local inner <close> = kl.GradientTape()
        inner:gradient(v * nan, v)
      end)
      return {caught = ok and 0 or 1}
    end
    local model = Catching()
    model:compile{run_eagerly = true}
    local caught
    model:fit{x, verbose = 0, callbacks = {on_train_batch_end = function(_, _, logs) caught = logs.caught end}}
    assert.equal(2.0, v:item())
    assert.equal(1, kl.core.kind(caught) and caught:item() or caught)
  end)

  it("in one of two gradients of a step takes back what the other has led to", function()
    for _, run_eagerly in ipairs{false, true} do
      local a, b = kl.Variable(1.0), kl.Variable(1.0)
      local Two = kl.Model:extend("TwoGradients")
      function Two:call(inputs) return inputs end
      function Two:train_step(data)
        for _, v in ipairs{a, b} do
          local tape <close> = kl.GradientTape()
          local loss = kl.sum(data[1] * v) * (v == b and nan or 1.0)
          v:assign_sub(tape:gradient(loss, v))
        end
        return {loss = 0.0}
      end
      local model = Two()
      model:compile{run_eagerly = run_eagerly}
      raises(function() model:fit{x, verbose = 0} end, "the loss of model 'two_gradients.*' is nan at step 1 of epoch 1; the step")
      assert.same({1.0, 1.0}, {a:item(), b:item()})
    end
  end)
end)

describe("a step run eagerly", function()
  it("runs jitted functions eagerly too, and takes back what they have done", function()
    local v, reads = kl.Variable(1.0), 0
    local Jitted = kl.Model:extend("CallsJitted")
    local count = kl.jit(function()
      v:assign_add(1.0)
      reads = reads + v:item()
    end)
    function Jitted:call(inputs) return inputs end
    function Jitted:train_step()
      count()
      local tape <close> = kl.GradientTape()
      tape:gradient(v * nan, v)
      return {loss = 0.0}
    end
    local model = Jitted()
    model:compile{run_eagerly = true}
    local before = kl.plans().plans
    raises(function() model:fit{x, verbose = 0} end, "is nan at step 1 of epoch 1")
    assert.same({1.0, 2.0, before}, {v:item(), reads, kl.plans().plans})
  end)
end)

describe("kl.check_finite", function()
  it("in a step refuses before anything is written", function()
    local v, w = kl.Variable{1.0, 1.0}, kl.Variable(0.0)
    local f = kl.jit(function(a)
      v:assign_add(a)
      w:assign(kl.sum(v))
      kl.check_finite(v / 0.5) -- of the new value
    end)
    f(kl.ones{2})
    local ok, message = pcall(f, kl.tensor{1.0, math.huge})
    assert.is_false(ok)
    assert.matches("^tests/training/guard_spec.lua:165: kl%.check_finite: element 2 of x, of shape %(2,%), is inf", message)
    assert.same({{2.0, 2.0}, 4.0}, {v:totable(), w:item()})
  end)
end)
