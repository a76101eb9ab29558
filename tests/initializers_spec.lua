-- Initializers: values, statistics with fixed seeds (keras-semantics 5), names, configs.
local kl = require "kl"
local assert = require "luassert"
local compare = require "compare"
local near = require "near"
local objects = require "objects"
local raises = require "raises"

local initializers = kl.initializers
local SHAPE = {200, 100}

before_each(function() kl.set_seed(20261123) end)

local function statistics(t)
  local flat = compare.flat(t)
  local sum, squares, largest = 0, 0, 0
  for _, x in ipairs(flat) do
    sum, squares, largest = sum + x, squares + x * x, math.max(largest, math.abs(x))
  end
  return {mean = sum / #flat, std = math.sqrt(squares / #flat - (sum / #flat) ^ 2), largest = largest}
end

-- The standard deviation of a normal distribution cut at two of its own: what 5.2 divides by.
local CUT = 0.87962566103423978

--- What a draw of 200 x 100 should have: {mean, std, limit}.
local function uniform(limit) return {0, limit / math.sqrt(3), limit} end
local function cut(std) return {0, std, 2 * std / CUT} end -- cut normal delivering std
local random = {
  RandomNormal = {{{}, {0, 0.05}}, {{mean = 1.0, stddev = 0.2}, {1, 0.2}}},
  TruncatedNormal = {{{}, {0, 0.05 * CUT, 0.1}}, {{mean = 0.0, stddev = 1.0}, {0, CUT, 2}}},
  RandomUniform = {{{}, uniform(0.05)}, {{minval = 1.0, maxval = 3.0}, {2, 2 / math.sqrt(12), 3}}},
  VarianceScaling = {
    {{}, cut(math.sqrt(1 / 200))}, {{scale = 2.0, mode = "fan_out"}, cut(math.sqrt(2 / 100))},
    {{mode = "fan_avg", distribution = "uniform"}, uniform(math.sqrt(3 / 150))},
    {{distribution = "untruncated_normal"}, {0, math.sqrt(1 / 200)}},
  },
  GlorotUniform = {{{}, uniform(math.sqrt(6 / 300))}}, GlorotNormal = {{{}, cut(math.sqrt(2 / 300))}},
  HeUniform = {{{}, uniform(math.sqrt(6 / 200))}}, HeNormal = {{{}, cut(math.sqrt(2 / 200))}},
  LecunUniform = {{{}, uniform(math.sqrt(3 / 200))}}, LecunNormal = {{{}, cut(math.sqrt(1 / 200))}},
}
local fixed = {
  Zeros = {{{}, {2, 2}, {{0, 0}, {0, 0}}}}, Ones = {{{}, {2}, {1, 1}}},
  Constant = {{{}, {2}, {0, 0}}, {{2.5}, {2}, {2.5, 2.5}}, {{value = {1, 2}}, {2, 2}, {{1, 2}, {1, 2}}}},
  Identity = {{{}, {2, 2}, {{1, 0}, {0, 1}}}, {{gain = 2.0}, {2, 3}, {{2, 0, 0}, {0, 2, 0}}}},
}

describe("every initializer", function()
  for _, name in ipairs(objects.names(initializers.classes)) do
    local cls = initializers.classes[name]
    it(name .. " has a test", function() assert.is_true(random[name] ~= nil or fixed[name] ~= nil) end)

    for i, case in ipairs(random[name] or {}) do
      it(("%s, case %d, has the mean, the deviation and the limits of its rule"):format(name, i), function()
        local mean, std, limit = table.unpack(case[2])
        local got = statistics(cls(case[1])(SHAPE, "float32", "statistics/" .. name))
        -- 20,000 numbers: the mean is off by std / 141 (four of those allowed), the deviation by less than 0.7 %
        near(got.mean, mean, "mean", 0, 4 * std / 141)
        near(got.std, std, "standard deviation", 0.02)
        if limit then
          assert.is_true(got.largest <= limit * (1 + 1e-6), "limit")
          assert.is_true(got.largest > limit * 0.99, "the limit is nearly reached")
        else
          assert.is_true(got.largest - math.abs(mean) > 3 * std, "no limit")
        end
      end)
    end

    if random[name] then
      it(name .. " gives each path its own numbers, and the same ones for the same seed", function()
        local a = cls{}
        kl.set_seed(3)
        local first, other = a({4, 4}, "float32", "a/kernel"), a({4, 4}, "float32", "b/kernel")
        assert.is_false(kl.array_equal(first, other))
        kl.set_seed(3)
        assert.is_true(kl.array_equal(first, cls{}({4, 4}, "float32", "a/kernel")))
        kl.set_seed(4)
        assert.is_false(kl.array_equal(first, a({4, 4}, "float32", "a/kernel")))
      end)

      it(name .. " with a seed of its own repeats itself, whatever kl.set_seed says", function()
        kl.set_seed(3)
        local first = cls{seed = 7}({4, 4}, "float32", "a")
        kl.set_seed(4)
        assert.is_true(kl.array_equal(first, cls{seed = 7}({4, 4}, "float32", "a")))
        assert.is_false(kl.array_equal(first, cls{seed = 8}({4, 4}, "float32", "a")))
        local stream = kl.random.SeedGenerator{7}
        local from_stream = cls{seed = stream}
        assert.is_false(kl.array_equal(from_stream{4, 4}, from_stream{4, 4}))
      end)
    end

    for i, case in ipairs(fixed[name] or {}) do
      it(("%s, case %d, gives its values"):format(name, i), function() near(cls(case[1])(case[2]), case[3], name) end)
    end

    it(name .. " gives the shape and dtype that are asked for, float32 else, also for no elements and no axes", function()
      local rank = name == "Identity" and {{2, 3}, {0, 2}} or {{2, 3}, {0, 2}, {}, {5}, {2, 3, 4}}
      for _, shape in ipairs(rank) do
        for _, dtype in ipairs{"float32", "float64"} do
          local t = cls{}(shape, dtype)
          assert.same(shape, t.shape)
          assert.equal(dtype, t.dtype)
        end
      end
      assert.equal("float32", cls{}({2, 2}).dtype)
    end)

    it(name .. " survives its config with every option", function()
      for _, case in ipairs(random[name] or fixed[name]) do
        local options = {}
        for key, value in pairs(case[1]) do options[key] = value end
        if random[name] then options.seed = 5 end
        local original = cls(options)
        local copy = objects.round_trip(original)
        assert.is_true(kl.array_equal(original({2, 2}), copy{2, 2}))
      end
    end)

    it(name .. " refuses unknown options and values of the wrong type", function()
      raises(function() cls{sede = 1} end, name .. ": unknown option 'sede'")
      for _, p in ipairs(cls.params) do
        if p.default ~= nil then
          local wrong = type(p.default) == "string" and 5 or "x"
          raises(function() cls{[p.name] = wrong} end, ("%s: '%s' must be a "):format(name, p.name))
        end
      end
      if random[name] then
        local odd = cls{seed = "x"}
        raises(function() odd{2, 2} end, "a seed must be an integer or a kl.random.SeedGenerator, got the string \"x\"")
      end
    end)
  end
end)

describe("the statistics that Keras shows for (200, 100)", function()
  -- keras-semantics 5.5: measured on one draw each, hence 2 %
  for name, expected in pairs{glorot_uniform = {0.0816, 0.14142}, he_normal = {0.0999, 0.2273}, lecun_normal = {0.0712},
    truncated_normal = {0.0438, 0.1}} do
    it("are those of " .. name, function()
      kl.set_seed(1)
      local got = statistics(initializers.get(name)(SHAPE))
      near(got.std, expected[1], "standard deviation", 0.02)
      if expected[2] then near(got.largest, expected[2], "largest magnitude", 0.02) end
    end)
  end
end)

describe("the fans of a shape", function()
  for shape, fans in pairs{[{}] = {1, 1}, [{7}] = {7, 7}, [{5, 6}] = {5, 6}, [{3, 4, 8}] = {12, 24}, [{3, 3, 8, 16}] = {72, 144},
    [{3, 3, 3, 8, 16}] = {216, 432}} do
    it(("(%s) are %d and %d"):format(table.concat(shape, ", "), fans[1], fans[2]), function()
      for i, mode in ipairs{"fan_in", "fan_out"} do
        -- uniform in +-sqrt(3 scale / fan): with scale = fan / 3 the limit is 1, with any other fan it is not
        local t = initializers.VarianceScaling{scale = fans[i] / 3, mode = mode, distribution = "uniform", seed = 1}(shape)
        local largest = statistics(t).largest
        assert.is_true(largest <= 1, mode)
        if #compare.flat(t) > 20 then assert.is_true(largest > 0.8, mode) end
      end
    end)
  end
end)

describe("initializers of integers", function()
  it("draw whole numbers below the upper limit", function()
    local t = initializers.RandomUniform{minval = 2, maxval = 5, seed = 1}({1000}, "int32")
    local counts = {}
    for _, x in ipairs(compare.flat(t)) do counts[x] = (counts[x] or 0) + 1 end
    for x, n in pairs(counts) do assert.is_true(x >= 2 and x <= 4 and n > 250, tostring(x)) end
    assert.equal("int64", initializers.Ones{}({2}, "int64").dtype)
  end)
end)

describe("an initializer by name", function()
  local more = {Zeros = {"zero", "zeros"}, Ones = {"one", "ones"}, RandomNormal = {"random_normal", "normal"},
    RandomUniform = {"random_uniform", "uniform"}, Identity = {"identity", "IdentityInitializer"},
    GlorotUniform = {"glorot_uniform"}, LecunNormal = {"lecun_normal"}, TruncatedNormal = {"truncated_normal"},
    VarianceScaling = {"variance_scaling"}}
  for _, name in ipairs(objects.names(initializers.classes)) do
    it("is found in every spelling of " .. name, function()
      for _, spelling in ipairs{name, require "kl.names".snake_case(name), table.unpack(more[name] or {})} do
        assert.equal(initializers.classes[name], getmetatable(initializers.get(spelling)).class)
      end
    end)
  end

  it("is an error that names the nearest one where it is misspelt", function()
    raises(function() initializers.get("glorot_unifrom") end,
      "there is no initializer 'glorot_unifrom'; did you mean 'glorot_uniform'%?")
    raises(function() initializers.get(5) end, "an initializer must be a name, an object or a function, got integer 5")
  end)

  it("may also be an object, a class, a config, a function or nothing", function()
    local object = initializers.Ones{}
    local function own(shape) return kl.zeros(shape) end
    assert.equal(object, initializers.get(object))
    assert.equal(own, initializers.get(own))
    assert.equal(initializers.Ones, getmetatable(initializers.get(initializers.Ones)).class)
    assert.is_nil(initializers.get(nil))
    local read = initializers.get{module = "keras.initializers", class_name = "GlorotUniform", config = {seed = kl.json.null}}
    assert.equal(initializers.GlorotUniform, getmetatable(read).class)
  end)
end)

describe("initializers with wrong settings", function()
  it("say what they take", function()
    raises(function() initializers.VarianceScaling{mode = "fan"} end, "mode must be fan_in, fan_out or fan_avg, got the string \"fan\"")
    raises(function() initializers.VarianceScaling{distribution = "normal"} end, "distribution must be truncated_normal")
    raises(function() initializers.VarianceScaling{scale = 0.0} end, "scale must be positive, got 0.0")
    local eye = initializers.Identity{}
    raises(function() eye{2, 2, 2} end, "Identity: a shape with 2 axes expected, got 3")
    local constant = initializers.Constant{{1, 2, 3}}
    raises(function() constant{2, 2} end, "shape %(3,%) does not broadcast to %(2, 2%)")
    local glorot = initializers.GlorotUniform{}
    raises(function() glorot{2, false} end, "GlorotUniform: axis 2 of the shape must be an integer >= 0, got boolean false")
    raises(function() glorot(5) end, "GlorotUniform: a shape expected, got integer 5")
  end)
end)
