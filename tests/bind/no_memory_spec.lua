-- C memory that runs out at any allocation: every call succeeds or raises an error that says so, leaves nothing behind, and
-- leaves its objects as they were (reliability.md V2, V4).
local kl = require "kl"
local without_memory = require "no_memory"
local layers = kl.layers

-- Each gives the function to run, and a check of its objects that holds whether it failed or not.
local scenarios = {}

local a, b = kl.tensor{{1.0, 2.0}, {3.0, 4.0}}, kl.tensor{{5.0, 6.0}, {7.0, 8.0}}
local text = tostring(a)
local function tensors_are_whole() return tostring(a) == text and kl.sum(a + b):item() == 36 end

for name, f in pairs{
  ["an operator"] = function() return a + b * 2 - 1 end,
  ["a broadcast and a conversion"] = function() return a * kl.tensor({1, 2}, "int32") + kl.cast(b, "float64") end,
  ["a matrix product"] = function() return kl.matmul(a, b) end,
  ["a product of transposed views"] = function() return kl.matmul(a:transpose(), b:transpose()) end,
  ["a reduction"] = function() return kl.mean(a, {axis = 1}), kl.logsumexp(b, {axis = -1}), kl.argmax(a, {axis = 1}) end,
  ["views"] = function() return a[1], a[{{1, 2}, 2}], a:transpose():reshape{4}, kl.expand_dims(a, 1) end,
  ["a list of results"] = function() return kl.split(a, 2), kl.unstack(a) end,
  ["an operation on a list"] = function() return kl.concatenate({a, b, {{1, 2}}}, {axis = 1}), kl.stack{a, b} end,
  ["a tensor from tables"] = function()
    return kl.tensor{{1, 2.5}, {3, 4}}, kl.tensor(3), kl.tensor(true), kl.tensor({1, 2}, "int64")
  end,
  ["a table as an operand"] = function() return kl.add(a, {{1, 2}, {3, 4}}) end,
  ["indexing and writing"] = function() return kl.take(a, {0, 1}), kl.one_hot({0, 1}, 3), kl.slice_update(a, {1, 1}, {{9.0}}) end,
  ["softmax and its logits"] = function() return kl.softmax(a) end,
  ["draws"] = function() return kl.random.normal{2, 3}, kl.random.uniform{4}, kl.random.shuffle(a) end,
  ["reading"] = function() return a:totable(), a:transpose():totable(), kl.sum(a):item(), kl.array_equal(a, b) end,
  ["printing"] = function() return tostring(a), tostring(a:transpose()) end,
  ["a gradient"] = function()
    local tape <close> = kl.GradientTape()
    tape:watch{a, b}
    return tape:gradient(kl.tanh(kl.matmul(a, b)) * a, {a, b})
  end,
  ["a second order gradient"] = function()
    local outer <close> = kl.GradientTape()
    outer:watch(a)
    local inner <close> = kl.GradientTape()
    inner:watch(a)
    return outer:gradient(inner:gradient(a ^ 3, a), a)
  end,
  ["a persistent tape"] = function()
    local tape <close> = kl.GradientTape{persistent = true}
    tape:watch(a)
    local y = kl.exp(a)
    return tape:gradient(y, a), tape:gradient(y * y, a), tape:why(y, a)
  end,
  ["a custom gradient"] = function()
    local f = kl.custom_gradient(function(x) return {x * 2, x * 3}, function(u, v) return u + v end end)
    local tape <close> = kl.GradientTape()
    tape:watch(a)
    return tape:gradient(f(a), a)
  end,
  ["a coroutine with a tape"] = function()
    return coroutine.wrap(function()
      local tape = kl.GradientTape()
      tape:watch(a)
      coroutine.yield(a * b)
    end)()
  end,
} do
  scenarios[name] = function() return f, tensors_are_whole end
end

for name, f in pairs{
  assign = function(v) v:assign(b) end,
  ["assign a number"] = function(v) v:assign(7) end,
  ["assign a conversion"] = function(v) v:assign(kl.tensor{{1, 2}, {3, 4}}) end,
  assign_add = function(v) v:assign_add(b) end,
  assign_sub = function(v) v:assign_sub(1) end,
} do
  for _, held in ipairs{false, true} do
    scenarios[name .. (held and " to a variable that is held" or " in place")] = function()
      local v = kl.Variable{{1.0, 2.0}, {3.0, 4.0}}
      local hold = held and v.value
      local before = v:totable()
      local after
      do
        local other = kl.Variable(a)
        f(other)
        after = other:totable()
      end
      return function()
        v:assign(a)
        f(v)
      end, function()
        local now = v:totable()
        local sum = kl.sum(v * 1):item() -- still a usable variable
        return sum == now[1][1] + now[1][2] + now[2][1] + now[2][2] and (not hold or kl.array_equal(hold, before))
          and (kl.array_equal(v, before) or kl.array_equal(v, after))
      end
    end
  end
end

scenarios["a variable"] = function() return function() return kl.Variable(a), kl.Variable(1.5) end, tensors_are_whole end

local function tiny()
  kl.set_seed(1)
  local model = kl.Sequential{kl.Input{3}, layers.Dense{4, activation = "relu"}, layers.Dense{2, activation = "softmax"}}
  model:compile{optimizer = "adam", loss = "sparse_categorical_crossentropy", metrics = {"accuracy"}}
  return model
end
local x, y = kl.tensor{{1.0, 2.0, 3.0}, {-1.0, 0.0, 1.0}}, kl.tensor({0, 1}, "int32")

scenarios["a training step"] = function()
  local model = tiny()
  return function() model:train_on_batch{x, y} end, function()
    local outputs = model:predict_on_batch{x}
    return math.abs(kl.sum(outputs):item() - 2) < 1e-5
  end
end

scenarios["building a model"] = function()
  return function() return tiny() end, tensors_are_whole
end

scenarios["saving and loading weights"] = function()
  local model, path = tiny(), os.tmpname()
  local before = model.weights[1]:totable()
  return function()
    model:save_weights(path .. ".weights.h5")
    model:load_weights(path .. ".weights.h5")
  end, function() return kl.array_equal(model.weights[1], before) end, function()
    os.remove(path)
    os.remove(path .. ".weights.h5")
  end
end

scenarios["saving and loading a model"] = function()
  local model, path = tiny(), os.tmpname()
  return function()
    model:save(path .. ".keras")
    return kl.models.load_model(path .. ".keras")
  end, function() return kl.sum(model(x)):item() > 1.9 end, function()
    os.remove(path)
    os.remove(path .. ".keras")
  end
end

describe("when the n-th allocation fails", function()
  local names = {}
  for name in pairs(scenarios) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    it(name .. " raises a clear error, leaks nothing, and works afterwards", function()
      local f, is_whole, cleanup = scenarios[name]()
      without_memory(f, is_whole)
      if cleanup then cleanup() end
    end)
  end
end)
