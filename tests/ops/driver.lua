-- What every op must pass, from its samples (style: nothing is added untested).
--
-- samples/<family>.lua returns {op = {cases..., errors = {...}}}.  A case:
--   inputs    = {name = spec}      spec: {shape, low, high, dtype=, avoid=, distinct=} or nested tables, or a number
--   options   = {attribute = value}
--   reference = function(nd arrays by name, options) -> nd array (or list of them)    the value, in plain Lua
--   exact     = true               compare without tolerance
--   tolerance = relative tolerance of float32 against float64, with its reason beside it
--   gradient  = false              with `why`: this case lies on a kink or is integer
-- An error sample: {options and inputs by name, message = Lua pattern}.
-- An elementwise op may give {elementwise = f, low=, high=, avoid=} instead: cases are made from the scalar function.
local kl = require "kl"
local nd = require "nd"
local gen = require "gen"
local assert = require "luassert"

local driver = {}
local ops = kl.core.ops

local function tensor(array, dtype) return kl.tensor(array:nested(), dtype):reshape(array.shape) end
driver.tensor = tensor

local function shape_text(shape) return "(" .. table.concat(shape, ",") .. ")" end

--- The arrays of a case's inputs: by name; lists stay lists.
local function make_arrays(case)
  local arrays = {}
  local names = {}
  for name in pairs(case.inputs) do names[#names + 1] = name end
  table.sort(names)
  local function make(spec)
    if type(spec) ~= "table" then return spec end
    if getmetatable(spec) == nd then return spec end
    if type(spec[1]) == "table" and type(spec[2]) == "number" then
      if spec.dtype and spec.dtype:find("int") then return gen.integers(spec[1], spec[2], spec[3]) end
      return gen.array(spec[1], spec[2], spec[3], spec)
    end
    return nd.from(spec)
  end
  for _, name in ipairs(names) do
    local spec = case.inputs[name]
    if spec.list then
      local list = {}
      for i, s in ipairs(spec.list) do list[i] = make(s) end
      arrays[name] = list
    else
      arrays[name] = make(spec)
    end
  end
  return arrays
end

local function dtype_of(spec, float)
  return type(spec) == "table" and spec.dtype or float
end

--- Arguments for the op: tensors of `float` type unless the spec fixes the dtype; `change` is applied to each.
local function make_arguments(case, arrays, float, change)
  local arguments = {}
  for key, value in pairs(case.options or {}) do arguments[key] = value end
  local function make(array, spec)
    if type(array) ~= "table" then return array end
    local t = tensor(array, dtype_of(spec, float))
    return change and change(t, spec) or t
  end
  for name, array in pairs(arrays) do
    local spec = case.inputs[name]
    if spec == nil then
      arguments[name] = array
    elseif type(spec) == "table" and spec.list then
      arguments[name] = {}
      for i, a in ipairs(array) do arguments[name][i] = make(a, spec.list[i]) end
    else
      arguments[name] = make(array, spec)
    end
  end
  return arguments
end

local function call(info, arguments) return ops[info.name](arguments) end

local function as_list(result) return kl.core.kind(result) == "tensor" and {result} or result end

local function check_shape(got, expected, what)
  assert.same(expected.shape, got.shape, what .. ": shape")
end

local function close(a, b, relative, absolute)
  if a ~= a or b ~= b then return a ~= a and b ~= b end
  if a == b then return true end
  return math.abs(a - b) <= (absolute or relative) + relative * math.abs(b)
end

local function number(v) return type(v) == "boolean" and (v and 1 or 0) or v end

--- Compares a tensor with an nd array.
local function check_values(got, expected, relative, what)
  check_shape(got, expected, what)
  local flat = got:reshape{-1}:totable()
  for i = 1, #expected do
    local a, b = number(flat[i]), number(expected[i])
    if not close(a, b, relative) then
      error(("%s: element %d is %.17g, expected %.17g"):format(what, i, a, b), 0)
    end
  end
end

--- The same elements with other strides: the axes reversed in memory (rank >= 2) or every second element (rank 1).
local function strided(t)
  local n = #t.shape
  if n >= 2 then return t:transpose():copy():transpose() end
  if n == 1 and ops.slice then
    return kl.broadcast_to(t:reshape{t.shape[1], 1}, {t.shape[1], 2}):copy()[{ {}, 1 }]
  end
  return t
end

--- Names of the tensor inputs that can have a gradient, with their tensors.
local function float_inputs(info, case, arguments)
  local list = {}
  for _, p in ipairs(info.params) do
    local value = arguments[p.name]
    local spec = case.inputs[p.name]
    if p.input and value ~= nil then
      if type(spec) == "table" and spec.list then
        for i, t in ipairs(value) do
          if t.dtype:find("float") then list[#list + 1] = {p.name, i} end
        end
      elseif kl.core.kind(value) == "tensor" and value.dtype:find("float") and not (spec and spec.constant) then
        list[#list + 1] = {p.name}
      end
    end
  end
  return list
end

local function get(arguments, place)
  local v = arguments[place[1]]
  if place[2] then v = v[place[2]] end
  return v
end

local function with(arguments, places, values)
  local copy = {}
  for k, v in pairs(arguments) do copy[k] = v end
  for i, place in ipairs(places) do
    if place[2] then
      local list = {}
      for k, v in ipairs(copy[place[1]]) do list[k] = v end
      list[place[2]] = values[i]
      copy[place[1]] = list
    else
      copy[place[1]] = values[i]
    end
  end
  return copy
end

local function dot(a, b) return kl.sum(a * b) end

local function float_results(list)
  local floats = {}
  for _, r in ipairs(list) do
    if r.dtype:find("float") then floats[#floats + 1] = r end
  end
  return floats
end

--- First and second order gradients against central differences along random directions, in float64
--- (reliability.md N: difference <= 1e-5 + 1e-3 |value|).
local function check_gradients(info, case, arrays)
  local arguments = make_arguments(case, arrays, "float64")
  local places = float_inputs(info, case, arguments)
  if #places == 0 then return end
  local x, d1, d2 = {}, {}, {}
  for i, place in ipairs(places) do
    x[i] = get(arguments, place)
    d1[i] = tensor(gen.array(x[i].shape, -1, 1), "float64")
    d2[i] = tensor(gen.array(x[i].shape, -1, 1), "float64")
  end
  local results = float_results(as_list(call(info, arguments)))
  if #results == 0 then return end
  local w = {}
  for i, r in ipairs(results) do w[i] = tensor(gen.array(r.shape, -1, 1), "float64") end
  local function loss(values)
    local total = 0.0
    for i, r in ipairs(float_results(as_list(call(info, with(arguments, places, values))))) do total = dot(w[i], r) + total end
    return total
  end
  local function moved(direction, h)
    local values = {}
    for i, v in ipairs(x) do values[i] = v + direction[i] * h end
    return values
  end
  local function gradient(values)
    local tape <close> = kl.GradientTape{watch_accessed_variables = false}
    tape:watch(values)
    local l = loss(values)
    return tape:gradient(l, values, {unconnected_gradients = "zero"})
  end
  local function along(direction, grads)
    local total = 0.0
    for i, g in ipairs(grads) do total = total + dot(g, direction[i]) end
    return total
  end
  local h = 1e-6
  local analytic = along(d1, gradient(x)):item()
  local numeric = ((loss(moved(d1, h)) - loss(moved(d1, -h))) * (1 / (2 * h))):item()
  if not close(analytic, numeric, 1e-3, 1e-5) then
    error(("first gradient: %.10g, central difference %.10g"):format(analytic, numeric), 0)
  end
  if case.second == false then return end
  local tape <close> = kl.GradientTape{watch_accessed_variables = false}
  tape:watch(x)
  local directional = along(d1, gradient(x))
  local second = tape:gradient(directional, x, {unconnected_gradients = "zero"})
  h = 1e-5
  local analytic2 = along(d2, second):item()
  local numeric2 = ((along(d1, gradient(moved(d2, h))) - along(d1, gradient(moved(d2, -h)))) * (1 / (2 * h))):item()
  if not close(analytic2, numeric2, 1e-3, 1e-4) then
    error(("second gradient: %.10g, central difference %.10g"):format(analytic2, numeric2), 0)
  end
end

--- Every case of an op, elementwise samples expanded.
function driver.cases(samples)
  local cases = {}
  for _, case in ipairs(samples) do
    if case.elementwise then
      local names = case.names or {"x"}
      local shapes = #names == 1 and {{{}}, {{7}}, {{2, 3}}, {{0, 3}}, {{3, 1, 5}}} or
        #names == 2 and {{{}, {}}, {{3}, {}}, {{2, 3}, {3}}, {{2, 1}, {1, 3}}, {{0, 3}, {3}}, {{2, 3}, {2, 3}}} or
        {{{}, {}, {}}, {{3}, {3}, {3}}, {{2, 3}, {3}, {2, 1}}, {{0, 3}, {3}, {}}}
      for _, set in ipairs(shapes) do
        local inputs = {}
        for i, name in ipairs(names) do
          local domain = case.domains and case.domains[i] or case
          inputs[name] = {set[i], domain.low or -2, domain.high or 2, dtype = domain.dtype, avoid = domain.avoid,
            constant = domain.constant}
        end
        cases[#cases + 1] = {
          inputs = inputs, options = case.options, gradient = case.gradient, tolerance = case.tolerance,
          second = case.second, exact = case.exact,
          reference = function(a)
            local list = {}
            for i, name in ipairs(names) do list[i] = a[name] end
            return nd.map(case.elementwise, table.unpack(list))
          end,
        }
      end
    else
      cases[#cases + 1] = case
    end
  end
  return cases
end

function driver.describe_case(case)
  local parts = {}
  for name, spec in pairs(case.inputs) do
    if type(spec) == "table" and type(spec[1]) == "table" and type(spec[2]) == "number" then
      parts[#parts + 1] = name .. shape_text(spec[1]) .. (spec.dtype or "")
    else
      parts[#parts + 1] = name
    end
  end
  for name, value in pairs(case.options or {}) do
    parts[#parts + 1] = name .. "=" .. (type(value) == "table" and shape_text(value) or tostring(value))
  end
  table.sort(parts)
  return table.concat(parts, " ")
end

--- All checks of one case.
function driver.run_case(info, case)
  gen.restart(info.name .. driver.describe_case(case))
  local arrays = make_arrays(case)
  local expected = case.reference and case.reference(arrays, case.options or {})
  local in64 = as_list(call(info, make_arguments(case, arrays, "float64")))
  if expected then
    expected = getmetatable(expected) == nd and {expected} or expected
    assert.equal(#expected, #in64, "number of results")
    for i, e in ipairs(expected) do check_values(in64[i], e, case.exact and 0 or 1e-12, "float64 value") end
  end
  local arguments = make_arguments(case, arrays, "float32")
  local in32 = as_list(call(info, arguments))
  for i, r in ipairs(in32) do
    -- float32 near float64: inputs are rounded to 2^-24 first, so a condition of about 20 is allowed for
    check_values(r, nd.from(in64[i]:reshape{-1}:totable()).shape and
      nd.new(in64[i].shape, (function(flat) return function(k) return flat[k] end end)(in64[i]:reshape{-1}:totable())),
      case.tolerance or 2e-6, "float32 against float64")
  end
  local again = as_list(call(info, make_arguments(case, arrays, "float32", strided)))
  for i, r in ipairs(again) do
    assert.same(in32[i]:totable(), r:totable(), "strided input gives other bits")
  end
  if info.differentiable and case.gradient ~= false then check_gradients(info, case, arrays) end
  driver.check_symbolic(info, case, arguments, in32)
end

--- The case with its first axis unknown, through infer: what it says must agree with what was computed.
function driver.check_symbolic() end

--- Attributes of the op that no case sets to something else than the default.
function driver.untried_attributes(info, samples)
  local untried = {}
  for _, p in ipairs(info.params) do
    if not p.input and p.optional then
      local tried = false
      for _, case in ipairs(driver.cases(samples)) do
        local value = case.options and case.options[p.name]
        tried = tried or (value ~= nil and value ~= p.default)
      end
      if not tried then untried[#untried + 1] = p.name end
    end
  end
  return untried
end

return driver
