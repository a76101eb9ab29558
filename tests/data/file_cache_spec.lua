-- cache with a name: elements kept in files by the first whole pass, read back by later ones and later runs.
local kl = require "kl"
local program = require "program"
local raises = require "raises"
local scratch = require "scratch"
local Dataset = kl.data.Dataset

local folder, remove = scratch.name()

local function show(value)
  if kl.core.kind(value) then return ("%s(%s)%s"):format(value.dtype, table.concat(value.shape, " "), show(value:totable())) end
  if type(value) ~= "table" then return tostring(value) .. (math.type(value) or "") end
  local parts, names = {}, require "kl.tree".names(value)
  for i, name in ipairs(names or {}) do parts[i] = name .. "=" .. show(value[name]) end
  for i, v in ipairs(value) do parts[i] = show(v) end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function all(ds)
  local list = {}
  for _, element in ipairs(ds:collect()) do list[#list + 1] = show(element) end
  return list
end

local function files()
  local list = {}
  for name in program.shell("ls -A " .. folder):gmatch("[^\n]+") do list[#list + 1] = name end
  return list
end

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

local x = kl.arange(14):reshape{7, 2}
local function of(values) return Dataset.range(#values):map(function(i) return values[i:item() + 1] end) end

-- elements of every kind
local pipelines = {
  rows = function() return Dataset.from_tensor_slices(x, kl.arange(7)):shuffle(7) end,
  ["structures by name"] = function() return Dataset.from_tensor_slices{a = x, b = {x * 2.5, x:cast("uint8")}} end,
  scalars = function() return Dataset.range(6):shuffle(3) end,
  booleans = function() return Dataset.from_tensor_slices(kl.greater(x, 6)) end,
  doubles = function() return Dataset.from_tensor_slices(x:cast("float64") / 3, x:cast("int64")) end,
  ["batches, the last one smaller"] = function() return Dataset.from_tensor_slices(x, kl.arange(7)):batch(3) end,
  ["tensors of other shapes each time"] = function()
    return Dataset.range(5):map(function(i) return kl.ones{i:item(), 2}, kl.zeros{i:item()} end)
  end,
  ["tensors of other axes each time"] = function() return of{kl.ones{}, kl.ones{2}, kl.ones{2, 1}} end,
  ["eight axes"] = function() return of{kl.ones{1, 1, 2, 1, 1, 1, 1, 2}, kl.zeros{1, 1, 2, 1, 1, 1, 1, 2}} end,
  ["empty tensors"] = function() return of{kl.ones{0, 3}, kl.ones{0, 3}} end,
  numbers = function() return of{1, 2, -3} end,
  ["floats and truths"] = function() return Dataset.range(2):map(function(i) return i:item() + 0.5, i:item() == 0 end) end,
  ["nothing"] = function() return Dataset.range(0) end,
  ["a view with strides"] = function() return Dataset.from_tensor_slices(kl.transpose(x)) end,
}

describe("a cache with a name", function()
  before_each(function() os.execute("mkdir " .. folder) end)
  after_each(function() remove() end)
  local name = folder .. "/elements"

  for what, make in pairs(pipelines) do
    it("gives what the first pass gave, in later passes and in later runs: " .. what, function()
      kl.set_seed(2)
      local ds = make():cache(name)
      local expected = all(ds)
      assert.same(expected, all(ds))
      kl.set_seed(3)
      assert.same(expected, all(make():cache(name)))
      for _, after in ipairs{
        function(d) return d:shuffle(9, {seed = 1}) end, function(d) return d:skip(1) end, function(d) return d:repeat_(2):prefetch(2) end,
      } do
        kl.set_seed(2)
        assert.same(all(after(make():cache())), all(after(make():cache(name))))
      end
    end)
  end

  it("is read by rows where it is batched, ahead too", function()
    kl.set_seed(1)
    local make = pipelines.rows
    local expected = all(make():cache():shuffle(7, {seed = 3}):batch(3))
    kl.set_seed(1)
    all(make():cache(name))
    for _, n in ipairs{0, 1, 3} do assert.same(expected, all(make():cache(name):shuffle(7, {seed = 3}):batch(3):prefetch(n))) end
  end)

  it("asks its source once", function()
    local calls = 0
    local ds = Dataset.range(5):map(function(v)
      calls = calls + 1
      return v
    end):cache(name)
    all(ds:shuffle(5):batch(2):prefetch(2):repeat_(3))
    assert.equal(5, calls)
    assert.same({"elements.index"}, {files()[2]})
    assert.matches("^elements%.%x+%.1%.npy$", files()[1])
  end)

  it("is written by a whole pass only", function()
    local ds = Dataset.range(5):cache(name)
    for _ in ds:take(3):each() do end -- luacheck: ignore
    for _ in ds:each() do break end -- luacheck: ignore
    local pass = ds:iterator()
    pass:next()
    pass:close()
    pass = ds:iterator()
    pass:next()
    pass = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.same({}, files())
    assert.equal(5, #all(ds:skip(0)))
    assert.equal(2, #files())
  end)

  it("is written by one of several passes at once, and each of them has all elements", function()
    kl.set_seed(4)
    local make = pipelines.rows
    local one, other = make():cache(name), make():cache(name)
    local passes, seen = {one:iterator(), one:iterator(), other:iterator(), one:iterator()}, {{}, {}, {}, {}}
    for _ = 1, 8 do
      for k, pass in ipairs(passes) do
        local element = pass:next()
        if element then seen[k][#seen[k] + 1] = show(element) end
      end
    end
    assert.equal(7, #seen[1])
    assert.same(seen[1], seen[2])
    assert.same(seen[1], seen[4])
    local kept = all(make():cache(name))
    assert(table.concat(kept) == table.concat(seen[1]) or table.concat(kept) == table.concat(seen[3]))
  end)

  it("goes on from a saved position, before it was written and after", function()
    for _, is_there in ipairs{false, true} do
      for at = 0, 7 do
        os.execute("rm -f " .. name .. ".*")
        kl.set_seed(5)
        local ds = pipelines.rows():cache(name):batch(2):prefetch(1)
        if is_there then ds:collect() end
        local pass, expected = ds:iterator(), {}
        for _ = 1, at // 2 do pass:next() end
        local state = kl.json.decode(kl.json.encode(pass:state()))
        for element in function() return pass:next() end do expected[#expected + 1] = show(element) end
        if not is_there then os.execute("rm -f " .. name .. ".*") end
        kl.set_seed(6)
        local again, rest = pipelines.rows():cache(name):batch(2):prefetch(1), {}
        local other <close> = again:iterator()
        other:restore(state)
        for element in function() return other:next() end do rest[#rest + 1] = show(element) end
        assert.same(expected, rest)
        assert.equal(4, #again:collect())
      end
    end
  end)

  it("says what it cannot keep, and keeps nothing then", function()
    for _, case in ipairs{
      {{kl.ones{2}, "text"}, "cache: element 2 has the string \"text\": only tensors, numbers and booleans"},
      {{kl.ones{2}, 5}, "cache: elements of one kind expected: element 1 has tensor of float32, element 2 integer of int64"},
      {{1, 0.5}, "element 1 has integer of int64, element 2 float of float64"},
      {{{a = 1}, {b = 1}}, "cache: elements of one structure expected: %[{a: %*}%], element 2 is %[{b: %*}%]"},
    } do
      local values = case[1]
      raises(function() local _ = of(values):cache(name):collect() end, case[2])
      assert.same({}, files())
    end
    raises(function() Dataset.range(2):cache(5) end, "cache: 'filename' must be a string, got integer 5")
    raises(function() local _ = Dataset.range(2):cache(folder .. "/none/x"):collect() end, "none/x.*not written: opening the directory")
    assert.equal(3, #Dataset.range(3):cache(""):collect())
    assert.same({}, files())
  end)

  it("refuses files of others, and damaged ones", function()
    local ds = Dataset.range(4):batch(3):cache(name)
    ds:collect()
    raises(function() local _ = Dataset.range(5):batch(3):cache(name):collect() end,
      "elements.index holds the elements of another data set: range%(0, 5, 1%):batch%(3%):cache expected, found range%(0, 4")
    local file = assert(io.open(name .. ".index"))
    local text = file:read("a")
    file:close()
    for _, case in ipairs{
      {"", "is not an index of cached elements, or is damaged"},
      {text:sub(1, -5), "is not an index of cached elements, or is damaged"},
      {(text:gsub('"tag":"', '"tag":"../')), "is damaged"},
      {(text:gsub('"version":1', '"version":2')), "is of version integer 2, 1 expected"},
      {(text:gsub('"parts":%[1%]', '"parts":[2]')), "is damaged: it describes no structure of 1 leaves"},
      {(text:gsub('%[%[3%],%[1%]%]', '[[3],[2]]')), "do not belong together: 5 rows expected, found 4"},
      {(text:gsub('%[%[3%],%[1%]%]', '[[3],[-1]]')), "is damaged: lengths expected"},
      {(text:gsub('%[%[3%],%[1%]%]', '[[3]]')), "does not say what leaf 1 is"},
      {(text:gsub('%[%[3%],%[1%]%]', '[[3],1]')), "is damaged: lengths expected"},
    } do
      assert.are_not.equal(text, case[1])
      write(name .. ".index", case[1])
      raises(function() local _ = Dataset.range(4):batch(3):cache(name):collect() end, case[2])
    end
    write(name .. ".index", text)
    assert.equal(2, #Dataset.range(4):batch(3):cache(name):collect())
    os.execute("rm " .. name .. ".*.npy")
    raises(function() local _ = Dataset.range(4):batch(3):cache(name):collect() end, "npy")
  end)
end)
