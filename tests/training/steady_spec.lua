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
