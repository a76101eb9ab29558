local kl = require "kl"
local assert = require "luassert"
local compare = require "compare"
local near = require "near"
local raises = require "raises"
local Dropout = kl.layers.Dropout

local function values_of(t)
  local seen = {}
  for _, v in ipairs(compare.flat(t)) do seen[v] = (seen[v] or 0) + 1 end
  return seen
end

describe("Dropout", function()
  local ones = kl.ones{50, 40}

  it("keeps about 1 - rate of the elements while training, each times 1 / (1 - rate)", function()
    kl.set_seed(1)
    local seen = values_of(Dropout{0.25}(kl.cast(ones, "float64") * 3, {training = true}))
    assert.same({[0.0] = seen[0.0], [1.0 * 3 / 0.75] = seen[4.0]}, seen)
    assert.is_true(math.abs(seen[0.0] / 2000 - 0.25) < 0.04) -- four standard deviations
  end)

  it("is the identity outside of training, and with rate 0, which owns no generator", function()
    assert.is_true(kl.array_equal(ones, Dropout{0.5}(ones)))
    local none = Dropout{0}
    assert.is_true(kl.array_equal(ones, none(ones, {training = true})))
    assert.is_nil(none._seed_generator)
  end)

  it("gives zeros, and not NaN, with rate 1", function()
    near(Dropout{1}(ones, {training = true}), kl.zeros{50, 40}, "all dropped")
  end)

  it("takes `training` from the call it is in, unless it is told itself", function()
    local Wrapper = kl.Layer:extend("Wrapper")
    function Wrapper:init(told)
      self.dropout, self.told = Dropout{1}, told
    end
    function Wrapper:call(x) return self.dropout(x, self.told) end
    near(kl.mean(Wrapper()(ones, {training = true})), 0, "passed down")
    near(kl.mean(Wrapper()(ones)), 1, "false unless told")
    near(kl.mean(Wrapper{training = false}(ones, {training = true})), 1, "told false")
    near(kl.mean(Wrapper{training = true}(ones)), 0, "told true")
  end)

  it("shares a decision along axes of length 1 in noise_shape; nil and false take the input's length", function()
    kl.set_seed(4)
    for _, noise_shape in ipairs{{false, 1, 8}, {nil, 1, 8}} do
      local y = Dropout{0.5, noise_shape = noise_shape}(kl.ones{6, 5, 8}, {training = true})
      near(y, kl.ones{6, 5, 8} * y[{ {}, {1, 1} }], "all rows alike")
      assert.is_true(values_of(y)[0.0] > 0 and values_of(y)[2.0] > 0)
    end
    raises(function() Dropout{0.5, noise_shape = {1, 8}, name = "d"}(kl.ones{6, 5, 8}) end,
      "'noise_shape' has 2 axes, the input 3")
  end)

  it("draws new numbers at every call, and the same ones after the same seed", function()
    kl.set_seed(7)
    local layer = Dropout{0.5, name = "seeded"}
    local first, second = layer(ones, {training = true}), layer(ones, {training = true})
    assert.is_false(kl.array_equal(first, second))
    kl.set_seed(7)
    assert.is_true(kl.array_equal(first, layer(ones, {training = true})))
    kl.set_seed(8)
    assert.is_false(kl.array_equal(first, layer(ones, {training = true})))
  end)

  it("draws by its own path, whatever other layers are made or called before it", function()
    kl.set_seed(7)
    local alone = Dropout{0.5, name = "mine"}(ones, {training = true})
    kl.set_seed(7)
    Dropout{0.5, name = "other"}(ones, {training = true})
    kl.layers.Dense{3}(ones)
    kl.random.normal{3}
    assert.is_true(kl.array_equal(alone, Dropout{0.5, name = "mine"}(ones, {training = true})))
  end)

  it("with a seed of its own does not follow kl.set_seed, but starts anew with it", function()
    kl.set_seed(1)
    local layer = Dropout{0.5, seed = 3, name = "own"}
    local first = layer(ones, {training = true})
    layer(ones, {training = true})
    kl.set_seed(2)
    assert.is_true(kl.array_equal(first, layer(ones, {training = true})))
    assert.is_false(kl.array_equal(first, Dropout{0.5, seed = 4, name = "own"}(ones, {training = true})))
    raises(function() Dropout{0.5, seed = "x"}(ones) end, "a seed must be an integer or a kl.random.SeedGenerator")
  end)

  it("draws nothing while a functional graph is built", function()
    kl.set_seed(7)
    local layer = Dropout{0.5, name = "mine"}
    local direct = layer(ones, {training = true})
    kl.set_seed(7)
    local inputs = kl.Input{40}
    local model = kl.Model{inputs = inputs, outputs = layer(inputs, {training = true})}
    assert.is_true(kl.array_equal(direct, model(ones)))
    raises(function() kl.random.dropout(inputs, 0.5) end, "use kl.layers.Dropout")
  end)
end)
