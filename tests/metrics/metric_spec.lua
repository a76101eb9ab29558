-- The base, Mean and Sum, and metrics of the user's own (keras-semantics 4.1, 4.2).
local kl = require "kl"
local assert = require "luassert"
local near = require "near"
local raises = require "raises"

local metrics = kl.metrics

before_each(function() kl.set_seed(1) end)

describe("Mean and Sum", function()
  it("take numbers, with a weight each: this is how fit tracks the loss", function()
    local mean, sum = metrics.Mean{}, metrics.Sum{}
    for _, metric in ipairs{mean, sum} do
      metric:update_state(2)
      metric:update_state(5, 2)
    end
    assert.equal(4.0, mean:result():item())
    assert.equal(12.0, sum:result():item())
  end)

  it("make one number of every sample, the mean of its entries or their sum", function()
    local mean, sum = metrics.Mean{}, metrics.Sum{}
    for _, metric in ipairs{mean, sum} do metric:update_state(kl.tensor{{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}}) end
    near({mean.total, mean.count}, {2.5 + 6.5, 2}, "Mean counts samples")
    near(sum.total, 36, "Sum")
  end)

  it("take weights for samples, for entries, and one for all", function()
    local cases = { -- weights, Mean's total and count, Sum's total; values {{1, 3}, {5, 7}}
      {{1, 3}, 2 + 3 * 6, 4, 4 + 3 * 12}, {{{1}, {3}}, 2 + 3 * 6, 4, 4 + 3 * 12},
      {{{1, 0}, {0, 2}}, (1 + 14) / 2, (1 + 2) / 2, 15}, -- weights of entries are averaged like the values
      {2, 2 * 4, 2, 32}, -- one weight for all: they are one sample, as in Keras
    }
    for i, case in ipairs(cases) do
      local mean, sum = metrics.Mean{}, metrics.Sum{}
      for _, metric in ipairs{mean, sum} do metric:update_state({{1, 3}, {5, 7}}, case[1]) end
      near({mean.total, mean.count, sum.total}, {table.unpack(case, 2)}, "case " .. i)
    end
  end)

  it("accept weights that sum to 0 or less", function()
    local mean = metrics.Mean{}
    mean:update_state({1, 2}, {0, 0})
    assert.equal(0.0, mean:result():item())
    mean:update_state({4, 2}, {-1, -1})
    near(mean:result(), 3, "negative weights")
  end)

  it("refuse weights of another shape, naming both", function()
    local mean = metrics.Mean{name = "m"}
    raises(function() mean:update_state({1, 2}, {1, 2, 3}) end,
      "m: sample_weight of shape %(3,%) does not fit values of shape %(2,%)")
  end)

  it("keep their state in the dtype they are given", function()
    local mean = metrics.Mean{dtype = "float64"}
    mean:update_state(kl.tensor({1e-9}, "float64"))
    assert.equal(1e-9, mean:result():item())
  end)
end)

describe("a metric of the user's own", function()
  it("declares state with add_weight, which reset_state zeroes and fit's paths name", function()
    local Count = metrics.Metric:extend("MyCount")
    function Count:init(given)
      Count.super.init(self, given)
      self.seen = self:add_weight{name = "seen", dtype = "int32"}
      self.most = self:add_variable{shape = {2}, initializer = "ones", name = "most"}
    end
    function Count:update_state(y) self.seen:assign_add(y.shape[1]) end
    function Count:result() return self.seen.value end
    local count = Count{}
    assert.equal("my_count", count.name)
    assert.equal(3, count(kl.ones{3}):item())
    assert.equal(8, count(kl.ones{5}):item())
    assert.same({"my_count/seen", "my_count/most"}, {count.variables[1].path, count.variables[2].path})
    assert.equal("int32", count.seen.dtype)
    near(count.most, {1, 1}, "its initializer")
    count:reset_state()
    assert.equal(0, count:result():item())
    near(count.most, {0, 0}, "reset_state")
  end)

  it("may be made of others, and of variables: all of them are its state", function()
    local Both = metrics.Metric:extend("Both")
    function Both:init(given)
      Both.super.init(self, given)
      self.mean = metrics.Mean{name = "inner"}
      self.extra = kl.Variable(3.0, {name = "extra", trainable = false})
      self.list = {metrics.Sum{name = "listed"}}
      self.seen = self:add_weight{name = "seen"}
    end
    function Both:update_state(values)
      self.mean:update_state(values)
      self.list[1]:update_state(values)
    end
    function Both:result() return self.mean:result() + self.list[1]:result() end
    local both = Both{}
    near(both({1, 3}), 2 + 4, "the sum")
    local paths = {}
    for i, v in ipairs(both.variables) do paths[i] = v.path end
    assert.same({"both/seen", "inner/total", "inner/count", "extra", "listed/total"}, paths)
    both:reset_state()
    for _, v in ipairs(both.variables) do near(v, 0, v.path) end
  end)

  it("counts for one model: a second one that claims it is an error that names both", function()
    local metric = metrics.Mean{name = "shared"}
    local a, b = kl.Sequential{kl.layers.Dense{1}, name = "first"}, kl.Sequential{kl.layers.Dense{1}, name = "second"}
    metric:_claim(a)
    metric:_claim(a)
    raises(function() metric:_claim(b) end, "'shared' is compiled into model 'first' already.*for model 'second'")
    metric:_release(b)
    raises(function() metric:_claim(b) end, "'shared' is compiled")
    metric:_release(a)
    metric:_claim(b)
  end)

  it("without update_state or result is an error that says so", function()
    local Empty = metrics.Metric:extend("Empty")
    local empty = Empty{}
    raises(function() empty:update_state(1) end, "metric 'empty' defines no update_state")
    raises(function() empty:result() end, "metric 'empty' defines no result")
  end)

  it("may be a function or a method fn, which get both of one shape", function()
    local y, p = kl.tensor{1.0, 2.0, 4.0}, kl.tensor{{1.0}, {2.0}, {3.0}}
    local function worst(a, b) return kl.max(kl.abs(a - b), -1) end
    local Worst = metrics.MeanMetricWrapper:extend("Worst")
    function Worst:fn(a, b) return worst(a, b) end
    for _, metric in ipairs{metrics.get(worst), metrics.MeanMetricWrapper{worst, name = "worst"},
      metrics.MeanMetricWrapper{fn = worst}, Worst{}} do
      near(metric(y, p), 1 / 3, "(n) against (n, 1)")
      raises(function() metric:update_state(kl.ones{3}, kl.ones{3, 3}) end, "y_true of shape %(3,%) does not fit")
    end
    assert.equal("worst", Worst{}.name)
  end)

  it("with a method fn may take labels as they come", function()
    local Hit = metrics.MeanMetricWrapper:extend("Hit")
    Hit.takes_labels = true
    function Hit:fn(labels, scores) return kl.cast(kl.equal(labels, kl.argmax(scores, -1)), "float32") end
    near(Hit{}({1, 0}, {{.2, .7, .1}, {.3, .4, .3}}), 0.5, "like the sparse accuracy")
  end)

  it("of one of kl's functions knows which way is better", function()
    assert.equal("down", metrics.get(kl.losses.huber)._direction)
    assert.equal("up", metrics.get(metrics.sparse_top_k_categorical_accuracy)._direction)
    assert.is_nil(metrics.get(function(a) return a end)._direction)
  end)

  it("of no function at all is an error", function()
    raises(function() metrics.MeanMetricWrapper{} end, "MeanMetricWrapper: a function %(y_true, y_pred%) expected, got nil")
    raises(function() metrics.MeanMetricWrapper{5} end, "expected, got integer 5")
    local nothing = metrics.MeanMetricWrapper{function() end, name = "mine"}
    raises(function() nothing:update_state({1}, {1}) end, "metric 'mine' must give a tensor, of one value per sample, got nil")
    local own = metrics.get(function(a) return a end)
    raises(function() own:get_config() end, "made of a Lua function, which cannot be saved")
  end)
end)

describe("the names of metrics in the logs", function()
  it("get _1 where two are equal, and weighted_ where a weighted one meets an unweighted one", function()
    local model = kl.Sequential{kl.Input{2}, kl.layers.Dense{3}}
    model:compile{optimizer = "sgd", loss = "mse", metrics = {"accuracy", "mae", metrics.MeanAbsoluteError{name = "mae"}},
      weighted_metrics = {"accuracy"}}
    local x, y = kl.ones{2, 2}, kl.tensor{{0.0, 1.0, 0.0}, {1.0, 0.0, 0.0}}
    local logs = model:compute_metrics{x = x, y = y, y_pred = model(x), sample_weight = kl.tensor{1.0, 0.0}, loss = kl.tensor(1.0)}
    local names = {}
    for name in pairs(logs) do names[#names + 1] = name end
    table.sort(names)
    assert.same({"accuracy", "loss", "mae", "mae_1", "weighted_accuracy"}, names)
  end)
end)
