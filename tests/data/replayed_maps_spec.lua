-- Maps with replay = true: recorded once, run by a prefetch's thread where that can be, and the same values as ever.
local kl = require "kl"
local core = require "kl.core"
local gen = require "gen"
local program = require "program"
local program_gen = require "program_gen"
local raises = require "raises"
local D = kl.data.Dataset

-- How many calls the thread was given, and how many of them it has done.
local given, done = 0, 0
local queue_methods = getmetatable(core.prefetch(1)).__index
local plain_run = queue_methods.run
local function watched_run(...)
  local ticket = plain_run(...)
  if not ticket then return nil end
  given = given + 1
  return setmetatable({}, {__index = {
    tensors = function() return ticket:tensors() end,
    wait = function()
      local tensors = ticket:wait()
      if tensors then done = done + 1 end
      return tensors
    end,
  }})
end

local function packed(t) return ("%s (%s): %s"):format(t.dtype, table.concat(t.shape, ", "), core.io.raw_bytes(t)) end

--- Everything that two passes give, and what the script draws after them.
local function observe(make)
  kl.set_seed(11)
  local ds, seen = make(), {}
  for _ = 1, 2 do
    for _, element in ipairs(ds:collect()) do
      local texts = {}
      for i, t in ipairs(element) do texts[i] = packed(t) end
      seen[#seen + 1] = table.concat(texts, "; ")
    end
  end
  seen[#seen + 1] = packed(kl.random.uniform{2})
  return seen
end

--- make(replay) with prefetches of any depth gives what make(false) gives without.
local function agree(make, what)
  local expected = observe(function() return make(false) end)
  for _, n in ipairs{0, 1, 3} do
    assert.same(expected, observe(function() return make(true):prefetch(n) end), ("%s, prefetch(%d)"):format(what, n))
  end
end

kl.set_seed(1)
local images = kl.cast(kl.random.uniform{40, 6, 5} * 255, "uint8")
local labels = kl.arange(40) % 10
local rows = D.from_tensor_slices(images, labels)
local function scaled(x, y) return x:cast("float32") / 255, y end

local generator = kl.random.SeedGenerator{4}
local weight, count = kl.Variable(kl.ones{6, 5}), kl.Variable(0.0)
local offsets = kl.random.normal{6, 5}
local function of_batches(f) return function(r) return rows:shuffle(40):batch(8):map(f, {replay = r}) end end

-- {pipeline of `replay`, whether the thread can do it}
local pipelines = {
  ["batches scaled"] = {of_batches(scaled), true},
  ["batches in order, which are views"] = {function(r) return rows:batch(8):map(scaled, {replay = r}) end, true},
  ["rows scaled, then batched"] = {function(r) return rows:shuffle(40):map(scaled, {replay = r}):batch(8) end, true},
  ["rows mapped twice"] = {function(r)
    return rows:shuffle(40):map(scaled, {replay = r})
      :map(function(x, y) return kl.transpose(x) - 1, kl.one_hot(y, 10) end, {replay = r})
      :batch(7)
  end, true},
  ["batches mapped twice, taken and repeated"] = {function(r)
    return rows:shuffle(40):batch(8):map(scaled, {replay = r})
      :map(function(x, y) return {image = x:reshape{-1, 30}, sum = x:sum()}, y end, {replay = r})
      :take(4):repeat_(2)
      :map(function(x, y) return x.image, x.sum, y end, {replay = r})
  end, true},
  ["rows of two sources"] = {function(r)
    return D.zip(D.from_tensor_slices(images):shuffle(40), D.from_tensor_slices(labels)):map(scaled, {replay = r}):batch(8)
  end, true},
  ["batches of two sources"] = {function(r)
    return D.from_tensor_slices(images):batch(8):zip(D.from_tensor_slices(labels):shuffle(9):batch(8)):map(scaled, {replay = r})
  end, true},
  ["one source behind another"] = {function(r)
    return rows:shuffle(40):concatenate(rows:shuffle(40)):batch(16):map(scaled, {replay = r}):shuffle(3)
  end, true},
  ["batches from a cache"] = {function(r) return rows:shuffle(40):batch(8):cache():map(scaled, {replay = r}) end, true},
  ["a cache behind"] = {function(r) return rows:shuffle(40):batch(8):map(scaled, {replay = r}):cache() end, true},
  ["by a matrix product and a constant"] = {of_batches(function(x)
    return kl.matmul(x:cast("float32"), kl.transpose(offsets)), offsets
  end), true},
  ["to what is no tensor"] = {of_batches(function(x) return x, {1, 2, 3} end), true},
  ["to a window, a row and the thing itself"] = {of_batches(function(x, y)
    return x[{ {}, {2, 3} }], x[1], y, x, y + 0, y + 0
  end), true},
  ["sorted and summed"] = {of_batches(function(x, y)
    return kl.sort(x:cast("float32"), {axis = 2}), kl.cumsum(y), kl.argmax(x, {axis = 3})
  end), true},
  ["rows with subnormal numbers"] = {of_batches(function(x) return x:cast("float32") * 1e-41, x:cast("float64") * 1e-310 end), true},
  ["a map without replay between"] = {function(r)
    return rows:shuffle(40):batch(8):map(scaled):map(function(x, y) return x + 1, y end, {replay = r})
  end, false},
  ["draws"] = {of_batches(function(x, y) return x + kl.random.normal(x.shape, {seed = generator}), y, kl.random.uniform{1} end), false},
  ["draws for rows"] = {function(r)
    return rows:shuffle(40):map(function(x, y) return x + kl.random.uniform{6, 5}, y end, {replay = r}):batch(8)
  end, false},
  ["reads a variable"] = {of_batches(function(x, y) return x * weight, y end), false},
  ["returns a variable"] = {of_batches(function(x) return x, weight.value end), false},
  ["assigns a variable"] = {of_batches(function(x, y)
    count:assign_add(1)
    return x * count, y
  end), false},
  ["gives probabilities"] = {of_batches(function(x, y) return kl.softmax(x:cast("float32")), y end), false},
  ["elements of a generator"] = {function(r)
    return D.from_generator(function() for i = 1, 9 do coroutine.yield(images[i], labels[i]) end end):map(scaled, {replay = r}):batch(4)
  end, false},
}

describe("a map with replay", function()
  setup(function() queue_methods.run = watched_run end)
  teardown(function() queue_methods.run = plain_run end)
  before_each(function() given, done = 0, 0 end)

  for name, case in pairs(pipelines) do
    it("changes no bit: " .. name, function()
      local make = case[1]
      agree(function(r)
        generator = kl.random.SeedGenerator{4}
        count:assign(0)
        return make(r)
      end, name)
      assert.equal(case[2], done > 0)
      assert.equal(given, done)
    end)
  end

  it("changes no bit, whatever it computes, of rows and of batches", function()
    local pure = 0
    for seed = 1, 150 do
      local p = program_gen.program(seed)
      local text = p.text:gsub("(v%[%d%])%.value", "%1")
      if not text:find(":item()", 1, true) and not text:find("return {}", 1, true) then
        local variables = program_gen.variables(p.variables)
        if not text:find("assign") and not text:find("Tape") then -- what it reads is constant
          for i, v in ipairs(variables) do variables[i] = v.value:copy() end
          pure = pure + 1
        else
          text = p.text
        end
        local start = {}
        for i, v in ipairs(variables) do start[i] = core.kind(v) == "variable" and v.value:copy() end
        local f = assert(load(text))
        gen.restart("data")
        local data = {}
        for i = 1, 5 do
          for k, t in ipairs(program_gen.inputs(p.inputs)) do
            data[k] = data[k] or {}
            data[k][i] = t
          end
        end
        for k, list in ipairs(data) do
          data[k] = kl.stack(list, {axis = 1})
          if seed % 3 == 0 then data[k] = kl.transpose(kl.transpose(data[k]):copy()) end -- rows that do not lie in one piece
        end
        local function restart()
          for i, v in ipairs(variables) do
            if start[i] then v:assign(start[i]) end
          end
          return D.from_tensor_slices(table.unpack(data)):shuffle(5)
        end
        local function call(...) return table.unpack(f(kl, variables, {...})) end
        local function of_batch(...)
          local x = {...}
          for i, t in ipairs(x) do x[i] = kl.squeeze(t, 1) end
          return table.unpack(f(kl, variables, x))
        end
        agree(function(r) return restart():map(call, {replay = r}):batch(2) end, p.text)
        agree(function(r) return restart():batch(1):map(of_batch, {replay = r}) end, p.text)
      end
    end
    assert(pure > 10 and done > 5 * pure, ("%d of %d calls were done by the thread, %d programs"):format(done, given, pure))
  end)

  it("calls the function once per signature", function()
    local calls = 0
    local function f(x, y)
      calls = calls + 1
      return x + 1, y
    end
    local ds = rows:shuffle(40):batch(16):map(f, {replay = true}):prefetch(2)
    for _ = 1, 3 do ds:collect() end
    assert.equal(2, calls) -- the last batch is smaller
  end)

  it("goes on from a saved position", function()
    for _, make in ipairs{
      function() return rows:shuffle(40):batch(8):map(scaled, {replay = true}):prefetch(2) end,
      function() return rows:shuffle(40):map(scaled, {replay = true}):batch(8):prefetch(2) end,
    } do
      for at = 0, 5 do
        kl.set_seed(6)
        local pass = make():iterator()
        for _ = 1, at do pass:next() end
        local state, expected = pass:state(), {}
        for element in function() return pass:next() end do expected[#expected + 1] = packed(element[1]) end
        kl.set_seed(7)
        local other, got = make():iterator(), {}
        other:restore(state)
        for element in function() return other:next() end do got[#got + 1] = packed(element[1]) end
        assert.same(expected, got)
      end
    end
  end)

  it("is run for several passes at once", function()
    for _, make in ipairs{
      function(r) return rows:batch(4):map(scaled, {replay = r}) end,
      function(r) return rows:map(scaled, {replay = r}):batch(4) end,
    } do
      local expected = make(false):collect()
      local ds = make(true):prefetch(3)
      for _ = 1, 3 do
        local passes = {}
        for k = 1, 4 do passes[k] = ds:iterator() end
        for i = 1, #expected do
          for _, pass in ipairs(passes) do assert.equal(packed(expected[i][1]), packed(pass:next()[1])) end
        end
      end
    end
  end)

  it("trains to the same bits, eagerly and by plans, with validation on the same maps", function()
    local function train(replay, ahead, eager)
      kl.set_seed(4)
      local model = kl.Sequential{kl.layers.Flatten(), kl.layers.Dense{10}}
      model:compile{optimizer = "sgd", loss = kl.losses.SparseCategoricalCrossentropy{from_logits = true}, run_eagerly = eager}
      local ds = rows:shuffle(40):batch(8):map(scaled, {replay = replay}):prefetch(ahead)
      local history = model:fit{ds, epochs = 3, verbose = 0, validation_data = ds}
      local seen = {kl.json.encode(history.history)}
      for i, w in ipairs(model.weights) do seen[i + 1] = packed(w.value) end
      return seen
    end
    local expected = train(false, 0, true)
    for _, case in ipairs{{true, 2, false}, {true, 0, false}, {true, 3, true}, {false, 2, false}} do
      assert.same(expected, train(table.unpack(case)))
    end
    assert(done > 0)
  end)

  for name, make in pairs{
    rows = function(f) return rows:shuffle(40, {seed = 3}):map(f, {replay = true}):batch(4) end,
    batches = function(f) return rows:shuffle(40, {seed = 3}):batch(4):map(f, {replay = true}) end,
  } do
    it("raises what it refuses at the element where that is, and goes on: " .. name, function()
      local table_ = kl.arange(9)
      local function looked_up(_, y) return table_:take(y) end -- there is no row 9
      local function messages(ds)
        local list = {}
        for _ = 1, 2 do
          local pass = ds:iterator()
          for i = 1, 10 do
            local ok, value = pcall(pass.next, pass)
            list[#list + 1] = ok and packed(value[1]) or ("%d: %s"):format(i, value:match("[^\n]*"))
          end
        end
        return list
      end
      local expected = messages(make(looked_up))
      local refused = 0
      for _, text in ipairs(expected) do
        if text:match("^%d+: ") then
          refused = refused + 1
          assert.matches("index 9 .*%(in map, element %d+%)", text)
        end
      end
      assert(refused >= 4 and refused < 20)
      for _, n in ipairs{1, 4} do assert.same(expected, messages(make(looked_up):prefetch(n))) end
      assert(given > done)
    end)
  end

  it("ends cleanly when its pass is dropped, closed or collected at any place", function()
    local function slow(x) return kl.sort(kl.tanh(x:cast("float32")), {axis = 1}) end
    for _, make in ipairs{
      function() return rows:shuffle(40):batch(4):map(slow, {replay = true}) end,
      function() return rows:shuffle(40):map(slow, {replay = true}):batch(4) end,
    } do
      local ds = make()
      ds:collect()
      for k = 0, 4 do
        local closed, dropped = ds:prefetch(3):iterator(), ds:prefetch(3):iterator()
        for _ = 1, k do
          closed:next()
          dropped:next()
        end
        closed:close()
        dropped = nil -- luacheck: ignore
        collectgarbage()
        for _ in ds:prefetch(2):each() do break end -- luacheck: ignore
      end
    end
  end)

  it("leaves nothing behind", function()
    local function round()
      for _ = 1, 3 do
        local ds = rows:shuffle(40):batch(8):map(scaled, {replay = true}):prefetch(3)
        ds:collect()
        ds:iterator():next()
      end
      collectgarbage()
      collectgarbage()
      return core.memory_stats().live_bytes
    end
    for _ = 1, 3 do round() end
    local before = round()
    assert.equal(before, round())
  end)

  it("keeps what is held while buffers are used again", function()
    local ds = rows:batch(4):map(scaled, {replay = true}):prefetch(2)
    local expected = images:cast("float32") / 255
    for _ = 1, 2 do
      local held = {}
      for x in ds:each() do
        held[#held + 1] = x
        collectgarbage()
      end
      assert.is_true(kl.array_equal(expected, kl.concatenate(held, {axis = 1})))
    end
  end)

  it("does what it can without memory, says what it lacks, and is whole again", function()
    local ds = rows:batch(8):map(scaled, {replay = true}):prefetch(2)
    local expected = observe(function() return ds end)
    for n = 1, 60, 3 do
      local pass <close> = ds:iterator()
      core.fail_after(n)
      local ok, message = pcall(function()
        while pass:next() do end -- luacheck: ignore
      end)
      core.fail_after(0)
      if not ok then assert.matches("out of memory", tostring(message)) end
    end
    assert.same(expected, observe(function() return ds end))
  end)

  it("is refused where it can not be", function()
    raises(function() rows:map(scaled, {replay = 1}) end, "map: 'replay' must be a boolean")
    raises(function() rows:map(scaled, {num_parallel_calls = 2}) end, "no 'num_parallel_calls': a map with replay = true")
    raises(function() rows:map(scaled, {replay = true, stateful = true}) end, "'stateful' and 'replay' exclude each other")
    raises(function()
      local _ = rows:batch(4):map(function(x) return x * x:sum():item() end, {replay = true}):prefetch(1):collect()
    end, "a value is read inside a step that is to be replayed.*%(in map, element 1%)")
    raises(function()
      local _ = D.from_tensor_slices{name = {"a", "b"}}:map(function(x) return x.name end, {replay = true}):collect()
    end, "with replay = true the elements must consist of tensors; value 1 is .*%(element 1%)")
    raises(function() local _ = rows:map(function() end, {replay = true}):collect() end, "map: the function returned nothing %(element 1%)")
  end)

  it("ends cleanly when the program does, with maps in flight", function()
    for _, last in ipairs{"", "os.exit(0)", "os.exit(0, true)", "kept = pass"} do
      local output, status = program.run(([[
        local kl = require "kl"
        local ds = kl.data.Dataset.from_tensor_slices(kl.ones{20000, 500}):shuffle(20000):batch(4000)
          :map(function(x) return kl.tanh(kl.sin(x) * 2) end, {replay = true}):prefetch(3)
        ds:collect()
        local pass = ds:iterator()
        pass:next()
        %s]]):format(last))
      assert.same({0, ""}, {status, (output:gsub("kl: seed[^\n]*\n", ""))}, last)
    end
  end)
end)
