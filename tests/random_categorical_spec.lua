-- kl.random.categorical: shares, shapes, seeds, plans, refusals.
local kl = require "kl"
local raises = require "raises"

describe("kl.random.categorical", function()
  it("draws classes as often as their probabilities say", function()
    kl.set_seed(5)
    local p = kl.tensor{{0.1, 0.2, 0.7}, {0.5, 0.5, 0.0}}
    local draws = kl.random.categorical(kl.log(p) + 3.0, 40000) -- logits are free up to a constant
    assert.same({2, 40000}, draws.shape)
    assert.equal("int32", draws.dtype)
    for class = 0, 2 do
      local share = kl.mean(kl.cast(kl.equal(draws, class), "float32"), -1):totable()
      for row = 1, 2 do -- four standard deviations of a share of 40000
        assert.near(p[row][class + 1]:item(), share[row], 4 * math.sqrt(0.25 / 40000))
      end
    end
  end)

  it("depends on the seed alone, and is the same in a plan", function()
    local logits = kl.tensor{{0.0, 1.0, 2.0}}
    local function draw(f)
      kl.set_seed(9)
      return f(logits)
    end
    local function f(x) return kl.random.categorical(x, 50) end
    local first = draw(f)
    assert.is_true(kl.array_equal(first, draw(f)))
    assert.is_true(kl.array_equal(first, draw(kl.jit(f))))
    assert.is_false(kl.array_equal(f(logits), f(logits)))
    assert.is_true(kl.array_equal(kl.random.categorical(logits, 9, {seed = 3}), kl.random.categorical(logits, 9, {seed = 3})))
    assert.same({1, 1}, kl.random.categorical({{0.5, 0.5}}).shape)
  end)

  it("refuses what is no table of logits", function()
    raises(function() kl.random.categorical(kl.zeros{3}, 2) end, "logits of shape %(n, classes%) expected, got %(3,%)")
    raises(function() kl.random.categorical(kl.zeros{1, 3}, 0) end, "'num_samples' must be a positive integer, got integer 0")
  end)
end)
