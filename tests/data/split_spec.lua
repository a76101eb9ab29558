-- split_dataset, and the names of kl.utils for data sets.
local kl = require "kl"
local raises = require "raises"
local Dataset, split = kl.data.Dataset, kl.data.split_dataset
local range = Dataset.range

local function numbers_of(ds)
  local list = {}
  for x in ds:each() do list[#list + 1] = x:item() end
  return list
end

describe("split_dataset", function()
  -- sizes of the parts of 10 elements
  for _, case in ipairs{
    {{left_size = 0.8}, 8, 2}, {{right_size = 0.25}, 7, 3}, {{left_size = 3}, 3, 7}, {{right_size = 4}, 6, 4},
    {{left_size = 2, right_size = 3}, 2, 3}, {{left_size = 0.5, right_size = 0.2}, 5, 2}, {{left_size = 0.9, shuffle = true}, 9, 1},
  } do
    it(("cuts 10 in %d and %d"):format(case[2], case[3]), function()
      local left, right = split(range(10), case[1])
      assert.same({case[2], case[3]}, {left:cardinality(), right:cardinality()})
      if not case[1].shuffle then
        assert.equal(0, numbers_of(left)[1])
        assert.equal(case[2], numbers_of(right)[1])
      end
    end)
  end

  local sources = {
    ["in order"] = function() return range(20) end, shuffled = function() return range(20):shuffle(20) end,
    ["of unknown length"] = function() return range(40):filter(function(x) return kl.less(x, 20) end):shuffle(5) end,
  }
  for name, make in pairs(sources) do
    for _, shuffle in ipairs{false, true} do
      it(("has no element in both parts, in any pass: %s, shuffle = %s"):format(name, shuffle), function()
        local left, right = split{make(), left_size = 0.7, shuffle = shuffle, seed = 3}
        local first
        for _ = 1, 3 do
          local a, b = numbers_of(left), numbers_of(right)
          first = first or table.move(a, 1, #a, 1, {})
          assert.same(first, a)
          assert.same({14, 6}, {#a, #b})
          table.move(b, 1, #b, #a + 1, a)
          local sorted = table.move(a, 1, #a, 1, {})
          table.sort(sorted)
          for i = 1, 20 do assert.equal(i - 1, sorted[i]) end
        end
      end)
    end
  end

  it("takes tensors, lists and tables of them", function()
    local x, y = kl.arange(12):reshape{6, 2}, kl.arange(6)
    local left, right = kl.utils.split_dataset{{x, y}, left_size = 4}
    local count = 0
    for a, b in right:each() do
      count = count + 1
      assert.same({{6 + 2 * count, 7 + 2 * count}, 3 + count}, {a:totable(), b:item()})
    end
    assert.equal(2, count)
    assert.equal(4, #left)
    for a in split({a = x}, {right_size = 1}):each() do assert.same({2}, a.a.shape) end
    assert.same({2}, numbers_of(select(2, split(y, {left_size = 2, right_size = 1}))))
  end)

  for _, case in ipairs{
    {function() split(range(5)) end, "'left_size' or 'right_size' is missing"},
    {function() split(range(5), {left_size = 1.5}) end, "'left_size' must be a share between 0 and 1 or a number of elements, got"},
    {function() split(range(5), {left_size = 6}) end, "'left_size' must be an integer >= 1 and <= 5, got 6"},
    {function() split(range(5), {left_size = 0.6, right_size = 0.6}) end, "more than everything"},
    {function() split(range(5), {left_size = 3, right_size = 3}) end, "more than there are: 3 %+ 3 of 5"},
    {function() split(range(5), {left_size = 0.01}) end, "the left part would be empty"},
    {function() split(range(5):repeat_(), {left_size = 2}) end, "has no end"},
    {function() split(range(5), {left_sise = 2}) end, "did you mean 'left_size'"},
    {function() split("x", {left_size = 2}) end, "value 1 must be a tensor, got the string"},
  } do
    it("refuses: " .. case[2], function() raises(case[1], case[2]) end)
  end
end)

describe("kl.utils", function()
  it("has the data sets that keras.utils has", function()
    local ds = kl.utils.timeseries_dataset_from_array{kl.arange(10), nil, 3, batch_size = 4}
    assert.same({4, 3}, ds:collect()[1][1].shape)
    raises(function() kl.utils.image_dataset_from_directory("/nonexistent") end, "nonexistent")
  end)
end)
