-- The type of a result: the table of keras-semantics 1.1a for the types kl has, for every op of several operands.
local kl = require "kl"
local compare = require "compare"
local ops = kl.core.ops

local types = {"bool", "uint8", "int32", "int64", "float32", "float64"}

-- Rows: one operand; columns: the other, in the order of `types`, then an integer and a float of Lua.
local results = {
  bool    = {"bool",    "uint8",   "int32",   "int64",   "float32", "float64", "int32",   "float32"},
  uint8   = {"uint8",   "uint8",   "int32",   "int64",   "float32", "float64", "uint8",   "float32"},
  int32   = {"int32",   "int32",   "int32",   "int64",   "float32", "float64", "int32",   "float32"},
  int64   = {"int64",   "int64",   "int64",   "int64",   "float32", "float64", "int64",   "float32"},
  float32 = {"float32", "float32", "float32", "float32", "float32", "float64", "float32", "float32"},
  float64 = {"float64", "float64", "float64", "float64", "float64", "float64", "float64", "float64"},
}

local function as_float(dtype) return dtype:find("float") and dtype or "float32" end

-- What ops of two operands make of the common type; `bool` false: arithmetic that truth values do not have.
local kinds = {
  common = {result = function(dtype) return dtype end, bool = true},
  number = {result = function(dtype) return dtype end, bool = false},
  float = {result = as_float, bool = true},
  truth = {result = function() return "bool" end, bool = true},
}
local kind_of = {
  add = "common", multiply = "common", minimum = "common", maximum = "common",
  subtract = "number", floor_divide = "number", mod = "number", power = "number",
  divide = "float", divide_no_nan = "float", arctan2 = "float",
  equal = "truth", not_equal = "truth", less = "truth", less_equal = "truth", greater = "truth",
    greater_equal = "truth",
  logical_and = "truth", logical_or = "truth",
}
-- Ops of more operands, as functions of two that leave the others aside.
local shaped = {
  where = {"common", function(a, b) return kl.where(true, a, b) end},
  clip = {"number", function(a, b) return kl.clip(a, b, b) end},
  rmsprop_update = {"float", function(a, b) return ops.rmsprop_update(a, b, b, 1, 1, 1, 1)[1] end},
  adam_update = {"float", function(a, b) return ops.adam_update(a, b, b, b, 1, 1, 1, 1)[1] end},
  rmsprop_direction = {"float", function(a, b) return ops.rmsprop_direction(a, b, 1, 1) end},
  adam_direction = {"float", function(a, b) return ops.adam_direction(a, b, 1, 1) end},
  concatenate = {"common", function(a, b) return ops.concatenate({a, b}, 1) end, tensors = true},
  matmul = {"number", kl.matmul, tensors = true},
}
for name, kind in pairs(kind_of) do shaped[name] = {kind, ops[name]} end

local function one(dtype) return kl.tensor(dtype == "bool" and {true, true} or {1, 1}, dtype) end

--- Checks f(a, b), both orders, against the type that the table gives to the pair.
local function check(name, entry, a, b, common)
  local kind = kinds[entry[1]]
  for _, pair in ipairs{{a, b}, {b, a}} do
    if common == "bool" and not kind.bool then
      assert.error_matches(function() entry[2](pair[1], pair[2]) end, "kl%." .. name .. ": not defined for bool")
    else
      assert.equal(kind.result(common), entry[2](pair[1], pair[2]).dtype, name)
    end
  end
end

describe("promotion", function()
  it("is checked for every elementwise op of several operands", function()
    for _, info in ipairs(kl.core.op_info) do
      local inputs = 0
      for _, p in ipairs(info.params) do inputs = inputs + (p.input and 1 or 0) end
      if info.elementwise and inputs > 1 then assert(shaped[info.name], info.name .. " is in no list of this spec") end
    end
  end)

  for _, row in ipairs(types) do
    for column, other in ipairs(types) do
      it(("of %s and %s is to %s"):format(row, other, results[row][column]), function()
        for name, entry in pairs(shaped) do
          check(name, entry, one(row), one(other), results[row][column])
        end
      end)
    end
    it(("of %s and an integer of Lua is to %s, and a float to %s"):format(row, results[row][7], results[row][8]),
      function()
      for name, entry in pairs(shaped) do
        if not entry.tensors then
          check(name, entry, one(row), 1, results[row][7])
          check(name, entry, one(row), 1.0, results[row][8])
        end
      end
    end)
  end

  it("is symmetric", function()
    for i, row in ipairs(types) do
      for k, other in ipairs(types) do assert.equal(results[row][k], results[other][i]) end
    end
  end)

  it("computes what operands cast beforehand would give", function()
    local values = {bool = {true, false, true}, uint8 = {3, 200, 7}, int32 = {-3, 70000, 5}, int64 = {-9, 1 << 33, 2},
                    float32 = {0.5, -2.25, 3}, float64 = {0.1, -7.3, 1e-3}}
    for _, row in ipairs(types) do
      for column, other in ipairs(types) do
        local common = results[row][column]
        local a, b = kl.tensor(values[row], row), kl.tensor(values[other], other)
        for _, name in ipairs{"add", "multiply", "maximum", "less", "divide", "where"} do
          local f = shaped[name][2]
          local inner = name == "divide" and as_float(common) or common
          compare.bits(f(a, b), f(kl.cast(a, inner), kl.cast(b, inner)), ("%s of %s and %s"):format(name, row, other))
        end
      end
    end
  end)

  it("of numbers of Lua alone is to int32, to int64 where they need it, and to float32 with a float among them",
    function()
    assert.equal("int32", kl.add(1, 2).dtype)
    assert.equal("int64", kl.add(1, 1 << 40).dtype)
    assert.equal("float32", kl.add(1, 2.5).dtype)
    assert.equal("float32", kl.divide(1, 2).dtype)
    assert.equal("bool", kl.less(1, 2).dtype)
  end)

  it("keeps a number of Lua exact until it meets the tensor's type", function()
    assert.equal(0.1, (kl.tensor({0.0}, "float64") + 0.1):totable()[1])
    assert.equal((1 << 53) + 1, (kl.tensor({1 << 53}, "int64") + 1):totable()[1])
  end)

  it("is the same for operators as for functions", function()
    local x = kl.tensor{7, 8}
    for _, pair in ipairs{{x + 1, "int32"}, {1 + x, "int32"}, {x - 1.0, "float32"}, {2 * x, "int32"},
      {x / 2, "float32"},
                          {x // 2, "int32"}, {x % 2.0, "float32"}, {x ^ 2, "int32"}, {2.0 ^ x, "float32"},
                           {-x, "int32"}} do
      assert.equal(pair[2], pair[1].dtype)
    end
  end)
end)

describe("the type of a result of one operand", function()
  --- A row of types: what the op gives for each of `types`; false: it refuses the type.
  local function gives(f, expected)
    for i, dtype in ipairs(types) do
      if expected[i] then
        assert.equal(expected[i], f(one(dtype)).dtype)
      else
        assert.error_matches(function() f(one(dtype)) end, "not defined for bool")
      end
    end
  end
  local floats = {"float32", "float32", "float32", "float32", "float32", "float64"}
  local numbers = {false, "uint8", "int32", "int64", "float32", "float64"}
  local sums = {"int32", "int32", "int32", "int64", "float32", "float64"}

  it("is a float for functions, softmax, mean, var and logsumexp", function()
    for _, name in ipairs{"sqrt", "rsqrt", "exp", "log", "tanh", "sigmoid", "erf", "floor", "ceil", "softmax",
      "log_softmax",
                          "mean", "var", "std", "logsumexp"} do
      gives(kl[name], floats)
    end
  end)

  it("is kept by negative, abs, sign, square, relu and cumsum, which bool does not have", function()
    for _, name in ipairs{"negative", "abs", "sign", "square", "relu", "cumsum"} do gives(kl[name], numbers) end
  end)

  it("is kept by max, min, round, copy and what only moves elements", function()
    for _, name in ipairs{"max", "min", "round", "copy", "transpose", "flip", "squeeze", "stop_gradient"} do
      gives(kl[name], types)
    end
  end)

  it("is int32 for sums and products of bool and uint8, the same for others", function()
    gives(kl.sum, sums)
    gives(kl.prod, sums)
  end)

  it("is int32 for positions and bool for truth values", function()
    for _, name in ipairs{"argmax", "argmin"} do
      gives(kl[name], {"int32", "int32", "int32", "int32", "int32", "int32"})
    end
    for _, name in ipairs{"any", "all", "isnan", "isinf", "isfinite", "logical_not"} do
      gives(kl[name], {"bool", "bool", "bool", "bool", "bool", "bool"})
    end
  end)
end)
