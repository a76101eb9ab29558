-- What the samples of an op must contain, so that the driver's checks mean something.
local nd = require "nd"
local kl = require "kl"

local requirements = {}

local types = {"bool", "uint8", "int32", "int64"}
requirements.types = types

local function any(cases, test)
  for _, case in ipairs(cases) do
    if test(case) then return true end
  end
  return false
end

local function has_small(driver, cases)
  return any(cases, function(case)
    if next(case.inputs) == nil then return true end
    for _, spec in pairs(case.inputs) do
      for _, s in ipairs(type(spec) == "table" and spec.list or {spec}) do
        local shape = driver.shape_of(s)
        if shape and (#shape == 0 or nd.count(shape) == 0) then return true end
      end
    end
    local shape = case.options and (case.options.shape or case.options.newshape) -- of what is made of nothing
    local n = case.options and case.options.n
    return shape and (#shape == 0 or nd.count(shape) == 0) or n == 0
  end)
end

--- True if a case broadcasts: one input is repeated along an axis that another has.
local function has_broadcast(driver, cases)
  return any(cases, function(case)
    local shapes = {}
    for _, spec in pairs(case.inputs) do shapes[#shapes + 1] = driver.shape_of(spec) end
    for _, a in ipairs(shapes) do
      for _, b in ipairs(shapes) do
        for i = 1, #a do
          if a[#a - i + 1] > 1 and (b[#b - i + 1] or 1) == 1 then return true end
        end
      end
    end
    return false
  end)
end

local function count_inputs(info)
  local n = 0
  for _, p in ipairs(info.params) do n = n + (p.input and 1 or 0) end
  return n
end

--- The value a case gives to a parameter: among its inputs or its options.
local function given(case, p)
  if p.input then return case.inputs[p.name] end
  return case.options and case.options[p.name]
end

--- Optional parameters that no case sets off their default, or that no case leaves out.
local function untried(info, cases, missing)
  for _, p in ipairs(info.params) do
    if p.optional then
      local tried = {}
      for _, case in ipairs(cases) do
        local value = given(case, p)
        if value ~= nil and value ~= p.default then tried[#tried + 1] = value end
      end
      -- the default of a dtype is not told: two different ones are surely tried by three
      local distinct = p.kind == "dtype" and any(cases, function(case)
        local value = given(case, p)
        return value ~= nil and value ~= tried[1]
      end)
      if #tried == 0 or p.kind == "dtype" and not distinct then
        missing[#missing + 1] = ("a case with '%s' off its default"):format(p.name)
      end
      if not any(cases, function(case) return given(case, p) == nil end) then
        missing[#missing + 1] = ("a case without '%s'"):format(p.name)
      end
    end
  end
end

local function is_free(spec)
  if type(spec) ~= "table" then return false end
  spec = spec.list and spec.list[1] or spec
  return not spec.dtype and not spec.values
end

--- The first case with an input whose type the op is free to choose, and the names of such inputs.
local function free_case(cases)
  for _, case in ipairs(cases) do
    local names = {}
    for name, spec in pairs(case.inputs) do
      if is_free(spec) then names[#names + 1] = name end
    end
    if #names > 0 then return case, names end
  end
end

--- Tries the op on inputs of that type, all ones.  The results, or nil and the message; nothing if no input is free.
function requirements.probe(driver, info, cases, dtype)
  local case, names = free_case(cases)
  if not case then return nil end
  local arguments = driver.arguments(case, driver.arrays(case), "float32")
  for name, value in pairs(arguments) do -- values are not the subject here: ones are no zero divisors
    if kl.core.kind(value) == "tensor" and is_free(case.inputs[name]) then arguments[name] = kl.ones_like(value) end
  end
  local ok, results = pcall(driver.call, info, driver.cast_free(case, arguments, dtype))
  return ok and results or nil, not ok and results or nil, names
end

--- What to write for the types an op was found to take.
local function untested_types(driver, info, cases, missing)
  for _, dtype in ipairs(types) do
    local results, _, names = requirements.probe(driver, info, cases, dtype)
    local is_float = results and results[1].dtype:find("float")
    local covered = results and any(cases, function(case)
      for _, name in ipairs(names) do
        local spec = case.inputs[name]
        for _, s in ipairs(type(spec) == "table" and (spec.list or {spec}) or {}) do
          if type(s) == "table" and s.dtype == dtype then return true end
        end
      end
      return false
    end)
    if results and not is_float and not covered then
      missing[#missing + 1] = ("an exact case of %s: the op takes it"):format(dtype)
    end
  end
end

--- A list of what the samples of an op still need; empty if nothing.
function requirements.missing(driver, info, samples)
  local missing, cases = {}, driver.cases(samples)
  local function want(ok, what)
    if not ok then missing[#missing + 1] = what end
  end
  want(#cases > 0, "a case")
  want(has_small(driver, cases), "a rank-0 or empty case")
  want(not info.elementwise or count_inputs(info) < 2 or has_broadcast(driver, cases), "a case whose inputs broadcast")
  want(samples.errors and #samples.errors > 0, "an error sample")
  for _, case in ipairs(cases) do
    local name = driver.describe_case(case)
    want(case.reference or case.property, "a reference or property: " .. name)
    want(case.gradient ~= false or case.why, "the reason (`why`) for gradient = false: " .. name)
    want(case.second ~= false or case.why, "the reason (`why`) for second = false: " .. name)
  end
  untried(info, cases, missing)
  if #cases > 0 then untested_types(driver, info, cases, missing) end
  return missing
end

return requirements
