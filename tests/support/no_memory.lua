-- A function with C memory running out at each of its allocations in turn: every call succeeds or raises an error that says so,
-- leaves nothing behind, and leaves its objects as they were (reliability.md V2, V4).
local kl = require "kl"
local assert = require "luassert"

local function live()
  collectgarbage()
  collectgarbage()
  local s = kl.core.memory_stats()
  return s.live_tensors, s.live_blocks, s.live_bytes
end

--- Calls `f` with the first, the second, ... allocation and all behind it failing, until none of the call's own fails.
---@param f fun()
---@param is_whole fun(): boolean # whether its objects are as they must be, failed or not
---@param raises? boolean # false: f may get along without the memory (true by default)
return function(f, is_whole, raises)
  for _ = 1, 3 do f() end -- what is made once and stays
  assert.is_true(is_whole())
  local tensors, blocks, bytes = live()
  local failures, step, n = 0, 1, 1
  while true do
    local before = kl.core.memory_stats().allocations
    kl.core.fail_after(n)
    local ok, message = pcall(f)
    kl.core.fail_after(0)
    if ok then message = nil end -- a result, which is not to be held
    local made = kl.core.memory_stats().allocations - before
    if ok and made < n - 1 then break end -- it never came to the allocation that would have failed
    if not ok then
      failures = failures + 1
      message = tostring(message)
      assert.is_truthy(message:find("memory"), ("allocation %d: %s"):format(n, message))
    end
    assert.is_true(is_whole(), "after allocation " .. n)
    local t, k, by = live()
    -- A variable may have come to share what it was assigned: less is right too.
    assert.is_true(t <= tensors and k <= blocks and by <= bytes, ("left behind by allocation %d"):format(n))
    n = n + step
    if n > 200 then step = 7 end
    assert.is_true(n < 20000)
  end
  assert.is_true(n > 2, "it allocates nothing")
  if raises ~= false then assert.is_true(failures > 0) end
  f()
  assert.is_true(is_whole())
  assert.same({tensors, blocks, bytes}, {live()})
end
