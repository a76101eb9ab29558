-- Every source and stage of data sets in fit: plans give the bits of immediate mode, a seed gives the same run again, and a position
-- saved in the middle of a pass is followed by the same elements.
local kl = require "kl"
local D = kl.data.Dataset

local folder, remove = require "scratch".folder()

kl.set_seed(3)
local x, y = kl.random.normal{50, 3}, kl.random.normal{50, 1}
local im = kl.cast(kl.random.uniform{50, 3} * 255, "uint8")
kl.save(folder .. "/x.npy", x)
kl.save(folder .. "/y.npy", y)
kl.save(folder .. "/xy.h5", {x = x, y = y})
kl.save(folder .. "/xy.csv", kl.concatenate({x, y}, {axis = 2}), {header = {"a", "b", "c", "y"}})

local sources = {
  slices = function() return D.from_tensor_slices(x, y):shuffle(50):batch(8) end,
  prefetch = function() return D.from_tensor_slices(x, y):shuffle(50):batch(8):prefetch(2) end,
  cache = function() return D.from_tensor_slices(x, y):cache():shuffle(50):batch(8):prefetch(2) end,
  cache_of_batches = function() return D.from_tensor_slices(x, y):shuffle(50):batch(8):cache():prefetch(2) end,
  cache_in_files = function()
    os.execute("rm -f " .. folder .. "/kept.*")
    return D.from_tensor_slices(x, y):cache(folder .. "/kept"):shuffle(50):batch(8):prefetch(2)
  end,
  replayed_map = function()
    return D.from_tensor_slices(x, y):shuffle(20):map(function(a, b) return a * 2, b + 1 end, {replay = true}):batch(8):prefetch(2)
  end,
  map = function() return D.from_tensor_slices(x, y):shuffle(20):map(function(a, b) return a * 2, b + 1 end):batch(8) end,
  map_of_batches = function()
    return D.from_tensor_slices(im, y):shuffle(20):batch(8):map(function(a, b) return a:cast("float32") / 255, b end):prefetch(1)
  end,
  uint8 = function() return D.from_tensor_slices(im, y):shuffle(20):batch(8):prefetch(1) end,
  repeated = function() return D.from_tensor_slices(x, y):shuffle(20):repeat_(2):batch(8) end,
  npy = function() return D.from_file(folder .. "/x.npy", folder .. "/y.npy"):shuffle(50):batch(8):prefetch(2) end,
  h5 = function() return D.from_file(folder .. "/xy.h5:/x", folder .. "/xy.h5:/y"):shuffle(50):batch(8) end,
  csv = function() return D.from_csv(folder .. "/xy.csv", {label_name = "y"}):shuffle(50):batch(8) end,
  generator = function()
    return D.from_generator(function() for i = 1, 50 do coroutine.yield(x[i], y[i]) end end):batch(8)
  end,
  generator_of_lists = function()
    return D.from_generator(function() for i = 1, 20 do coroutine.yield({i, i / 2, 1}, {i * 0.1}) end end):batch(8)
  end,
  interleave = function()
    return D.range(5):interleave(function(k)
      local s = k:item() * 10 + 1
      return D.from_tensor_slices(x[{ {s, s + 9} }], y[{ {s, s + 9} }]):shuffle(10)
    end, {cycle_length = 3}):batch(8)
  end,
  zip = function() return D.zip(D.from_tensor_slices(x), D.from_tensor_slices(y)):shuffle(9):batch(8) end,
  concat = function() return D.from_tensor_slices(x, y):shuffle(10):concatenate(D.from_tensor_slices(x, y)):batch(8) end,
  filter = function() return D.from_tensor_slices(x, y):filter(function(_, b) return b:item() > 0 end):shuffle(9):batch(8) end,
  padded = function() return D.from_tensor_slices(x, y):padded_batch(8) end,
  unbatch = function() return D.from_tensor_slices(x, y):batch(7):unbatch():batch(8) end,
  window = function() return D.from_tensor_slices(x, y):window(8):flat_map(function(w) return w:batch(8) end) end,
  sample = function()
    local positive = D.from_tensor_slices(x, y):filter(function(_, b) return b:item() > 0 end)
    return D.sample_from_datasets({positive:repeat_(), D.from_tensor_slices(x, y)}, {weights = {0.5, 0.5}}):take(60):batch(8)
  end,
  resample = function()
    return D.from_tensor_slices(x, y):shuffle(50):rejection_resample(function(_, b) return b:item() > 0 and 1 or 0 end, {0.5, 0.5})
      :map(function(_, a, b) return a, b end):batch(4)
  end,
  group_by_window = function()
    return D.from_tensor_slices(x, y):shuffle(50):group_by_window(function(_, b) return b:item() > 0 and 1 or 0 end,
      function(_, group) return group:batch(6) end, 6)
  end,
  bucket = function()
    return D.from_tensor_slices(x, y):shuffle(50):bucket_by_sequence_length(function(_, b) return b:item() > 0 and 9 or 1 end, {5}, {4, 6})
  end,
  weights = function() return D.from_tensor_slices(x, y, kl.abs(y)):shuffle(50):batch(8) end,
  shard = function() return D.from_tensor_slices(x, y):shard(2, 1):shuffle(9):batch(4) end,
  split = function() return (kl.data.split_dataset{D.from_tensor_slices(x, y):shuffle(50), left_size = 0.7, shuffle = true}):batch(4) end,
  timeseries = function() return kl.data.timeseries_dataset_from_array{x[{ {}, 1 }], y, 3, batch_size = 8, shuffle = true} end,
}

local function train(make, seed, eager)
  kl.set_seed(seed)
  local model = kl.Sequential{kl.Input{3}, kl.layers.Dense{4, activation = "relu"}, kl.layers.Dropout{0.2}, kl.layers.Dense{1}}
  model:compile{optimizer = "adam", loss = "mse", metrics = {"mae"}, run_eagerly = eager}
  local history = model:fit{make(), epochs = 3, verbose = 0}
  local weights = {}
  for i, weight in ipairs(model.weights) do weights[i] = weight.value end
  return weights, history.history
end

local function equal(a, b)
  assert.equal(#a, #b)
  for i = 1, #a do
    if not kl.array_equal(a[i], b[i]) then return false end
  end
  return true
end

local function rest_of(pass)
  local list = {}
  for element in function() return pass:next() end do table.move(element, 1, #element, #list + 1, list) end
  return list
end

describe("a data set in fit:", function()
  teardown(function() remove() end)
  for name, make in pairs(sources) do
    it(name .. " trains to the same bits by plans and immediately, and with the same seed", function()
      local weights, history = train(make, 7, false)
      local eager, eager_history = train(make, 7, true)
      assert.is_true(equal(weights, eager))
      assert.same(history, eager_history)
      assert.is_true(equal(weights, (train(make, 7, false))))
      assert.is_false(equal(weights, (train(make, 8, false))))
    end)

    it(name .. " goes on from a position in the middle", function()
      local ds = make()
      local pass <close> = ds:iterator()
      for _ = 1, 2 do pass:next() end
      local state = pass:state()
      local expected = rest_of(pass)
      local other <close> = ds:iterator()
      other:restore(state)
      assert.is_true(equal(expected, rest_of(other)))
      assert.is_true(#expected > 0)
    end)
  end
end)
