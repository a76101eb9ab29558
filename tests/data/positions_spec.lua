-- Saved positions of data sets: every stage, in random pipelines, saved at each element and restored in a data set made anew.
local kl = require "kl"
local raises = require "raises"
local Dataset = kl.data.Dataset

local function show(value)
  if type(value) == "table" then
    local parts = {}
    for i, v in ipairs(value) do parts[i] = show(v) end
    return "{" .. table.concat(parts, " ") .. "}"
  end
  if kl.core.kind(value) then return value.dtype .. show(value:totable()) end
  return tostring(value)
end

local function rest_of(iterator, limit)
  local list = {}
  while #list < (limit or math.huge) do
    local element = iterator:next()
    if element == nil then break end
    list[#list + 1] = show(element)
  end
  return list
end

local folder, remove = require "scratch".folder()
local files_made = 0

-- What a random pipeline is made of: each source and stage of kl, by a function of a small random number.  Elements of one
-- value go through all of them; stages after `batch` or `window` must bear any shape.
local sources = {
  slices = function(n) return Dataset.from_tensor_slices(kl.arange(n + 3)) end,
  range = function(n) return Dataset.range(n + 4) end,
  generator = function(n) return Dataset.from_generator(function() for i = 1, n + 2 do coroutine.yield(i) end end) end,
  iterator = function(n)
    return Dataset.from_generator(function()
      local i = 0
      return function()
        i = i + 1
        return i <= n + 2 and i or nil
      end
    end, {cardinality = n + 2})
  end,
  random = function(n) return Dataset.random{seed = n, rerandomize_each_iteration = n % 2 == 0}:take(n + 3) end,
  lines = function() return Dataset.from_text_lines("tests/tree_spec.lua"):take(9):map(function(line) return kl.tensor(#line) end) end,
  files = function() return Dataset.list_files("tests/c/*.c"):take(9):map(function(path) return kl.tensor(#path) end) end,
  tensors = function() return Dataset.from_tensors(kl.arange(3)):unbatch() end,
}
local function is_even(x) return kl.cast(x, "int32"):sum():item() % 2 == 0 end
local stages = {
  shuffle = function(ds, n) return ds:shuffle(n + 1) end,
  shuffle_still = function(ds, n) return ds:shuffle(n + 1, {reshuffle_each_iteration = false}) end,
  shuffle_seed = function(ds, n) return ds:shuffle(n + 1, {seed = n}) end,
  take = function(ds, n) return ds:take(n + 2) end,
  skip = function(ds, n) return ds:skip(n % 3) end,
  repeat_ = function(ds, n) return ds:repeat_(n % 3 + 1) end,
  endless = function(ds, n) return ds:repeat_():take(n + 7) end,
  shard = function(ds, n) return ds:shard(2, n % 2) end,
  concatenate = function(ds, n) return ds:concatenate(ds:shuffle(n + 1)) end,
  zip = function(ds) return Dataset.zip(ds, ds:shuffle(4)):map(function(a) return a end) end,
  zip_method = function(ds) return ds:zip(Dataset.range(100)):map(function(a) return a end) end,
  map = function(ds) return ds:map(function(x) return x + 1 end) end,
  replayed_map = function(ds) return ds:map(kl.core.tensor):map(function(x) return x + 1 end, {replay = true}) end,
  stateful_map = function(ds)
    return ds:map(function(x) return x * 2 end, {stateful = true})
  end,
  filter = function(ds) return ds:filter(is_even) end,
  take_while = function(ds) return ds:take_while(function(x) return kl.cast(x, "float32"):sum():item() < 200 end) end,
  scan = function(ds)
    return ds:scan(0, function(state, x) return state + 1, x + state end)
  end,
  flat_map = function(ds, n)
    return ds:flat_map(function(x) return Dataset.from_tensors(x):repeat_(n % 3):map(function(y) return y + 1 end) end)
  end,
  flat_map_shuffle = function(ds)
    return ds:flat_map(function(x) return Dataset.range(3):shuffle(3):map(function(i) return x + kl.cast(i, x.dtype) end) end)
  end,
  interleave = function(ds, n)
    return ds:interleave(function(x) return Dataset.from_tensors(x):repeat_(3) end, {cycle_length = n % 3 + 1, block_length = n % 2 + 1})
  end,
  batch_unbatch = function(ds, n) return ds:padded_batch(n % 3 + 1):unbatch() end,
  window = function(ds, n)
    return ds:window(n % 3 + 1, {shift = n % 2 + 1, stride = 1 + n % 2}):flat_map(function(w) return w end)
  end,
  sample = function(ds, n)
    return Dataset.sample_from_datasets({ds, ds:shuffle(n + 1)}, {weights = {1, n + 1}, stop_on_empty_dataset = n % 2 == 0})
  end,
  choose = function(ds, n)
    local other = ds:map(function(x) return x + 1 end)
    return Dataset.choose_from_datasets({ds, other}, Dataset.random():take(20):map(function(x) return x % 2 end),
      {stop_on_empty_dataset = n % 2 == 0})
  end,
  resample = function(ds)
    return ds:rejection_resample(function(x) return is_even(x) and 1 or 0 end, {1, 2}):map(function(_, x) return x end)
  end,
  group_by_window = function(ds, n)
    return ds:group_by_window(function(x) return is_even(x) and "even" or "odd" end, function(_, group) return group:shuffle(3) end,
      n % 3 + 1)
  end,
  bucket = function(ds, n)
    return ds:bucket_by_sequence_length(function(x) return kl.cast(x, "int32") % 5 end, {2, 4}, {n % 3 + 1, 2, 1}):unbatch()
  end,
  rebatch = function(ds, n) return ds:batch(2):rebatch(n % 3 + 1):unbatch() end,
  cache = function(ds) return ds:cache() end,
  cache_in_files = function(ds)
    files_made = files_made + 1
    return ds:cache(("%s/%d"):format(folder, files_made))
  end,
  prefetch = function(ds, n) return ds:prefetch(n % 4) end,
  apply = function(ds) return ds:apply(function(d) return d:skip(1) end) end,
}
local ends = {
  none = function(ds) return ds end,
  batch = function(ds, n) return ds:batch(n % 3 + 1):prefetch(n % 3) end,
  shuffled_batches = function(ds, n) return ds:batch(2, {drop_remainder = true}):shuffle(n + 1):prefetch(2) end,
  padded_batch = function(ds, n) return ds:padded_batch(n % 3 + 1) end,
}

local names_of = require "objects".names
local source_names, stage_names, end_names = names_of(sources), names_of(stages), names_of(ends)

-- The pipeline of a seed; `stage_name` is in it for certain.
local function plan_of(seed, stage_name)
  local state = seed * 7919 + 13
  local function draw(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return (state >> 8) % n
  end
  local plan = {source = source_names[draw(#source_names) + 1], n = draw(6), stages = {}}
  plan.last, plan.m = end_names[draw(#end_names) + 1], draw(6)
  local count = draw(3) + 1
  local place = draw(count) + 1
  for i = 1, count do
    local name = i == place and stage_name or stage_names[draw(#stage_names) + 1]
    plan.stages[i] = {name, draw(6)}
  end
  local texts = {plan.source}
  for _, s in ipairs(plan.stages) do texts[#texts + 1] = s[1] end
  texts[#texts + 1] = plan.last
  plan.text = table.concat(texts, " ")
  return plan
end

local function make(plan)
  kl.set_seed(17)
  local ds = sources[plan.source](plan.n)
  for _, s in ipairs(plan.stages) do ds = stages[s[1]](ds, s[2]) end
  return ends[plan.last](ds, plan.m)
end

describe("a saved position", function()
  teardown(function() remove() end)

  for _, stage_name in ipairs(stage_names) do
    it("goes on as the pass did, in random pipelines with " .. stage_name, function()
      for seed = 1, 6 do
        local plan = plan_of(seed, stage_name)
        local ds = make(plan)
        rest_of(ds:iterator()) -- an earlier pass
        local pass = ds:iterator()
        local states, elements = {[0] = pass:state()}, {}
        while true do
          local element = pass:next()
          if element == nil then break end
          elements[#elements + 1] = show(element)
          states[#elements] = pass:state()
        end
        if ds:cardinality() >= 0 then assert.equal(ds:cardinality(), #elements, plan.text) end
        local later = rest_of(ds:iterator())
        local step = #elements > 12 and 5 or 1
        for k = 0, #elements, step do
          local anew = make(plan)
          local restored = anew:iterator()
          restored:restore(kl.json.decode(kl.json.encode(states[k])))
          assert.same({table.unpack(elements, k + 1)}, rest_of(restored), plan.text .. " at " .. k)
          assert.same(later, rest_of(anew:iterator()), plan.text .. ", the pass after it")
        end
      end
    end)
  end

  it("takes the order over, that of later passes too, where the seed was another", function()
    for _, options in ipairs{{}, {reshuffle_each_iteration = false}} do
      kl.set_seed(1)
      local ds = Dataset.range(10):shuffle(10, options)
      local pass = ds:iterator()
      pass:next()
      kl.set_seed(2)
      local anew = Dataset.range(10):shuffle(10, options)
      local restored = anew:iterator()
      restored:restore(pass:state())
      assert.same(rest_of(pass), rest_of(restored))
      kl.set_seed(1)
      ds = Dataset.range(10):shuffle(10, options)
      rest_of(ds:iterator())
      local later = rest_of(ds:iterator())
      kl.set_seed(2)
      anew = Dataset.range(10):shuffle(10, options)
      anew:iterator():restore(pass:state())
      assert.same(later, rest_of(anew:iterator()))
    end
  end)

  it("reads no element that was given before", function()
    local read = {}
    local function make_ds()
      kl.set_seed(1)
      return Dataset.range(100):shuffle(100):map(function(x)
        read[#read + 1] = x:item()
        return x
      end):batch(10):prefetch(2)
    end
    local pass = make_ds():iterator()
    for _ = 1, 4 do pass:next() end
    local state = pass:state()
    local expected = pass:next()[1]:totable()
    read = {}
    local restored = make_ds():iterator()
    restored:restore(state)
    assert.same({}, read)
    assert.same(expected, restored:next()[1]:totable())
    assert.same(expected, read)
  end)

  it("far into an endless data set is found without going all the way", function()
    local function make_ds()
      kl.set_seed(3)
      return Dataset.range(1000):shuffle(1000):repeat_():batch(10)
    end
    local state = make_ds():iterator():state()
    state.position = 100 * 1000000 + 50
    local a, b = make_ds():iterator(), make_ds():iterator()
    a:restore(state)
    state.position = state.position + 1
    b:restore(state)
    a:next()
    assert.same(show(a:next()), show(b:next()))
  end)

  it("runs a map that counts from the start again, if it is said to be stateful", function()
    local function make_ds()
      local calls = 0
      return Dataset.range(6):map(function(x)
        calls = calls + 1
        return x + calls * 100
      end, {stateful = true})
    end
    local pass = make_ds():iterator()
    for _ = 1, 3 do pass:next() end
    local restored = make_ds():iterator()
    restored:restore(pass:state())
    assert.same(rest_of(pass), rest_of(restored))
  end)

  it("is refused where numbers that the order depends on differ", function()
    local range = Dataset.range
    local function key(x) return x:item() % 2 end
    local function whole(_, group) return group end
    local makes = {
      function(a) return Dataset.sample_from_datasets({range(9), range(9)}, {weights = {a, 1}}) end,
      function(a) return Dataset.sample_from_datasets({range(9), range(9)}, {stop_on_empty_dataset = a > 1}) end,
      function(a) return Dataset.choose_from_datasets({range(9)}, range(1):repeat_(), {stop_on_empty_dataset = a > 1}) end,
      function(a) return range(9):rejection_resample(key, {a, 1}) end,
      function(a) return range(9):rejection_resample(key, {1, 1}, {initial_dist = {a, 1}}) end,
      function(a) return range(9):group_by_window(key, whole, a) end,
      function(a) return range(9):bucket_by_sequence_length(key, {a}, {2, 2}) end,
      function(a) return range(9):bucket_by_sequence_length(key, {9}, {a, 2}) end,
    }
    for _, ds_of in ipairs(makes) do
      local state = ds_of(1):iterator():state()
      ds_of(1):iterator():restore(state)
      raises(function() ds_of(2):iterator():restore(state) end, "restore: the state is of another data set: ")
    end
  end)

  it("is refused where it does not fit, by what differs", function()
    local function of(ds) return ds:iterator():state() end
    local state = of(Dataset.range(5):shuffle(5):batch(2))
    raises(function() Dataset.range(5):shuffle(5):batch(3):iterator():restore(state) end,
      "restore: the state is of another data set: range%(0, 5, 1%):shuffle%(5%):batch%(3%) expected, got .*batch%(2%)")
    state.position = 9
    raises(function() Dataset.range(5):shuffle(5):batch(2):iterator():restore(state) end, "element 9, the data set has only 3")
    state.generators[1].key = "x"
    raises(function() Dataset.range(5):shuffle(5):batch(2):iterator():restore(state) end, "generators%[1%] must be")
    raises(function() Dataset.range(5):iterator():restore(5) end, "restore: the state must be a table")
    raises(function() Dataset.range(5):iterator():restore{} end, "state.position must be an integer")
  end)
end)

describe("a closed iterator", function()
  it("says so", function()
    local pass = Dataset.range(3):iterator()
    pass:next()
    pass:close()
    pass:close()
    raises(function() pass:next() end, "next: this iterator was closed")
    raises(function() pass:state() end, "state: this iterator was closed")
    raises(function() pass:restore{} end, "restore: this iterator was closed")
  end)
end)
