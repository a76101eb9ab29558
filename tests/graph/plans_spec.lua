-- kl.plans(): what the cache of plans tells, and the note on steps that need a new plan again and again.
local kl = require "kl"
local program = require "program"
local raises = require "raises"

local function latest() return kl.plans().list[1] end

describe("kl.plans()", function()
  it("says why each plan was made", function()
    local v, w = kl.Variable{1.0, 2.0}, kl.Variable{1.0, 2.0}
    local kinds = {
      double = function(x) return x * 2 end,
      sum = function(x) return kl.sum(kl.reshape(x, {-1, 2}), 1) end,
      other_sum = function(x) return kl.sum(kl.reshape(x, {-1, 2}), 2) end,
      two = function(x)
        local y = kl.exp(x)
        return y, y + 1
      end,
      one = function(x) return kl.exp(x) end,
      sum_too = function(x)
        local y = kl.exp(x)
        return y + 1
      end,
      assign = function(x) v:assign(x) end,
      assign_read = function() v:assign(w) end,
    }
    local f = kl.jit(function(x, kind) return kinds[kind](x) end)
    local function reason(...)
      f(...)
      return latest().reason
    end
    local square = kl.ones{2, 2}
    assert.equal("the first of this step", reason(kl.ones{4, 2}, "double"))
    assert.equal("kl.multiply reads an input of float32 (2, 2), before it was float32 (4, 2)", reason(square, "double"))
    assert.equal("kl.multiply reads an input of int32 (2, 2), before it was float32 (2, 2)",
      reason(kl.cast(square, "int32"), "double"))
    reason(square, "double")
    assert.equal("kl.multiply reads an input that lies in memory in another way (a transposed or cut view)",
      reason(kl.transpose(square), "double"))
    f = kl.jit(function(x, kind) return kinds[kind](x) end)
    reason(square, "double")
    assert.equal("operation 1 is reshape, before it was multiply", reason(square, "sum"))
    assert.equal("another option of kl.sum (a shape, an axis, ...)", reason(square, "other_sum"))
    reason(square, "one")
    assert.equal("more operations", reason(square, "two"))
    assert.equal("other results", reason(square, "sum_too"))
    assert.equal("operation 1 is an assignment, before it was exp", reason(kl.ones{2}, "assign"))
    assert.equal("an assignment takes something else", reason(kl.ones{2}, "assign_read"))
    local g = kl.jit(function(x) return x / 3 end)
    g(square)
    assert.equal("the first of this step", latest().reason)
  end)

  it("counts for each plan how often it was found and run, and what it takes", function()
    kl.core.forget_plans()
    local f = kl.jit(function(x) return kl.sum(kl.exp(x)), x * 2 end)
    for _ = 1, 3 do f(kl.ones{64}) end
    f(kl.ones{32})
    local stats = kl.plans()
    assert.same({2, 2, 0, 2}, {stats.hits, stats.misses, stats.evicted, stats.plans})
    local small, large = stats.list[1], stats.list[2]
    assert.same({0, 1, 132, 128}, {small.hits, small.runs, small.result_bytes, small.arena_bytes})
    assert.same({2, 3, 260, 3, 2}, {large.hits, large.runs, large.result_bytes, large.operations, large.calls})
    local replayed = kl.jit(function(x) return x / 2 end, {replay = true})
    for _ = 1, 5 do replayed(kl.ones{7}) end
    assert.equal(5, latest().runs)
  end)

  it("knows plans that were given up before", function()
    kl.core.forget_plans()
    local function plan(i) kl.jit(function(x) return x + 1 end)(kl.ones{i}) end
    for i = 1, 65 do plan(i) end
    assert.equal(1, kl.plans().evicted)
    plan(1)
    assert.equal("made before and given up for others: more than 64 plans, or 128 MiB, are in use", latest().reason)
    kl.core.forget_plans()
  end)
end)

describe("the cache of plans", function()
  it("is bounded in bytes too: of long steps few are kept", function()
    kl.core.forget_plans()
    local function long(n)
      kl.jit(function(x)
        for _ = 1, 15000 do x = x + kl.sin(x) end
        return x
      end)(kl.ones{n})
    end
    for n = 1, 6 do long(n) end
    local stats, bytes = kl.plans(), 0
    for _, plan in ipairs(stats.list) do bytes = bytes + plan.plan_bytes end
    assert(stats.plans >= 2 and stats.plans < 6, stats.plans)
    assert(bytes - stats.list[1].plan_bytes <= 128 << 20, bytes)
    assert.equal(6 - stats.plans, stats.evicted)
    kl.core.forget_plans()
  end)
end)

describe("a step whose shapes change at every call", function()
  local function notes(text)
    local output = program.run("local kl = require 'kl'\n" .. text)
    return select(2, output:gsub("kl: note: ", "")), output
  end

  it("gives right results, and a note that names it and says why, once", function()
    local n, output = notes[[
      local function grow(x) return kl.sum(x * 2) end
      local f = kl.jit(grow)
      local total = 0
      for i = 1, 100 do total = total + f(kl.ones{i}):item() end
      print("total " .. total)
    ]]
    assert.equal(1, n, output)
    assert.matches("kl: note: the step of /[^\n]*:2 has needed 8 plans, the last because: kl.multiply reads an input of "
      .. "float32 %(8,%), before it was float32 %(7,%).  Each costs", output)
    assert.matches("total 10100.0", output)
  end)

  it("is named by the line of fit where it is kl's own, and a model at a time", function()
    local text = [[
      local Own = kl.Layer:extend("Own")
      function Own:call(x) return x end
      local function train(width, more)
        local model = kl.Sequential{kl.Input{width}, %s}
        model:compile{loss = "mse", optimizer = "sgd"}
        model:fit{kl.data.Dataset.from_tensor_slices(kl.ones{36, width}, kl.ones{36, 1}):batch(6), verbose = 0}
        for i = 1, more do
          model:fit{kl.ones{i, width}, kl.ones{i, 1}, verbose = 0}
        end
      end
    ]]
    for _, layer in ipairs{"kl.layers.Dense{1}", "Own{}, kl.layers.Dense{1}"} do
      local n, output = notes(text:format(layer) .. "for i = 1, 12 do train(i, 0) end train(3, 12)")
      assert.equal(1, n, output)
      assert.matches("note: the step of /[^\n]*:9 has needed 8 plans, the last because: kl.matmul reads an input of float32 "
        .. "%(%d, 3%)", output)
    end
  end)
end)

describe("a train_step that returns other names than before", function()
  it("ends fit with an error that lists both", function()
    local Fickle = kl.Model:extend("Fickle")
    function Fickle:call(x) return x end
    function Fickle:train_step()
      self.count = (self.count or 0) + 1
      return self.count == 3 and {loss = 1.0, extra = 2.0} or {loss = 1.0}
    end
    function Fickle:test_step() return self:train_step() end
    local model = Fickle()
    model:compile{}
    raises(function() model:fit{kl.ones{8, 1}, batch_size = 2, verbose = 0} end,
      "train_step of model 'fickle.*' returned {extra, loss} at step 3, and {loss} at the first: every step must return the same names")
    model.count = 1
    raises(function() model:fit{kl.ones{2, 1}, epochs = 4, verbose = 0} end, "returned {extra, loss} at step 1, and {loss} at the first")
    model.count = 2
    raises(function() model:evaluate{kl.ones{8, 1}, batch_size = 2, verbose = 0} end,
      "test_step of model 'fickle.*' returned {loss} at step 2, and {extra, loss} at the first")
  end)
end)
