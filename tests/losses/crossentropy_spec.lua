-- What crossentropies do besides the values that losses_spec checks (keras-semantics 3.4).
local kl = require "kl"
local assert = require "luassert"
local near = require "near"
local raises = require "raises"
local warnings = require "warnings"

local losses = kl.losses
local p = {{.2, .7, .1}, {.3, .4, .3}}

describe("crossentropy of probabilities", function()
  it("is at most -log(1e-7) where the true class has probability 0", function()
    near(losses.SparseCategoricalCrossentropy{}({0}, {{0, 1}}), 16.1181, "sparse", 1e-4)
    near(losses.CategoricalCrossentropy{}({{1, 0}}, {{0, 1}}), 16.1181, "categorical", 1e-4)
    near(losses.BinaryCrossentropy{}({{1}}, {{0}}), 16.1181, "binary", 1e-4)
  end)

  it("uses the logits behind a softmax or sigmoid, so that nothing is cut off", function()
    local z = kl.tensor{{100.0, 0.0, -100.0}}
    near(losses.SparseCategoricalCrossentropy{}({2}, kl.softmax(z)), 200, "sparse")
    near(losses.CategoricalCrossentropy{}({{0, 0, 1}}, kl.softmax(z)), 200, "categorical")
    near(losses.BinaryCrossentropy{}({{0, 1, 1}}, kl.sigmoid(z)), (100 + math.log(2) + 100) / 3, "binary")
    near(losses.SparseCategoricalCrossentropy{}({2}, kl.softmax(z):totable()), 16.1181, "as plain numbers", 1e-4)
  end)

  it("uses them for from_logits = true as well, and says once that this is odd", function()
    local z = kl.tensor{{1.0, 2.0, -1.0}, {.5, -.5, 0.0}}
    local said = warnings(function()
      for _ = 1, 2 do
        near(losses.SparseCategoricalCrossentropy{from_logits = true}({1, 0}, kl.softmax(z)), 0.5146409, "sparse")
      end
    end)
    assert.equal(1, #said)
    assert.matches("from_logits = true, but y_pred is the output of a softmax", said[1])
  end)

  it("divides rows by their sum for one-hot targets", function()
    local loss = losses.CategoricalCrossentropy{}
    near(loss({{0, 1, 0}, {1, 0, 0}}, kl.tensor(p) * 2), 0.7803239, "rows that sum to 2")
  end)

  it("of one class warns once that the loss is always 0", function()
    local said = warnings(function()
      for _ = 1, 2 do losses.CategoricalCrossentropy{}({{1}, {0}}, {{.3}, {.6}}) end
    end)
    assert.equal(1, #said)
    assert.matches("did you mean binary_crossentropy%?", said[1])
  end)

  it("is finite for logits of any size", function()
    local z = {{1e4, -1e4, 0}}
    near(losses.SparseCategoricalCrossentropy{from_logits = true}({1}, z), 2e4, "sparse")
    near(losses.CategoricalCrossentropy{from_logits = true}({{0, 1, 0}}, z), 2e4, "categorical")
    near(losses.BinaryCrossentropy{from_logits = true}({{0, 0, 0}}, z), (1e4 + math.log(2)) / 3, "binary")
  end)
end)

describe("the axis of classes", function()
  it("may be another than the last", function()
    local turned = kl.transpose(kl.tensor(p)) -- (classes, rows)
    near(losses.CategoricalCrossentropy{axis = 1}({{0, 1}, {1, 0}, {0, 0}}, turned), 0.7803239, "categorical")
    near(losses.SparseCategoricalCrossentropy{axis = 1}({1, 0}, turned), 0.7803239, "sparse")
    near(losses.BinaryCrossentropy{axis = 1, reduction = "none"}({{0, 1}, {1, 0}, {0, 0}}, turned),
      losses.BinaryCrossentropy{reduction = "none"}({{0, 1, 0}, {1, 0, 0}}, p), "binary")
  end)

  it("is one less in a config than in Lua", function()
    local serialize = require "kl.saving.serialize"
    for name, axis in pairs{[1] = 0, [2] = 1, [-1] = -1} do
      local object = serialize.object(losses.SparseCategoricalCrossentropy{axis = name})
      assert.equal(axis, object.config.axis)
      assert.equal(name, serialize.deserialize(object).axis)
    end
  end)

  it("that y_pred does not have is an error", function()
    for _, case in ipairs{{"SparseCategoricalCrossentropy", {1, 0}}, {"CategoricalCrossentropy", {{0, 1, 0}, {1, 0, 0}}},
      {"BinaryCrossentropy", {{0, 1, 0}, {1, 0, 0}}}} do
      local loss = losses[case[1]]{axis = 4}
      raises(function() loss(case[2], p) end, "axis 4")
    end
    for _, wrong in ipairs{0, 1.5} do
      raises(function() losses.BinaryCrossentropy{axis = wrong} end, "BinaryCrossentropy: 'axis' must be an integer other than 0")
    end
  end)
end)

describe("labels", function()
  local loss = losses.SparseCategoricalCrossentropy{}

  it("may come as (n) or (n, 1), and be of any type", function()
    near(loss({{1}, {0}}, p), 0.7803239, "(n, 1)")
    for _, dtype in ipairs{"uint8", "int32", "int64", "float32"} do near(loss(kl.tensor({1, 0}, dtype), p), 0.7803239, dtype) end
  end)

  it("outside the classes are an error that names sample and value", function()
    raises(function() loss({0, 3}, p) end, "label 3 of sample 2 is not one of the 3 classes 0 to 2")
    raises(function() loss({-1, 0}, p) end, "label %-1 of sample 1 is not one of the 3 classes")
    raises(function() loss({0, 1.5}, p) end, "label 1.5 of sample 2")
  end)

  it("of another number than the rows are an error that names both shapes", function()
    raises(function() loss({1, 0, 2}, p) end, "y_true of shape %(3,%) does not fit y_pred of shape %(2, 3%): one label per row")
    raises(function() loss({{0, 1, 0}, {1, 0, 0}}, p) end, "y_true of shape %(2, 3%) does not fit")
    raises(function() loss({0}, kl.tensor(1.0)) end, "y_pred of shape %(%) has no classes")
  end)

  it("that are ignored count neither as values nor in the mean, and may lie outside the classes", function()
    local four, scores = {1, -1, 0, -1}, {p[1], p[1], p[2], p[2]}
    local values = {-math.log(.7), 0, -math.log(.3), 0}
    local function ignoring(reduction)
      return losses.SparseCategoricalCrossentropy{ignore_class = -1, reduction = reduction}
    end
    near(ignoring("none")(four, scores), values, "none")
    near(ignoring("sum")(four, scores), values[1] + values[3], "sum")
    near(ignoring("mean")(four, scores), (values[1] + values[3]) / 2, "mean")
    near(ignoring("mean")(four, scores, {1, 9, 3, 9}), (values[1] + 3 * values[3]) / 2, "weighted mean")
    assert.equal(0.0, ignoring("mean")({-1}, {p[1]}):item()) -- nothing is left: 0, not NaN
  end)
end)

describe("label smoothing", function()
  it("moves targets toward one half or toward all classes", function()
    local y = {{0, 1, 0}, {1, 0, 0}}
    near(losses.BinaryCrossentropy{label_smoothing = 0.1}(y, p),
      losses.BinaryCrossentropy{}((kl.tensor(y) * 0.9 + 0.05), p), "binary")
    near(losses.CategoricalCrossentropy{label_smoothing = 0.3}(y, p),
      losses.CategoricalCrossentropy{}((kl.tensor(y) * 0.7 + 0.1), p), "categorical")
  end)
end)
