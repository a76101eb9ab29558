-- The stack of running layer calls.
local kl = require "kl"
local call_stack = require "kl.call_stack"

local Failing = kl.Layer:extend("Failing")
function Failing:call() error("on purpose") end

describe("call_stack", function()
  it("is empty after a call that failed", function()
    assert.is_false(pcall(Failing{}, kl.ones{1, 2}))
    assert.is_nil(call_stack.top())
  end)
  it("is a coroutine's own: one that dies in a call leaves nothing behind for others", function()
    local thread = coroutine.create(function() Failing{}(kl.ones{1, 2}) end)
    assert.is_false(coroutine.resume(thread))
    assert.is_nil(call_stack.top())
    local ok, message = pcall(kl.matmul, kl.ones{2}, kl.ones{3})
    assert.is_false(ok)
    assert.is_nil(message:find("in layer", 1, true))
  end)
  it("names the layers of the running calls in errors, outer ones first", function()
    local Outer = kl.Layer:extend("Outer")
    function Outer:init(given)
      Outer.super.init(self, given)
      self.inner = kl.layers.Dense{2, name = "inner"}
    end
    function Outer:call(x) return self.inner(x) end
    local _, message = pcall(Outer{name = "outer"}, kl.ones{3})
    assert.matches("%(in layer 'outer/inner', a Dense%)", message)
  end)
end)
