-- lua/kl/data/dataset.lua
local kl = require "kl"
local raises = require "raises"
local Dataset = kl.data.Dataset

kl.set_seed(1)
local ten = kl.arange(1, 11):cast("int32")

local function numbers_of(ds)
  local list = {}
  for x in ds:each() do list[#list + 1] = x:totable() end
  return list
end

local function range(n) return Dataset.from_tensor_slices(kl.arange(1, n + 1):cast("int32")) end

local function sorted(list)
  local copy = {table.unpack(list)}
  table.sort(copy)
  return copy
end

-- stages of both kinds: those that still choose rows, and those after a map
local kinds = {rows = range, elements = function(n) return range(n):map(function(x) return x end) end}

describe("from_tensor_slices", function()
  it("gives one element per row, of every tensor, with the structure kept", function()
    local ds = Dataset.from_tensor_slices({a = kl.tensor{{1, 2}, {3, 4}}, b = {kl.tensor{5, 6}}}, kl.Variable(kl.tensor{7.0, 8.0}))
    local seen = {}
    for x, y in ds:each() do seen[#seen + 1] = {x.a:totable(), x.b[1]:item(), y:item(), #y.shape} end
    assert.same({{{1, 2}, 5, 7.0, 0}, {{3, 4}, 6, 8.0, 0}}, seen)
    for x, y in ds:batch(2):each() do assert.same({{{1, 2}, {3, 4}}, {5, 6}, {7, 8}}, {x.a:totable(), x.b[1]:totable(), y:totable()}) end
  end)

  for _, case in ipairs{
    {function() Dataset.from_tensor_slices() end, "at least one tensor expected"},
    {function() Dataset.from_tensor_slices(ten, 5) end, "value 2 must be a tensor, got integer 5"},
    {function() Dataset.from_tensor_slices(ten, nil) end, "value 2 must be a tensor, got nil"},
    {function() Dataset.from_tensor_slices(ten, {a = {ten, 5}}) end, "value 2.a%[2%] must be a tensor, got integer 5"},
    {function() Dataset.from_tensor_slices(kl.tensor(1)) end, "a scalar has no rows"},
    {function() Dataset.from_tensor_slices(ten, kl.ones{3, 2}) end, "the tensors have different numbers of rows: 10 and 3"},
    {function() Dataset.from_tensor_slices{a = ten, b = kl.ones{3}} end, "different numbers of rows: 10 and 3"},
  } do
    it("refuses: " .. case[2], function() raises(case[1], "from_tensor_slices: .*" .. case[2]) end)
  end
end)

for kind, make in pairs(kinds) do
  describe("a data set of " .. kind, function()
    it("is cut by take and skip", function()
      for n = 0, 7 do
        local first, rest = numbers_of(make(5):take(n)), numbers_of(make(5):skip(n))
        assert.equal(math.min(n, 5), #first)
        for _, v in ipairs(rest) do first[#first + 1] = v end
        assert.same({1, 2, 3, 4, 5}, first)
      end
      assert.same({3, 4}, numbers_of(make(9):skip(2):take(2)))
    end)

    it("is repeated n times or without end", function()
      assert.same({1, 2, 1, 2, 1, 2}, numbers_of(make(2):repeat_(3)))
      assert.same({1, 2, 1, 2, 1}, numbers_of(make(2):repeat_():take(5)))
      assert.same({}, numbers_of(make(2):repeat_(0)))
      assert.same({}, numbers_of(make(2):take(0):repeat_()))
    end)

    it("is batched, the last batch smaller or dropped", function()
      assert.same({{1, 2}, {3, 4}, {5}}, numbers_of(make(5):batch(2)))
      assert.same({{1, 2}, {3, 4}}, numbers_of(make(5):batch(2, {drop_remainder = true})))
      assert.same({{1, 2}, {3, 1}, {2, 3}}, numbers_of(make(3):repeat_(2):batch(2)))
      assert.same({{{1, 2}, {3, 4}}, {{5, 6}}}, numbers_of(make(6):batch(2):batch(2)))
      assert.same({}, numbers_of(make(5):take(0):batch(2)))
    end)

    it("tells how many elements a pass has: -1 for no end, -2 for not known", function()
      local ds = make(10)
      local cases = {
        [10] = {ds, ds:shuffle(3), ds:map(function(x) return x end), ds:repeat_(1), ds:take(99), ds:skip(0)},
        [3] = {ds:take(3), ds:skip(7), ds:batch(4), ds:batch(3, {drop_remainder = true}), ds:repeat_():take(3), ds:take(1):repeat_(3)},
        [0] = {ds:skip(11), ds:repeat_(0), ds:take(0):batch(2)},
        [-1] = {ds:repeat_(), ds:repeat_():batch(2), ds:repeat_():skip(5), ds:repeat_():shuffle(2)},
      }
      for expected, list in pairs(cases) do
        for i, d in ipairs(list) do
          assert.equal(expected, d:cardinality(), i)
          if expected >= 0 then assert.equal(expected, #numbers_of(d)) end
        end
      end
      ds.length = -2
      for _, d in ipairs{ds, ds:batch(2), ds:skip(1), ds:take(1), ds:repeat_(2), ds:shuffle(2)} do assert.equal(-2, d:cardinality()) end
    end)

    it("is shuffled: every element once, in another order each pass unless told otherwise", function()
      local ds = make(50):shuffle(50)
      local first, second = numbers_of(ds), numbers_of(ds)
      assert.same(numbers_of(make(50)), sorted(first))
      assert.same(sorted(first), sorted(second))
      assert.not_same(first, second)
      assert.not_same(sorted(first), first)
      local still = make(50):shuffle(50, {reshuffle_each_iteration = false})
      assert.same(numbers_of(still), numbers_of(still))
    end)

    it("is shuffled within a buffer: an element comes at most that much earlier", function()
      local moved = false
      for place, v in ipairs(numbers_of(make(200):shuffle(5))) do
        assert(v - place <= 4, v)
        moved = moved or v ~= place
      end
      assert.is_true(moved)
      assert.same({1, 2, 3}, numbers_of(make(3):shuffle(1)))
    end)

    it("is shuffled by its own seed where it has one, whatever kl.set_seed says", function()
      local function order(seed) return numbers_of(make(20):shuffle(20, {seed = seed})) end
      kl.set_seed(1)
      local first = order(5)
      assert.same(first, order(5))
      assert.not_same(first, order(6))
      kl.set_seed(2)
      assert.same(first, order(5))
    end)

    it("is shuffled the same after the same kl.set_seed, made anew or not", function()
      local function passes(ds) return {numbers_of(ds), numbers_of(ds)} end
      kl.set_seed(1)
      local ds = make(20):shuffle(20)
      local first = passes(ds)
      kl.set_seed(1)
      assert.same(first, passes(ds))
      kl.set_seed(1)
      assert.same(first, passes(make(20):shuffle(20)))
      assert.not_same(first, passes(make(20):shuffle(20)))
      kl.set_seed(2)
      assert.not_same(first, passes(ds))
    end)

    it("ends once and for all", function()
      local it_ = make(2):shuffle(2):skip(1):repeat_(2):batch(3):iterator()
      assert.equal(2, #it_:next()[1]:totable())
      for _ = 1, 3 do assert.is_nil(it_:next()) end
    end)
  end)
end

describe("a shuffle", function()
  it("draws uniformly: each of 4 elements comes first about a quarter of the time", function()
    local ds, counts = range(4):shuffle(4, {seed = 3}), {0, 0, 0, 0}
    for _ = 1, 400 do
      local first = ds:iterator():next()[1]:item()
      counts[first] = counts[first] + 1
    end
    for _, n in ipairs(counts) do assert(n > 60 and n < 140, n) end
  end)

  it("keeps the values of an element together", function()
    local seen = 0
    for x, y in Dataset.from_tensor_slices(ten, ten * 10):shuffle(10):batch(3):each() do
      seen = seen + x.shape[1]
      assert.is_true(kl.array_equal(x * 10, y))
    end
    assert.equal(10, seen)
  end)
end)

describe("a batch", function()
  it("keeps dtypes, and shapes behind the first axis", function()
    local x, y = kl.ones({7, 2, 3}, {dtype = "uint8"}), kl.zeros({7}, {dtype = "float64"})
    for _, ds in ipairs{Dataset.from_tensor_slices(x, y), Dataset.from_tensor_slices(x, y):shuffle(7)} do
      for a, b in ds:batch(4):take(1):each() do assert.same({"uint8", {4, 2, 3}, "float64", {4}}, {a.dtype, a.shape, b.dtype, b.shape}) end
    end
  end)

  it("stacks what a map made, numbers too", function()
    local ds = range(3):map(function(x) return {sum = x + 1, list = {x}}, 0.5 end):batch(3)
    for x, y in ds:each() do assert.same({{2, 3, 4}, {1, 2, 3}, {0.5, 0.5, 0.5}}, {x.sum:totable(), x.list[1]:totable(), y:totable()}) end
  end)

  it("of elements that differ in shape or structure is an error", function()
    for what, f in pairs{
      ["batch: the elements of a batch must have one shape: value 1 of element 1 has %(1,%), of element 2 %(2,%)"] = function(x)
        return kl.ones{x:item()}
      end,
      ["structures differ"] = function(x) return x:item() == 1 and {x} or x end,
      ["batch: the elements of a batch must have as many values: element 1 has 1, element 2 2"] = function(x)
        return table.unpack({x, x}, 1, x:item())
      end,
    } do
      raises(function() for _ in range(2):map(f):batch(2):each() do end end, what)
    end
  end)
end)

describe("map", function()
  it("gets the values of each element and gives the new ones, as many as it likes", function()
    local ds = Dataset.from_tensor_slices(ten, ten * 2):map(function(x, y) return x + y, y, "note" end)
    ds = ds:map(function(a, _, note) return a, note end)
    local seen = {}
    for step, a, note in ds:enumerate() do seen[step] = a:item() .. note end
    assert.same({"3note", "6note"}, {seen[1], seen[2]})
    assert.equal(10, #seen)
  end)

  it("after batch works on whole batches", function()
    assert.same({{2, 4}, {6}}, numbers_of(range(3):batch(2):map(function(x) return x * 2 end)))
  end)

  it("is an error where the function returns nothing or a hole, or fails", function()
    for what, f in pairs{
      ["map: the function returned nothing"] = function() end,
      ["map: value 2 that the function returned is nil"] = function(x) return x, nil, x end,
    } do
      raises(function() for _ in range(3):map(f):each() do end end, what)
    end
    raises(function() for _ in range(3):map(function() error("mine") end):each() do end end, "mine")
  end)
end)

describe("a loop over a data set", function()
  it("is a fresh pass each time; enumerate counts from 1", function()
    local ds = range(3)
    for _ = 1, 2 do
      local seen = {}
      for step, x in ds:enumerate() do seen[step] = x:item() end
      assert.same({1, 2, 3}, seen)
    end
  end)

  it("closes its pass when it is left", function()
    local made = 0
    local ds = range(100):map(function(x)
      made = made + 1
      return x
    end)
    for _, name in ipairs{"each", "enumerate"} do
      made = 0
      local next_element, state, first, pass = ds[name](ds)
      for x in next_element, state, first, pass do
        if made == 3 then break end
        local _ = x
      end
      assert.equal(3, made)
      assert.is_nil(next_element(state, first), "the pass is closed")
      assert.equal(3, made)
      pcall(function()
        for _ in ds[name](ds) do error("out") end
      end)
      assert.equal(4, made)
    end
  end)

  it("does not disturb another over the same data set", function()
    local seen = {}
    local ds = range(3)
    for a in ds:each() do
      for b in ds:each() do seen[#seen + 1] = a:item() * 10 + b:item() end
    end
    assert.same({11, 12, 13, 21, 22, 23, 31, 32, 33}, seen)
  end)
end)

describe("a stage", function()
  for _, case in ipairs{
    {function(ds) ds:batch() end, "batch: 'batch_size' must be an integer, got nil"},
    {function(ds) ds:batch(0) end, "batch: 'batch_size' must be an integer >= 1, got 0"},
    {function(ds) ds:batch(2, {drop_reminder = true}) end, "batch: unknown option 'drop_reminder'; did you mean 'drop_remainder'"},
    {function(ds) ds:batch(2, {drop_remainder = 1}) end, "batch: 'drop_remainder' must be a boolean, got integer 1"},
    {function(ds) ds:shuffle() end, "shuffle: 'buffer_size' must be an integer, got nil"},
    {function(ds) ds:shuffle(2, {sed = 1}) end, "shuffle: unknown option 'sed'; did you mean 'seed'"},
    {function(ds) ds:shuffle(2, {seed = "a"}) end, "shuffle: 'seed' must be an integer, got the string \"a\""},
    {function(ds) ds:shuffle(2, {reshuffle_each_iteration = 1}) end, "'reshuffle_each_iteration' must be a boolean"},
    {function(ds) ds:take(-2) end, "take: 'count' must be an integer >= %-1, got %-2"},
    {function(ds) ds:skip(1.5) end, "skip: 'count' must be an integer, got float 1.5"},
    {function(ds) ds:repeat_("a") end, "repeat_: 'count' must be an integer, got the string \"a\""},
    {function(ds) ds:map(5) end, "map: the function must be a function, got integer 5"},
  } do
    it("refuses: " .. case[2], function()
      local ds = range(3)
      local ok, message = pcall(case[1], ds)
      assert.is_false(ok)
      assert.matches("^tests/data/dataset_spec.lua:%d+: .*" .. case[2], message)
      assert.same({1, 2, 3}, numbers_of(ds))
    end)
  end
end)
