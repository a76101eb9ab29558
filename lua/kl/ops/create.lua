-- Tensors made of nothing.
local core = require "kl.core"
local args = require "kl.args"
local define = require "kl.ops.define"
local errors = require "kl.errors"

local prim = core.ops
local create = {}

--- A shape and options from a table whose array part is the shape: zeros{2, 3, dtype = "int32"}.  A list of lengths may
--- also stand as the first entry.
---@return integer[], table
function create.read_shape(what, params, given, ...)
  if type(given) == "number" then -- zeros(2, 3)
    given = {given, ...}
    local last = given[#given]
    if type(last) == "table" then
      given[#given] = nil
      for key, value in pairs(last) do given[key] = value end
    end
  elseif select("#", ...) == 1 and type((...)) == "table" then -- zeros({2, 3}, {dtype = ...})
    local joined = {table.unpack(given)}
    for key, value in pairs((...)) do joined[key] = value end
    given = joined
  elseif select("#", ...) > 0 and (select("#", ...) > 1 or (...) ~= nil) then
    errors.fail("%s: one table of options expected after the shape, got %s", what, errors.show((...)))
  end
  if type(given) ~= "table" then errors.fail("%s: a shape expected, got %s", what, errors.show(given)) end
  local shape, options = {}, {}
  for key, value in pairs(given) do
    if math.type(key) == "integer" then shape[key] = value else options[key] = value end
  end
  if type(shape[1]) == "table" and #shape == 1 then shape = shape[1] end
  for i, length in ipairs(shape) do
    if math.type(length) ~= "integer" or length < 0 then
      errors.fail("%s: axis %d of the shape must be an integer >= 0, got %s", what, i, errors.show(length))
    end
  end
  return shape, (args.read(what, params, options))
end

local dtype_params = args.params{{"dtype", "float32"}}

local function filled(shape, value, dtype)
  return prim.copy(prim.broadcast_to(prim.cast(value, dtype), shape))
end

--- Zeros: kl.zeros{2, 3}, kl.zeros{2, 3, dtype = "int32"}.
---@return kl.Tensor
function create.zeros(...)
  local shape, o = create.read_shape("kl.zeros", dtype_params, ...)
  return filled(shape, 0, o.dtype)
end

--- Ones: kl.ones{2, 3}.
---@return kl.Tensor
function create.ones(...)
  local shape, o = create.read_shape("kl.ones", dtype_params, ...)
  return filled(shape, 1, o.dtype)
end

--- A tensor of one value; its dtype is that of the value (float32 for a float, int32 for an integer) unless given.
create.full = define("kl.full", {"shape", "fill_value", {"dtype"}}, function(shape, value, dtype)
  local t = core.tensor(value, dtype)
  return prim.copy(prim.broadcast_to(t, shape))
end)

-- A value in the shape of x.  Where x is part of a graph its shape is known when the graph runs, so the value comes from x.
local function filled_like(x, value, dtype)
  value = prim.cast(value, dtype or x.dtype)
  if core.is_symbolic(x) then return prim.where(prim.equal(x, x), value, value) end
  return prim.broadcast_to(value, x.shape)
end

--- Zeros, ones or a value in the shape of x, and in its dtype unless given.
create.zeros_like = define("kl.zeros_like", {"x", {"dtype"}}, function(x, dtype) return filled_like(x, 0, dtype) end)
create.ones_like = define("kl.ones_like", {"x", {"dtype"}}, function(x, dtype) return filled_like(x, 1, dtype) end)
create.full_like = define("kl.full_like", {"x", "fill_value", {"dtype"}}, filled_like)

local function is_whole(x) return x == nil or math.type(x) == "integer" end

--- start, start + step, ... below stop (numpy's arange); arange(stop) starts at 0.  int32 for integers, else float32.
create.arange = define("kl.arange", {"start", {"stop"}, {"step", 1}, {"dtype"}}, function(start, stop, step, dtype)
  for name, value in pairs{start = start, stop = stop, step = step} do
    args.check("kl.arange: '" .. name .. "'", value, "number")
  end
  if stop == nil then start, stop = 0, start end
  if step == 0 then errors.fail("kl.arange: the step is 0") end
  local n = math.tointeger(math.ceil((stop - start) / step))
  if not n then errors.fail("kl.arange: no finite number of steps of %s from %s to %s", step, start, stop) end
  dtype = dtype or (is_whole(start) and is_whole(stop) and is_whole(step)) and "int32" or "float32"
  return prim.sequence(start, step, math.max(0, n), dtype)
end)

--- num numbers from start to stop, both ends in (endpoint = false leaves the last one out).
create.linspace = define("kl.linspace", {"start", "stop", {"num", 50}, {"endpoint", true}, {"dtype", "float32"}},
  function(start, stop, num, endpoint, dtype)
    args.check("kl.linspace: 'start'", start, "number")
    args.check("kl.linspace: 'stop'", stop, "number")
    args.check("kl.linspace: 'num'", num, "integer", 0)
    local parts = endpoint and num - 1 or num
    local step = parts > 0 and (stop - start) / parts or 0.0
    local t = prim.sequence(start + 0.0, step, num, dtype)
    if endpoint and num > 1 then -- the last is exactly stop
      t = prim.slice_update(t, {num}, prim.reshape(prim.cast(stop, dtype), {1}))
    end
    return t
  end)

--- Ones on the k-th diagonal, zeros elsewhere.
create.eye = define("kl.eye", {"n", {"m"}, {"k", 0}, {"dtype", "float32"}}, function(n, m, k, dtype)
  args.check("kl.eye: 'n'", n, "integer", 0)
  if m ~= nil then args.check("kl.eye: 'm'", m, "integer", 0) end
  args.check("kl.eye: 'k'", k, "integer")
  local rows = prim.reshape(prim.sequence(k, 1, n, "int64"), {n, 1})
  return prim.cast(prim.equal(rows, prim.sequence(0, 1, m or n, "int64")), dtype)
end)
create.identity = create.eye

return create
