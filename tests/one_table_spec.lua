-- What takes one table takes the same as arguments and a last table of options too; nothing is left out in silence.
local kl = require "kl"
local one_table = require "kl.one_table"
local raises = require "raises"
local L = kl.layers

describe("arguments and options", function()
  it("are one table", function()
    local t, u = kl.ones{2}, kl.zeros{2}
    assert.same({1, 2, a = 3}, one_table("f", 1, 2, {a = 3}))
    assert.same({1, 2}, one_table("f", 1, 2))
    assert.same({1}, one_table("f", 1, {}))
    assert.same({4, 5, a = 3}, one_table("f", {4, 5}, {a = 3}))
    assert.same({4, 5, a = 3, b = 2}, one_table("f", {4, 5, b = 2}, {a = 3}))
    assert.same({t, u}, one_table("f", t, u, nil))
    assert.equal(t, one_table("f", t, nil))
    assert.is_nil(one_table("f"))
    assert.same({{1, 2}, t}, one_table("f", {1, 2}, t))
  end)

  it("may not say a thing twice", function()
    raises(function() one_table("f", {4, a = 2}, {a = 3}) end, "f: 'a' is given twice")
    raises(function() L.Dense(4, {units = 4}) end, "Dense: 'units' is given twice, by position and by name")
  end)
end)

describe("a constructor", function()
  local function config(object)
    local c = object:get_config()
    c.name = nil
    return c
  end
  it("takes them so", function()
    for _, pair in ipairs{
      {L.Dense(4, {activation = "relu"}), L.Dense{4, activation = "relu"}}, {L.Dense(4, "relu"), L.Dense{4, "relu"}},
      {L.Dropout(0.5, nil, 7), L.Dropout{0.5, seed = 7}}, {L.Reshape(2, 3), L.Reshape{2, 3}},
      {L.Reshape({2, 3}, {name = "r"}), L.Reshape{2, 3}},
      {kl.optimizers.SGD(0.1, 0.9), kl.optimizers.SGD{0.1, momentum = 0.9}}, {kl.optimizers.Adam(0.1, {beta_1 = 0.5}),
        kl.optimizers.Adam{0.1, beta_1 = 0.5}}, {kl.initializers.RandomNormal(0.0, 2.0), kl.initializers.RandomNormal{0.0, 2.0}},
    } do
      assert.same(config(pair[2]), config(pair[1]))
    end
    assert.same({false, 2, 3}, kl.Input(2, 3).shape)
    assert.equal("int32", kl.Input({2}, {dtype = "int32"}).dtype)
    assert.equal("m", kl.metrics.Mean({name = "m"}).name)
    assert.equal(2, #kl.Sequential(L.Dense(4), L.Dense(2)).layers)
    local inputs = kl.Input{2}
    assert.same({false, 3}, kl.Model(inputs, L.Dense(3)(inputs), {name = "both"}).output_shape)
  end)

  it("still refuses what it does not know", function()
    raises(function() L.Dense(4, {activaton = "relu"}) end, "Dense: unknown option 'activaton'")
    raises(function() kl.metrics.Mean("m", 7) end, "Mean takes at most 0 positional arguments")
  end)

  it("of a class of one's own gets its arguments as they are", function()
    local Mine = kl.Layer:extend("Mine")
    function Mine:init(given) self.given = given end
    local options = {units = 3}
    assert.equal(options, Mine(options, 4).given)
    local Two = kl.Layer:extend("Two")
    function Two:init(units, o)
      Two.super.init(self, o)
      self.units = units
    end
    local layer = Two(3, {name = "named"})
    assert.same({3, "named"}, {layer.units, layer.name})
  end)
end)

describe("a model", function()
  it("is compiled, trained and asked so", function()
    local x, y = kl.ones{8, 2}, kl.ones{8, 1}
    local function train(fit, compile)
      kl.set_seed(1)
      local model = kl.Sequential{kl.Input{2}, L.Dense{1}}
      compile(model)
      local history = fit(model)
      return model, history.history.loss
    end
    local model, losses = train(function(m) return m:fit{x, y, epochs = 3, verbose = 0} end, function(m) m:compile{"sgd", "mse"} end)
    assert.equal(3, #losses)
    local _, again = train(function(m) return m:fit(x, y, {epochs = 3, verbose = 0}) end, function(m) m:compile("sgd", "mse") end)
    assert.same(losses, again)
    _, again = train(function(m) return m:fit({x, y}, {epochs = 3, verbose = 0}) end, function(m) m:compile("sgd", {loss = "mse"}) end)
    assert.same(losses, again)
    assert.same(model:evaluate{x, y, verbose = 0}, model:evaluate(x, y, {verbose = 0}))
    assert.same(model:predict{x, verbose = 0}:totable(), model:predict(x, {verbose = 0}):totable())
    assert.same(model:test_on_batch{x, y}, model:test_on_batch(x, y))
    raises(function() model:fit(x, y, {epohcs = 3}) end, "fit: unknown option 'epohcs'; did you mean 'epochs'")
  end)
end)
