local assert = require "luassert"
local args = require "kl.args"
local raises = require "raises"

local params = args.params{"units", {"activation"}, {"use_bias", true}}
local common = args.params{{"name"}, {"trainable", true}}

describe("constructor arguments", function()
  local cases = {
    {"one bare value is the first", 5, {units = 5, use_bias = true}},
    {"by position", {5, "relu", false}, {units = 5, activation = "relu", use_bias = false}},
    {"by name", {units = 5, use_bias = false}, {units = 5, use_bias = false}},
    {"by both", {5, use_bias = false}, {units = 5, use_bias = false}},
    {"with a nil between positions", {5, nil, false}, {units = 5, use_bias = false}},
    {"false is a value", {false}, {units = false, use_bias = true}},
  }
  for _, case in ipairs(cases) do
    it("are read " .. case[1], function() assert.same(case[3], (args.read("Dense", params, case[2], common))) end)
  end

  it("give common options apart, with their defaults", function()
    local _, others = args.read("Dense", params, {5, name = "x"}, common)
    assert.same({name = "x", trainable = true}, others)
  end)

  it("take an object as one bare value, although it is a table", function()
    local object = setmetatable({}, {})
    assert.equal(object, args.read("Dense", params, object).units)
  end)

  it("are refused where they are unknown, doubled, too many or missing", function()
    local function read(given) return function() args.read("Dense", params, given, common) end end
    local wrong = {
      {{5, actvation = 1},
        "Dense: unknown option 'actvation'; did you mean 'activation'%? %(known: units, activation, use_bias, name, trainable%)"},
      {{5, nmae = "x"}, "unknown option 'nmae'; did you mean 'name'"}, {{5, units = 6},
        "Dense: 'units' is given twice, by position and by name"},
      {{1, 2, true, 4}, "Dense takes at most 3 positional arguments, got argument 4"}, {{[0] = 1, 5}, "got argument 0"},
      {{}, "Dense: 'units' is missing"}, {nil, "Dense: 'units' is missing"}, {{5, by_name = 1}, "unknown option 'by_name'"},
      {{5, [1.5] = 2}, "unknown option '1.5'"}, {{5, [true] = 2}, "unknown option 'true'"},
    }
    for _, entry in ipairs(wrong) do
      local ok, message = pcall(read(entry[1]))
      assert.is_false(ok)
      assert.matches(entry[2], message)
    end
    raises(function() args.read("Dense", params, {5, activaton = 1}) end, "did you mean 'activation'")
  end)

  it("leave what was given as it was", function()
    local given = {5}
    args.read("Dense", params, given, common)
    assert.same({5}, given)
  end)
end)

describe("a check of a value", function()
  local good = {{3, "integer"}, {3, "integer", 3, 3}, {0.5, "number", 0, 1}, {1, "number"}, {true, "boolean"}, {"x", "string"},
    {print, "function"}, {{}, "table"}}
  it("gives the value back where it is of its kind and range", function()
    for _, c in ipairs(good) do assert.equal(c[1], args.check("what", table.unpack(c, 1, 4))) end
  end)

  it("says what was expected and what came", function()
    local bad = {
      {{2.5, "integer"}, "x must be an integer, got float 2.5"}, {{0, "integer", 1}, "x must be an integer >= 1, got 0"},
      {{2, "number", 0, 1}, "x must be a number >= 0 and <= 1, got 2"}, {{2, "number", nil, 1}, "x must be a number <= 1, got 2"},
      {{0 / 0, "number", 0}, "x must be a number >= 0, got %-?nan"}, {{"5", "number"},
        "x must be a number, got the string \"5\""},
      {{nil, "boolean"}, "x must be a boolean, got nil"}, {{1, "boolean"}, "x must be a boolean, got integer 1"},
      {{{}, "string"}, "x must be a string, got a table"}, {{print, "table"}, "x must be a table, got a function"},
    }
    for _, c in ipairs(bad) do
      raises(function() args.check("x", table.unpack(c[1], 1, 4)) end, c[2])
    end
  end)
end)
