-- Models as classes: built by a call or by build, inside others, with steps of their own.
local kl = require "kl"
local assert = require "luassert"
local compare = require "compare"
local names_of = require "names_of"
local near = require "near"
local raises = require "raises"
local layers, Model = kl.layers, kl.Model

kl.set_seed(11)

describe("a subclass of Model", function()
  local x = kl.tensor{{1.0, 2.0}}

  local function subclass()
    local Own = Model:extend("MyModel")
    function Own:init(units)
      self.dense = layers.Dense{units, name = "d"}
      self.scale = kl.Variable(2.0, {name = "scale"})
    end
    function Own:call(t, options) return self.dense(t) * self.scale + (options.training and 1 or 0) end
    return Own
  end

  it("is built by its first call, or by build(shape) without one", function()
    for _, build in ipairs{function(m) m(x) end, function(m) m:build{nil, 2} end} do
      local model = subclass()(3)
      assert.is_false(model.built)
      build(model)
      assert.is_true(model.built)
      assert.equal("scale kernel bias", names_of(model.weights))
      assert.matches("^my_model[_%d]*$", model.name)
      assert.equal(model.name .. "/d/kernel", model.dense.kernel.path)
    end
    local Two = Model:extend("Two")
    function Two:init() self.d = layers.Dense{1} end
    function Two:call(t) return self.d(t.a) + t.b end
    local two = Two()
    two:build{a = {nil, 3}, b = {nil, 1}}
    assert.equal(4, two:count_params())
  end)

  it("is a layer of a functional model", function()
    local inputs = kl.Input{2}
    local own = subclass()(3)
    local model = Model{inputs = inputs, outputs = own(inputs)}
    compare.bits(model(x), own(x), "the model")
    near(model(x, {training = true}) - model(x), kl.ones{1, 3}, "training", 1e-5, 1e-6)
    assert.equal(3, #model.trainable_weights)
  end)

  it("with inputs and outputs is functional, with steps of its own", function()
    local Own = Model:extend("Custom")
    function Own:train_step() return "mine" end
    local inputs = kl.Input{2}
    local model = Own{inputs = inputs, outputs = layers.Dense{1}(inputs)}
    assert.same({2, 1}, model(kl.ones{2, 2}).shape)
    assert.equal("mine", model:train_step{})
    assert.matches("^custom[_%d]*$", model.name)
  end)

  it("without a call says so", function()
    raises(function() local _ = Model:extend("Empty"){name = "e"}(x) end,
      "model 'e' %(a Empty%) defines no call and has no inputs and outputs")
  end)
end)
