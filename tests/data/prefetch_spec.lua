-- A prefetch's thread: the same values, and a clean end whenever a pass ends.
local kl = require "kl"
local core = require "kl.core"
local program = require "program"
local Dataset = kl.data.Dataset

kl.set_seed(1)
local x = kl.random.normal{100, 7, 3}
local labels = kl.arange(100):cast("uint8")

-- pipelines whose batches are gathered by the thread
local pipelines = {
  ["shuffle and batch"] = function() return Dataset.from_tensor_slices(x, labels):shuffle(100):batch(8) end,
  ["structures by name"] = function() return Dataset.from_tensor_slices{a = x, b = {labels}}:shuffle(50):batch(9) end,
  ["batches shuffled"] = function() return Dataset.from_tensor_slices(x, labels):batch(7):shuffle(5) end,
  ["repeated"] = function() return Dataset.from_tensor_slices(x):shuffle(100):repeat_(2):batch(32):take(5) end,
  ["zipped rows"] = function()
    return Dataset.zip(Dataset.from_tensor_slices(x):shuffle(100), Dataset.from_tensor_slices(labels)):batch(16)
  end,
  ["zipped batches"] = function()
    return Dataset.from_tensor_slices(x):shuffle(100):batch(16):zip(Dataset.from_tensor_slices(labels):shuffle(9):batch(16))
  end,
  ["concatenated"] = function()
    return Dataset.from_tensor_slices(x):shuffle(100):concatenate(Dataset.from_tensor_slices(x + 1):shuffle(100)):batch(16)
  end,
  ["a map behind"] = function() return Dataset.from_tensor_slices(x):shuffle(100):batch(16):map(function(v) return v * 2 end) end,
  ["zipped with one source behind another"] = function()
    return Dataset.zip(Dataset.from_tensor_slices(x):concatenate(Dataset.from_tensor_slices(x)), Dataset.range(200)):batch(16)
  end,
  ["a cache behind"] = function() return Dataset.from_tensor_slices(x):shuffle(100):batch(16):cache() end,
  ["a view with strides"] = function() return Dataset.from_tensor_slices(x:transpose{1, 3, 2}):shuffle(100):batch(16) end,
  ["every second row"] = function() return Dataset.from_tensor_slices(x:reshape{50, 2, 21}[{{}, {1, 1}, {}}]):shuffle(50):batch(16) end,
}

local function all(ds)
  kl.set_seed(5)
  local list = {}
  for _, element in ipairs(ds:collect()) do
    for _, value in ipairs(element) do
      for _, leaf in ipairs(require "kl.tree".flatten(value)) do list[#list + 1] = leaf end
    end
  end
  return list
end

describe("a prefetch", function()
  for name, make in pairs(pipelines) do
    it("changes no bit: " .. name, function()
      kl.set_seed(5)
      local expected = all(make())
      for _, n in ipairs{0, 1, 2, 50, -1} do
        kl.set_seed(5)
        local got = all(make():prefetch(n))
        assert.equal(#expected, #got)
        for i, t in ipairs(expected) do
          assert.equal(t.dtype, got[i].dtype)
          assert.is_true(kl.array_equal(t, got[i]))
        end
      end
    end)

    it("ends cleanly when its pass is dropped, closed or collected at any place: " .. name, function()
      for k = 0, 4 do
        local closed, dropped = make():prefetch(3):iterator(), make():prefetch(3):iterator()
        for _ = 1, k do
          closed:next()
          dropped:next()
        end
        closed:close()
        dropped = nil -- luacheck: ignore
        collectgarbage()
        for _ in make():prefetch(2):each() do break end -- luacheck: ignore
      end
    end)
  end

  it("trains to the same bits, eagerly and by plans", function()
    local function train(ahead, eager)
      kl.set_seed(4)
      local model = kl.Sequential{kl.layers.Dense{3}}
      model:compile{optimizer = "sgd", loss = "mse", run_eagerly = eager}
      local rows = Dataset.from_tensor_slices(x:reshape{100, 21}, x:reshape{100, 21}[{ {}, {1, 3} }])
      model:fit{rows:shuffle(100):batch(16):prefetch(ahead), epochs = 2, verbose = 0}
      return model.weights
    end
    local expected = train(0, true)
    for _, case in ipairs{{2, true}, {0, false}, {2, false}} do
      for i, w in ipairs(train(table.unpack(case))) do assert.is_true(kl.array_equal(expected[i], w)) end
    end
  end)

  it("leaves nothing behind", function()
    local function round()
      for _ = 1, 5 do
        local pass = pipelines["shuffle and batch"]():prefetch(4):iterator()
        pass:next()
      end
      collectgarbage()
      collectgarbage()
      return core.memory_stats().live_bytes
    end
    round()
    local before = round()
    assert.equal(before, round())
  end)

  it("keeps a batch that is held while buffers are used again", function()
    kl.set_seed(9)
    local expected = {}
    for v in pipelines["shuffle and batch"]():each() do expected[#expected + 1] = v:totable() end
    kl.set_seed(9)
    local held = {}
    for v in pipelines["shuffle and batch"]():prefetch(2):each() do
      held[#held + 1] = v
      collectgarbage()
    end
    for i, v in ipairs(held) do assert.same(expected[i], v:totable()) end
  end)

  it("raises an error of the pipeline at the element it belongs to", function()
    local ds = Dataset.range(6):filter(function(v)
      if v:item() == 3 then error("mine") end
      return true
    end):prefetch(4)
    local pass = ds:iterator()
    for i = 0, 2 do assert.equal(i, pass:next()[1]:item()) end
    local ok, message = pcall(pass.next, pass)
    assert.is_false(ok)
    assert.matches("mine %(in filter, element 4%)", message)
  end)

  it("ends cleanly when the program does, with batches in flight", function()
    for _, last in ipairs{"", "os.exit(0)", "os.exit(0, true)", "kept = pass"} do
      local output, status = program.run(([[
        local kl = require "kl"
        local ds = kl.data.Dataset.from_tensor_slices(kl.ones{20000, 500}):shuffle(20000):batch(4000):prefetch(4)
        local pass = ds:iterator()
        pass:next()
        %s]]):format(last))
      assert.same({0, ""}, {status, (output:gsub("kl: seed[^\n]*\n", ""))}, last)
    end
  end)
end)
