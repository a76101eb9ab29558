-- lua/kl/profile, src/op/profile.c, src/graph/profiled.c
local kl = require "kl"
local core = kl.core
local raises = require "raises"
local layers = kl.layers

local function row_of(list, name)
  for _, row in ipairs(list) do
    if row.name == name then return row end
  end
  error(("there is no row %q"):format(name))
end

local function sum(list, field)
  local total = 0
  for _, row in ipairs(list) do total = total + row[field] end
  return total
end

--- What f prints, by print.
local function printed(f)
  local lines, original = {}, print
  _G.print = function(...) lines[#lines + 1] = table.concat({...}, "\t") end -- luacheck: ignore 122
  local ok, message = pcall(f)
  _G.print = original -- luacheck: ignore 122
  if not ok then error(message, 0) end
  return table.concat(lines, "\n")
end

local function profile(f, options)
  options = options or {}
  options.print = false
  return kl.profile(f, options)
end

local function model_and_data()
  local model = kl.Sequential{kl.Input{6}, layers.Dense{16, activation = "relu", name = "first"}, layers.Dense{3, name = "second"}}
  model:compile{optimizer = "adam", loss = "mse"}
  return model, kl.random.normal{40, 6}, kl.random.normal{40, 3}
end

describe("a profile of operations that run at once", function()
  local function work()
    local a = kl.ones{20, 30}
    for _ = 1, 7 do a = kl.exp(a) * 0.1 end
    return kl.matmul(a, kl.ones{30, 5})
  end

  it("counts every kernel call, its operations and its bytes", function()
    local r = profile(work)
    assert.equal(7, row_of(r.ops, "exp").calls)
    assert.equal(7, row_of(r.ops, "multiply").calls)
    assert.equal(7 * 600, row_of(r.ops, "exp").flops)
    assert.equal(7 * 600 * 8, row_of(r.ops, "exp").bytes)
    assert.equal(2 * 20 * 30 * 5, row_of(r.ops, "matmul").flops)
    assert.equal(sum(r.ops, "calls"), r.calls)
    assert.equal(0, r.steps)
  end)

  it("divides the time among operations, layers, lines and kernels without a remainder", function()
    local r = profile(work)
    assert(r.kernel_seconds > 0 and r.seconds >= r.kernel_seconds)
    for _, list in ipairs{"ops", "layers", "lines", "kernels"} do
      assert.near(r.kernel_seconds, sum(r[list], "seconds"), 1e-9 + r.kernel_seconds * 1e-6)
      assert.near(1, sum(r[list], "share"), 1e-6)
    end
  end)

  it("knows the lines", function()
    local r = profile(work)
    local info = debug.getinfo(work, "S")
    assert.equal(14, row_of(r.lines, ("%s:%d"):format(info.short_src, info.linedefined + 2)).calls)
  end)

  it("knows layers and phases, in the user's own loop too", function()
    local dense, optimizer = layers.Dense{4, name = "own"}, kl.optimizers.SGD{}
    dense(kl.ones{2, 3})
    local r = profile(function()
      for _ = 1, 3 do
        local tape <close> = kl.GradientTape()
        local loss = kl.sum(dense(kl.ones{2, 3}))
        optimizer:apply_gradients(tape:gradient(loss, dense.trainable_weights), dense.trainable_weights)
      end
    end)
    local own = row_of(r.layers, "own")
    assert(own.forward > 0 and own.backward > 0 and own.update > 0)
    local matmul = row_of(r.ops, "matmul")
    assert.equal(6, matmul.calls) -- forward, and the gradient of the kernel
    assert(matmul.forward > 0 and matmul.backward > 0)
    assert.equal(0, matmul.update)
    local inside = row_of(r.layers, "")
    assert(inside.forward > 0) -- the sum is no layer's
  end)
end)

describe("a profile of steps", function()
  it("counts steps and has the layers of recorded and replayed ones, with their three phases", function()
    local model, x, y = model_and_data()
    local r = profile(function() model:fit{x, y, batch_size = 10, epochs = 3, verbose = 0} end)
    assert.equal(12, r.steps)
    assert.equal(12, r.recorded_steps + r.replayed_steps)
    assert(r.replayed_steps >= 9)
    for _, name in ipairs{"first", "second"} do
      local row = row_of(r.layers, model.name .. "/" .. name)
      assert(row.forward > 0 and row.backward > 0 and row.update > 0, name)
    end
    assert.equal(12 * 5, row_of(r.ops, "matmul").calls) -- two forward, three backward
    assert(r.plans.hits > 0 and r.plans.misses > 0 and r.plans.arena_bytes > 0)
    assert(r.per_step.inside_seconds > 0 and r.per_step.between_seconds > 0 and r.per_step.kernel_seconds > 0)
  end)

  it("names joined kernels by their operations, and shares their time among these", function()
    local f = kl.jit(function(x) return kl.exp(x * 2 + 1) end)
    f(kl.ones{100})
    local r = profile(function()
      for _ = 1, 5 do f(kl.ones{100}) end
    end)
    assert.equal(5, row_of(r.kernels, "fused(multiply,add,exp)").calls)
    local exp, add = row_of(r.ops, "exp"), row_of(r.ops, "add")
    assert.equal(5, exp.calls)
    assert.near(exp.seconds, add.seconds, exp.seconds * 1e-6) -- as many elements
    assert.equal(500, exp.flops)
  end)

  it("changes no bit of what is computed", function()
    local function train()
      kl.set_seed(3)
      local model, x, y = model_and_data()
      model:fit{x, y, batch_size = 16, epochs = 2, verbose = 0}
      return model.weights[1]:totable()
    end
    local plain, profiled = train(), nil
    profile(function() profiled = train() end)
    assert.same(plain, profiled)
  end)

  it("cannot begin inside one, and leaves nothing behind when that is tried", function()
    local f = kl.jit(function(x)
      kl.profile{print = false}
      return x
    end)
    local ok, message = pcall(f, kl.ones{1})
    assert.is_false(ok)
    assert.matches("kl.profile: a profile cannot begin inside a step", message)
    assert.equal(1, #profile(function() return kl.exp(kl.Variable(1.0)) end).lines)
  end)
end)

describe("kl.profile", function()
  it("prints its report, gives it as a table and as text", function()
    local r
    local text = printed(function() r = kl.profile(function() return kl.exp(kl.ones{4}) end) end)
    assert.equal(tostring(r), text)
    for _, words in ipairs{"kl profile: ", "GFLOP/s (float32)", "by operation", "by layer", "longest kernels", "forward ms",
      "backward ms", "update ms", "share", "of peak", "exp", "plans"} do
      assert(text:find(words, 1, true), words .. " is missing in:\n" .. text)
    end
    assert(r.peak.flops > 0 and r.peak.bandwidth > 0)
  end)

  it("is a region that ends with its block, or when it is stopped, and prints once", function()
    local text = printed(function()
      local p <close> = kl.profile()
      kl.exp(kl.ones{4})
      assert.equal("<a profile that is running>", tostring(p))
      local r = p:stop()
      kl.exp(kl.ones{4})
      assert.equal(1, row_of(r.ops, "exp").calls)
      assert.equal(r, p:stop())
    end)
    assert.equal(1, select(2, text:gsub("kl profile:", "")))
    assert.equal("", printed(function() kl.profile(function() end, {print = false}) end))
  end)

  it("counts nothing after its end", function()
    profile(function() kl.exp(kl.ones{4}) end)
    local calls = core.profile_totals().calls
    kl.exp(kl.ones{4})
    kl.jit(function(x) return x + 1 end)(kl.ones{4})
    assert.equal(calls, core.profile_totals().calls)
  end)

  it("may lie inside another", function()
    local inner
    local outer = profile(function()
      for _ = 1, 3 do kl.exp(kl.ones{4}) end
      inner = profile(function() kl.exp(kl.ones{4}) end)
      kl.exp(kl.ones{4})
    end)
    assert.equal(1, row_of(inner.ops, "exp").calls)
    assert.equal(5, row_of(outer.ops, "exp").calls)
  end)

  it("ends when its function raises, and prints what there was", function()
    local text = printed(function()
      local ok, message = pcall(kl.profile, function()
        kl.exp(kl.ones{4})
        error("stop", 0)
      end)
      assert.same({false, "stop"}, {ok, message})
    end)
    assert.matches("exp", text)
    assert.equal(1, row_of(profile(function() kl.exp(kl.ones{4}) end).ops, "exp").calls)
  end)

  it("says what is wrong with its arguments", function()
    raises(function() kl.profile(3) end, "kl.profile: a function or options expected, got integer 3")
    raises(function() kl.profile{prin = true} end, "unknown option 'prin'; did you mean 'print'")
    raises(function() kl.profile(print, {print = 1}) end, "kl.profile: 'print' must be a boolean")
    raises(function() kl.profile{trace = 5} end, "kl.profile: 'trace' must be the name of a file, got integer 5")
    raises(function() kl.profile{trace = "/nowhere/at/all.json"} end, "the trace cannot be written: /nowhere/at/all.json")
  end)
end)

describe("a trace", function()
  local path = os.tmpname()
  after_each(function() os.remove(path) end)

  it("is a JSON array of complete events: every kernel, with line, layer and phase, and every step", function()
    local model, x, y = model_and_data()
    local r = profile(function()
      kl.exp(kl.ones{4})
      model:fit{x, y, batch_size = 20, epochs = 2, verbose = 0}
    end, {trace = path})
    local events = kl.json.decode(assert(io.open(path)):read("a"))
    local kernels, steps, layer_of = 0, {}, {}
    for _, e in ipairs(events) do
      if e.ph == "X" then
        assert(e.ts >= 0 and e.dur >= 0 and e.pid == 1 and e.tid == 1 and type(e.name) == "string")
        if e.cat == "kernel" then
          kernels = kernels + 1
          assert(e.args.phase)
          if e.args.layer then layer_of[e.args.layer .. " " .. e.args.phase] = true end
          if e.name == "exp" then assert.matches("profile_spec.lua:%d+$", e.args.line) end
        else
          assert.equal("step", e.cat)
          steps[#steps + 1] = e
        end
      end
    end
    assert.equal(r.calls, kernels)
    assert.equal(4, #steps)
    assert(layer_of[model.name .. "/first forward"] and layer_of[model.name .. "/first backward"])
    for i = 2, #steps do assert(steps[i].ts >= steps[i - 1].ts + steps[i - 1].dur) end
  end)

  it("writes names that JSON has to escape", function()
    local chunk = assert(load("return (...):exp()", '@a "quoted"\\name.lua'))
    profile(function() chunk(kl.ones{2}) end, {trace = path})
    local events = kl.json.decode(assert(io.open(path)):read("a"))
    assert.equal('a "quoted"\\name.lua:1', events[#events].args.line)
  end)
end)
