-- Samples of elementwise arithmetic; see tests/ops/driver.lua.
local nd = require "nd"
local kl = require "kl"

local function ones(shape, dtype) return kl.cast(kl.broadcast_to(1.0, shape), dtype or "float32") end

-- Correctly rounded, up to the rounding of the float64 value it is held against.
local rounded = 0.5000001

local two = {"x1", "x2"}
-- Numbers that do not come nearer to each other than 0.01: the slope jumps where they meet.
local apart = {{step = 0.02}, {step = 0.02, shift = 0.01}}

--- Toward zero.
local function truncated(x) return x >= 0 and math.floor(x) or math.ceil(x) end

local function whole_power(a, b)
  local y = 1
  for _ = 1, b do y = y * a end
  return y
end

local function sign(x) return x > 0 and 1 or x < 0 and -1 or 0 end

local function is_true(x) return x == true or type(x) == "number" and x ~= 0 end

local function clipped(x, low, high) return math.min(math.max(x, low), high) end

--- The value of x (a number or a boolean) as an element of a type.
local function converted(x, dtype)
  if dtype == "bool" then return is_true(x) end
  if type(x) == "boolean" then x = x and 1 or 0 end
  if dtype == "float32" then return nd.float32(x) end
  if dtype == "float64" then return x + 0.0 end
  x = math.tointeger(truncated(x))
  if dtype == "uint8" then return x & 0xff end
  if dtype == "int32" then return (x + 0x80000000 & 0xffffffff) - 0x80000000 end
  return x
end

--- Every type to every type, with numbers that all but bool can hold, and integers too wide for the target, which are
--- cut.
local function conversions()
  local list = {
    {elementwise = function(x) return converted(x, "int32") end, options = {dtype = "int32"}, low = -5, high = 5},
    {elementwise = function(x) return x end, options = {dtype = "float64"}},
    {elementwise = function(x) return converted(x, "float32") end, options = {dtype = "float32"}, ulps = rounded,
     gradient = false, why = "differences in float64 of a result rounded to float32 see the steps of its rounding"},
  }
  local from_types = {
    bool = {true, false, true}, uint8 = {0, 3, 255}, int32 = {0, 300, 2147483647, -1, -2147483647 - 1},
    int64 = {0, 4294967299, -4294967299, math.maxinteger, math.mininteger}, float32 = {0.0, 2.75, 200.5, 0.5},
    float64 = {0.0, 2.75, 200.5, 0.1},
  }
  for _, from in ipairs{"bool", "uint8", "int32", "int64", "float32", "float64"} do
    for _, to in ipairs{"bool", "uint8", "int32", "int64", "float32", "float64"} do
      list[#list + 1] = {
        inputs = {x = {values = from_types[from], dtype = from}}, options = {dtype = to}, dtype = to, ulps = 0,
        gradient = false, why = "the type is fixed, so differences would be taken in float32",
        reference = function(a) return nd.map(function(x) return converted(x, to) end, a.x) end,
      }
    end
  end
  list.errors = {
    {function() kl.cast(ones{2}, "float23") end, "'float23' is no dtype kl has .*did you mean 'float3?2?6?4?'"},
    {function() kl.cast(ones{2}) end, "kl.cast: 'dtype' is missing"},
  }
  return list
end

local no_bool = "not defined for bool: cast the tensor first"
local function refuses_bool(f, ...)
  local more = {...}
  return {function() f(ones({2}, "bool"), table.unpack(more)) end, no_bool}
end
local function refuses_shapes(f)
  return {function() f(ones{2, 3}, ones{4}) end, "shapes do not broadcast: %(2, 3%) and %(4,%)"}
end

return {
  add = {
    {elementwise = function(a, b) return a + b end, names = two, ulps = rounded,
     integers = function(a, b) return a + b end, booleans = function(a, b) return a or b end},
    errors = {refuses_shapes(kl.add),
              {function() kl.add(ones{2}) end, "kl.add: 'x2' is missing"},
              {function() kl.add(ones{2}, "a") end, "'x2' must be a tensor or a number, got a? ?string 'a'"},
              {function() return ones{2} + {} .. "" end, "kl.add: shapes do not broadcast: %(2,%) and %(0,%)"},
              {function() return ones{2} + print end, "a tensor or a number expected as operand 2, got function"},
              {function() kl.add(ones({2}, "uint8"), 300) end, "300 does not fit in uint8"},
              {function() kl.add(ones({2}, "int32"), 1 << 40) end, "1099511627776 does not fit in int32"}},
  },
  subtract = {
    {elementwise = function(a, b) return a - b end, names = two, ulps = rounded,
     integers = function(a, b) return a - b end},
    errors = {refuses_bool(kl.subtract, true), refuses_shapes(kl.subtract)},
  },
  multiply = {
    {elementwise = function(a, b) return a * b end, names = two, ulps = rounded,
     integers = function(a, b) return a * b end, booleans = function(a, b) return a and b end},
    errors = {refuses_shapes(kl.multiply)},
  },
  divide = {
    {elementwise = function(a, b) return a / b end, names = two, ulps = rounded, domains = {{}, {low = 0.3, high = 2}}},
    {inputs = {x1 = 3, x2 = {{4}, -2, -0.5}}, ulps = rounded,
     reference = function(a) return nd.map(function(b) return 3 / b end, a.x2) end},
    errors = {refuses_shapes(kl.divide)},
  },
  divide_no_nan = {
    {elementwise = function(a, b) return a / b end, names = two, ulps = rounded, domains = {{}, {low = 0.3, high = 2}}},
    {inputs = {x1 = {{4}, 1, 2}, x2 = {values = {2, 0, -4, 0}}}, ulps = rounded,
     gradient = false, why = "0 is an edge: differences across it are infinite",
     reference = function(a) return nd.map(function(x, y) return y == 0 and 0 or x / y end, a.x1, a.x2) end},
    errors = {refuses_shapes(kl.divide_no_nan)},
  },
  floor_divide = {
    {elementwise = function(a, b) return math.floor(a / b) end, names = two, ulps = 0,
     domains = {{low = -5, high = 5}, {low = 0.3, high = 2}},
     integers = function(a, b) return a // b end, integer_domains = {false, {1, 9}}},
    {elementwise = function(a, b) return math.floor(a / b) end, names = two, ulps = 0,
     domains = {{low = -5, high = 5}, {low = -2, high = -0.3}}},
    {inputs = {x1 = {{60}, -50, 50, dtype = "int32"}, x2 = {{60}, -7, -1, dtype = "int32"}}, dtype = "int32",
     reference = function(a) return nd.map(function(x, y) return x // y end, a.x1, a.x2) end},
    errors = {refuses_bool(kl.floor_divide, true), refuses_shapes(kl.floor_divide),
              {function() kl.floor_divide(kl.tensor{1, 2, 3}, kl.tensor{2, 0, 1}) end,
               "kl.floor_divide: integer division by zero %(element 1%)"},
              {function() return kl.tensor{1, 2} // 0 end, "kl.floor_divide: integer division by zero"}},
  },
  mod = {
    {elementwise = function(a, b) return a - math.floor(a / b) * b end, names = two, ulps = rounded,
     domains = {{low = -5, high = 5}, {low = 0.3, high = 2}},
     integers = function(a, b) return a % b end, integer_domains = {false, {1, 9}}},
    {elementwise = function(a, b) return a - math.floor(a / b) * b end, names = two, ulps = rounded,
     domains = {{low = -5, high = 5}, {low = -2, high = -0.3}}},
    {inputs = {x1 = {{60}, -50, 50, dtype = "int64"}, x2 = {{60}, -7, -1, dtype = "int64"}}, dtype = "int64",
     reference = function(a) return nd.map(function(x, y) return x % y end, a.x1, a.x2) end},
    errors = {refuses_bool(kl.mod, true), refuses_shapes(kl.mod),
              {function() kl.mod(kl.tensor({1, 2, 3}, "uint8"), kl.tensor({2, 0, 1}, "uint8")) end,
               "kl.mod: integer division by zero"}},
  },
  power = {
    {elementwise = function(a, b) return a ^ b end, names = two, ulps = rounded, domains = {{low = 0.3, high = 2}, {}},
     integers = whole_power, integer_domains = {false, {0, 6}}},
    {inputs = {x1 = {{2, 3}, -2, 2}, x2 = 2}, ulps = rounded,
     reference = function(a) return nd.map(function(x) return x * x end, a.x1) end},
    {inputs = {x1 = {{300}, -2, 2}, x2 = 3}, ulps = rounded,
     reference = function(a) return nd.map(function(x) return x * x * x end, a.x1) end},
    {inputs = {x1 = {{7}, -2, -0.3}, x2 = -1}, ulps = rounded,
     reference = function(a) return nd.map(function(x) return 1 / x end, a.x1) end},
    {inputs = {x1 = {{7}, 0.2, 4}, x2 = 0.5}, ulps = rounded,
     reference = function(a) return nd.map(math.sqrt, a.x1) end},
    {inputs = {x1 = {{7}, -2, 2}, x2 = 1}, ulps = 0, reference = function(a) return a.x1 end},
    {inputs = {x1 = 2.0, x2 = {{7}, -3, 3}}, ulps = rounded,
     reference = function(a) return nd.map(function(x) return 2.0 ^ x end, a.x2) end},
    errors = {refuses_bool(kl.power, true), refuses_shapes(kl.power),
              {function() kl.power(kl.tensor{2, 3}, kl.tensor{1, -1}) end,
               "kl.power: an integer to a negative power: cast to a float type first %(element 1%)"},
              {function() return kl.tensor{2, 3} ^ -2 end, "an integer to a negative power"}},
  },
  negative = {
    {elementwise = function(a) return -a end, ulps = 0, integers = function(a) return -a end},
    errors = {refuses_bool(kl.negative)},
  },
  abs = {
    {elementwise = math.abs, ulps = 0, avoid = {0}, integers = math.abs},
    errors = {refuses_bool(kl.abs)},
  },
  sign = {
    {elementwise = sign, ulps = 0, integers = sign},
    {inputs = {x = {-1.5, 0.0, 2.5}}, ulps = 0, reference = function(a) return nd.map(sign, a.x) end},
    errors = {refuses_bool(kl.sign)},
  },
  square = {
    {elementwise = function(a) return a * a end, ulps = rounded, integers = function(a) return a * a end},
    errors = {refuses_bool(kl.square)},
  },
  minimum = {
    {elementwise = math.min, names = two, ulps = 0, domains = apart, integers = math.min,
     booleans = function(a, b) return a and b end},
    errors = {refuses_shapes(kl.minimum)},
  },
  maximum = {
    {elementwise = math.max, names = two, ulps = 0, domains = apart, integers = math.max,
     booleans = function(a, b) return a or b end},
    errors = {refuses_shapes(kl.maximum)},
  },
  clip = {
    {elementwise = clipped, names = {"x", "x_min", "x_max"}, ulps = 0, integers = clipped,
     domains = {{step = 0.02}, {low = -1.2, high = -0.4, step = 0.02, shift = 0.01},
                {low = 0.4, high = 1.2, step = 0.02, shift = 0.01}},
     integer_domains = {false, {20, 60}, {80, 150}}},
    {inputs = {x = {{2, 40}, -2, 2, avoid = {-0.5, 1}}, x_min = -0.5, x_max = 1}, ulps = 0,
     reference = function(a) return nd.map(function(x) return clipped(x, -0.5, 1) end, a.x) end},
    errors = {refuses_shapes(function(a, b) kl.clip(a, b, 2) end),
              refuses_bool(kl.clip, false, true),
              {function() kl.clip(ones{2}, 0) end, "kl.clip: 'x_max' is missing"}},
  },
  where = {
    {elementwise = function(c, a, b) if is_true(c) then return a else return b end end,
     names = {"condition", "x1", "x2"}, ulps = 0, domains = {{dtype = "bool"}, {}, {}},
     integers = function(c, a, b) return is_true(c) and a or b end, integer_domains = {{0, 1}, false, false},
     booleans = function(c, a, b) if c then return a else return b end end},
    {inputs = {condition = {0.25, 0.5, -3.0}, x1 = {{2, 3}, -2, 2}, x2 = 7.0}, ulps = 0,
     reference = function(a) return a.x1 end},
    {inputs = {condition = {0.0, 0.5, -3.0}, x1 = {{2, 3}, -2, 2}, x2 = 7.0}, ulps = 0,
     gradient = false, why = "a condition of 0 lies on the jump",
     reference = function(a)
       return nd.map(function(c, x) return c ~= 0 and x or 7.0 end, a.condition, a.x1)
     end},
    errors = {refuses_shapes(function(a, b) kl.where(a, b, 1) end),
              {function() kl.where(ones{2}, ones{2}) end, "kl.where: 'x2' is missing"}},
  },
  cast = conversions(),
  copy = {
    {elementwise = function(a) return a end, ulps = 0, integers = function(a) return a end,
     booleans = function(a) return a end},
    errors = {{function() kl.copy() end, "kl.copy: 'x' is missing"}},
  },
}
