-- Where recorded operations come from: src/bind/source.c, src/graph/sources.c
local kl = require "kl"
local call_stack = require "kl.call_stack"
local core = kl.core
local layers = kl.layers

--- The message f raises, and the line `offset` lines below the function that is given as `from`.
local function message_of(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

local function line_in(f, offset)
  local info = debug.getinfo(f, "S")
  return ("%s:%d"):format(info.short_src, info.linedefined + offset)
end

local function has(message, words)
  assert(message:find(words, 1, true), ("%q is missing in: %s"):format(words, message))
end

local Lookup = kl.Layer:extend("Lookup")
function Lookup:build() self.table = self:add_weight{name = "table", shape = {4, 2}} end
function Lookup:call(i)
  return kl.take(self.table, i, 1)
end

local Outer = kl.Model:extend("Outer")
function Outer:init()
  Outer.super.init(self)
  self.lookup = Lookup{name = "words"}
end
function Outer:call(i) return self.lookup(i) * 2 end

describe("a handle used after its step", function()
  it("is told with the line and the operation that made it, after one step and after many", function()
    local left
    local function body(x)
      left = x * 2
      return left:sum()
    end
    local f = kl.jit(body)
    for _ = 1, 5 do
      f(kl.ones{3})
      local message = message_of(function() return left + 1 end)
      has(message, "this tensor, made by kl.multiply at " .. line_in(body, 1) .. ", belongs to a finished step")
      has(message, "t:keep()")
    end
    local old = left
    for i = 1, 100 do f(kl.ones{3 + i % 2}) end
    has(message_of(function() return old + 1 end), "kl.multiply at " .. line_in(body, 1))
  end)

  it("is told with the layer in which it was made", function()
    local left
    local Leak = kl.Layer:extend("Leak")
    function Leak:call(x)
      left = kl.exp(x)
      return left
    end
    local leak = Leak{name = "leak"}
    kl.jit(function(x) return leak(x):sum() end)(kl.ones{2})
    has(message_of(function() return left:item() end), "made by kl.exp at " .. line_in(Leak.call, 1) .. " (in layer 'leak')")
  end)

  it("knows its line also if the step took another way than before, from the second time on", function()
    local left, other
    local function body(x)
      if other then
        left = x - 1
      else
        left = x + 1
      end
      return left:sum()
    end
    local f = kl.jit(body)
    f(kl.ones{2})
    f(kl.ones{2})
    other = true
    f(kl.ones{2})
    has(message_of(function() return left:item() end), "belongs to a finished step")
    f(kl.ones{2})
    has(message_of(function() return left:item() end), "kl.subtract at " .. line_in(body, 2))
  end)

  it("is told without a line when the plan is gone", function()
    local left
    local f = kl.jit(function(x)
      left = x * 2
      return left:sum()
    end)
    f(kl.ones{3})
    core.forget_plans()
    has(message_of(function() return left:item() end), "this tensor belongs to a finished step")
  end)
end)

describe("a value that is refused when a step ends", function()
  it("is told with the line of the operation and the layers around it", function()
    local model = Outer{}
    local f = kl.jit(function(i) return model(i):sum() end)
    f(kl.tensor{0, 3})
    local expected = line_in(Lookup.call, 1) .. ": kl.take: index 7 at position 1 is outside an axis of length 4 (in layer '"
      .. model.name .. "/words')"
    has(message_of(f, kl.tensor{0, 7}), expected)
    has(message_of(f, kl.tensor{0, 7, 1}), expected) -- shapes that are met for the first time
    assert.equal(1, select(2, message_of(f, kl.tensor{0, 7}):gsub("in layer", "")))
  end)

  it("is told with the line in the user's own train_step", function()
    local Own = Outer:extend("Own")
    function Own:train_step(data)
      local i = data[1]
      local rows = kl.take(self.lookup.table, i, 1)
      return {loss = rows:sum()}
    end
    local model = Own{}
    model(kl.tensor{0})
    model:compile{optimizer = "sgd", loss = "mse"}
    model:fit{kl.tensor{0, 1, 2, 3}, batch_size = 2, verbose = 0}
    local message = message_of(function() model:fit{kl.tensor{0, 1, 2, 9}, batch_size = 2, verbose = 0, shuffle = false} end)
    has(message, line_in(Own.train_step, 2) .. ": kl.take: index 9")
    has(message, "stack:") -- and where fit was called
  end)

  it("is told with the call of fit where the step is kl's own, whichever call made its plan", function()
    local model = kl.Sequential{kl.Input{3}, layers.Dense{4, activation = "softmax"}}
    model:compile{optimizer = "sgd", loss = "sparse_categorical_crossentropy"}
    local x = kl.ones{8, 3}
    model:fit{x, kl.zeros({8}, {dtype = "int32"}), epochs = 2, verbose = 0}
    local function again() model:fit{x, kl.ones({8}, {dtype = "int32"}) * 5, verbose = 0} end
    local message = message_of(again)
    has(message, line_in(again, 0) .. ": ")
    has(message, "label 5")
  end)

  it("is told as of the gradient where the gradient's own operation refuses it", function()
    local at = kl.Variable(kl.tensor{0}, {trainable = false})
    local function rule(g)
      return kl.take(g, at, 1) + g
    end
    local own = kl.custom_gradient(function(x) return x * 1, rule end)
    local f = kl.jit(function(x)
      local tape <close> = kl.GradientTape()
      tape:watch(x)
      return tape:gradient(own(x), x)
    end)
    f(kl.ones{3})
    at:assign(kl.tensor{9})
    local message = message_of(f, kl.ones{3})
    has(message, line_in(rule, 1) .. ": kl.take: index 9")
    has(message, "(in the gradient)")
  end)
end)

describe("finding out lines", function()
  local looks

  before_each(function()
    looks = 0
    core.set_layer_path(function(is_update)
      looks = looks + 1
      return call_stack.shown_path(is_update)
    end)
  end)

  after_each(function() core.set_layer_path(call_stack.shown_path) end)

  it("is done in a step that makes a plan, and not in those that run by it", function()
    local f = kl.jit(function(x) return (x * 2 + 1):sum() end)
    f(kl.ones{3})
    local first = looks
    assert(first > 0)
    f(kl.ones{3})
    f(kl.ones{3})
    assert.equal(first, looks)
    f(kl.ones{4})
    assert(looks > first)
  end)

  it("is not done outside of steps", function()
    kl.exp(kl.ones{2} + 1)
    assert.equal(0, looks)
  end)

  it("is not done in steps that are replayed", function()
    local f = kl.jit(function(x) return (x * 2 + 1):sum() end, {replay = true})
    f(kl.ones{3})
    local first = looks
    assert(first > 0)
    for _ = 1, 3 do f(kl.ones{3}) end
    assert.equal(first, looks)
  end)

  it("goes on after an error in a step", function()
    local fail = true
    local f = kl.jit(function(x)
      local y = x * 2
      if fail then error("stop") end
      return y
    end)
    pcall(f, kl.ones{3})
    looks = 0
    kl.exp(kl.ones{2})
    assert.equal(0, looks)
    fail = false
    assert.same({2, 2, 2}, f(kl.ones{3}):totable())
    assert(looks > 0)
  end)
end)
