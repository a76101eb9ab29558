-- Steps under a recorder that only stores nodes, as a plan will see them.
local kl = require "kl"
local assert = require "luassert"

local methods = kl.core.tensor_methods

--- Runs f without running its operations, asserts that it read no value, then runs what was stored.  The (single) result of
--- f, if it is a tensor, is kept.  The trace counts reads of what it holds itself; values from before the step, which a plan
--- would keep as constants, are seen by replacing the methods that read.
local function traced(f)
  local trace, item, totable, looked = kl.core.trace(), methods.item, methods.totable, 0
  local function counting(read)
    return function(...)
      looked = looked + 1
      return read(...)
    end
  end
  methods.item, methods.totable = counting(item), counting(totable)
  trace:begin()
  local ok, result = pcall(f)
  local _, reads = trace:stats()
  trace:finish()
  methods.item, methods.totable = item, totable
  reads = reads + looked
  assert.is_true(ok, not ok and result or nil)
  assert.equal(0, reads, "values read while recording")
  if kl.core.kind(result) == "tensor" then result = kl.core.promote(result) end
  trace:run()
  trace:clear()
  return result
end

return traced
