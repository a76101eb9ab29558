-- Every source and stage of data sets: what it gives, its cardinality, what it refuses.
local kl = require "kl"
local Dataset = kl.data.Dataset

kl.set_seed(1)

local function list(ds)
  local all = {}
  for element in (function(pass) return function() return pass:next() end end)(ds:iterator()) do
    local values = {}
    for i, v in ipairs(element) do values[i] = kl.core.kind(v) and v:totable() or v end
    all[#all + 1] = #values == 1 and values[1] or values
  end
  return all
end

local function range(...) return Dataset.range(...) end
local function times(n) return function(x) return Dataset.from_tensors(x):repeat_(n) end end

local folder = os.tmpname()
os.remove(folder)
os.execute("mkdir -p " .. folder .. "/a " .. folder .. "/b")
for name, text in pairs{["a/1.txt"] = "one\r\ntwo\n\n", ["a/2.txt"] = "", ["b/3.txt"] = "three", ["b/4.csv"] = "4",
  ["b/.hidden.txt"] = "5"} do
  local file <close> = assert(io.open(folder .. "/" .. name, "w"))
  file:write(text)
end
local function files(pattern) return Dataset.list_files(folder .. pattern, {shuffle = false}) end
local function without_folder(path) return path:sub(#folder + 2) end
local function parity(x) return x % 2 end
local function length(x) return x.shape[1] end
local function ones(...) return Dataset.from_tensor_slices{...}:map(function(n) return kl.ones{n:item()} end) end

-- {name, data set, elements, cardinality (as tf.data says; -2 unknown)}
local cases = {
  {"range to", range(3), {0, 1, 2}, 3},
  {"range from to", range(2, 5), {2, 3, 4}, 3},
  {"range by", range(1, 8, 3), {1, 4, 7}, 3},
  {"range down", range(5, 0, -2), {5, 3, 1}, 3},
  {"range of nothing", range(5, 5), {}, 0},
  {"range batched", range(5):batch(2), {{0, 1}, {2, 3}, {4}}, 3},
  {"from_tensors", Dataset.from_tensors(kl.tensor{1, 2}, 5), {{{1, 2}, 5}}, 1},
  {"zip", Dataset.zip(range(3), range(10, 14)), {{0, 10}, {1, 11}, {2, 12}}, 3},
  {"zip of a list", Dataset.zip{range(2), range(3)}, {{0, 0}, {1, 1}}, 2},
  {"zip as a method", range(2):zip(range(5):batch(2)), {{0, {0, 1}}, {1, {2, 3}}}, 2},
  {"zip batched", Dataset.zip(range(3), range(3)):batch(2), {{{0, 1}, {0, 1}}, {{2}, {2}}}, 2},
  {"zip with an endless one", range(2):zip(range(1):repeat_()), {{0, 0}, {1, 0}}, 2},
  {"zip with one of unknown length", range(2):zip(range(9):filter(function() return true end)), {{0, 0}, {1, 1}}, -2},
  {"concatenate", range(2):concatenate(range(5, 7)), {0, 1, 5, 6}, 4},
  {"concatenate batched", range(3):concatenate(range(5, 7)):batch(2), {{0, 1}, {2, 5}, {6}}, 3},
  {"concatenate with an endless one", range(1):concatenate(range(1):repeat_()):take(3), {0, 0, 0}, 3},
  {"filter", range(6):filter(function(x) return kl.greater(x, 3) end), {4, 5}, -2},
  {"filter by a Lua boolean", range(6):filter(function(x) return x:item() % 3 == 0 end), {0, 3}, -2},
  {"take_while", range(6):take_while(function(x) return kl.less(x, 2) end), {0, 1}, -2},
  {"scan", range(1, 5):scan(0, function(sum, x) return sum + x, sum + x end), {1, 3, 6, 10}, 4},
  {"scan with a table as its state", range(1, 4):scan({1, 1}, function(last, x)
    assert(type(last) == "table")
    return {last[2], last[1] + last[2]}, last[1] * x
  end), {1, 2, 6}, 3},
  {"padded_batch", Dataset.from_generator(function() for i = 1, 3 do coroutine.yield(kl.ones{i}) end end):padded_batch(2),
    {{{1, 0}, {1, 1}}, {{1, 1, 1}}}, -2},
  {"padded_batch to a shape", range(1, 3):map(function(x) return kl.ones{x:item()} end)
    :padded_batch(2, {padded_shapes = {3}, padding_values = -1}), {{{1, -1, -1}, {1, 1, -1}}}, 1},
  {"padded_batch of two values", range(1, 3):map(function(x) return kl.ones{x:item(), 1}, x end)
    :padded_batch(2, {padded_shapes = {{-1, 2}, {}}, padding_values = {7, 0}}), {{{{{1, 7}, {7, 7}}, {{1, 7}, {1, 7}}}, {1, 2}}}, 1},
  {"padded_batch dropping", range(5):padded_batch(2, {drop_remainder = true}), {{0, 1}, {2, 3}}, 2},
  {"unbatch", range(5):batch(2):unbatch(), {0, 1, 2, 3, 4}, -2},
  {"shard", range(7):shard(3, 1), {1, 4}, 2},
  {"shard 0", range(7):shard(3, 0), {0, 3, 6}, 3},
  {"shard of few", range(1):shard(3, 2), {}, 0},
  {"skip of shards", range(20):shard(3, 2):skip(2), {8, 11, 14, 17}, 4},
  {"flat_map", range(1, 4):flat_map(function(x) return range(x:item()) end), {0, 0, 1, 0, 1, 2}, -2},
  {"flat_map over empty ones", range(4):flat_map(function(x) return range(x:item() % 2) end), {0, 0}, -2},
  {"interleave", range(1, 6):interleave(times(6), {cycle_length = 2, block_length = 4}), -- the example of tf.data's manual
    {1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 3, 3, 4, 4, 5, 5, 5, 5, 5, 5}, -2},
  {"interleave of all", range(3):interleave(times(2)), {0, 1, 2, 0, 1, 2}, -2},
  {"window", range(7):window(3):map(function(w) return list(w) end), {{0, 1, 2}, {3, 4, 5}, {6}}, 3},
  {"window dropping", range(7):window(3, {drop_remainder = true}):map(function(w) return list(w) end), {{0, 1, 2}, {3, 4, 5}}, 2},
  {"window with shift", range(5):window(3, {shift = 1, drop_remainder = true}):flat_map(function(w) return w:batch(3) end),
    {{0, 1, 2}, {1, 2, 3}, {2, 3, 4}}, -2},
  {"window with stride", range(7):window(3, {shift = 1, stride = 2, drop_remainder = true}):map(function(w) return list(w) end),
    {{0, 2, 4}, {1, 3, 5}, {2, 4, 6}}, 3},
  {"window with a long shift", range(10):window(2, {shift = 4}):map(function(w) return list(w) end), {{0, 1}, {4, 5}, {8, 9}}, 3},
  {"cache", range(3):cache(), {0, 1, 2}, 3},
  {"prefetch", range(3):prefetch(2), {0, 1, 2}, 3},
  {"prefetch of nothing ahead", range(3):prefetch(0), {0, 1, 2}, 3},
  {"repeat_ of -1", range(2):repeat_(-1):take(3), {0, 1, 0}, 3},
  {"take of all", range(3):take(-1), {0, 1, 2}, 3},
  {"skip of all", range(3):skip(-1), {}, 0},
  {"rebatch", range(7):batch(3):rebatch(2, {drop_remainder = true}), {{0, 1}, {2, 3}, {4, 5}}, -2},
  {"padded_batch of names", Dataset.from_generator(function() for i = 1, 2 do coroutine.yield{a = kl.ones{i}, b = kl.ones{i}} end end)
    :padded_batch(2, {padding_values = {a = 5}}):map(function(x) return x.a, x.b end), {{{{1, 5}, {1, 1}}, {{1, 0}, {1, 1}}}}, -2},
  {"padded_batch of one value in a list", ones(1, 2):padded_batch(2, {padded_shapes = {{3}}, padding_values = {-1}}),
    {{{1, -1, -1}, {1, 1, -1}}}, 1},
  {"padded_batch of whole numbers", range(1, 3):map(function(x) return kl.ones({x:item()}, {dtype = "int32"}) end)
    :padded_batch(2, {padding_values = -1.0}), {{{1, -1}, {1, 1}}}, 1},
  {"sample_from_datasets of one with weight", Dataset.sample_from_datasets({range(9), range(2)}, {weights = {0, 1.5}}), {0, 1}, 2},
  {"sample_from_datasets up to an end", Dataset.sample_from_datasets({range(2), range(1):repeat_()}, {stop_on_empty_dataset = true})
    :filter(function(x) return x:item() == 1 end), {1}, -2},
  {"choose_from_datasets", Dataset.choose_from_datasets({range(5):repeat_(), range(10, 15):repeat_()}, range(2):repeat_(2)),
    {0, 10, 1, 11}, 4},
  {"choose_from_datasets up to an end", Dataset.choose_from_datasets({range(2), range(10, 15)}, range(2):repeat_()), {0, 10, 1, 11}, -2},
  {"choose_from_datasets without ends", Dataset.choose_from_datasets({range(2), range(10, 14)}, range(2):repeat_(),
    {stop_on_empty_dataset = false}), {0, 10, 1, 11, 12, 13}, -2},
  {"rejection_resample to one class", range(6):rejection_resample(parity, {0, 1}, {initial_dist = {0.5, 0.5}}),
    {{1, 1}, {1, 3}, {1, 5}}, -2},
  {"rejection_resample as it is", range(3):rejection_resample(parity, {1, 1}, {initial_dist = {3, 3}}), {{0, 0}, {1, 1}, {0, 2}}, -2},
  {"group_by_window", range(10):group_by_window(parity, function(_, g) return g:batch(3) end, 3), -- the example of tf.data's manual
    {{0, 2, 4}, {1, 3, 5}, {6, 8}, {7, 9}}, -2},
  {"group_by_window of sizes by key", range(7):group_by_window(function(x) return x:item() < 4 and "few" or "many" end,
    function(key, g) return g:batch(9):map(function(x) return key, x end) end,
    {window_size_func = function(key) return key == "few" and 2 or 3 end}), {{"few", {0, 1}}, {"few", {2, 3}}, {"many", {4, 5, 6}}}, -2},
  {"bucket_by_sequence_length", ones(3, 1, 5, 2, 7, 1):bucket_by_sequence_length(length, {3, 6}, {2, 2, 1}),
    {{{1, 1, 1, 0, 0}, {1, 1, 1, 1, 1}}, {{1, 0}, {1, 1}}, {{1, 1, 1, 1, 1, 1, 1}}, {{1}}}, -2},
  {"bucket_by_sequence_length to its boundaries", ones(3, 1, 4, 1, 1):bucket_by_sequence_length(length, {3, 6}, {2, 2, 1},
    {pad_to_bucket_boundary = true, padded_shapes = {-1}, padding_values = -1, drop_remainder = true}),
    {{{1, 1, 1, -1, -1}, {1, 1, 1, 1, -1}}, {{1, -1}, {1, -1}}}, -2},
  {"bucket_by_sequence_length without padding", ones(2, 1, 2, 1):bucket_by_sequence_length(length, {2}, {2, 2}, {no_padding = true}),
    {{{1, 1}, {1, 1}}, {{1}, {1}}}, -2},
  {"list_files", files("/*/?.txt"):map(without_folder), {"a/1.txt", "a/2.txt", "b/3.txt"}, 3},
  {"list_files of one", files("/b/4.csv"):map(without_folder), {"b/4.csv"}, 1},
  {"list_files of hidden ones", files("/b/.*"):map(without_folder), {"b/.hidden.txt"}, 1},
  {"from_text_lines", Dataset.from_text_lines{folder .. "/a/1.txt", folder .. "/a/2.txt", folder .. "/b/3.txt"},
    {"one", "two", "", "three"}, -2},
  {"from_text_lines, interleaved", files("/*/?.txt"):interleave(Dataset.from_text_lines, {cycle_length = 3}),
    {"one", "three", "two", ""}, -2},
  {"apply", range(3):apply(function(ds) return ds:skip(1) end), {1, 2}, 2},
  {"from_generator of a function", Dataset.from_generator(function() return ipairs{5, 6} end), {{1, 5}, {2, 6}}, -2},
  {"from_generator of a coroutine", Dataset.from_generator(function()
    return coroutine.create(function() coroutine.yield{a = 1} coroutine.yield{a = 2} end)
  end):map(function(x) return x.a end), {1, 2}, -2},
  {"from_generator of coroutine.wrap", Dataset.from_generator(function()
    return coroutine.wrap(function() coroutine.yield(1) coroutine.yield(2) end)
  end), {1, 2}, -2},
  {"from_generator that yields", Dataset.from_generator(function() for i = 1, 2 do coroutine.yield({i, i}, i * 0.5) end end),
    {{{1, 1}, 0.5}, {{2, 2}, 1.0}}, -2},
  {"from_generator that yields nothing", Dataset.from_generator(function() end), {}, -2},
  {"from_generator with dtypes", Dataset.from_generator(function()
    coroutine.yield({1, 2}, {a = 1})
    coroutine.yield({1.5, 2}, {a = 2.0})
  end, {output_types = {"float64", "int32"}}):map(function(x, y) return x, y.a end), {{{1, 2}, 1}, {{1.5, 2}, 2}}, -2},
  {"from_generator longer than told", Dataset.from_generator(function() return ipairs{5, 6, 7} end, {cardinality = 2}),
    {{1, 5}, {2, 6}}, 2},
}

describe("a data set", function()
  for _, case in ipairs(cases) do
    it("of " .. case[1] .. " has its elements, in every pass, and its cardinality", function()
      for _ = 1, 2 do assert.same(case[3], list(case[2])) end
      assert.equal(case[4], case[2]:cardinality())
      assert.same(case[3], list(case[2]:prefetch(3)))
      assert.equal(#case[3], #case[2]:collect())
    end)
  end

  for _, case in ipairs{
    {function() return range() end, "range: stop, or start, stop, step expected"},
    {function() return range(1, 5, 0) end, "'step' must not be 0"},
    {function() return Dataset.zip() end, "zip: at least one data set expected"},
    {function() return Dataset.zip(5) end, "zip: argument 1 must be a data set, got integer 5"},
    {function() return range(1):concatenate{} end, "concatenate: 'dataset' must be a data set"},
    {function() return range(1):take(-2) end, "take: 'count' must be an integer >= %-1, got %-2"},
    {function() return range(1):shard(2, 2) end, "shard: 'index' must be an integer >= 0 and <= 1, got 2"},
    {function() return range(1):window(0) end, "window: 'size' must be an integer >= 1"},
    {function() return range(1):window(2, {shfit = 1}) end, "did you mean 'shift'"},
    {function() return range(1):prefetch(-2) end, "prefetch: 'buffer_size' must be an integer >= %-1"},
    {function() return range(1):interleave(times(1), {cycle_length = 0}) end, "'cycle_length' must be an integer >= 1"},
    {function() return Dataset.zip{a = range(1)} end, "zip: at least one data set expected, by position"},
    {function() return Dataset.sample_from_datasets{} end, "sample_from_datasets: at least one data set expected"},
    {function() return Dataset.sample_from_datasets{range(1), 5} end, "sample_from_datasets: data set 2 must be a data set, got integer 5"},
    {function() return Dataset.sample_from_datasets({range(1)}, {weights = {1, 2}}) end, "'weights': 1 expected, one per data set, got 2"},
    {function() return Dataset.sample_from_datasets({range(1)}, {weights = {-1}}) end, "'weights'%[1%] must be a number >= 0, got %-1"},
    {function() return Dataset.sample_from_datasets({range(1)}, {weights = {0}}) end, "'weights' must have a finite sum above 0"},
    {function() return Dataset.choose_from_datasets({range(1)}, 5) end, "'choice_dataset' must be a data set"},
    {function() return Dataset.choose_from_datasets({range(9), range(9)}, range(1, 3)):collect() end,
      "element 2 of 'choice_dataset' must be a number of a data set, 0 to 1, got 2"},
    {function() return range(3):rejection_resample(parity, {1}):collect() end,
      "the function must return a class, 0 to 0, got 1 %(element 2%)"},
    {function() return range(3):rejection_resample(parity, {1, 1}, {initial_dist = {1, 0}}) end, "there is no class 1, of which"},
    {function() return range(3):rejection_resample(parity, {1, 1}, {initial_dist = {1}}) end, "'initial_dist': 2 expected, one per class"},
    {function() return range(1):group_by_window(parity, parity) end, "either 'window_size' or 'window_size_func' expected"},
    {function() return range(1):group_by_window(parity, parity, 0) end, "'window_size' must be an integer >= 1, got 0"},
    {function() return range(1):group_by_window(parity, parity, 2):collect() end,
      "group_by_window: the function must return a data set, got"},
    {function() return range(1):group_by_window(function() return {} end, parity, 2):collect() end,
      "must return a number or a string, got a table"},
    {function() return range(1):bucket_by_sequence_length(length, {3, 2}, {1, 1, 1}) end,
      "'bucket_boundaries'%[2%] must be an integer >= 4"},
    {function() return range(1):bucket_by_sequence_length(length, {3}, {1}) end,
      "must have one more than the 1 'bucket_boundaries', got 1"},
    {function() return range(1):bucket_by_sequence_length(length, {3}, {1, 1}, {pad_to_bucket_boundary = true}) end,
      "needs 'padded_shapes'"},
    {function()
      return ones(5):bucket_by_sequence_length(length, {3}, {1, 1}, {pad_to_bucket_boundary = true, padded_shapes = {-1}}):collect()
    end, "an element of length 5 has no boundary to be padded to: the last is 3 %(element 1%)"},
    {function() return Dataset.list_files(folder .. "/*.png") end, "list_files: no file fits \".*%*.png\""},
    {function() return Dataset.list_files(folder .. "/none/*") end, "/none: the folder cannot be read: No such file"},
    {function() return Dataset.from_text_lines(folder .. "/none"):collect() end, "from_text_lines: .*/none: No such file"},
    {function() return Dataset.from_text_lines(folder):collect() end, "from_text_lines: .*: Is a directory"},
    {function() return ones(1, 2):padded_batch(2, {padding_values = {c = 1}}):collect() end, "'padding_values' does not fit the elements"},
    {function() return ones(1, 2):map(function(x) return {a = x} end):padded_batch(2, {padding_values = {aa = 1}}):collect() end,
      "'padding_values' has 'aa', which is not in value 1; did you mean 'a'"},
    {function()
      return ones(1, 2):map(function(x) return kl.cast(x, "int32") end):padded_batch(2, {padding_values = 0.5}):collect()
    end, "'padding_values' of value 1 must be of int32, got float 0.5"},
    {function() return Dataset.from_generator(function() coroutine.yield(1) end, {output_types = {"flot32"}}):collect() end,
      "'flot32' is no dtype"},
    {function() return Dataset.from_generator(function() coroutine.yield(1, 2) end, {output_types = "int32"}):collect() end,
      "at step 1 the generator gave 2 values, 1 expected"},
    {function() return range(1):repeat_():collect() end, "collect: the data set has no end"},
    {function() return range(1):apply(function() end) end, "apply: what the function returned must be a data set, got nil"},
    {function() return range(1):flat_map(function() return 5 end):collect() end,
      "flat_map: the function must return a data set, got integer 5"},
    {function() return range(1):filter(function() return 5 end):collect() end, "filter: the function must return true or false"},
    {function() return range(1):filter(function() return kl.ones{2} end):collect() end, "must return one true or false"},
    {function() return range(1):scan(0, function() return 1 end):collect() end, "scan: the function must return a state and at least one"},
    {function() return range(1):reduce(0, function() end) end, "reduce: the function returned nothing"},
    {function() return range(3):map(function(x) if x:item() == 2 then error("mine") end return x end):collect() end,
      "mine %(in map, element 3%)"},
    {function() return range(9):shuffle(9):map(function(x) if x:item() == 2 then error("mine") end return x end):batch(2):collect() end,
      "mine %(in map, element %d%)"},
    {function() return range(2):filter(function() error("mine") end):collect() end, "mine %(in filter, element 1%)"},
    {function() return range(3):map(function(x) return kl.ones{x:item()} end):padded_batch(3, {padded_shapes = {1}}):collect() end,
      "padded_batch: value 1 has an element of length 2 along axis 1, 'padded_shapes' gives 1"},
    {function() return range(3):padded_batch(3, {padded_shapes = {1}}):collect() end, "has 0 axes, 'padded_shapes' gives 1"},
    {function() return range(3):unbatch():collect() end, "unbatch: value 1 of element 1 is a scalar"},
    {function() return Dataset.from_generator(function() coroutine.yield(1) coroutine.yield(0.5) end):collect() end,
      "at step 2 the generator gave other structures than at first: int32 %(%) expected, got float32 %(%)"},
    {function() return Dataset.from_generator(function() coroutine.yield{a = 1} coroutine.yield{b = 1} end):collect() end,
      "at step 2 the generator gave other structures than at first: {a: int32 %(%)} expected, got {b: int32 %(%)}"},
    {function() return Dataset.from_generator(function() coroutine.yield(1) end, {cardinality = 3}):collect() end,
      "the generator ended at step 2, 3 elements were expected"},
    {function() return Dataset.from_generator(function() coroutine.yield(1) end, {output_count = 2}):collect() end,
      "at step 1 the generator gave 1 values, 2 expected"},
    {function() return Dataset.from_generator(function() coroutine.yield(1) error("mine") end):collect() end,
      "mine %(in from_generator, element 2%)"},
    {function() return Dataset.from_generator(function() return 5 end):collect() end, "must return an iterator .* got integer 5"},
    {function() return Dataset.from_generator(function() coroutine.yield(1, nil, 2) end):collect() end,
      "at step 1, value 2 of the generator is nil"},
    {function() return Dataset.from_generator(function() coroutine.yield{{a = 1, b = {print}}} end):collect() end,
      "at step 1, value 1 of the generator%[1%].b%[1%] must be a tensor, a number"},
    {function() return Dataset.from_generator(function() coroutine.yield(print) end):collect() end,
      "at step 1, value 1 of the generator must be a tensor, a number, a string"},
  } do
    it("refuses: " .. case[2], function()
      local ok, message = pcall(function()
        local _ = case[1]() -- a frame to blame: the case itself ends in a call
      end)
      assert.is_false(ok)
      assert.matches(case[2], message)
      assert.matches("^tests/data/stages_spec.lua:%d+: ", message)
    end)
  end

  it("is reduced to one value", function()
    assert.equal(10, range(5):reduce(0, function(sum, x) return sum + x end):item())
  end)

  it("of random numbers has no end, and the same in every pass unless told otherwise", function()
    local ds = Dataset.random{seed = 4}
    assert.equal(-1, ds:cardinality())
    local first = list(ds:take(2000))
    assert.same(first, list(ds:take(2000)))
    local sum = 0
    for _, n in ipairs(first) do
      assert.is_true(n >= 0 and n < 2 ^ 32)
      sum = sum + n / 2 ^ 32
    end
    assert.near(0.5, sum / 2000, 0.03)
    local fresh = Dataset.random{seed = 4, rerandomize_each_iteration = true}
    assert.not_same(list(fresh:take(5)), list(fresh:take(5)))
  end)

  it("sampled from others keeps their orders, and takes them as often as their weights say", function()
    local ds = Dataset.sample_from_datasets({range(2000), range(2000, 8000):repeat_()}, {weights = {1, 3}, seed = 2})
    local before, counts = {-1, 1999}, {0, 0}
    for _, n in ipairs(list(ds:take(2000))) do
      local k = n < 2000 and 1 or 2
      assert.equal(before[k] + 1, n)
      before[k], counts[k] = n, counts[k] + 1
    end
    assert.near(500, counts[1], 60)
    assert.not_same(list(ds:take(50)), list(ds:take(50)))
    local all = list(Dataset.sample_from_datasets{range(5), range(5, 9)})
    table.sort(all)
    assert.same({0, 1, 2, 3, 4, 5, 6, 7, 8}, all)
  end)

  it("that is resampled has classes as often as wanted, whether their shares are told or found", function()
    for _, initial in ipairs{{0.9, 0.1}, false} do
      local counts = {[0] = 0, 0}
      local ds = range(4000):rejection_resample(function(x) return x:item() % 10 == 0 and 1 or 0 end, {0.5, 0.5},
        {initial_dist = initial or nil, seed = 1})
      for class, x in ds:each() do
        assert.equal(x:item() % 10 == 0 and 1 or 0, class:item())
        counts[class:item()] = counts[class:item()] + 1
      end
      assert.near(400, counts[1], initial and 0 or 2) -- the rare class is kept whole
      assert.near(400, counts[0], 60)
    end
  end)

  it("of files lists them in another order each pass", function()
    local orders = {}
    local ds = Dataset.list_files({folder .. "/a/*", folder .. "/b/*.txt"}, {seed = 1})
    for _ = 1, 20 do orders[table.concat(list(ds), " ")] = true end
    assert.equal(6, #require "objects".names(orders))
  end)

  it("that is cached reads its source once, shuffles included", function()
    local calls = 0
    local ds = range(5):map(function(x)
      calls = calls + 1
      return x
    end):shuffle(5):cache()
    local part = {}
    for x in ds:each() do
      part[#part + 1] = x:item()
      if #part == 2 then break end
    end
    local first = list(ds)
    assert.same(part, {first[1], first[2]})
    assert.same(first, list(ds))
    assert.equal(5, calls)
  end)

  it("of a generator closes it when the loop is left", function()
    local closed = 0
    local ds = Dataset.from_generator(function()
      local _ <close> = setmetatable({}, {__close = function() closed = closed + 1 end})
      for i = 1, 5 do coroutine.yield(i) end
    end)
    local pass = ds:iterator()
    pass:next()
    pass:close()
    assert.equal(1, closed)
    list(ds)
    assert.equal(2, closed)
  end)
end)

describe("a jitted step", function()
  teardown(function() os.execute("rm -r " .. folder) end)
  it("gives the same bits as an immediate one on the batches of every kind of data set", function()
    local function step(x)
      local v = kl.cast(x, "float32")
      return (v * 1.7 + kl.exp(v / 10)):sum()
    end
    for _, case in ipairs(cases) do
      local jitted = kl.jit(function(x) return step(x) end)
      for _, element in ipairs(case[2]:prefetch(1):collect()) do
        for _, value in ipairs(element) do
          if kl.core.kind(value) then assert.is_true(kl.array_equal(step(value), jitted(value)), case[1]) end
        end
      end
    end
  end)
end)
