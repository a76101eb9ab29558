-- lua/kl/training/fit.lua and batches.lua: what fit does with its data and options.
local kl = require "kl"
local raises = require "raises"
local training = require "training"
local column = training.column
local Dataset = kl.data.Dataset

local ten = column{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}

--- The x of every batch that a fit gives to train_step.
local function batches_of(given)
  local model = training.watched()
  given.verbose = 0
  model:fit(given)
  local list = {}
  for i, batch in ipairs(model.seen) do list[i] = batch[1] end
  return list, model
end

local function sorted(list)
  local copy = {table.unpack(list)}
  table.sort(copy)
  return copy
end

describe("fit's data", function()
  it("comes in batches in order, the last one smaller", function()
    assert.same({{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10}}, (batches_of{ten, batch_size = 4, shuffle = false}))
  end)

  it("comes 32 at a time unless batch_size says otherwise", function()
    assert.equal(2, #batches_of{kl.ones{33, 1}})
  end)

  it("is no symbolic tensor", function()
    raises(function() training.line(1):fit{kl.Input{1}, ten, verbose = 0} end, "fit: x is a symbolic tensor, which has no value")
  end)

  for what, given in pairs{
    ["one bare tensor"] = ten, ["a tensor in the table"] = {ten}, ["a list of numbers"] = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
    ["a variable"] = {kl.Variable(ten)}, ["a named argument"] = {x = ten}, ["a data set"] = {Dataset.from_tensor_slices(ten):batch(10)},
  } do
    it("may be " .. what, function()
      local model = training.watched()
      training.output_of(function() model:fit(given) end)
      assert.same({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, sorted(training.all_seen(model)))
    end)
  end

  it("keeps the structure of x and y", function()
    local Model = kl.Model:extend("Structured")
    local got
    function Model:call(inputs) return inputs end
    function Model:train_step(data)
      got = data
      return {}
    end
    local model = Model()
    model:compile{}
    model:fit{x = {left = ten, right = {ten, ten + 1}}, y = {ten}, verbose = 0, shuffle = false}
    assert.same({11, 1}, {got[1].right[2][{-1}]:item(), #got[2]})
    assert.same({10, 1}, got[1].left.shape)
    assert.is_nil(got[3])
  end)

  it("is always a list {x, y, sample_weight} for train_step", function()
    local model = training.watched()
    model:fit{column{1}, column{2}, sample_weight = kl.tensor{0.5}, verbose = 0}
    model:fit{column{3}, verbose = 0}
    assert.same({{{1}, {2}, {0.5}}, {{3}}}, model.seen)
  end)
end)

describe("fit's shuffle", function()
  it("gives every sample once per epoch, in another order each epoch, and keeps x, y and weights together", function()
    local model = training.watched()
    model:fit{ten, ten * 10, sample_weight = kl.reshape(ten, {-1}), batch_size = 3, epochs = 2, verbose = 0}
    local all = training.all_seen(model)
    local first, second = {table.unpack(all, 1, 10)}, {table.unpack(all, 11, 20)}
    assert.same(sorted(first), sorted(second))
    assert.same(ten:reshape{-1}:totable(), sorted(first))
    assert.not_same(first, second)
    assert.not_same(sorted(first), first)
    for _, batch in ipairs(model.seen) do
      for i, v in ipairs(batch[1]) do assert.same({v * 10, v}, {batch[2][i], batch[3][i]}) end
    end
  end)

  it("goes on with new orders in the next fit", function()
    local _, model = batches_of{ten, batch_size = 10}
    model:fit{ten, batch_size = 10, verbose = 0}
    assert.not_same(model.seen[1][1], model.seen[2][1])
  end)

  it("of \"batch\" shuffles within each batch", function()
    local x = kl.arange(1, 101):reshape{100, 1}:cast("float32")
    local got = batches_of{x, batch_size = 30, shuffle = "batch"}
    assert.same({30, 30, 30, 10}, {#got[1], #got[2], #got[3], #got[4]})
    for i, batch in ipairs(got) do
      local order = sorted(batch)
      assert.not_same(order, batch)
      assert.same({(i - 1) * 30 + 1, (i - 1) * 30 + #batch}, {order[1], order[#order]})
    end
  end)

  it("refuses other values", function()
    for _, bad in ipairs{"bacth", 1} do
      raises(function() training.watched():fit{ten, shuffle = bad} end, "'shuffle' must be true, false or \"batch\", got")
    end
  end)
end)

describe("fit's validation", function()
  local x, y = column{1, 2, 3, 4}, column{1, 2, 3, 6}
  local xv, yv = column{1, 2}, column{2, 4} -- the mean squared error of y = x is (1 + 4) / 2

  for what, data in pairs{
    ["a list"] = {xv, yv}, ["a list with weights"] = {xv, yv, kl.tensor{1.0, 1.0}}, ["a table by name"] = {x = xv, y = yv},
    ["lists of numbers"] = {{{1}, {2}}, {{2}, {4}}}, ["a data set"] = Dataset.from_tensor_slices(xv, yv):batch(1),
  } do
    it("takes its data as " .. what, function()
      local model = training.line(1, {optimizer = kl.optimizers.SGD{learning_rate = 0.0}})
      local h = model:fit{x, y, epochs = 2, verbose = 0, validation_data = data}
      assert.same({2.5, 2.5}, h.history.val_loss)
      assert.same({1.0, 1.0}, h.history.loss)
    end)
  end

  it("takes one bare tensor as x", function()
    local model = training.watched()
    function model.test_step(_, data) return {first = data[1][1][1]} end
    assert.same({7}, model:fit{ten, validation_data = column{7, 8}, verbose = 0}.history.val_first)
  end)

  it("weighs samples", function()
    local model = training.line(1, {optimizer = kl.optimizers.SGD{learning_rate = 0.0}})
    local h = model:fit{x, y, verbose = 0, validation_data = {xv, yv, kl.tensor{0.0, 3.0}}}
    assert.same({6.0}, h.history.val_loss)
  end)

  it("is cut from the end of the data before it is shuffled", function()
    local model = training.watched()
    local held_out
    function model.test_step(_, data)
      held_out = data[1]:reshape{-1}:totable()
      return {loss = 0.0}
    end
    local h = model:fit{ten, validation_split = 0.3, verbose = 0}
    assert.same({8, 9, 10}, held_out)
    assert.same({1, 2, 3, 4, 5, 6, 7}, sorted(training.all_seen(model)))
    assert.same({0.0}, h.history.val_loss)
  end)

  it("in the form of validation_data wins over validation_split", function()
    local model = training.watched()
    function model.test_step() return {loss = 1.0} end
    model:fit{ten, validation_split = 0.5, validation_data = {column{5}}, verbose = 0}
    assert.equal(10, #training.all_seen(model))
  end)

  it("happens after every epoch, every validation_freq epochs, or in the epochs listed, after steps and with batches as told", function()
    local cases = {
      {{}, 6, 10}, {{validation_freq = 2}, 3, 10}, {{validation_freq = {1, 5}}, 2, 10}, {{validation_steps = 2}, 6, 10},
      {{batch_size = 5}, 12, 5}, {{batch_size = 5, validation_batch_size = 4}, 18, 4}, {{batch_size = 2, validation_steps = 3}, 18, 2},
    }
    cases[4][2], cases[4][3] = 12, 5 -- without a batch_size the steps share the data
    for _, case in ipairs(cases) do
      local model = training.watched()
      local count, largest = 0, 0
      function model.test_step(_, data)
        count, largest = count + 1, math.max(largest, data[1].shape[1])
        return {}
      end
      local given = {ten, epochs = 6, verbose = 0, validation_data = {ten}}
      for name, value in pairs(case[1]) do given[name] = value end
      model:fit(given)
      assert.same({case[2], case[3]}, {count, largest})
    end
  end)

  for _, case in ipairs{
    {{validation_split = 0.99}, "validation_split = 0.99 leaves no samples for training: there are 4"},
    {{validation_split = 1e-17}, "leaves no samples for validation"},
    {{validation_split = 1.5}, "'validation_split' must be a number >= 0 and <= 1, got 1.5"},
    {{validation_split = "a"}, "'validation_split' must be a number, got the string \"a\""},
    {{validation_freq = 0}, "'validation_freq' must be a positive integer, got integer 0"},
    {{validation_freq = {1, "a"}}, "'validation_freq'%[2%] must be a positive integer, got the string \"a\""},
    {{validation_data = {}}, "validation_data: 'x' is missing"},
    {{validation_data = {xv, label = yv}}, "validation_data: unknown option 'label'"},
    {{validation_data = {xv, y}}, "validation_data: the arrays have different numbers of samples: x has 2, y has 4"},
    {{validation_data = 5}, "validation_data: x must be a tensor"},
    {{validation_data = {xv, yv}, validation_steps = 0}, "'validation_steps' must be a positive integer"},
    {{validation_data = {xv, yv}, validation_batch_size = 0}, "'validation_batch_size' must be a positive integer"},
    {{validation_data = Dataset.from_tensor_slices(xv, yv):repeat_():batch(1)},
      "has no end: say how many batches to take %(validation_steps%)"},
  } do
    it("refuses what is wrong: " .. case[2], function()
      local model = training.line(1)
      local given = {x, y, verbose = 0}
      for name, value in pairs(case[1]) do given[name] = value end
      raises(function() model:fit(given) end, case[2])
      assert.equal(1, training.weight(model))
    end)
  end
end)

describe("fit's weights", function()
  local x, y = column{1, 1}, column{2, 3} -- errors 1 and 2

  it("of samples multiply losses, whose sum is divided by the number of samples", function()
    local model = training.line(1)
    local h = model:fit{x, y, sample_weight = kl.tensor{3.0, 0.5}, verbose = 0}
    assert.same({(3 * 1 + 0.5 * 4) / 2}, h.history.loss)
    assert.near(1 + 0.1 * (3 * 2 * 1 + 0.5 * 2 * 2) / 2, training.weight(model), 1e-6)
  end)

  it("of classes count from class 0; classes left out count 1", function()
    local model = training.watched()
    model:fit{column{1, 2, 3, 4}, kl.tensor{0, 1, 2, 0}, class_weight = {[0] = 0.25, [2] = 4, [9] = 7}, shuffle = false, verbose = 0}
    assert.same({0.25, 1, 4, 0.25}, model.seen[1][3])
  end)

  it("of classes read one-hot targets and columns of labels too", function()
    for _, targets in ipairs{kl.tensor{{1, 0}, {0, 1}}, column{0, 1}, kl.tensor({0, 1}, "uint8")} do
      local model = training.watched()
      model:fit{column{1, 2}, targets, class_weight = {2, [0] = 5}, shuffle = false, verbose = 0}
      assert.same({5, 2}, model.seen[1][3])
    end
  end)

  it("of classes leave the validation part alone", function()
    local model = training.line(1, {optimizer = kl.optimizers.SGD{learning_rate = 0.0}})
    local h = model:fit{column{1, 1}, column{0, 0}, class_weight = {[0] = 3}, validation_split = 0.5, verbose = 0}
    assert.same({3.0}, h.history.loss)
    assert.same({1.0}, h.history.val_loss)
  end)

  for _, case in ipairs{
    {{y = y, class_weight = {[0] = 1}, sample_weight = kl.ones{2}}, "class_weight and sample_weight cannot both be given"},
    {{class_weight = {[0] = 1}}, "class_weight needs targets %(y%)"},
    {{y = {y, y}, class_weight = {[0] = 1}}, "class_weight needs one array of targets"},
    {{y = y, class_weight = 5}, "class_weight must be a table from classes to numbers, got integer 5"},
    {{y = y, class_weight = {dog = 1}}, "class_weight must map classes %(integers from 0%) to numbers, got %[dog%] = integer 1"},
    {{y = y, class_weight = {[-1] = 1}}, "got %[%-1%] = integer 1"},
    {{y = y, class_weight = {[0] = "a"}}, "got %[0%] = the string \"a\""},
    {{y = y, sample_weight = kl.ones{3}}, "different numbers of samples: x has 2, y has 2, sample_weight has 3"},
  } do
    it("are refused where they are wrong: " .. case[2], function()
      local model = training.line(1)
      local given = {x, verbose = 0}
      for name, value in pairs(case[1]) do given[name] = value end
      raises(function() model:fit(given) end, case[2])
      model:fit{x, y, verbose = 0}
    end)
  end
end)

describe("fit's epochs and steps", function()
  it("end at `epochs`; initial_epoch is how many are done already", function()
    local model = training.watched()
    assert.same({4, 5}, model:fit{ten, epochs = 5, initial_epoch = 3, verbose = 0}.epoch)
    assert.same({}, model:fit{ten, epochs = 2, initial_epoch = 2, verbose = 0}.epoch)
  end)

  it("of steps_per_epoch go on where the last epoch ended, and begin again at the end of the data", function()
    assert.same({{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10}, {1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10}},
      (batches_of{ten, batch_size = 4, steps_per_epoch = 2, epochs = 3, shuffle = false}))
    assert.equal(7, #batches_of{ten, batch_size = 5, steps_per_epoch = 7})
  end)

  it("of steps_per_epoch without a batch_size share the data", function()
    assert.same({{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10}}, (batches_of{ten, steps_per_epoch = 3, shuffle = false}))
  end)

  it("of a data set are fresh passes, or go on with steps_per_epoch", function()
    local ds = Dataset.from_tensor_slices(ten):batch(4)
    assert.equal(6, #batches_of{ds, epochs = 2})
    local got = batches_of{ds, epochs = 2, steps_per_epoch = 2}
    assert.same({{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10}, {1, 2, 3, 4}}, got)
    assert.equal(8, #batches_of{ds:repeat_(), epochs = 2, steps_per_epoch = 4})
  end)

  it("stop after the batch in which stop_training was set", function()
    local model = training.watched()
    local train_step = model.train_step
    function model:train_step(data)
      self.stop_training = #self.seen == 3
      return train_step(self, data)
    end
    local h = model:fit{ten, batch_size = 4, epochs = 5, verbose = 0}
    assert.same({1, 2}, h.epoch)
    assert.equal(4, #model.seen)
    model:fit{ten, verbose = 0}
    assert.equal(5, #model.seen, "a new fit begins with stop_training = false")
  end)
end)

describe("History", function()
  it("is returned and kept, and holds Lua numbers by name and the epochs from 1", function()
    local model = training.line(1, {metrics = {"mae"}})
    local x, y = column{1, 2}, column{2, 4}
    local h = model:fit{x, y, epochs = 3, validation_data = {x, y}, verbose = 0}
    assert.equal(h, model.history)
    assert.equal(model, h.model)
    assert.same({1, 2, 3}, h.epoch)
    local names = {}
    for name, values in pairs(h.history) do
      names[#names + 1] = name
      assert.equal(3, #values)
      for _, v in ipairs(values) do assert.equal("float", math.type(v)) end
    end
    assert.same({"loss", "mae", "val_loss", "val_mae"}, sorted(names))
    assert.same({verbose = 0, epochs = 3, steps = 1}, h.params)
  end)

  it("averages the loss over the samples of an epoch, not over its batches, and starts anew each epoch", function()
    local model = training.line(0, {optimizer = kl.optimizers.SGD{learning_rate = 0.0}, metrics = {"mae"}})
    local h = model:fit{column{1, 1, 1}, column{1, 1, 4}, batch_size = 2, shuffle = false, epochs = 2, verbose = 0}
    assert.same({6.0, 6.0}, h.history.loss) -- batches: 1 on two samples, 16 on one
    assert.same({2.0, 2.0}, h.history.mae)
  end)

  it("shows the losses made inside layers, with and without a compiled loss", function()
    local Penalty = kl.Layer:extend("Penalty")
    function Penalty:call(inputs)
      self:add_loss(kl.sum(inputs))
      return inputs
    end
    for loss, expected in pairs{mse = 1 + 4, [false] = 4} do
      local model = kl.Sequential{kl.Input{1}, Penalty{}}
      model:compile{optimizer = "sgd", loss = loss or nil}
      assert.same({expected}, model:fit{column{1, 3}, column{2, 4}, verbose = 0}.history.loss)
      assert.same({loss = expected}, model:evaluate{column{1, 3}, column{2, 4}, verbose = 0})
    end
  end)
end)

describe("fit's model", function()
  it("learns", function()
    local model = training.line(0)
    local h = model:fit{column{1, 2, 3}, column{2, 4, 6}, epochs = 20, verbose = 0}
    assert.near(2, training.weight(model), 1e-3)
    assert(h.history.loss[20] < 1e-4 * h.history.loss[1])
  end)

  it("leaves frozen layers as they are", function()
    local frozen = kl.layers.Dense{2, use_bias = false}
    local model = kl.Sequential{kl.Input{1}, frozen, kl.layers.Dense{1, use_bias = false}}
    frozen.trainable = false
    model:compile{optimizer = "sgd", loss = "mse"}
    local before = model:get_weights()
    model:fit{column{1, 2}, column{2, 4}, verbose = 0}
    assert.is_true(kl.array_equal(before[1], model.weights[1].value))
    assert.is_false(kl.array_equal(before[2], model.weights[2].value))
    model.trainable = false
    before = model:get_weights()
    model:fit{column{1, 2}, column{2, 4}, verbose = 0}
    assert.is_true(kl.array_equal(before[2], model.weights[2].value))
  end)

  it("is built by its first batch if its shapes were not known", function()
    local model = kl.Sequential{kl.layers.Dense{1}}
    model:compile{optimizer = "sgd", loss = "mse"}
    model:fit{column{1, 2}, column{2, 4}, verbose = 0}
    assert.is_true(model.built)
    assert.equal(2, #model.weights)
  end)
end)

describe("fit's validation data", function()
  it("without targets is refused before training, unless the model's own test_step may do without", function()
    local model, steps = training.line(1), 0
    raises(function()
      model:fit{column{1, 2}, column{1, 2}, validation_data = {column{1, 2}}, verbose = 0,
        callbacks = {on_train_batch_begin = function() steps = steps + 1 end}}
    end, "fit: validation_data has no targets, and the model has a loss: give {x, y}")
    assert.equal(0, steps)
    local Own = kl.Sequential:extend("OwnTest")
    function Own:test_step(data) return {mean = kl.mean(self(data[1]))} end
    local own = Own{kl.Input{1}, kl.layers.Dense{1}}
    own:compile{loss = "mse"}
    assert.truthy(own:fit{column{1, 2}, column{1, 2}, validation_data = {column{1, 2}}, verbose = 0}.history.val_mean)
  end)
end)
