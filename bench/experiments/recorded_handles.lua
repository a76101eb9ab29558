-- Experiment 1: what a recorded step costs when its Lua is run again every time and no kernel runs.
--
-- kl run bench/experiments/recorded_handles.lua [linreg|mlp] [STEPS]
-- Steps have as many door passes, tapes and assignments as the real ones, spelt with four ops; a trace stores the nodes and
-- is cleared after each step.  Prints one line: passes, microseconds, Lua bytes and value reads per step.
local kl = require "kl"
local core = kl.core
local ones = function(...) return kl.broadcast_to(kl.tensor(1.0), {...}):copy() end
local function variable(...) return core.variable(ones(...), true, {}) end

local function linreg()
  local x, y = ones(1000, 1), ones(1000, 1)
  local w, b = variable(1, 1), variable(1)
  return function()
    local tape = core.tape(false, true)
    local e = kl.matmul(x, w) + b - y
    local loss = kl.mean(e * e)
    local g = tape:_gradient({loss}, {w, b}, {})
    w:assign_sub(g[1] * 0.1)
    b:assign_sub(g[2] * 0.1)
    return {loss = loss}
  end
end

local function mlp()
  local x, y, mask = ones(32, 784), ones(32, 10), ones(32, 512)
  local weights = {variable(784, 512), variable(512), variable(512, 10), variable(10)}
  local slots = {}
  for i, w in ipairs(weights) do slots[i] = core.variable(w.value, false, {}) end
  local total, count, right, seen, iterations = variable(), variable(), variable(), variable(), variable()
  return function()
    local tape = core.tape(false, true)
    local h = kl.matmul(x, weights[1]) + weights[2]
    h = h * mask * mask                              -- relu, dropout
    local p = kl.matmul(h, weights[3]) + weights[4]
    local e = p - y
    local loss = kl.mean(e * e * y)                  -- cross-entropy, reduction
    local grads = tape:_gradient({loss}, weights, {})
    for i, w in ipairs(weights) do                   -- RMSprop: slot, direction, update
      local g = grads[i]
      slots[i]:assign(slots[i] * 0.9 + g * g * 0.1)
      w:assign_sub(g * slots[i] * 0.001)
    end
    iterations:assign_add(1)
    total:assign_add(loss * 32)
    count:assign_add(32)
    right:assign_add(kl.mean(p * y))
    seen:assign_add(32)
    return {loss = total * count, accuracy = right * seen}
  end
end

local which, steps = arg[1] or "mlp", tonumber(arg[2]) or 100000
local step = which == "linreg" and linreg() or mlp()
local trace = core.trace()

local function recorded()
  trace:begin()
  local logs = step()
  local passes, reads = trace:stats()
  trace:finish()
  for _, t in pairs(logs) do core.promote(t) end
  trace:clear()
  return passes, reads, logs
end

local passes, reads, logs = recorded()
local dead
trace:begin(); dead = kl.mean(ones(3) * 2); trace:finish(); trace:clear()
assert(not pcall(kl.mean, dead), "a dead handle must raise")
assert(logs.loss.shape, "a returned handle lives on")

collectgarbage() collectgarbage("stop")
local bytes = collectgarbage("count")
for _ = 1, 100 do recorded() end
bytes = (collectgarbage("count") - bytes) * 1024 / 100
collectgarbage("restart")
local start = kl.core.clock()
for _ = 1, steps do recorded() end
print(("%s: %d recorded steps, %.1f us, %.0f Lua bytes, %d reads"):format(which, passes, (kl.core.clock() - start) / steps * 1e6,
  bytes, reads))
