-- Activations by name: check values of keras-semantics 7.
local kl = require "kl"
local assert = require "luassert"
local near = require "near"
local raises = require "raises"

local activations = kl.activations
local at = {-3, -1, -0.5, 0, 0.5, 1, 3}

local function map(f)
  local list = {}
  for i, x in ipairs(at) do list[i] = f(x) end
  return list
end
local function sigmoid(x) return 1 / (1 + math.exp(-x)) end
local function tanh(x) return 2 * sigmoid(2 * x) - 1 end

-- Keras's numbers, and formulas where the document has none.  A function of more arguments is called with `with`.
local values = {
  leaky_relu = {-.6, -.2, -.1, 0, .5, 1, 3},
  elu = {-.950213, -.632121, -.393469, 0, .5, 1, 3},
  selu = {-1.670569, -1.111331, -.691758, 0, .52535, 1.050701, 3.152103},
  softplus = {.048587, .313262, .474077, .693147, .974077, 1.313262, 3.048587},
  softsign = {-.75, -.5, -.333333, 0, .333333, .5, .75},
  silu = {-.142278, -.268941, -.18877, 0, .31123, .731059, 2.857722},
  gelu = {-.00405, -.158655, -.154269, 0, .345731, .841345, 2.99595},
  hard_sigmoid = {0, .333333, .416667, .5, .583333, .666667, 1},
  hard_silu = {0, -.333333, -.208333, 0, .291667, .666667, 3},
  mish = {-.145647, -.303401, -.220744, 0, .375245, .865098, 2.986535},
  squareplus = {.302776, .618034, .780776, 1, 1.280776, 1.618034, 3.302776},
  sparse_plus = {0, 0, .0625, .25, .5625, 1, 3},
  sparse_sigmoid = {0, 0, .25, .5, .75, 1, 1},
  softmax = {.00188, .013894, .022908, .037769, .062271, .102667, .758611},
  linear = at,
  relu = {0, 0, 0, 0, .5, 1, 3},
  relu6 = {0, 0, 0, 0, .5, 1, 3},
  celu = map(function(x) return x > 0 and x or math.exp(x) - 1 end),
  hard_tanh = {-1, -1, -.5, 0, .5, 1, 1},
  hard_shrink = {-3, -1, 0, 0, 0, 1, 3},
  soft_shrink = {-2.5, -.5, 0, 0, 0, .5, 2.5},
  tanh_shrink = map(function(x) return x - tanh(x) end),
  threshold = {9, 9, 9, 9, 9, 1, 3},
  exponential = map(math.exp),
  sigmoid = map(sigmoid),
  log_sigmoid = map(function(x) return math.log(sigmoid(x)) end),
  tanh = map(tanh),
  log_softmax = map(function(x)
    local sum = 0
    for _, y in ipairs(at) do sum = sum + math.exp(y) end
    return x - math.log(sum)
  end),
  glu = {-3 * sigmoid(.5), -1 * sigmoid(1), -.5 * sigmoid(3)}, -- of the first and the last three
}
local arguments = {threshold = {0.5, 9}}
local no_activations = {get = true, name_of = true}

describe("every activation", function()
  local names = {}
  for name in pairs(activations) do
    if not no_activations[name] then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    it(name .. " gives Keras's values, by its name and as a function", function()
      local x = name == "glu" and kl.tensor{-3.0, -1.0, -0.5, 0.5, 1.0, 3.0} or kl.tensor(at, "float32")
      assert.is_table(values[name], "check values")
      assert.equal(activations[name], activations.get(name))
      assert.equal(name, activations.name_of(activations.get(name)))
      -- six digits are printed
      near(activations.get(name)(x, table.unpack(arguments[name] or {})), values[name], name, 1e-5, 1e-6)
    end)
  end

  it("of the document's table is there", function()
    for name in pairs(values) do assert.is_function(activations[name], name) end
  end)
end)

describe("relu", function()
  local x = kl.tensor{-math.huge, -3.0, -1.0, 0.5, 1.0, 3.0, math.huge}
  it("has a slope, a threshold and a maximum", function()
    near(activations.relu(x, {negative_slope = 0.5}), {-math.huge, -1.5, -.5, .5, 1, 3, math.huge}, "slope")
    near(activations.relu(x, {threshold = 1.0}), {0, 0, 0, 0, 1, 3, math.huge}, "threshold: x itself from there on")
    near(activations.relu(x, {max_value = 2}), {0, 0, 0, .5, 1, 2, 2}, "maximum")
    near(activations.relu(x, 0.1, 2.0, 1.0), {-math.huge, -.4, -.2, -.05, 1, 2, 2}, "all, in Keras's order")
  end)

  it("refuses unknown options", function()
    raises(function() activations.relu(x, {slope = 1}) end, "kl.activations.relu: unknown option 'slope'")
  end)
end)

describe("an activation by name", function()
  it("has Keras's other spellings, and nothing means linear", function()
    assert.equal(activations.silu, activations.get("swish"))
    assert.equal(activations.hard_silu, activations.get("hard_swish"))
    assert.equal(activations.linear, activations.get(nil))
    local x = kl.ones{2}
    assert.equal(x, activations.get("linear")(x))
  end)

  it("may also be a function or an object that can be called", function()
    local callable = setmetatable({}, {__call = function(_, x) return x end})
    for _, f in ipairs{math.abs, callable} do assert.equal(f, activations.get(f)) end
    assert.is_nil(activations.name_of(math.abs))
  end)

  it("is an error that names the nearest one where it is misspelt", function()
    raises(function() activations.get("rellu") end, "there is no activation 'rellu'; did you mean 'relu'%?")
    raises(function() activations.get(5) end, "an activation must be a name or a function, got integer 5")
  end)
end)

describe("softmax and sigmoid", function()
  it("remember their logits, whatever name they were found by", function()
    for _, name in ipairs{"softmax", "sigmoid"} do
      local z = kl.tensor{{1.0, 2.0}}
      local logits, made_by = kl.core.logits(activations.get(name)(z))
      assert.equal(name, made_by)
      near(logits, z, name)
    end
  end)
end)
