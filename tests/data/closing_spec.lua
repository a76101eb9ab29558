-- What a pass holds (threads, files, a generator's own to-be-closed variables) is let go of when it ends, however it ends.
local kl = require "kl"
local Dataset = kl.data.Dataset

local opened, closed = 0, 0

-- yields (x, y) batches without end; counts its passes and how many of them were closed
local function yield_batches()
  opened = opened + 1
  local guard <close> = setmetatable({}, {__close = function() closed = closed + 1 end})
  assert(guard)
  while true do coroutine.yield(kl.ones{2, 3}, kl.zeros{2, 1}) end
end

local function counted() return Dataset.from_generator(yield_batches) end

local function model_of()
  kl.set_seed(1)
  local model = kl.Sequential{kl.Input{3}, kl.layers.Dense{1}}
  model:compile{optimizer = "sgd", loss = "mse"}
  return model
end

local function threads()
  local count = 0
  for line in io.lines("/proc/self/status") do count = tonumber(line:match("^Threads:%s+(%d+)")) or count end
  return count
end

local Stop = kl.callbacks.Callback:extend("Stop")
function Stop:on_train_batch_end() self.model.stop_training = true end
local Raise = kl.callbacks.Callback:extend("Raise")
function Raise:on_train_batch_end() error("enough") end

local ends = {
  ["fit, steps_per_epoch"] = {1, function(m, ds) m:fit{ds, steps_per_epoch = 3, epochs = 2, verbose = 0} end},
  ["fit, stop_training"] = {1, function(m, ds) m:fit{ds, verbose = 0, callbacks = {Stop()}} end},
  ["fit, an error"] = {1, function(m, ds) assert(not pcall(m.fit, m, {ds, verbose = 0, callbacks = {Raise()}})) end},
  ["fit, an early end of the data set"] = {2, function(m, ds) m:fit{ds:take(2), epochs = 2, verbose = 0} end},
  ["fit, validation_steps"] = {2, function(m, ds)
    m:fit{kl.ones{2, 3}, kl.ones{2, 1}, validation_data = {ds}, validation_steps = 2, epochs = 2, verbose = 0}
  end},
  ["evaluate, steps"] = {1, function(m, ds) m:evaluate{ds, steps = 2, verbose = 0} end},
  ["predict, steps"] = {1, function(m, ds) m:predict{ds, steps = 2, verbose = 0} end},
  ["each, break"] = {1, function(_, ds)
    local count = 0
    for _ in ds:each() do
      count = count + 1
      if count == 2 then break end
    end
  end},
  ["each, take"] = {1, function(_, ds) for _ in ds:take(2):each() do end end},
  ["an iterator that has ended"] = {1, function(_, ds)
    local pass = ds:take(2):iterator()
    while pass:next() do end
  end},
  ["repetitions of an early end"] = {5, function(_, ds) for _ in ds:take(2):repeat_(5):each() do end end},
  ["groups of elements"] = {3, function(_, ds)
    local grouped = Dataset.range(3):group_by_window(function(x) return x end, function() return ds:take(2) end, 1)
    for _ in grouped:take(5):each() do assert.is_true(opened - closed <= 1) end -- one at a time
  end},
  ["mixed data sets"] = {4, function(_, ds)
    for _ in Dataset.sample_from_datasets{ds, ds}:take(9):each() do end
    for _ in Dataset.choose_from_datasets({ds, ds}, Dataset.range(2)):each() do end
  end},
  ["data sets of elements"] = {4, function(_, ds) for _ in Dataset.range(4):interleave(function() return ds:take(1) end):each() do end end},
}

describe("what a pass holds is closed:", function()
  for name, case in pairs(ends) do
    it(name, function()
      opened, closed = 0, 0
      case[2](model_of(), counted())
      assert.equal(case[1], opened)
      assert.equal(opened, closed)
    end)
  end

  it("a generator that fit was given as a function of coroutines", function()
    opened, closed = 0, 0
    local function passes() return coroutine.create(yield_batches) end
    model_of():fit{passes, steps_per_epoch = 2, epochs = 2, verbose = 0}
    assert.same({1, 1}, {opened, closed})
  end)

  it("while it is repeated: threads and memory do not grow", function()
    local before, most = threads(), 0
    for _ in Dataset.from_tensor_slices(kl.ones{8, 3}):shuffle(8):batch(2):prefetch(2):take(1):repeat_(50):each() do
      most = math.max(most, threads())
    end
    assert.is_true(most <= before + 25, ("%d threads, %d before"):format(most, before))
    for _ = 1, 10000 do -- the system counts a thread that was waited for some time longer
      if threads() == before then break end
    end
    assert.equal(before, threads())
  end)

  it("an error of a closing generator is fit's", function()
    local ds = Dataset.from_generator(function()
      local guard <close> = setmetatable({}, {__close = function() error("cannot close") end})
      assert(guard)
      while true do coroutine.yield(kl.ones{2, 3}, kl.zeros{2, 1}) end
    end)
    local ok, message = pcall(function() model_of():fit{ds, steps_per_epoch = 2, verbose = 0} end)
    assert.is_false(ok)
    assert.matches("cannot close", message)
  end)
end)
