-- Constraints: new values of keras-semantics 6.2, names, configs.
local kl = require "kl"
local assert = require "luassert"
local near = require "near"
local objects = require "objects"
local raises = require "raises"
local serialize = require "kl.saving.serialize"

local constraints = kl.constraints
local W = {{1, -2}, {3, 4}}
local unit_rows = {{1 / math.sqrt(5), -2 / math.sqrt(5)}, {0.6, 0.8}}

local values = {
  MaxNorm = {
    {{}, {{0.6324556, -0.8944272}, {1.8973665, 1.7888544}}}, {{100}, W},
    {{max_value = 1.0, axis = 2}, unit_rows},
    {{max_value = 1, axis = {1, 2}}, {{1 / math.sqrt(30), -2 / math.sqrt(30)}, {3 / math.sqrt(30), 4 / math.sqrt(30)}}},
  },
  UnitNorm = {{{}, {{0.3162278, -0.4472136}, {0.9486833, 0.8944272}}}, {{axis = -1}, unit_rows}},
  NonNeg = {{{}, {{1, 0}, {3, 4}}}},
  MinMaxNorm = {
    {{1, 2, 0.5}, {{0.8162277, -1.4472135}, {2.4486833, 2.8944271}}},
    {{}, {{0.3162278, -0.4472136}, {0.9486833, 0.8944272}}},
    {{min_value = 10.0, max_value = 20.0, rate = 1.0, axis = 2}, {{math.sqrt(20), -2 * math.sqrt(20)}, {6, 8}}},
  },
}
local spellings = {MaxNorm = {"MaxNorm", "max_norm"}, UnitNorm = {"UnitNorm", "unit_norm"}, NonNeg = {"NonNeg", "non_neg"},
  MinMaxNorm = {"MinMaxNorm", "min_max_norm"}}

describe("every constraint", function()
  for _, name in ipairs(objects.names(constraints.classes)) do
    local cls = constraints.classes[name]
    it(name .. " gives Keras's values", function()
      for i, case in ipairs(values[name]) do near(cls(case[1])(kl.tensor(W, "float32")), case[2], "case " .. i) end
    end)

    it(name .. " leaves zeros zeros and keeps the dtype", function()
      assert.equal("float64", cls{}(kl.tensor(W, "float64")).dtype)
      near(cls{}(kl.zeros{2, 2}), {0, 0, 0, 0}, "zeros")
    end)

    it(name .. " is found by its names and survives its config", function()
      for _, spelling in ipairs(spellings[name]) do assert.equal(cls, getmetatable(constraints.get(spelling)).class) end
      for _, case in ipairs(values[name]) do
        near(objects.round_trip(cls(case[1]))(kl.tensor(W, "float32")), case[2], "the copy")
      end
    end)

    it(name .. " refuses unknown options, values of the wrong type and axes that there are not", function()
      raises(function() cls{axsi = 1} end, name .. ": unknown option 'axsi'")
      for _, p in ipairs(cls.params) do
        raises(function() cls{[p.name] = "x"} end, ("%s: '%s' must be "):format(name, p.name))
      end
      if cls.params.by_name.axis then
        raises(function() cls{axis = 0} end, "'axis' is 0: axes count from 1")
        local beyond = cls{axis = 3}
        raises(function() beyond(kl.ones{2, 2}) end, "axis")
      end
    end)
  end
end)

describe("the axis of a constraint", function()
  it("is one less in a config than in Lua", function()
    for axis, expected in pairs{[1] = 0, [2] = 1, [-1] = -1} do
      local object = serialize.object(constraints.UnitNorm{axis = axis})
      assert.equal(expected, object.config.axis)
      assert.equal(axis, serialize.deserialize(object).axis)
    end
    local object = serialize.object(constraints.UnitNorm{axis = {1, 2, 3}})
    assert.same({0, 1, 2}, {table.unpack(object.config.axis)})
    assert.same({1, 2, 3}, serialize.deserialize(object).axis)
  end)
end)

describe("a constraint by name", function()
  it("is an error that names the nearest one where it is misspelt", function()
    raises(function() constraints.get("maxnrom") end, "there is no constraint 'maxnrom'; did you mean 'maxnorm'%?")
    raises(function() constraints.get(2) end, "a constraint must be a name, an object or a function, got integer 2")
  end)

  it("may also be an object, a class, a function or nothing", function()
    local object = constraints.NonNeg{}
    assert.equal(object, constraints.get(object))
    assert.equal(constraints.NonNeg, getmetatable(constraints.get(constraints.NonNeg)).class)
    assert.equal(print, constraints.get(print))
    assert.is_nil(constraints.get(nil))
  end)
end)
