-- What elements are made of: numbers, lists of numbers, strings; and sizes at the ends of the integers.
local kl = require "kl"
local raises = require "raises"
local Dataset = kl.data.Dataset
local range = Dataset.range

local function first(ds) return table.unpack(ds:collect()[1]) end

describe("elements", function()
  it("are rows of lists of numbers, as of tensors", function()
    local x, y = first(Dataset.from_tensor_slices({{1, 2}, {3, 4}, {5, 6}}, {0.5, 1.5, 2.5}):batch(2))
    assert.same({{{1, 2}, {3, 4}}, {0.5, 1.5}}, {x:totable(), y:totable()})
    local s = first(Dataset.from_tensor_slices{a = {1, 2}, b = kl.ones{2, 3}}:batch(2))
    assert.same({1, 2}, s.a:totable())
    assert.same({2, 3}, s.b.shape)
    local pair = first(Dataset.from_tensor_slices{kl.ones{2}, kl.zeros{2}})
    assert.equal(2, #pair)
    assert.same({1, 2}, first(Dataset.from_tensors{1, 2}):totable())
  end)

  it("may be strings: paths that a map reads", function()
    local ds = Dataset.from_tensor_slices({"a", "b", "c"}, {0, 1, 2}):shuffle(3, {seed = 1}):prefetch(2)
    local seen = {}
    for name, label in ds:each() do seen[label:item()] = name end
    assert.same({[0] = "a", "b", "c"}, seen)
    local lengths = first(ds:map(function(name, label) return {#name, 2}, label end):batch(3))
    assert.same({{1, 2}, {1, 2}, {1, 2}}, lengths:totable())
    local by_name = first(Dataset.from_tensor_slices{path = {"x", "y"}, label = {1, 0}})
    assert.same({"x", 1}, {by_name.path, by_name.label:item()})
    raises(function() Dataset.from_tensor_slices({"a", "b"}, {1, 2, 3}) end, "different numbers of rows: 2 and 3")
    raises(function() Dataset.from_tensor_slices{"a", 5} end, "string 2 of a list is integer 5")
    local ok, message = pcall(function() return #ds:batch(2):collect() end)
    assert.is_false(ok)
    assert.matches("value 1 of element 1 is a string: only tensors and numbers can be batched", message)
  end)

  it("that functions give may be numbers and lists of numbers: batches of tensors", function()
    local cases = {
      map = range(3):map(function() return 2, {1, 2.5}, {a = {{1}}} end),
      scan = range(3):scan(0, function(s) return s, 2, {1, 2.5}, {a = {{1}}} end),
      generator = Dataset.from_generator(function() for _ = 1, 3 do coroutine.yield(2, {1, 2.5}, {a = {{1}}}) end end),
    }
    for name, ds in pairs(cases) do
      local n, list, s = first(ds:batch(2))
      assert.same({{2, 2}, {{1, 2.5}, {1, 2.5}}, {{{1}}, {{1}}}}, {n:totable(), list:totable(), s.a:totable()}, name)
    end
  end)
end)

describe("elements that are no tensors", function()
  for what, value in pairs{["a string"] = "text", ["a data set: .-flat_map gives"] = range(2), ["a function"] = print} do
    it("cannot be batched: " .. what, function()
      local ds = range(3):map(function() return value end)
      for _, batched in ipairs{ds:batch(2), ds:padded_batch(2)} do
        local ok, message = pcall(function()
          local _ = batched:collect()
        end)
        assert.is_false(ok)
        assert.matches("batch: value 1 of element 1 is " .. what, message)
      end
    end)
  end

  it("may be a number in fit: one weight of all samples", function()
    local x, y = kl.ones{8, 3}, kl.ones{8, 1}
    local function loss(weight)
      local model = kl.Sequential{kl.Input{3}, kl.layers.Dense{1, kernel_initializer = "zeros"}}
      model:compile{optimizer = "sgd", loss = "mse"}
      local ds = Dataset.from_tensor_slices(x, y):batch(8):map(function(a, b) return a, b, weight end)
      return model:fit{ds, verbose = 0}.history.loss[1]
    end
    assert.equal(1.0, loss(1.0))
    assert.equal(0.5, loss(0.5))
  end)
end)

describe("sizes near the largest integer", function()
  local most = math.maxinteger
  local function count(ds) return #ds:collect() end
  local cases = {
    {"batch", function() return range(10):batch(most) end, 1}, {"batch, skip", function() return range(10):batch(most):skip(1) end, 0},
    {"skip", function() return range(10):skip(most) end, 0}, {"take", function() return range(10):take(most) end, 10},
    {"shuffle", function() return range(10):shuffle(most) end, 10}, {"prefetch", function() return range(10):prefetch(most) end, 10},
    {"window", function() return range(10):window(most) end, 1},
    {"window, shift", function() return range(10):window(2, {shift = most}) end, 1},
    {"repeat_", function() return range(10):repeat_(most):take(25) end, 25},
    {"shard", function() return range(10):shard(most, most - 1) end, 0},
    {"interleave", function() return range(10):interleave(function() return range(2) end, {cycle_length = most}) end, 20},
    {"range", function() return range(most):skip(most - 2) end, 2},
    {"range down", function() return range(most, 0, -(most - 1)) end, 2},
  }
  for _, case in ipairs(cases) do
    it("count as they say: " .. case[1], function()
      local ds = case[2]()
      assert.equal(case[3], count(ds))
      if ds:cardinality() >= 0 then assert.equal(case[3], ds:cardinality()) end
    end)
  end

  it("are no wrong cardinality", function()
    assert.equal(most, range(10):repeat_(most):cardinality())
    assert.equal(most // 2 + 1, range(most):batch(2):cardinality())
    raises(function() range(math.mininteger, most) end, "more elements than integers")
    raises(function() range(3):window(most, {stride = 3}) end, "more than there can be")
  end)

  it("are what # tells", function()
    assert.equal(5, #range(10):batch(2))
    raises(function() return #range(10):repeat_() end, "has no end")
    raises(function() return #range(10):filter(function() return true end) end, "number of elements is not known")
  end)
end)
