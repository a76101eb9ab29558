-- Tests of lua/kl/ops/create.lua; see tests/ops/composites_spec.lua.
local kl = require "kl"
local create = require "kl.ops.create"
local raises = require "raises"
local assert = require "luassert"

local function is(expected, dtype, shape, t)
  assert.same(expected, t:totable())
  assert.equal(dtype, t.dtype)
  assert.same(shape, t.shape)
end

--- What zeros and ones share.
local function constants(make, name, value)
  return {
    ["takes a shape as one table, as a list in one, or as lengths"] = function()
      local row = {value, value, value}
      is({row, row}, "float32", {2, 3}, make{2, 3})
      is({row, row}, "float32", {2, 3}, make{{2, 3}})
      is({row, row}, "float32", {2, 3}, make(2, 3))
      is(row, "float32", {3}, make(3))
      is(value, "float32", {}, make{})
    end,
    ["takes a dtype in each of these forms"] = function()
      is({value, value}, "int32", {2}, make{2, dtype = "int32"})
      is({value, value}, "int64", {2}, make(2, {dtype = "int64"}))
      is({value, value}, "float64", {2}, make({2}, {dtype = "float64"}))
      is({{value ~= 0}}, "bool", {1, 1}, make{{1, 1}, dtype = "bool"})
    end,
    ["makes empty tensors"] = function()
      is({}, "float32", {0, 3}, make{0, 3})
      is({{}, {}}, "uint8", {2, 0}, make{2, 0, dtype = "uint8"})
    end,
    ["refuses what is no shape"] = function()
      raises(function() make("x") end, "kl%." .. name .. ": a shape expected, got the string \"x\"")
      raises(function() make({2}, "int32") end,
        "kl%." .. name .. ": one table of options expected after the shape, got the string \"int32\"")
      raises(function() make{2, 1.5} end,
        "kl%." .. name .. ": axis 2 of the shape must be an integer >= 0, got float 1.5")
      raises(function() make{2, -1} end,
        "kl%." .. name .. ": axis 2 of the shape must be an integer >= 0, got integer %-1")
      raises(function() make{2, dtpe = "int32"} end,
        "kl%." .. name .. ": unknown option 'dtpe'; did you mean 'dtype'%?")
      raises(function() make{2, dtype = "int23"} end, "'int23' is no dtype kl has")
      raises(function() make{1, 1, 1, 1, 1, 1, 1, 1, 1} end, "the largest rank is 8")
    end,
  }
end

return {
  zeros = constants(kl.zeros, "zeros", 0),
  ones = constants(kl.ones, "ones", 1),

  read_shape = {
    ["gives the shape and the options with their defaults"] = function()
      local params = require "kl.args".params{{"dtype", "float32"}, {"seed"}}
      local shape, options = create.read_shape("kl.f", params, {2, 3, seed = 7})
      assert.same({2, 3}, shape)
      assert.same({dtype = "float32", seed = 7}, options)
    end,
  },

  full = {
    ["repeats a value in its own type"] = function()
      is({{5, 5}}, "int32", {1, 2}, kl.full({1, 2}, 5))
      is({0.5, 0.5}, "float32", {2}, kl.full({2}, 0.5))
      is(true, "bool", {}, kl.full({}, true))
      is({1 << 40}, "int64", {1}, kl.full({1}, 1 << 40))
    end,
    ["converts to a type that is asked for"] = function()
      is({5, 5}, "float64", {2}, kl.full({2}, 5, "float64"))
      is({5, 5}, "uint8", {2}, kl.full({2}, 5, {dtype = "uint8"}))
    end,
    ["broadcasts a tensor"] = function()
      is({{1, 2}, {1, 2}}, "int32", {2, 2}, kl.full({2, 2}, kl.tensor{1, 2}))
    end,
    ["refuses a missing value and a shape that does not fit"] = function()
      raises(function() kl.full{2, 3} end, "kl.full: 'fill_value' is missing")
      raises(function() kl.full({3}, kl.tensor{1, 2}) end, "shape %(2,%) does not broadcast to %(3,%)")
    end,
  },

  zeros_like = {
    ["has the shape and type of its argument, or the type asked for"] = function()
      is({{0, 0}}, "int64", {1, 2}, kl.zeros_like(kl.tensor({{3, 4}}, "int64")))
      is({0, 0}, "float32", {2}, kl.zeros_like(kl.tensor({3, 4}, "int64"), "float32"))
      is({}, "float32", {0}, kl.zeros_like(kl.zeros{0}))
      is({0, 0}, "float32", {2}, kl.zeros_like(kl.Variable{1.0, 2.0}))
    end,
    ["refuses what is no tensor"] = function()
      raises(function() kl.zeros_like() end, "kl.zeros_like: 'x' is missing")
      raises(function() kl.zeros_like("x") end, "kl.zeros_like: 'x' must be a tensor")
    end,
  },
  ones_like = {
    ["has the shape and type of its argument, or the type asked for"] = function()
      is({{1, 1}}, "float64", {1, 2}, kl.ones_like(kl.tensor({{3, 4}}, "float64")))
      is({true, true}, "bool", {2}, kl.ones_like(kl.tensor{3, 4}, {dtype = "bool"}))
    end,
  },
  full_like = {
    ["has the shape and type of its argument, or the type asked for"] = function()
      is({{7, 7}}, "int32", {1, 2}, kl.full_like(kl.tensor{{3, 4}}, 7))
      is({0.5, 0.5}, "float32", {2}, kl.full_like(kl.tensor{3, 4}, 0.5, "float32"))
    end,
  },

  arange = {
    ["counts up to, and not including, the end"] = function()
      is({0, 1, 2, 3}, "int32", {4}, kl.arange(4))
      is({2, 3, 4}, "int32", {3}, kl.arange(2, 5))
      is({1, 4, 7}, "int32", {3}, kl.arange(1, 10, 3))
      is({1, 4, 7, 10}, "int32", {4}, kl.arange(1, 11, 3))
    end,
    ["counts down with a negative step"] = function()
      is({3, 2, 1}, "int32", {3}, kl.arange(3, 0, -1))
      is({0.5, 0.0, -0.5}, "float32", {3}, kl.arange(0.5, -1.0, -0.5))
    end,
    ["is float32 where a number has a fraction point, or has the type asked for"] = function()
      is({0, 0.25, 0.5, 0.75}, "float32", {4}, kl.arange(0, 1, 0.25))
      is({0, 1}, "float32", {2}, kl.arange(2.0))
      is({0, 1, 2}, "float64", {3}, kl.arange(3, {dtype = "float64"}))
      is({5, 6}, "int64", {2}, kl.arange(5, 7, 1, "int64"))
    end,
    ["is empty where the end lies behind the start"] = function()
      is({}, "int32", {0}, kl.arange(0))
      is({}, "int32", {0}, kl.arange(5, 2))
      is({}, "int32", {0}, kl.arange(2, 5, -1))
    end,
    ["does not add up rounding errors"] = function()
      local t = kl.arange(0, 1000, 0.1, "float64")
      assert.same({10000}, t.shape)
      assert(math.abs(t[10000]:item() - 999.9) < 1e-12)
    end,
    ["refuses steps that lead nowhere and numbers that do not fit"] = function()
      raises(function() kl.arange(1, 5, 0) end, "kl.arange: the step is 0")
      raises(function() kl.arange("5") end, "kl.arange: 'start' must be a number, got the string \"5\"")
      raises(function() kl.arange(0, math.huge) end, "kl.arange: .*inf")
      raises(function() kl.arange(0, 1, 0 / 0) end, "kl.arange: .*nan")
      raises(function() kl.arange(1 << 40, (1 << 40) + 2) end, "kl.arange: 1099511627776 does not fit in int32")
      raises(function() kl.arange(0, 300, {dtype = "uint8"}) end, "kl.arange: 256 does not fit in uint8")
    end,
  },

  linspace = {
    ["ends exactly at its ends"] = function()
      is({0, 0.25, 0.5, 0.75, 1}, "float32", {5}, kl.linspace(0, 1, 5))
      local t = kl.linspace(0.1, 0.7, 7, {dtype = "float64"})
      assert.equal(0.1, t[1]:item())
      assert.equal(0.7, t[7]:item())
      assert.same({50}, kl.linspace(0, 1).shape)
    end,
    ["leaves the end out where asked to"] = function()
      is({0, 0.25, 0.5, 0.75}, "float32", {4}, kl.linspace(0, 1, 4, false))
      is({4, 3, 2, 1}, "float32", {4}, kl.linspace(4, 0, 4, {endpoint = false}))
    end,
    ["of one number is the start, of none is empty"] = function()
      is({3}, "float32", {1}, kl.linspace(3, 9, 1))
      is({}, "float32", {0}, kl.linspace(3, 9, 0))
    end,
    ["cuts to integers"] = function() is({0, 2, 5, 7, 10}, "int32", {5}, kl.linspace(0, 10, 5, {dtype = "int32"})) end,
    ["refuses other counts and ends that are no numbers"] = function()
      raises(function() kl.linspace(0, 1, -1) end, "kl.linspace: 'num' must be an integer >= 0, got %-1")
      raises(function() kl.linspace(0, 1, 2.5) end, "kl.linspace: 'num' must be an integer")
      raises(function() kl.linspace(0, "1", 2) end, "kl.linspace: 'stop' must be a number")
    end,
  },

  eye = {
    ["has ones on one diagonal"] = function()
      is({{1, 0}, {0, 1}}, "float32", {2, 2}, kl.eye(2))
      is({{1, 0, 0}, {0, 1, 0}}, "float32", {2, 3}, kl.eye(2, 3))
      is({{0, 1, 0}, {0, 0, 1}}, "int32", {2, 3}, kl.eye(2, 3, 1, "int32"))
      is({{false, false}, {true, false}, {false, true}}, "bool", {3, 2}, kl.eye(3, 2, {k = -1, dtype = "bool"}))
      is({{0, 0}, {0, 0}}, "float32", {2, 2}, kl.eye(2, {k = 5}))
      is({}, "float32", {0, 0}, kl.identity(0))
    end,
    ["refuses sizes that are none"] = function()
      raises(function() kl.eye(-1) end, "kl.eye: 'n' must be an integer >= 0, got %-1")
      raises(function() kl.eye(2, -1) end, "kl.eye: 'm' must be an integer >= 0, got %-1")
      raises(function() kl.eye(2, 2, 0.5) end, "kl.eye: 'k' must be an integer, got float 0.5")
      raises(function() kl.eye(2, {j = 1}) end, "kl.eye: unknown option 'j'")
    end,
  },
}
