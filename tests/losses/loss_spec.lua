-- The base: reductions, weights, ranks, losses of the user's own.
local kl = require "kl"
local assert = require "luassert"
local near = require "near"
local raises = require "raises"

local losses = kl.losses
local y, p = {{0, 1, 0}, {1, 0, 0}}, {{.2, .7, .1}, {.3, .4, .3}}

describe("the reduction of a loss", function()
  -- keras-semantics 3.2: per-sample values 0.04666667 and 0.2466667, weights 1 and 3
  local cases = {
    sum_over_batch_size = {0.1466667, 0.3933333}, mean = {0.1466667, 0.3933333}, sum = {0.2933333, 0.7866667},
    mean_with_sample_weight = {0.1466667, 0.1966667}, none = {{0.04666667, 0.2466667}, {0.04666667, 0.74}},
  }
  for reduction, expected in pairs(cases) do
    it(("'%s' gives Keras's values with and without weights"):format(reduction), function()
      local loss = losses.MeanSquaredError{reduction = reduction}
      near(loss(y, p), expected[1], "plain")
      near(loss(y, p, {1, 3}), expected[2], "weighted")
    end)
  end

  it("is 0, not NaN, of no values or of weights that are all 0", function()
    assert.equal(0.0, losses.MeanSquaredError{}(kl.zeros{0, 3}, kl.zeros{0, 3}):item())
    assert.equal(0.0, losses.MeanSquaredError{reduction = "mean_with_sample_weight"}(y, p, {0, 0}):item())
  end)
end)

describe("sample weights", function()
  local loss = losses.MeanSquaredError{}

  it("may have shape (n), (n, 1), () or those of the values", function()
    near(loss(y, p, {1, 3}), 0.3933333, "(n)")
    near(loss(y, p, {{1}, {3}}), 0.3933333, "(n, 1)")
    near(loss(y, p, 3), 3 * 0.1466667, "()")
    local deep_y, deep_p = kl.zeros{2, 2, 3}, kl.ones{2, 2, 3}
    near(loss(deep_y, deep_p, {{1, 2}, {3, 4}}), 2.5, "(n, t) on values of shape (n, t)")
    near(loss(deep_y, deep_p, {1, 3}), 2.0, "(n) on values of shape (n, t): the same for each step")
  end)

  it("of another shape are an error that names both shapes", function()
    raises(function() loss(y, p, {1, 2, 3}) end,
      "mean_squared_error: sample_weight of shape %(3,%) does not fit values of shape %(2,%)")
    raises(function() loss(y, p, kl.ones{2, 3}) end, "sample_weight of shape %(2, 3%)")
  end)
end)

describe("the ranks of targets and predictions", function()
  it("are made equal before they meet: no silent n x n", function()
    local n, column = kl.tensor{1.0, 2.0, 4.0}, kl.tensor{{1.0}, {2.0}, {3.0}}
    for _, loss in ipairs{losses.MeanSquaredError{}, losses.get(function(a, b) return kl.mean(kl.square(a - b), -1) end)} do
      near(loss(n, column), 1 / 3, "(n) against (n, 1)")
      near(loss(column, n), 1 / 3, "(n, 1) against (n)")
    end
  end)

  it("lose the last axis of length 1 where the shorter one is not a vector", function()
    local loss = losses.MeanSquaredError{reduction = "none"}
    assert.same({2}, loss(kl.zeros{2, 3}, kl.ones{2, 3, 1}).shape)
    assert.same({2}, loss(kl.zeros{2, 3, 1}, kl.ones{2, 3}).shape)
  end)

  it("must then be those of one shape, for losses of the user's own too", function()
    local Mine = losses.Loss:extend("Mine")
    function Mine:call(a, b) return kl.mean(kl.abs(a - b), -1) end
    for _, loss in ipairs{losses.MeanAbsoluteError{}, Mine{}, losses.get(function(a, b) return kl.abs(a - b) end)} do
      raises(function() loss(kl.ones{3}, kl.ones{3, 3}) end,
        "y_true of shape %(3,%) does not fit y_pred of shape %(3, 3%).*set takes_labels = true")
      raises(function() loss(kl.ones{1, 3}, kl.ones{3, 3}) end, "y_true of shape %(1, 3%) does not fit")
    end
  end)
end)

describe("a mask", function()
  local loss = losses.MeanSquaredError{}
  local zeros, x, middle = kl.zeros{1, 3, 1}, kl.tensor{{{5.0}, {1.0}, {13.0}}}, kl.tensor{{true, false, true}}

  it("leaves entries out of the mean over all, which becomes that of the others", function()
    near(loss(zeros, x, nil, middle), 97, "as Keras has it") -- (25 + 169) / 2
    near(loss(zeros, x, {{1, 5, 3}}, middle), (25 + 3 * 169) / 2, "with weights")
    near(loss(zeros, x, nil, kl.tensor{{false, false, false}}), 0, "of nothing")
  end)

  it("leaves them out of sums and weighted means as they are", function()
    near(losses.MeanSquaredError{reduction = "sum"}(zeros, x, nil, middle), 194, "sum")
    near(losses.MeanSquaredError{reduction = "none"}(zeros, x, nil, middle), {{25, 0, 169}}, "none")
    near(losses.MeanSquaredError{reduction = "mean_with_sample_weight"}(zeros, x, {{1, 5, 3}}, middle), (25 + 3 * 169) / 4, "weighted")
  end)

  it("may be the second result of a user's call, and is joined with the one that is given", function()
    local Mine = losses.Loss:extend("Mine")
    function Mine:call(a, b) return kl.mean(kl.square(a - b), -1), kl.greater(b[{ {}, {}, 1 }], 2) end
    near(Mine{}(zeros, x), 97, "its own")
    near(Mine{}(zeros, x, nil, kl.tensor{{true, true, false}}), 25, "both")
  end)
end)

describe("weights that are fewer than the values", function()
  it("divide a weighted mean as they are, as in Keras", function()
    local loss = losses.MeanSquaredError{reduction = "mean_with_sample_weight"}
    local a, b = kl.zeros{2, 2, 3}, kl.ones{2, 2, 3}
    near(loss(a, b, {{1.0}, {3.0}}), 2, "(n, 1) on (n, t)")
    near(loss(a, b, 2.0), 4, "one for all")
  end)
end)

describe("a loss in a functional graph", function()
  it("gives what it gives outside, for any number of samples", function()
    local cases = dofile "tests/losses/cases.lua"
    require "gen".restart("graphs")
    for _, name in ipairs(require "objects".names(losses.classes)) do -- in one order, so that the draws are the same each time
      for _, reduction in ipairs{"mean", "none"} do
        local case = cases.draw(name, reduction, "none")
        local loss = require "kl.saving.serialize".deserialize(case.object)
        local a, b = kl.tensor(case.y_true), kl.tensor(case.y_pred, "float32")
        local function input(t) return kl.Input{shape = {table.unpack(t.shape, 2)}, dtype = t.dtype} end
        local inputs = {input(a), input(b)}
        local graph = kl.Model{inputs = inputs, outputs = loss(inputs[1], inputs[2])}
        near(graph{a, b}, loss(a, b), name)
        if a.shape[1] > 1 and name ~= "Circle" and reduction == "none" and loss(a, b).ndim > 0 and rawget(loss, "axis") ~= 1 then
          near(graph{a[{ {1, 2} }], b[{ {1, 2} }]}, loss(a[{ {1, 2} }], b[{ {1, 2} }]), name .. " of fewer samples")
        end
      end
    end
  end)
end)

describe("a loss of the user's own", function()
  it("is a class with call, gets float32 tensors, and is reduced and weighted like any other", function()
    local Mine = losses.Loss:extend("MyLoss")
    local seen
    function Mine:call(a, b)
      seen = {a.dtype, b.dtype}
      return kl.mean(kl.abs(a - b), -1)
    end
    near(Mine{}(y, p), 0.3333333, "mean")
    near(Mine{}(y, p, {1, 3}), 0.8, "weighted")
    assert.same({"float32", "float32"}, seen)
    assert.equal("my_loss", Mine{}.name)
  end)

  it("may take labels, which then come as they are", function()
    local Mine = losses.Loss:extend("MyLoss")
    Mine.takes_labels = true
    function Mine:call(labels, scores)
      assert.equal("int32", labels.dtype)
      return -kl.log(kl.sum(kl.one_hot(labels, 3) * scores, -1))
    end
    near(Mine{}(kl.tensor({1, 0}, "int32"), p), 0.7803239, "like the sparse crossentropy")
  end)

  it("may be a function, which gets both of one shape", function()
    local loss = losses.get(function(a, b) return kl.mean(kl.abs(a - b), -1) end)
    near(loss(y, p, {1, 3}), 0.8, "weighted")
    raises(function() loss:get_config() end, "the loss 'loss' wraps a Lua function")
  end)

  it("that gives no tensor is an error that names it", function()
    for what, value in pairs{["got nil"] = false, ["got integer 3"] = 3, ['got the string "x"'] = "x", ["got a table"] = {}} do
      local loss = losses.get(function() return value or nil end)
      raises(function() loss(y, p) end, "loss 'loss' must give a tensor, of one value per sample, " .. what)
    end
  end)

  it("without call is an error that names it", function()
    local Mine = losses.Loss:extend("MyLoss")
    local loss = Mine{}
    raises(function() loss(y, p) end, "MyLoss defines no call%(y_true, y_pred%)")
  end)
end)
