-- Bad data and failing user code in training: one message that names expected and received and blames the user's line, and a
-- model that can be used as before.
local kl = require "kl"
local raises = require "raises"
local training = require "training"
local warnings = require "warnings"
local Dataset = kl.data.Dataset
local nan, inf = 0 / 0, math.huge

local x, y = kl.random.normal{6, 3}, kl.tensor{0, 1, 2, 0, 1, 2}
local batched = Dataset.from_tensor_slices(x, y):batch(2)

local function classifier()
  local model = kl.Sequential{kl.Input{3}, kl.layers.Dense{3, activation = "softmax"}}
  model:compile{optimizer = "sgd", loss = "sparse_categorical_crossentropy", metrics = {"accuracy"}}
  return model
end

--- x with a value put into a row.
local function with(value, row)
  local rows = x:totable()
  rows[row][2] = value
  return kl.tensor(rows)
end

local function check_usable(model)
  assert.equal(0, model.optimizer.iterations:item(), "updates done")
  assert.is_nil(model:fit{x, y, epochs = 2, verbose = 0}.history.loss[3])
  for _, w in ipairs(model.weights) do assert.is_true(kl.all(kl.isfinite(w)):item()) end
end

describe("bad data", function()
  for what, case in pairs{
    ["x of the wrong width"] = {{kl.ones{6, 4}, y}, "has shape %(%?, 3%), got %(6, 4%)"},
    ["x of the wrong rank"] = {{kl.ones{6, 3, 2}, y}, "has shape %(%?, 3%), got %(6, 3, 2%)"},
    ["x that is text"] = {{"images", y}, "fit: x must be a tensor, .* or a data set, got the string \"images\""},
    ["x that holds text"] = {{{x, "images"}, y}, "fit: x%[2%] must be a tensor"},
    ["x that is a scalar"] = {{kl.tensor(1.0), y}, "fit: x is a scalar: arrays of samples need a first axis"},
    ["a data set of pairs"] = {{kl.data.Dataset.from_tensor_slices{x, y}:batch(2)},
      "%[%*, %*%] %(of a data set%?  from_tensor_slices%(x, y%)"},
    ["two inputs for one"] = {{{x, x}, y}, "one tensor expected, got a structure %[%*, %*%]"},
    ["y of the wrong shape"] = {{x, kl.ones({6, 2})}, "y_true of shape %(6, 2%) does not fit y_pred of shape %(6, 3%): one label per row"},
    ["y of floats"] = {{x, kl.tensor{0.5, 1, 2, 0, 1, 2}}, "label 0.5 of sample .* is not one of the 3 classes"},
    ["no y"] = {{x}, "the model has a loss but the data has no targets %(y%)"},
    ["arrays of unequal lengths"] = {{x, y[{ {1, 4} }]}, "fit: the arrays have different numbers of samples: x has 6, y has 4"},
    ["empty arrays"] = {{kl.zeros{0, 3}, kl.zeros{0}}, "fit: there are no samples: x has 0, y has 0"},
    ["empty tables"] = {{{}, {}}, "fit: there are no samples: x has no arrays"},
    ["an empty data set"] = {{Dataset.from_tensor_slices(x, y):take(0):batch(2)}, "fit: the data set gave no batch in epoch 1"},
    ["a label out of range"] = {{x, kl.tensor{0, 1, 3, 0, 1, 2}, shuffle = false},
      "label 3 of sample 3 is not one of the 3 classes 0 to 2"},
    ["a negative label"] = {{x, kl.tensor{0, 1, 2, 0, -1, 2}, shuffle = false}, "label %-1 of sample 5 is not one of the 3 classes"},
    ["a data set that yields too much"] = {{Dataset.from_tensor_slices(x, y, y, y):batch(2)},
      "fit: the data set yields 4 values per batch"},
    ["a data set that is not batched"] = {{Dataset.from_tensor_slices(x, y)}, "has shape %(%?, 3%), got %(3,%)"},
    ["a data set and y"] = {{batched, y}, "fit: a data set yields its own targets"},
    ["a data set and weights"] = {{batched, sample_weight = y}, "fit: a data set yields its own sample weights"},
    ["a data set and class weights"] = {{batched, class_weight = {1}}, "fit: class_weight needs arrays, not a data set"},
    ["a data set to split"] = {{batched, validation_split = 0.5}, "fit: validation_split needs arrays, not a data set"},
    ["a data set without end"] = {{batched:repeat_()}, "the data set has no end: say how many batches to take %(steps_per_epoch%)"},
    ["a misspelt option"] = {{x, y, epoch = 3}, "fit: unknown option 'epoch'; did you mean 'epochs'"},
    ["epochs that are no count"] = {{x, y, epochs = 1.5}, "fit: 'epochs' must be an integer, got float 1.5"},
    ["a negative initial_epoch"] = {{x, y, initial_epoch = -1}, "fit: 'initial_epoch' must be an integer >= 0, got %-1"},
    ["no batch size"] = {{x, y, batch_size = 0}, "fit: batch_size must be a positive integer, got integer 0"},
    ["no steps"] = {{x, y, steps_per_epoch = 0}, "fit: 'steps_per_epoch' must be a positive integer, got integer 0"},
    ["weights that do not fit"] = {{x, y, sample_weight = kl.ones{6, 2}},
      "sample_weight of shape %(6, 2%) does not fit values of shape %(6,%)"},
    ["verbose out of range"] = {{x, y, verbose = "loud"}, "fit: verbose must be 0, 1, 2 or \"auto\", got the string \"loud\""},
  } do
    it("is named: " .. what, function()
      local model = classifier()
      case[1].verbose = case[1].verbose or 0
      local ok, message = pcall(function() model:fit(case[1]) end)
      assert.is_false(ok)
      assert(#message:gsub("\nstack:.*$", "") < 500, message)
      raises(function() model:fit(case[1]) end, case[2])
      check_usable(model)
    end)
  end

  for what, value in pairs{["nan"] = nan, ["inf"] = inf, ["-inf"] = -inf} do
    it("in x that is " .. what .. " ends fit after that step and names the step and the sample", function()
      local model = classifier()
      raises(function() model:fit{with(value, 4), y, batch_size = 2, shuffle = false, verbose = 0} end,
        "the loss of model 'sequential.*' is nan at step 2 of epoch 1: sample 4 has a value in x that is not finite")
      raises(function() classifier():fit{with(value, 4), y, batch_size = 2, verbose = 0} end, "sample 4 has a value in x")
      raises(function() classifier():fit{with(value, 4), y, batch_size = 2, shuffle = "batch", verbose = 0} end,
        "sample 4 has a value in x")
      raises(function() classifier():fit{Dataset.from_tensor_slices(with(value, 4), y):batch(3), verbose = 0} end,
        "at step 2 of epoch 1: sample 1 of this batch has a value in x")
      raises(function() classifier():train_on_batch{with(value, 4), y} end, "is nan: sample 4 of this batch has a value in x")
    end)
  end

  it("in y or weights that is nan is named too", function()
    local a = kl.ones{2, 1}
    raises(function() training.line(1):fit{a, kl.tensor{{1.0}, {nan}}, verbose = 0} end, "sample 2 has a value in y")
    raises(function() training.line(1):fit{a, a, sample_weight = kl.tensor{nan, 1.0}, verbose = 0} end,
      "sample 1 has a value in sample_weight")
  end)

  it("is not blamed where the loss itself runs away", function()
    for _, value in ipairs{inf, -inf, nan} do
      local model = training.watched()
      function model.train_step() return {loss = value} end
      raises(function() model:fit{x, verbose = 0} end,
        "^[^\n]*the loss of model 'watched.*' is %-?[in][na][fn] at step 1 of epoch 1\nstack")
    end
    local model = training.line(1, {optimizer = kl.optimizers.SGD{learning_rate = 1e30}})
    local epochs = 0
    local message = select(2, pcall(function()
      model:fit{kl.ones{2, 1}, kl.zeros{2, 1}, epochs = 9, verbose = 0, callbacks = {on_epoch_end = function() epochs = epochs + 1 end}}
    end))
    assert.matches(("the loss of model 'sequential.*' is .- at step 1 of epoch %d"):format(epochs + 1), message)
    assert.is_nil(message:find("sample", 1, true))
  end)

  it("in a test leaves the numbers as they are", function()
    local results = classifier():evaluate{with(nan, 4), y, verbose = 0}
    assert.is_true(results.loss ~= results.loss)
  end)
end)

describe("an error in user code", function()
  local failing
  local function broken(...)
    if failing then error("my own mistake") end
    return ...
  end
  local broken_line = debug.getinfo(broken, "S").linedefined + 1
  local function distance(a, b) return broken(kl.mean(kl.abs(a - b), -1)) end
  before_each(function() failing = true end)

  -- each: a model and options of fit that call `broken` somewhere
  local places = {}
  function places.train_step()
    local Model = kl.Model:extend("Failing")
    function Model:call(inputs) return inputs end
    function Model:train_step() return broken({}) end
    local model = Model()
    model:compile{}
    return model, {x, y}
  end
  function places.test_step()
    local model = classifier()
    function model.test_step() return broken({}) end
    return model, {x, y, validation_data = {x, y}}
  end
  places["a layer"] = function()
    local Layer = kl.Layer:extend("FailingLayer")
    function Layer:call(inputs) return (broken(inputs)) end
    failing = false
    local model = kl.Sequential{kl.Input{3}, Layer{}, kl.layers.Dense{3, activation = "softmax"}}
    failing = true
    model:compile{loss = "sparse_categorical_crossentropy"}
    return model, {x, y}
  end
  places["a loss"] = function() return training.line(1, {loss = distance}), {kl.ones{6, 1}, kl.zeros{6, 1}} end
  places["a metric"] = function() return training.line(1, {metrics = {distance}}), {kl.ones{6, 1}, kl.zeros{6, 1}} end
  places["a data set's map"] = function() return classifier(), {batched:map(broken)} end
  for _, hook in ipairs{"on_train_begin", "on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_test_begin",
    "on_test_batch_end", "on_epoch_end", "on_train_end"} do
    places["the hook " .. hook] = function() return classifier(), {x, y, validation_data = {x, y}, callbacks = {{[hook] = broken}}} end
  end

  for place, make in pairs(places) do
    it("keeps its line and stack, every callback hears of it once, and the model works on: " .. place, function()
      local model, given = make()
      local heard, ended = {}, 0
      local watcher = kl.callbacks.LambdaCallback{on_train_error = function(message) heard[#heard + 1] = message end,
        on_train_end = function() ended = ended + 1 end}
      given.callbacks = given.callbacks or {}
      table.insert(given.callbacks, watcher)
      table.insert(given.callbacks, watcher)
      given.verbose = 0
      local ok, message = pcall(function() model:fit(given) end)
      assert.is_false(ok)
      local where = ("tests/training/errors_spec.lua:%d: "):format(broken_line)
      local first, stack = message:match("^([^\n]*)(.*)") -- some say behind it where it was: "(in map, element 1)"
      assert.equal(where .. "my own mistake", (first:gsub(" %b()$", "")))
      local start = "\nstack:\n  " .. where .. "in "
      assert.equal(start, stack:sub(1, #start))
      local hook = place:match("^the hook (.*)")
      if hook then assert.equal(("%smy own mistake (in %s of callback 1, a table of hooks)"):format(where, hook), first) end
      assert.equal(1, select(2, message:gsub("stack:", "")), "stacks in the message")
      assert.same({message, message}, heard)
      assert.equal(0, ended)
      failing = false
      model:fit(given)
      assert.same({2, 2}, {#heard, ended})
    end)
  end

  it("may be any Lua value, which arrives as it is", function()
    local mark = {}
    local model = classifier()
    function model.train_step() error(mark) end
    local heard
    local _, got = pcall(function()
      model:fit{x, y, verbose = 0, callbacks = {on_train_error = function(_, e) heard = e end}}
    end)
    assert.equal(mark, got)
    assert.equal(mark, heard)
    assert.equal(mark, select(2, pcall(model.train_on_batch, model, {x, y})))
  end)

  it("in on_train_error does not hide the first one or keep the others from hearing of it", function()
    local model = classifier()
    local message, heard
    local warned = warnings(function()
      message = select(2, pcall(function()
        model:fit{x, y, verbose = 0, callbacks = {{on_epoch_end = broken}, {on_train_error = function() error("second") end},
          {on_train_error = function() heard = true end}}}
      end))
    end)
    assert.matches("my own mistake", message)
    assert.matches("second", warned[#warned])
    assert.is_true(heard)
  end)

  it("does not call on_train_error where nothing is trained", function()
    local model = classifier()
    local heard
    function model.test_step() return broken({}) end
    pcall(function() model:evaluate{x, y, verbose = 0, callbacks = {on_train_error = function() heard = true end}} end)
    assert.is_nil(heard)
  end)

  it("leaves weights, epochs and shuffles as if the failed fit had not been", function()
    local results = {}
    for i = 1, 2 do
      kl.set_seed(4)
      local model = classifier()
      if i == 2 then
        local f = model.train_step
        function model.train_step() broken() end
        pcall(function() model:fit{x, y, batch_size = 2, verbose = 0} end)
        model.train_step = f
      end
      model:fit{x, y, batch_size = 2, epochs = 2, verbose = 0}
      results[i] = model:get_weights()
    end
    for i, w in ipairs(results[1]) do assert.is_true(kl.array_equal(w, results[2][i])) end
  end)
end)
