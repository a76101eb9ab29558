-- Every optimizer of the list: values, 100 steps beside a float64 reference, slots, configs; and finding one by name.
local kl = require "kl"
local assert = require "luassert"
local gen = require "gen"
local near = require "near"
local objects = require "objects"
local raises = require "raises"
local traced = require "tracing"
local variable = require "kl.variable"
local reference = dofile "tests/optimizers/reference.lua"

local optimizers = kl.optimizers

-- keras-semantics 2.8: w after steps 1 to 3, from [1, -2, 0.5], learning rate 0.1.
local steps = {{0.1, -0.2, 0.3}, {0.3, 0.1, -0.4}, {-0.5, 0.2, 0.1}}
local values = {
  SGD = {
    {{}, {0.99, -1.98, 0.47}, {0.96, -1.99, 0.51}, {1.01, -2.01, 0.5}},
    {{momentum = 0.9}, {0.99, -1.98, 0.47}, {0.951, -1.972, 0.483}, {0.9659001, -1.9848, 0.4847}},
    {{momentum = 0.9, nesterov = true}, {0.981, -1.962, 0.443}, {0.9159, -1.9648, 0.4947}, {0.97931, -1.99632, 0.48623}},
    {{weight_decay = 0.01}, {0.989, -1.978, 0.4695}, {0.958011, -1.986022, 0.5090305}, {1.007053, -2.004036, 0.4985215}},
    {{clipnorm = 0.1}, {0.9973274, -1.994655, 0.4919822}, {0.9914439, -1.996616, 0.4998268}, {1.000573, -2.000267, 0.4980011}},
    {{clipvalue = 0.15}, {0.99, -1.985, 0.485}, {0.975, -1.995, 0.5}, {0.99, -2.01, 0.49}},
  },
  RMSprop = {
    {{}, {0.6837881, -1.683776, 0.183774}, {0.3822782, -1.831217, 0.4414361}, {0.6538005, -2.052891, 0.3750493}},
    {{centered = true}, {0.6666852, -1.666671, 0.1666687}, {0.3389504, -1.815148, 0.425239}, {0.6113659, -2.039088, 0.358848}},
    {{momentum = 0.9}, {0.6837881, -1.683776, 0.183774}, {0.09768748, -1.546615, 0.1568327},
      {-0.1582807, -1.644844, 0.06619877}},
  },
  Adam = {
    {{}, {0.9000038, -1.900002, 0.4000017}, {0.8082275, -1.873369, 0.4193524}, {0.8243188, -1.900638, 0.4214836}},
    {{weight_decay = 0.004}, {0.8996038, -1.899202, 0.3998017}, {0.8074678, -1.871809, 0.4189925}, -- AdamW's
      {0.823236, -1.89833, 0.4209561}},
  },
}

-- For the runs of 100 steps: every option off its default, in one case at least.
local long = {
  SGD = {{}, {learning_rate = 0.05, momentum = 0.8}, {momentum = 0.5, nesterov = true, weight_decay = 0.1},
    {clipnorm = 0.5}, {clipvalue = 0.2}, {global_clipnorm = 0.7}},
  RMSprop = {{}, {learning_rate = 0.01, rho = 0.8, epsilon = 1e-3}, {momentum = 0.5}, {centered = true},
    {momentum = 0.9, centered = true, weight_decay = 0.1}, {clipnorm = 0.5}, {clipvalue = 0.2}, {global_clipnorm = 0.7}},
  Adam = {{}, {learning_rate = 0.01, beta_1 = 0.8, beta_2 = 0.99, epsilon = 1e-3}, {amsgrad = true}, {beta_1 = 0.0},
    {amsgrad = true, beta_2 = 0.5, weight_decay = 0.1}, {clipnorm = 0.5}, {clipvalue = 0.2}, {global_clipnorm = 0.7}},
}

local slots = { -- in the order of keras-semantics 2.3, for variables a/kernel and bias
  SGD = {{{}, {}}, {{momentum = 0.9}, {"a_kernel_momentum", "bias_momentum"}}},
  RMSprop = {{{}, {"a_kernel_velocity", "bias_velocity"}},
    {{momentum = 0.9, centered = true}, {"a_kernel_velocity", "bias_velocity", "a_kernel_momentum", "bias_momentum",
      "a_kernel_average_gradient", "bias_average_gradient"}}},
  Adam = {{{}, {"a_kernel_momentum", "a_kernel_velocity", "bias_momentum", "bias_velocity"}},
    {{amsgrad = true}, {"a_kernel_momentum", "a_kernel_velocity", "bias_momentum", "bias_velocity", "a_kernel_velocity_hat",
      "bias_velocity_hat"}}},
}

local defaults = {
  SGD = {learning_rate = 0.01, momentum = 0.0, nesterov = false},
  RMSprop = {learning_rate = 0.001, rho = 0.9, momentum = 0.0, epsilon = 1e-7, centered = false},
  Adam = {learning_rate = 0.001, beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7, amsgrad = false},
}
-- Not in this version: setting one is an error (below).
local unsupported = {use_ema = true, loss_scale_factor = 32.0, gradient_accumulation_steps = 2}
local only_with_ema = {ema_momentum = true, ema_overwrite_frequency = true}

local function text(o)
  local parts = {}
  for _, key in ipairs(objects.names(o)) do parts[#parts + 1] = ("%s = %s"):format(key, o[key]) end
  return #parts == 0 and "by default" or "with " .. table.concat(parts, ", ")
end

local function with(o, more)
  local all = {}
  for _, t in ipairs{o, more} do
    for key, value in pairs(t) do all[key] = value end
  end
  return all
end

--- 100 steps on variables of shapes (3) and (2, 2) from fixed random gradients: the numbers, and the reference's.
local function run(name, options, dtype)
  gen.restart(name)
  local weights, gradients = {}, {}
  for i, n in ipairs{3, 4} do weights[i] = {table.unpack(gen.array({n}, -2, 2))} end
  for t = 1, 100 do
    gradients[t] = {}
    for i, n in ipairs{3, 4} do gradients[t][i] = {table.unpack(gen.array({n}, -1, 1))} end
  end
  local a = kl.Variable(weights[1], {dtype = dtype})
  local b = kl.Variable(kl.tensor(weights[2], dtype):reshape{2, 2}, {dtype = dtype})
  local optimizer = optimizers[name](options)
  for t = 1, 100 do
    local g = {kl.tensor(gradients[t][1], dtype), kl.tensor(gradients[t][2], dtype):reshape{2, 2}}
    optimizer:apply_gradients(g, {a, b})
  end
  assert.equal(dtype, a.dtype)
  return {a, b}, reference(name, options, weights, gradients)
end

describe("every optimizer", function()
  for _, name in ipairs(objects.names(optimizers.classes)) do
    local cls = optimizers.classes[name]
    it(name .. " has check values, long runs and a list of slots", function()
      assert.is_table(values[name])
      assert.is_table(long[name])
      assert.is_table(slots[name])
    end)

    it(name .. " has Keras's defaults, in Keras's order", function()
      local optimizer, order = cls{}, {}
      near(optimizer.learning_rate, defaults[name].learning_rate, "learning_rate")
      for i, p in ipairs(cls.params) do
        order[i] = p.name
        assert.equal(defaults[name][p.name], p.default, p.name)
      end
      assert.equal("learning_rate", order[1])
      near(cls(0.5).learning_rate, 0.5, "by position")
    end)

    it(name .. " is tried with every one of its options off the default", function()
      local seen = {name = true}
      for _, o in ipairs(long[name]) do
        for key in pairs(o) do seen[key] = true end
      end
      for _, params in ipairs{cls.params, optimizers.Optimizer.common} do
        for _, p in ipairs(params) do
          if not unsupported[p.name] and not only_with_ema[p.name] then assert.is_true(seen[p.name], p.name) end
        end
      end
    end)

    for _, case in ipairs(values[name] or {}) do
      it(("%s %s gives Keras's weights"):format(name, text(case[1])), function()
        local w = kl.Variable{1.0, -2.0, 0.5}
        local optimizer = cls(with(case[1], {learning_rate = 0.1}))
        for i, g in ipairs(steps) do
          assert.equal(i, optimizer:apply_gradients({{kl.tensor(g), w}}):item())
          near(w, case[i + 1], "step " .. i)
        end
      end)
    end

    for _, options in ipairs(long[name] or {}) do
      -- float32: 100 updates of numbers near 1 are each rounded by 6e-8.  float64: the learning rate, and what is
      -- computed from it once a step, stay float32.
      for dtype, bound in pairs{float32 = 2e-5, float64 = 1e-6} do
        it(("%s %s stays near the reference for 100 steps in %s"):format(name, text(options), dtype), function()
          local got, expected = run(name, options, dtype)
          near(got, expected, "after 100 steps", bound, bound)
        end)
      end

      it(("%s %s reads no value, so that an update can be recorded"):format(name, text(options)), function()
        local immediate, recorded = kl.Variable{1.0, -2.0, 0.5}, kl.Variable{1.0, -2.0, 0.5}
        local first, second, g = cls(options), cls(options), kl.tensor(steps[1])
        for _ = 1, 3 do
          first:apply_gradients({g}, {immediate})
          traced(function() second:apply_gradients({g}, {recorded}) end)
        end
        assert.same(immediate:totable(), recorded:totable())
        assert.equal(3, second.iterations:item())
      end)
    end

    for _, case in ipairs(slots[name] or {}) do
      it(("%s %s has Keras's state in Keras's order"):format(name, text(case[1])), function()
        local variables = {variable.new(kl.ones{2, 3}, {name = "kernel", path = "a/kernel"}),
          variable.new(kl.ones{3}, {name = "bias"})}
        local optimizer = cls(with(case[1], {name = "mine"}))
        assert.equal(2, #optimizer.variables)
        optimizer:build(variables)
        local expected = {"mine/iteration", "mine/learning_rate"}
        for _, slot in ipairs(case[2]) do expected[#expected + 1] = "mine/" .. slot end
        local paths = {}
        for i, v in ipairs(optimizer.variables) do
          paths[i] = v.path
          assert.is_false(v.trainable)
          if i > 2 then
            assert.same(v.path:find("kernel") and {2, 3} or {3}, v.shape)
            near(v, kl.zeros(v.shape), v.path)
          end
        end
        assert.same(expected, paths)
        assert.equal("int64", optimizer.iterations.dtype)
        assert.equal("float32", optimizer.learning_rate.dtype)
      end)
    end

    it(name .. " survives its config with every option", function()
      for _, options in ipairs(long[name]) do
        local copy = objects.round_trip(cls(with(options, {name = "mine"})))
        assert.equal("mine", copy.name)
        near(copy.learning_rate, options.learning_rate or defaults[name].learning_rate, "learning_rate")
        for key, value in pairs(options) do
          if key ~= "learning_rate" then assert.equal(value, copy[key], key) end
        end
      end
    end)

    it(name .. " refuses unknown options, and values of the wrong type or range", function()
      raises(function() cls{learning_rat = 1.0} end, name .. ": unknown option 'learning_rat'; did you mean 'learning_rate'%?")
      raises(function() cls{learning_rate = "fast"} end,
        name .. ": .*learning_rate.* must be a number.*, got the string \"fast\"")
      raises(function() cls{weight_decay = "x"} end, name .. ": 'weight_decay' must be a number")
      raises(function() cls{clipnorm = 0} end, name .. ": 'clipnorm' must be positive, got 0")
      raises(function() cls{clipnorm = 1, clipvalue = 1} end, "only one of clipnorm, global_clipnorm and clipvalue can be set")
      raises(function() cls{name = 1} end, "'name' must be a string")
      for _, p in ipairs(cls.params) do
        if type(p.default) == "boolean" then raises(function() cls{[p.name] = 1} end, p.name .. "' must be a boolean") end
        if type(p.default) == "number" then raises(function() cls{[p.name] = "x"} end, p.name) end
      end
      for option, value in pairs(unsupported) do
        raises(function() cls{[option] = value} end, ("%s: '%s' is not supported yet"):format(name, option))
      end
    end)
  end

  it("of Adam moves by exactly the learning rate at its first step, to float32's precision", function()
    -- 1 - 0.999^t as a difference of float32 numbers would be off by 2e-5 here
    local w = kl.Variable{0.0, 0.0}
    optimizers.Adam{learning_rate = 1.0, epsilon = 0.0}:apply_gradients({kl.tensor{3.0, -0.1}}, {w})
    near(w, {-1, 1}, "the gradient's sign", 5e-7, 0)
  end)

  it("of Adam has betas, and SGD a momentum, from 0 to 1", function()
    raises(function() optimizers.Adam{beta_1 = 1.5} end, "Adam: 'beta_1' must be a number >= 0 and <= 1, got 1.5")
    raises(function() optimizers.SGD{momentum = -0.1} end, "SGD: 'momentum' must be a number >= 0")
  end)
end)

describe("an optimizer by name", function()
  local spellings = {SGD = {"SGD", "sgd", "Sgd"}, RMSprop = {"RMSprop", "rmsprop", "RMSPROP", "rm_sprop"},
    Adam = {"Adam", "adam", "ADAM"}}
  local automatic = {SGD = "sgd", RMSprop = "rm_sprop", Adam = "adam"}
  for _, name in ipairs(objects.names(optimizers.classes)) do
    it("is found in every spelling of " .. name, function()
      for _, spelling in ipairs(spellings[name]) do
        assert.equal(optimizers.classes[name], getmetatable(optimizers.get(spelling)).class)
      end
      assert.matches("^" .. automatic[name], optimizers.classes[name]{}.name)
    end)
  end

  it("is an error that names the nearest one where it is misspelt", function()
    raises(function() optimizers.get("rmspop") end, "there is no optimizer 'rmspop'; did you mean 'rmsprop'%?")
    raises(function() optimizers.get(5) end, "an optimizer must be a name, an object or a function, got integer 5")
    raises(function() optimizers.get(print) end, "an optimizer must be a name or an object, got a function")
  end)

  it("may also be an object, a class, a config or nothing", function()
    local optimizer = optimizers.SGD{}
    assert.equal(optimizer, optimizers.get(optimizer))
    assert.equal(optimizers.Adam, getmetatable(optimizers.get(optimizers.Adam)).class)
    assert.equal(optimizers.Adam,
      getmetatable(optimizers.get{class_name = "Adam", config = {}, module = "keras.optimizers"}).class)
    assert.is_nil(optimizers.get(nil))
  end)
end)
