-- The base of optimizers: gradients and variables, clipping, decay, the learning rate, constraints (keras-semantics 2.1, 2.2).
local kl = require "kl"
local assert = require "luassert"
local near = require "near"
local raises = require "raises"
local variable = require "kl.variable"
local warnings = require "warnings"

local optimizers = kl.optimizers

local function named(name, path, value) return variable.new(kl.tensor(value), {name = name, path = path}) end

describe("apply_gradients", function()
  it("takes pairs or two lists, counts in int64, and returns the counter", function()
    local w, optimizer = kl.Variable{1.0}, optimizers.SGD{0.5}
    local counter = optimizer:apply_gradients{{kl.tensor{1.0}, w}}
    assert.equal(optimizer.iterations, counter)
    optimizer:apply_gradients({kl.tensor{1.0}}, {w})
    optimizer:apply({kl.tensor{1.0}}, {w})
    optimizer:apply{kl.tensor{1.0}} -- the variables it knows
    near(w, -1, "four steps")
    assert.equal("int64", counter.dtype)
    assert.equal(4, counter:item())
  end)

  it("warns once about variables without a gradient, by path, and leaves them alone", function()
    local w, lost = named("kernel", "a/kernel", {1.0}), named("bias", "a/bias", {1.0})
    local optimizer = optimizers.SGD{learning_rate = 0.5, weight_decay = 0.1}
    local said = warnings(function()
      for _ = 1, 2 do optimizer:apply_gradients({kl.tensor{1.0}, false}, {w, lost}) end
    end)
    assert.equal(1, #said)
    assert.matches("no gradient for a/bias", said[1])
    near(lost, 1, "it does not decay either")
    local other = optimizers.SGD{}
    assert.equal(1, #warnings(function() other:apply_gradients({kl.tensor{1.0}, false}, {w, lost}) end))
  end)

  it("is an error, and changes nothing, where no variable has a gradient", function()
    local w, optimizer = named("kernel", "a/kernel", {1.0}), optimizers.SGD{}
    raises(function() optimizer:apply_gradients({false}, {w}) end, "no variable has a gradient %(a/kernel%)")
    assert.equal(0, optimizer.iterations:item())
  end)

  for _, optimizer_name in ipairs{"SGD", "RMSprop", "Adam"} do
    it("of " .. optimizer_name .. " refuses variables that the optimizer did not meet first", function()
      local optimizer, w, other = optimizers[optimizer_name]{}, kl.Variable{1.0}, named("kernel", "b/kernel", {1.0})
      optimizer:apply_gradients({kl.tensor{1.0}}, {w})
      raises(function() optimizer:apply_gradients({kl.tensor{1.0}, kl.tensor{1.0}}, {w, other}) end,
        "does not know the variable 'b/kernel': an optimizer serves the variables it first met; make a new one")
      raises(function() optimizer:apply_gradients({false, kl.tensor{1.0}}, {other, w}) end, "does not know the variable 'b/kernel'")
      assert.equal(1, optimizer.iterations:item())
    end)
  end

  it("takes any part of the variables it was built with", function()
    local a, b, optimizer = kl.Variable{1.0}, kl.Variable{1.0}, optimizers.SGD{1.0}
    optimizer:build{a, b}
    optimizer:apply_gradients({kl.tensor{1.0}}, {b})
    near({a, b}, {1, 0}, "only b")
  end)

  it("refuses wrong shapes, counts and things that are no gradients or variables", function()
    local w, optimizer = named("kernel", "a/kernel", {1.0, 2.0}), optimizers.SGD{}
    raises(function() optimizer:apply_gradients({kl.tensor{1.0}}, {w}) end,
      "the gradient of 'a/kernel' has shape %(1,%), the variable %(2,%)")
    raises(function() optimizer:apply_gradients({kl.ones{2}, kl.ones{2}}, {w}) end, "2 gradients for 1 variables")
    raises(function() optimizer:apply_gradients({}, {}) end, "there are no variables to train")
    raises(function() optimizer:apply_gradients({1.5}, {w}) end, "must be a tensor or false, got float 1.5")
    raises(function() optimizer:apply_gradients({kl.ones{2}}, {kl.ones{2}}) end, "a float32 tensor of shape %(2,%)")
    local fresh = optimizers.SGD{}
    raises(function() fresh:apply_gradients({kl.ones{2}}, {kl.ones{2}}) end, "entry 1 must be a variable, got a float32 tensor")
    raises(function() fresh:apply{kl.ones{2}} end, "is not built")
    near(w, {1, 2}, "nothing was changed")
  end)

  it("of an optimizer of the user's own calls build_slots and update_step", function()
    local Sign = optimizers.Optimizer:extend("SignDescent")
    Sign.params = require "kl.args".params{{"learning_rate", 0.1}}
    function Sign:build_slots(variables)
      for _, v in ipairs(variables) do self:add_slot(v, "steps") end
    end
    function Sign:update_step(g, v, rate)
      self:slot("steps", v):assign_add(kl.ones_like(v))
      v:assign_sub(kl.sign(g) * rate)
    end
    local w, optimizer = kl.Variable{1.0, 1.0}, Sign{}
    for _ = 1, 2 do optimizer:apply_gradients({kl.tensor{3.0, -3.0}}, {w}) end
    near({w, optimizer:slot("steps", w)}, {0.8, 1.2, 2, 2}, "weights and slot")
    assert.matches("^sign_descent", optimizer.name)
    local Empty = optimizers.Optimizer:extend("Empty")
    Empty.params = Sign.params
    local empty = Empty{}
    raises(function() empty:apply_gradients({kl.ones{2}}, {w}) end, "defines no update_step")
    raises(function() optimizer:slot("stepz", w) end, "has no slot 'stepz'")
  end)
end)

describe("clipping", function()
  local function step(options, gradients)
    local variables = {}
    for i, g in ipairs(gradients) do variables[i] = kl.Variable(kl.zeros{#g}) end
    options.learning_rate = 1.0
    local tensors = {}
    for i, g in ipairs(gradients) do tensors[i] = kl.tensor(g, "float32") end
    optimizers.SGD(options):apply_gradients(tensors, variables)
    local moved = {}
    for i, v in ipairs(variables) do moved[i] = -v end
    return moved
  end

  it("limits each gradient's norm, each element, or the norm of all", function()
    local g = {{3, 4}, {0, 0.5}}
    near(step({clipnorm = 1.0}, g), {0.6, 0.8, 0, 0.5}, "clipnorm")
    near(step({clipvalue = 1}, g), {1, 1, 0, 0.5}, "clipvalue")
    local scale = 2 / math.sqrt(25.25)
    near(step({global_clipnorm = 2.0}, g), {3 * scale, 4 * scale, 0, 0.5 * scale}, "global_clipnorm")
    near(step({global_clipnorm = 10.0}, g), g, "a small enough norm is left alone")
  end)

  it("of gradients that are all 0 leaves them so", function()
    for _, name in ipairs{"clipnorm", "clipvalue", "global_clipnorm"} do near(step({[name] = 1.0}, {{0, 0}}), {0, 0}, name) end
  end)

  it("by the global norm makes every gradient NaN where that is not finite, so that it shows", function()
    for _, v in ipairs(step({global_clipnorm = 1.0}, {{math.huge, 1}, {1}})) do near(v, v * 0 / 0, "NaN") end
  end)
end)

describe("weight decay", function()
  it("leaves out excluded variables: given ones, and those whose names match", function()
    local kernel, gamma, bias = named("kernel", "a/kernel", {1.0}), named("gamma", "a/gamma", {1.0}), named("bias", "a/bias", {1.0})
    local optimizer = optimizers.SGD{learning_rate = 0.5, weight_decay = 0.1}
    optimizer:exclude_from_weight_decay{var_list = {gamma}}
    optimizer:exclude_from_weight_decay{var_names = {"^bi"}}
    local zero = kl.zeros{1}
    optimizer:apply_gradients({zero, zero, zero}, {kernel, gamma, bias})
    near({kernel, gamma, bias}, {0.95, 1, 1}, "w - w * wd * lr")
    raises(function() optimizer:exclude_from_weight_decay{var_names = {"x"}} end, "only before the optimizer is built")
    raises(function() optimizers.SGD{}:exclude_from_weight_decay{names = {"x"}} end, "unknown option 'names'")
  end)

  it("follows the learning rate of the step", function()
    local w = kl.Variable{1.0}
    local optimizer = optimizers.SGD{learning_rate = function() return 0.5 end, weight_decay = 0.1}
    optimizer:apply_gradients({kl.zeros{1}}, {w})
    near(w, 0.95, "w - w * wd * lr")
  end)
end)

describe("the learning rate", function()
  it("is a float32 variable that can be set to a number or a tensor", function()
    local w, optimizer = kl.Variable{1.0}, optimizers.SGD{learning_rate = 1}
    assert.equal("variable", kl.core.kind(optimizer.learning_rate))
    optimizer.learning_rate = 0.25
    optimizer:apply_gradients({kl.tensor{1.0}}, {w})
    near(w, 0.75, "0.25")
    optimizer.learning_rate = kl.tensor(0.5)
    optimizer.learning_rate:assign(optimizer.learning_rate * 0.5)
    optimizer:apply_gradients({kl.tensor{1.0}}, {w})
    near(w, 0.5, "0.25 again")
    near(optimizer:get_config().learning_rate, 0.25, "the config has the rate of now")
    raises(function() optimizer.learning_rate = "fast" end, "can be set to a number or a tensor, got the string \"fast\"")
    raises(function() optimizer.learning_rate = 0 / 0 end, "can be set to a number or a tensor, got float nan")
    raises(function() kl.optimizers.Optimizer{} end, "Optimizer is what optimizers extend")
    raises(function() kl.optimizers.SGD{0 / 0} end, "SGD: learning_rate must be a number, a schedule or a function, got float nan")
    raises(function() optimizer.learning_rate = optimizers.schedules.CosineDecay{.1, 10} end, "a number or a tensor, got a CosineDecay")
  end)

  it("may be a schedule, which sees the updates done before the step and cannot be set", function()
    local schedule = optimizers.schedules.PiecewiseConstantDecay{{0, 1}, {1.0, 0.5, 0.25}}
    local w, optimizer = kl.Variable{0.0}, optimizers.SGD{schedule}
    near(optimizer.learning_rate, 1, "before the first step")
    local seen = {}
    for i = 1, 3 do
      optimizer:apply_gradients({kl.tensor{-1.0}}, {w})
      seen[i] = w:totable()[1]
    end
    near(seen, {1, 1.5, 1.75}, "rates 1, 1/2, 1/4")
    near(optimizer.learning_rate, 0.25, "after step 3")
    raises(function() optimizer.learning_rate = 0.1 end, "comes from a schedule and cannot be set")
    assert.equal(1, #optimizer.variables) -- only the counter, as in Keras
    local copy = require "objects".round_trip(optimizer)
    near(copy.learning_rate, 1, "the copy starts anew")
  end)

  it("may be a function without arguments, asked at each step", function()
    local rate, w = 1.0, kl.Variable{0.0}
    local optimizer = optimizers.SGD{learning_rate = function() return rate end}
    optimizer:apply_gradients({kl.tensor{-1.0}}, {w})
    rate = 0.5
    optimizer:apply_gradients({kl.tensor{-1.0}}, {w})
    near(w, 1.5, "1, then 1/2")
    raises(function() optimizer:get_config() end, "a Lua function cannot be saved")
  end)
end)

describe("constraints", function()
  it("are applied after the update, by each optimizer", function()
    for name, cls in pairs(optimizers.classes) do
      local v = variable.new(kl.tensor{0.5, 0.5}, {name = "w", constraint = kl.constraints.NonNeg{}})
      local optimizer = cls{learning_rate = 1.0}
      optimizer:apply_gradients({kl.tensor{2.0, -2.0}}, {v})
      local w = v:totable()
      assert.equal(0.0, w[1], name)
      assert.is_true(w[2] > 1, name)
    end
  end)
end)

describe("names", function()
  it("count up, and prefix the paths of the state", function()
    local a, b = optimizers.SGD{}, optimizers.SGD{}
    assert.not_equal(a.name, b.name)
    assert.equal(a.name .. "/iteration", a.iterations.path)
    assert.equal("mine/learning_rate", optimizers.SGD{name = "mine"}.learning_rate.path)
  end)
end)
