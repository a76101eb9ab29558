-- What every op must pass, from its samples (style: nothing is added untested).
--
-- samples/<family>.lua returns {op = {cases..., errors = {...}}}.  A case:
--   inputs    = {name = spec}      spec: {shape, low, high, dtype=, and what gen.array knows}, nested tables, a number,
--                                  {values = nested tables, dtype=, shape= where it is empty}, or {list = {specs}};
--                                  without a dtype an input is float64 or float32 as the check needs it
--   options   = {attribute = value}
--   reference = function(nd arrays by name, options) -> nd array (or list of them)    the value, in plain Lua
--   dtype     = the result's, where it is not that of the inputs
--   ulps      = how far float32 may be from float64 of the same float32 inputs, in units of the last place (default 2:
--               the bound of hand-written functions, reliability.md 9), or
--   bound     = function(nd arrays, options) -> nd array: the same as absolute errors, for sums of many terms
--   property  = function(list of results, case, arrays): asserts what has no closed form, for random ops
--   gradient  = false              with `why`: what makes differences wrong here
--   second    = false              with `why`: the row says that it is not twice differentiable
-- An error sample: {function that raises, Lua pattern}.
-- An elementwise op may give {elementwise = f, names=, low=, high=, avoid=, domains=} instead: cases are made from the
-- function of numbers, for the shapes that broadcasting knows.  integers = f, with domains, makes exact cases of uint8,
-- int32 and int64 (results are cut to the type's width, as C and numpy do); booleans = f one of bool.
local kl = require "kl"
local nd = require "nd"
local gen = require "gen"
local compare = require "compare"
local gradients = require "gradients"
local strides = require "strides"
local assert = require "luassert"

local driver = {}
local ops = kl.core.ops

--- A reference array as a tensor.
function driver.tensor(array, dtype) return kl.tensor(array:nested(), dtype):reshape(array.shape) end

--- True for {shape, low, high}.
local function is_random(spec) return type(spec[1]) == "table" and type(spec[2]) == "number" end

--- The shape of an input spec; nil for a number or a list.
function driver.shape_of(spec)
  if type(spec) ~= "table" or spec.list then return nil end
  if is_random(spec) then return spec[1] end
  return spec.shape or nd.from(spec.values ~= nil and spec.values or spec).shape
end

local function make_array(spec)
  if type(spec) ~= "table" then return spec end
  if not is_random(spec) then
    local array = nd.from(spec.values ~= nil and spec.values or spec)
    return spec.shape and nd.new(spec.shape, function(i) return array[i] end) or array
  end
  if spec.dtype == "bool" then return gen.booleans(spec[1]) end
  if spec.dtype and spec.dtype:find("int") then return gen.integers(spec[1], spec[2], spec[3]) end
  return gen.array(spec[1], spec[2], spec[3], spec)
end

--- The arrays of a case's inputs: by name; lists stay lists.
function driver.arrays(case)
  local arrays, names = {}, {}
  for name in pairs(case.inputs) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local spec = case.inputs[name]
    if type(spec) == "table" and spec.list then
      arrays[name] = {}
      for i, s in ipairs(spec.list) do arrays[name][i] = make_array(s) end
    else
      arrays[name] = make_array(spec)
    end
  end
  return arrays
end

--- The same arguments with `change` applied to each tensor (and its spec).
local function changed(case, arguments, change)
  local result = {}
  for name, value in pairs(arguments) do
    local spec = case.inputs[name]
    if type(spec) ~= "table" then
      result[name] = value
    elseif spec.list then
      result[name] = {}
      for i, v in ipairs(value) do result[name][i] = change(v, spec.list[i]) end
    else
      result[name] = change(value, spec)
    end
  end
  return result
end

--- Arguments for the op: tensors of type `float` unless the spec fixes the dtype.
function driver.arguments(case, arrays, float)
  local arguments = changed(case, arrays, function(array, spec)
    return type(array) == "table" and driver.tensor(array, spec.dtype or float) or array
  end)
  for key, value in pairs(case.options or {}) do arguments[key] = value end
  return arguments
end

--- The same with every input that has no dtype of its own cast.
local function cast_free(case, arguments, dtype)
  return changed(case, arguments, function(t, spec) return spec.dtype and t or ops.cast{x = t, dtype = dtype} end)
end

local function call(info, arguments)
  local result = ops[info.name](arguments)
  return kl.core.kind(result) == "tensor" and {result} or result
end

local function is_float(t) return t.dtype:find("float") ~= nil end

--- Where the inputs stand that can have a gradient: {name} or {name, position in its list}.
local function float_places(info, arguments)
  local places = {}
  for _, p in ipairs(info.params) do
    local value = arguments[p.name]
    if p.kind == "tensors" then
      for i, t in ipairs(value) do
        if is_float(t) then places[#places + 1] = {p.name, i} end
      end
    elseif p.input and kl.core.kind(value) == "tensor" and is_float(value) then
      places[#places + 1] = {p.name}
    end
  end
  return places
end

local function get(arguments, place)
  local value = arguments[place[1]]
  return place[2] and value[place[2]] or value
end

local function with(arguments, places, values)
  local copy = {}
  for k, v in pairs(arguments) do copy[k] = type(v) == "table" and {table.unpack(v)} or v end
  for i, place in ipairs(places) do
    if place[2] then copy[place[1]][place[2]] = values[i] else copy[place[1]] = values[i] end
  end
  return copy
end

local function check_gradients(info, case, arrays)
  for _, float in ipairs{"float64", "float32"} do
    local arguments = driver.arguments(case, arrays, float)
    local places, xs = float_places(info, arguments), {}
    for i, place in ipairs(places) do xs[i] = get(arguments, place) end
    if #xs == 0 then return end
    local function f(values) return call(info, with(arguments, places, values)) end
    if info.constant then
      gradients.check_constant(f, xs, info.name, info.constant)
    elseif float == "float64" then
      gradients.check(f, xs, case)
    else
      gradients.check_types(f, xs)
    end
  end
end

local integer_types = {"uint8", "int32", "int64"}
local default_domain = {uint8 = {0, 255}, int32 = {-2 ^ 31 | 0, 2 ^ 31 - 1 | 0}, int64 = {-2 ^ 62 | 0, 2 ^ 62 | 0}}

--- An integer as a type of that width holds it.
local function cut(value, dtype)
  if math.type(value) ~= "integer" or dtype == "int64" then return value end
  if dtype == "uint8" then return value & 0xff end
  value = value & 0xffffffff
  return value >= 0x80000000 and value - 0x100000000 or value
end

local shape_sets = {
  {{{}}, {{7}}, {{2, 3}}, {{0, 3}}, {{3, 1, 5}}, {{6, 50}}},
  {{{}, {}}, {{3}, {}}, {{2, 3}, {3}}, {{2, 1}, {1, 3}}, {{0, 3}, {3}}, {{2, 3}, {2, 3}}, {{5, 300}, {5, 1}}},
  {{{}, {}, {}}, {{3}, {3}, {3}}, {{2, 3}, {3}, {2, 1}}, {{0, 3}, {3}, {}}, {{4}, {}, {}}},
  {{{}, {}, {}, {}}, {{300}, {300}, {}, {}}, {{2, 3}, {2, 3}, {}, {}}, {{2, 3}, {3}, {2, 1}, {1}},
   {{0, 2}, {2}, {}, {}}},
}

local function elementwise_case(sample, shapes, f, domain_of)
  local names, inputs, fields = sample.names or {"x"}, {}, {}
  for i, name in ipairs(names) do inputs[name] = domain_of(i, shapes[i]) end
  for key, value in pairs(sample) do fields[key] = value end
  fields.elementwise, fields.integers, fields.booleans, fields.inputs = nil, nil, nil, inputs
  fields.reference = function(a)
    local list = {}
    for i, name in ipairs(names) do list[i] = a[name] end
    return nd.map(f, table.unpack(list))
  end
  return fields
end

--- Every case of an op, elementwise samples expanded.
function driver.cases(samples)
  local cases = {}
  for _, sample in ipairs(samples) do
    local n = sample.names and #sample.names or 1
    if sample.elementwise then
      for _, shapes in ipairs(shape_sets[n]) do
        cases[#cases + 1] = elementwise_case(sample, shapes, sample.elementwise, function(i, shape)
          local d = sample.domains and sample.domains[i] or {low = sample.low, high = sample.high, avoid = sample.avoid}
          return {shape, d.low or -2, d.high or 2, dtype = d.dtype, avoid = d.avoid, step = d.step, shift = d.shift}
        end)
      end
    end
    for _, dtype in ipairs(sample.integers and integer_types or {}) do
      local result = sample.dtype or dtype
      local case = elementwise_case(sample, shape_sets[n][n == 1 and 3 or 4], function(...)
        return cut(sample.integers(...), result)
      end, function(i, shape)
        local d = sample.integer_domains and sample.integer_domains[i] or default_domain[dtype]
        return {shape, math.max(d[1], default_domain[dtype][1]), math.min(d[2], default_domain[dtype][2]),
          dtype = dtype}
      end)
      case.dtype = result
      cases[#cases + 1] = case
    end
    if sample.booleans then
      local case = elementwise_case(sample, shape_sets[n][n == 1 and 2 or 3], sample.booleans, function(_, shape)
        return {shape, 0, 1, dtype = "bool"}
      end)
      case.dtype = "bool"
      cases[#cases + 1] = case
    end
    if not (sample.elementwise or sample.integers or sample.booleans) then cases[#cases + 1] = sample end
  end
  return cases
end

local function value_text(value)
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for i, v in ipairs(value) do parts[i] = value_text(v) end
  return "(" .. table.concat(parts, ",") .. ")"
end

function driver.describe_case(case)
  local parts = {}
  for name, spec in pairs(case.inputs) do
    local shape = driver.shape_of(spec)
    parts[#parts + 1] = name .. (shape and value_text(shape) .. (spec.dtype or "") or type(spec) == "table" and "" or
      "=" .. tostring(spec))
  end
  for name, value in pairs(case.options or {}) do parts[#parts + 1] = name .. "=" .. value_text(value) end
  table.sort(parts)
  return table.concat(parts, " ")
end

local function check_result_types(case, results, float)
  local fixed = case.dtype or case.options and case.options.dtype
  for i, r in ipairs(results) do
    local expected = type(fixed) == "table" and fixed[i] or fixed or is_float(r) and float or r.dtype
    assert.equal(expected, r.dtype, float .. " inputs: dtype of the result")
  end
end

local function numel(results)
  local n = 0
  for _, r in ipairs(results) do n = math.max(n, nd.count(r.shape)) end
  return n
end

local function check_strides(info, case, arguments, results)
  for _, variant in ipairs(strides.variants) do
    local again = call(info, changed(case, arguments, variant.make))
    for i, r in ipairs(again) do compare.bits(r, results[i], "with " .. variant.name) end
  end
end

--- f with another number of threads.
local function with_other_threads(f)
  local threads = kl.core.get_threads()
  kl.core.set_threads(threads == 1 and 3 or 1)
  local ok, results = pcall(f)
  kl.core.set_threads(threads)
  assert(ok, results)
  return results
end

--- One thread and several give the same bits (reliability.md D1).
local function check_threads(info, arguments, results)
  local again = with_other_threads(function() return call(info, arguments) end)
  for i, r in ipairs(again) do compare.bits(r, results[i], "with another number of threads") end
end

local function copies(list)
  local made = {}
  for i, t in ipairs(list) do made[i] = ops.copy(t) end
  return made
end

--- The gradients of the op's float results by its float inputs; an empty list if there are none.
local function first_gradients(info, arguments)
  local xs = {}
  for i, place in ipairs(float_places(info, arguments)) do xs[i] = get(arguments, place) end
  local tape <close> = kl.GradientTape{watch_accessed_variables = false}
  tape:watch(xs)
  local targets = {}
  for _, r in ipairs(call(info, arguments)) do
    if is_float(r) then targets[#targets + 1] = r end
  end
  return #xs > 0 and #targets > 0 and tape:gradient(targets, xs, {unconnected_gradients = "zero"}) or {}
end

--- A step gives the bits of immediate mode: with the inputs as they are, and with inputs and results that live only in the
--- step, between other operations; gradients too.
local function check_steps(info, case, arguments, results)
  local strided = strides.variants[1 + #driver.describe_case(case) % #strides.variants]
  local function copied(t) return ops.copy(t) end
  local ways = {
    {"as a step", function() return call(info, arguments) end},
    {"inside a step", function() return copies(call(info, changed(case, arguments, copied))) end},
    {"inside a step, with " .. strided.name, function() return copies(call(info, changed(case, arguments, strided.make))) end},
  }
  for _, way in ipairs(ways) do
    local name, step = way[1], kl.jit(way[2])
    for i, r in ipairs(step()) do compare.bits(r, results[i], name) end
    if numel(results) > 8192 then
      for i, r in ipairs(with_other_threads(step)) do compare.bits(r, results[i], name .. ", with another number of threads") end
    end
  end
  if case.gradient == false or info.constant then return end
  local expected = first_gradients(info, arguments)
  for i, g in ipairs(kl.jit(function() return first_gradients(info, arguments) end)()) do
    compare.bits(g, expected[i], "gradient " .. i .. " in a step")
  end
end

--- All checks of one case.
function driver.run_case(info, case)
  gen.restart(info.name .. driver.describe_case(case))
  local arrays = driver.arrays(case)
  local in64 = call(info, driver.arguments(case, arrays, "float64"))
  check_result_types(case, in64, "float64")
  if case.reference then
    local expected = case.reference(arrays, case.options or {})
    expected = getmetatable(expected) == nd and {expected} or expected
    assert.equal(#expected, #in64, "number of results")
    for i, e in ipairs(expected) do compare.values(in64[i], e, 1e-12, "float64 value") end
  end
  local arguments = driver.arguments(case, arrays, "float32")
  local in32 = call(info, arguments)
  check_result_types(case, in32, "float32")
  if not info.random then
    local exact = call(info, cast_free(case, arguments, "float64"))
    local bounds = case.bound and case.bound(arrays, case.options or {})
    for i, r in ipairs(in32) do
      if bounds then
        compare.within(r, exact[i], bounds, "float32 near float64")
      elseif is_float(r) then
        compare.ulps(r, exact[i], case.ulps or 2, "float32 near float64")
      else
        compare.bits(r, exact[i], "float32 inputs against float64 inputs")
      end
    end
  end
  if case.property then case.property(in32, case, arrays) end
  check_strides(info, case, arguments, in32)
  if numel(in32) > 8192 then check_threads(info, arguments, in32) end
  check_steps(info, case, arguments, in32)
  if case.gradient ~= false then check_gradients(info, case, arrays) end
  driver.check_symbolic(info, case, arguments, in32)
end

-- Where an unknown first axis is refused, with what the message must say, or changes the result; and why.
local unknown_axis = {
  -- without named axes an unknown one stays, so that a graph has the same rank for every batch, also for a batch of 1
  squeeze = {rank = function(case) return case.options == nil or case.options.axis == nil end},
}

--- The case with the first axis of its tensors unknown, through infer: what it says must agree with what was computed;
--- an unknown axis agrees with any.  The node, applied again to the tensors, computes the same, whatever infer made of its
--- attributes.  First all tensors, then each alone.
function driver.check_symbolic(info, case, arguments, results)
  if info.random then return end -- their key needs a value: it is drawn when the step runs
  local places = {}
  for _, p in ipairs(info.params) do
    local value = p.input and arguments[p.name]
    for i, t in ipairs(type(value) == "table" and value or {value}) do
      if kl.core.kind(t) == "tensor" and t.ndim > 0 then places[#places + 1] = {p.name, type(value) == "table" and i or nil} end
    end
  end
  local function check(chosen)
    local symbols = {}
    for i, place in ipairs(chosen) do
      local t = get(arguments, place)
      symbols[i] = kl.core.symbolic({false, table.unpack(t.shape, 2)}, t.dtype, {}, 0)
    end
    local symbolic = call(info, with(arguments, chosen, symbols))
    assert.equal(#results, #symbolic, "number of symbolic results")
    for i, r in ipairs(symbolic) do
      assert.equal(results[i].dtype, r.dtype, "dtype of a symbolic result")
      local exception = unknown_axis[info.name]
      if not (exception and exception.rank(case)) then
        local shape = r.shape
        for axis, n in ipairs(results[i].shape) do shape[axis] = shape[axis] or shape[axis] == false and n end
        assert.same(results[i].shape, shape, "shape of a symbolic result")
      end
    end
    if unknown_axis[info.name] and unknown_axis[info.name].rank(case) then return end
    local values = {}
    for k, input in ipairs(kl.core.origin(symbolic[1]).inputs) do
      values[k] = input
      for i, place in ipairs(chosen) do
        if rawequal(input, symbols[i]) then values[k] = get(arguments, place) end
      end
    end
    for i, r in ipairs(kl.core.reapply(symbolic[1], values)) do compare.bits(r, results[i], "the graph's node on values") end
  end
  if #places == 0 then return end
  check(places)
  for i = 1, #places > 1 and #places or 0 do check{places[i]} end
end

--- An op that takes integers or booleans and gives floats computes what it would compute of the same numbers in
--- float32.
function driver.check_as_floats(info, case, dtype)
  local arguments = cast_free(case, driver.arguments(case, driver.arrays(case), "float32"), dtype)
  local results, floats = call(info, arguments), call(info, cast_free(case, arguments, "float32"))
  for i, r in ipairs(results) do
    if is_float(r) and r.dtype ~= "float64" then compare.bits(r, floats[i], dtype .. " inputs") end
  end
end

driver.call = call
driver.cast_free = cast_free

return driver
