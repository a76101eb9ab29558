-- kl.jit: a function whose calls are steps: its operations are recorded and run together when it returns, by a plan that is
-- made once.  Its Lua runs at every call, unless replay is asked for.  Arguments and results are structures of tensors, and a
-- step cannot be left by a yield.
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local Replay = require "kl.replay"
local run_step = require "kl.step"
local tree = require "kl.tree"

local jit_params = args.params{{"replay", false}}

local function check(what, value, path)
  if value == nil or type(value) == "boolean" or type(value) == "number" or type(value) == "string" or core.kind(value) then
    return
  end
  if type(value) == "table" and getmetatable(value) == nil then
    for _, key in ipairs(tree.names(value) or {}) do check(what, value[key], path .. "." .. key) end
    for i = 1, #value do check(what, value[i], ("%s[%d]"):format(path, i)) end
    return
  end
  errors.fail("kl.jit: %s must be a structure of tensors (lists and tables of tensors, numbers, strings, booleans); %s is %s",
    what, path, errors.show(value))
end

--- A function that runs f as a step: everything f computes and does not return, assign to a variable, read or keep is
--- temporary.  With replay = true f's Lua runs once per signature (structure, dtypes and shapes of the arguments, other values);
--- afterwards what was recorded is replayed: variables are read and written, random numbers drawn, but Lua values stay as they
--- were, and reading a tensor's value inside is an error.
---@param f function
---@param options? table # replay = false
---@return function
local function jit(f, options)
  if type(f) ~= "function" then errors.fail("kl.jit: a function expected, got %s", errors.show(f)) end
  local o = args.read("kl.jit", jit_params, options)
  args.check("kl.jit: 'replay'", o.replay, "boolean")
  local function finish(...)
    for i = 1, select("#", ...) do check("results", (select(i, ...)), "result " .. i) end
    return ...
  end
  local run = o.replay and Replay(f) or function(...) return run_step(f, ...) end
  return function(...)
    for i = 1, select("#", ...) do check("arguments", (select(i, ...)), "argument " .. i) end
    return finish(run(...))
  end
end

return jit
