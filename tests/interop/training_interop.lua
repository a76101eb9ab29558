-- compile, fit and evaluate of a model with two outputs beside real Keras: the keys of the logs and their values, for every way in
-- which losses, weights and metrics are given.
local kl = require "kl"
local names_of = require "objects".names
local python = require "python"
local L = kl.layers

kl.set_seed(21)
local n = 20
local data = {a = kl.random.normal{n, 3}, b = kl.random.normal{n, 2}, p = kl.random.normal{n, 1}, q = kl.random.randint({n}, 0, 4),
  sp = kl.random.uniform{n}, sq = kl.random.uniform{n}}

local function build(form)
  local a, b = kl.Input{3, name = "a"}, kl.Input{2, name = "b"}
  local joined = L.Concatenate{}{a, b}
  local p = L.Dense{1, name = "p"}(joined)
  local q = L.Dense{4, activation = "softmax", name = "q"}(joined)
  return kl.Model{inputs = {a, b}, outputs = form == "list" and {p, q} or form == "table" and {p = p, q = q} or q}
end

local sparse = "sparse_categorical_crossentropy"
local losses = {
  {loss = {"mse", sparse}},
  {loss = {p = "mse", q = sparse}},
  {loss = {p = "mean_squared_error", q = sparse}, loss_weights = {p = 0.25, q = 2.0}},
  {loss = {"mae", sparse}, loss_weights = {0.5, 1.0}},
}
local metrics = {
  {},
  {metrics = {{"mae"}, {"accuracy"}}},
  {metrics = {"mse", "acc"}, weighted_metrics = {{"mae", "mse"}, {"accuracy"}}},
  {metrics = {p = {"mae", "mae"}, q = {"accuracy"}}},
  {metrics = {q = {"accuracy"}}, weighted_metrics = {q = {"accuracy", "sparse_categorical_accuracy"}, p = {"mae"}}},
}

local cases = {}
for _, form in ipairs{"list", "table"} do
  for _, weighting in ipairs{"none", "each", "same"} do
    for i, loss in ipairs(losses) do
      for k, metric in ipairs(metrics) do
        local by_name = loss.loss.p ~= nil
        -- Keras takes losses, targets and weights of a table of outputs by name only, weights of a list by position only
        if (form == "list" or by_name) and (i + 2 * k + #weighting) % 5 == 0 then
          cases[#cases + 1] = {form = form, weighting = weighting, data = form, loss = loss.loss,
            loss_weights = loss.loss_weights, metrics = metric.metrics, weighted_metrics = metric.weighted_metrics}
        end
      end
    end
  end
end
for _, weighting in ipairs{"none", "each"} do
  cases[#cases + 1] = {form = "one", data = "list", weighting = weighting, loss = sparse, metrics = {"accuracy", "accuracy"},
    weighted_metrics = {"accuracy"}}
  cases[#cases + 1] = {form = "one", data = "list", weighting = weighting, loss = sparse, loss_weights = 0.5, metrics = {"acc"}}
end

local function run(case, weights, eagerly)
  local model = build(case.form)
  local count = #model.weights
  model:set_weights{table.unpack(weights, #weights - count + 1)}
  model:compile{optimizer = kl.optimizers.SGD{0.1}, loss = case.loss, loss_weights = case.loss_weights, metrics = case.metrics,
    weighted_metrics = case.weighted_metrics, run_eagerly = eagerly}
  local y, sw
  if case.form == "one" then
    y, sw = data.q, data.sq
  elseif case.data == "list" then
    y, sw = {data.p, data.q}, {data.sp, data.sq}
  else
    y, sw = {p = data.p, q = data.q}, {p = data.sp, q = data.sq}
  end
  local weighting
  if case.weighting == "each" then weighting = sw elseif case.weighting == "same" then weighting = data.sq end
  local x = {data.a, data.b}
  local evaluated = model:evaluate{x, y, batch_size = 8, verbose = 0, sample_weight = weighting}
  local history = model:fit{x, y, batch_size = 8, epochs = 2, shuffle = false, verbose = 0, sample_weight = weighting,
    validation_data = {x, y}}.history
  return {evaluate = evaluated, history = history}, model
end

describe("training with several outputs beside Keras", function()
  local weights = build("list"):get_weights()
  local input = {weights = {}, cases = cases}
  for i, w in ipairs(weights) do input.weights[i] = w:totable() end
  for name, t in pairs(data) do input[name] = t:totable() end
  local expected = python.run("training.py", input).results

  for i, case in ipairs(cases) do
    it(("gives the same keys and values: case %d, %s outputs, weights: %s"):format(i, case.form, case.weighting), function()
      local got, model = run(case, weights)
      assert.same(names_of(expected[i].evaluate), names_of(got.evaluate))
      for name, value in pairs(expected[i].evaluate) do -- float32, a few steps: 1e-5 relative
        assert.near(value, got.evaluate[name], 1e-5 * math.max(1, math.abs(value)), name)
      end
      assert.same(names_of(expected[i].history), names_of(got.history))
      for name, values in pairs(expected[i].history) do
        for epoch, value in ipairs(values) do
          assert.near(value, got.history[name][epoch], 2e-5 * math.max(1, math.abs(value)), name)
        end
      end
      local eager, same = run(case, weights, true)
      assert.same(eager, got)
      for k, w in ipairs(same.weights) do assert.is_true(kl.array_equal(w, model.weights[k])) end
    end)
  end
end)
