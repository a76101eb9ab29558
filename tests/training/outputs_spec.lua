-- lua/kl/training/outputs.lua, compiled.lua: losses, metrics and weights for several outputs.  The keys and values of the logs are
-- compared with Keras's in tests/interop/training_interop.lua.
local kl = require "kl"
local raises = require "raises"
local training = require "training"
local L = kl.layers

local x = kl.tensor{{1.0}, {2.0}}
local y1, y2 = kl.tensor{{1.0}, {3.0}}, kl.tensor{{0.0}, {0.0}}

--- Two outputs, x and 2 x, in a list, a table by name, or from a class that returns a list or a table.
local styles = {}

function styles.list()
  local input = kl.Input{1}
  return kl.Model{inputs = input, outputs = {L.Identity{name = "one"}(input), L.Rescale2{name = "two"}(input)}}
end

function styles.table()
  local input = kl.Input{1}
  return kl.Model{inputs = input, outputs = {one = L.Identity{name = "a"}(input), two = L.Rescale2{name = "b"}(input)}}
end

local Listed, Named = kl.Model:extend("Listed"), kl.Model:extend("Named")
function Listed:call(inputs) return {inputs, inputs * 2} end
function Named:call(inputs) return {one = inputs, two = inputs * 2} end
styles.class_list, styles.class_table = function() return Listed() end, function() return Named() end

local Rescale2 = kl.Layer:extend("Rescale2")
function Rescale2:call(inputs) return inputs * 2 end

-- one: errors 0, 1; two: 2, 4.  Mean squared errors 0.5 and 10, absolute ones 0.5 and 3.
--- The error of f, whichever line it blames.
local function refuses(f, message)
  local ok, text = pcall(f)
  assert.is_false(ok)
  assert.matches(message, text)
end

local function names_of(style) return style == "class_list" and {"output_1", "output_2"} or {"one", "two"} end

describe("several outputs", function()
  setup(function() rawset(L, "Rescale2", Rescale2) end)
  teardown(function() rawset(L, "Rescale2", nil) end)

  for style, make in pairs(styles) do
    local one, two = table.unpack(names_of(style))
    local named = style:find("table") ~= nil
    local targets = named and {[one] = y1, [two] = y2} or {y1, y2}

    local function evaluate(options, y, sample_weight)
      local model = make()
      options.optimizer = "sgd"
      model:compile(options)
      return model:evaluate{x, y or targets, sample_weight = sample_weight, verbose = 0}
    end

    local both = {loss = 10.5, [one .. "_loss"] = 0.5, [two .. "_loss"] = 10.0}
    for what, loss in pairs{["one for all"] = "mse", ["a list"] = {"mse", "mse"}, ["a table by name"] = {[one] = "mse", [two] = "mse"}} do
      it(("of a %s model: losses as %s"):format(style, what), function()
        assert.same(both, evaluate{loss = loss})
        assert.same(both, evaluate({loss = loss}, {[one] = y1, [two] = y2}))
      end)
    end

    it(("of a %s model: losses of some outputs, and weights"):format(style), function()
      assert.same({loss = 10.0}, evaluate{loss = {[two] = "mse"}})
      assert.same({loss = 10.0}, evaluate{loss = {false, "mse"}})
      assert.same({loss = 0.5 * 0.5 + 20, [one .. "_loss"] = 0.5, [two .. "_loss"] = 10.0},
        evaluate{loss = "mse", loss_weights = {0.5, 2}})
      assert.same({loss = 0.5 + 20, [one .. "_loss"] = 0.5, [two .. "_loss"] = 10.0}, evaluate{loss = "mse", loss_weights = {[two] = 2}})
    end)

    it(("of a %s model: metrics"):format(style), function()
      local losses = {loss = 10.5, [one .. "_loss"] = 0.5, [two .. "_loss"] = 10.0}
      local function with(more)
        local all = {}
        for _, t in ipairs{losses, more} do
          for name, value in pairs(t) do all[name] = value end
        end
        return all
      end
      local mae = with{[one .. "_mae"] = 0.5, [two .. "_mae"] = 3.0}
      assert.same(mae, evaluate{loss = "mse", metrics = "mae"})
      assert.same(mae, evaluate{loss = "mse", metrics = {"mae", "mae"}})
      assert.same(mae, evaluate{loss = "mse", metrics = {{"mae"}, {"mae"}}})
      assert.same(mae, evaluate{loss = "mse", metrics = {[one] = "mae", [two] = {"mae"}}})
      assert.same(with{[two .. "_mae"] = 3.0, [two .. "_mae_1"] = 3.0}, evaluate{loss = "mse", metrics = {[two] = {"mae", "mae"}}})
      assert.same(with{[two .. "_mae"] = 3.0}, evaluate{loss = "mse", metrics = {{}, {kl.metrics.MeanAbsoluteError{name = "mae"}}}})
    end)

    it(("of a %s model: sample weights for all, and per output"):format(style), function()
      local w1, w2 = kl.tensor{0.0, 1.0}, kl.tensor{3.0, 0.0}
      local function result(sample_weight)
        local r = evaluate({loss = "mse", weighted_metrics = "mae"}, nil, sample_weight)
        return {r[one .. "_loss"], r[two .. "_loss"], r[one .. "_mae"], r[two .. "_mae"]}
      end
      assert.same({0.5, 8, 1, 4}, result(w1))
      assert.same({0.5, 6, 1, 2}, result{[one] = w1, [two] = w2})
      assert.same({0.5, 10, 1, 3}, result{[one] = w1})
    end)

    it(("of a %s model: outputs without loss and metrics need no targets"):format(style), function()
      for _, y in ipairs{{y1, y2}, {y1, false}, {y1}, y1, {[one] = y1}, {[one] = y1, [two] = y2}} do
        assert.same({loss = 0.5}, evaluate({loss = {[one] = "mse"}}, y))
        assert.same({loss = 0.5, [one .. "_mae"] = 0.5}, evaluate({loss = {"mse", false}, metrics = {[one] = "mae"}}, y))
      end
      assert.same({loss = 10.0}, evaluate({loss = {nil, "mse"}}, {false, y2}))
      assert.same({loss = 10.0}, evaluate({loss = {nil, "mse"}}, y2))
      -- a metric of the other output needs its targets
      assert.same({loss = 0.5, [two .. "_mae"] = 3.0}, evaluate({loss = {"mse", false}, metrics = {nil, "mae"}}, {y1, y2}))
      refuses(function() evaluate({loss = {"mse", false}, metrics = {nil, "mae"}}, {y1, false}) end,
        "output '" .. two .. "' has the metric '" .. two .. "_mae', but no targets")
    end)

    it(("of a %s model: no metrics, no weights for some"):format(style), function()
      assert.same(both, evaluate{loss = "mse", metrics = {}, weighted_metrics = {}})
      local r = evaluate({loss = "mse"}, nil, {kl.tensor{0.0, 1.0}, false})
      assert.same({0.5, 10.0}, {r[one .. "_loss"], r[two .. "_loss"]})
    end)

    it(("of a %s model: what is wrong is named"):format(style), function()
      refuses(function() evaluate{loss = {[one] = "mse", tow = "mse"}} end,
        "compile: 'loss': the model has no output 'tow'.* %(its outputs: '" .. one .. "', '" .. two .. "'%)")
      refuses(function() evaluate{loss = {"mse", "mse", "mse"}} end, "'loss': the model has 2 outputs %('" .. one .. "', '" .. two ..
        "'%), 3 are given")
      refuses(function() evaluate{loss = "mse", metrics = {[one] = "mae", three = "mae"}} end, "'metrics': the model has no output 'three'")
      refuses(function() evaluate{loss = "mse", metrics = {"mae"}} end, "'metrics': the model has 2 outputs .*, 1 is given")
      refuses(function() evaluate{loss = "mse", metrics = kl.metrics.Mean{}} end, "one metric object cannot hold the state of them all")
      refuses(function() evaluate{loss = "mse", loss_weights = {[one] = 1, other = 2}} end,
        "'loss_weights': the model has no output 'other'")
      refuses(function() evaluate({loss = "mse"}, {[one] = y1}) end,
        "output '" .. two .. "' has a loss, but the targets %(y%) have nothing for it")
      refuses(function() evaluate({loss = "mse"}, y1) end, "the targets %(y%): the model has 2 outputs .*, one thing is given")
      refuses(function() evaluate({loss = "mse"}, {[one] = y1, [two] = y2, extra = y1}) end,
        "the targets %(y%): the model has no output 'extra'")
    end)

    it(("of a %s model: training replayed, recorded and immediate gives the same bits"):format(style), function()
      local function train(options)
        kl.set_seed(3)
        local input = kl.Input{1}
        local hidden = L.Dense{4, activation = "tanh"}(input)
        local a, b = L.Dense{1, name = "one"}(hidden), L.Dense{3, activation = "softmax", name = "two"}(hidden)
        local model = kl.Model{inputs = input, outputs = style:find("table") and {one = a, two = b} or {a, b}}
        options.optimizer, options.loss_weights, options.metrics = "adam", {one = 0.3, two = 1.5}, {two = {"accuracy"}}
        options.loss = {one = options.own and function(t, p) return kl.mean(kl.square(t - p), -1) end or "mse", two = "crossentropy"}
        options.own = nil
        model:compile(options)
        local xs = kl.random.normal{24, 1}
        local history = model:fit{xs, {one = kl.sin(xs), two = kl.random.randint({24}, 0, 3)}, epochs = 3, batch_size = 8, verbose = 0}
        return model:get_weights(), history.history
      end
      local replayed, logs = train{}
      for _, options in ipairs{{run_eagerly = true}, {own = true}, {steps_per_execution = 2}} do
        local weights, others = train(options)
        for i, w in ipairs(weights) do assert.is_true(kl.array_equal(w, replayed[i])) end
        assert.same(logs, others)
      end
    end)
  end

  it("may be nested, with losses and targets of the same structure", function()
    local Nested = kl.Model:extend("Nested")
    function Nested:call(inputs) return {a = inputs, b = {inputs * 2, {c = inputs * 3}}} end
    local model = Nested()
    model:compile{loss = {a = "mse", b = {"mae", {c = "mse"}}}, metrics = {a = "mae", b = {{"mae", "mse"}, {c = {}}}}}
    local zero = kl.zeros{2, 1}
    local r = model:evaluate{x, {a = zero, b = {zero, {c = zero}}}, verbose = 0}
    assert.same({loss = 2.5 + 3 + 22.5, a_loss = 2.5, b_1_loss = 3.0, b_2_c_loss = 22.5, a_mae = 1.5, b_1_mae = 3.0, b_1_mse = 10.0}, r)
    -- with nothing for some
    model:compile{loss = {b = {nil, {c = "mse"}}}, metrics = {b = {"mae", {}}}}
    assert.same({loss = 22.5, b_1_mae = 3.0}, model:evaluate{x, {a = false, b = {zero, {c = zero}}}, verbose = 0})
    assert.same({loss = 22.5, b_1_mae = 3.0}, model:evaluate{x, {b = {zero, {c = zero}}}, verbose = 0})
    model:compile{loss = {a = "mse", b = {false, {c = "mse"}}}}
    assert.same({loss = 25, a_loss = 2.5, b_2_c_loss = 22.5}, model:evaluate{x, {a = zero, b = {false, {c = zero}}}, verbose = 0})
    model:compile{loss = "mse"}
    raises(function() model:evaluate{x, {a = zero, b = {zero}}, verbose = 0} end,
      "outputs of the structure {a: %*, b: %[%*, {c: %*}%]} do not fit")
  end)

  it("have names and directions that callbacks know", function()
    local model = styles.list()
    model:compile{loss = "mse", optimizer = "sgd", metrics = {two = {"mae"}}}
    assert.same({"loss", "one_loss", "two_loss", "two_mae"}, model:_log_names())
    for _, monitor in ipairs{"val_one_loss", "two_loss", "val_two_mae", "two_mae", "loss"} do
      local stopping = kl.callbacks.EarlyStopping{monitor = monitor, patience = 1}
      local history = model:fit{x, {y1, y2}, validation_data = {x, {y1, y2}}, epochs = 5, verbose = 0, callbacks = {stopping}}
      assert.equal(2, #history.history.loss) -- nothing is trained, so nothing improves
    end
    local ok, message = pcall(model.fit, model, {x, {y1, y2}, verbose = 0, callbacks = {kl.callbacks.EarlyStopping{monitor = "tow_mae"}}})
    assert.is_false(ok)
    assert.matches("there is no 'tow_mae' in the logs; did you mean 'two_mae'%? %(there are: loss, one_loss, two_loss, two_mae%)", message)
  end)

  it("are printed as they were understood with verbose = 1", function()
    local real, text = print, {}
    _G.print = function(line) text[#text + 1] = line end -- luacheck: ignore 122
    local ok, message = pcall(function()
      styles.list():compile{optimizer = "sgd", loss = {one = "mse", two = kl.losses.MeanAbsoluteError{}}, loss_weights = {two = 0.5},
        metrics = {one = {"mae", "mse"}}, verbose = 1}
      local late = styles.class_list()
      late:compile{optimizer = kl.optimizers.SGD{0.5}, loss = "mse", verbose = 1}
      assert.equal(1, #text) -- its outputs are not known yet
      late:evaluate{x, {y1, y2}, verbose = 0}
    end)
    _G.print = real -- luacheck: ignore 122
    assert(ok, message)
    assert.equal(2, #text)
    assert.truthy(text[1]:find("optimizer: SGD, learning rate 0.01\n", 1, true))
    assert.truthy(text[1]:find("\n  one     mse                  1       mae, mse\n", 1, true), text[1])
    assert.truthy(text[1]:find("\n  two     mean_absolute_error  0.5     \n", 1, true) or
      text[1]:find("\n  two     mean_absolute_error  0.5\n", 1, true), text[1])
    assert.truthy(text[1]:find("logs show: loss, one_loss, one_mae, one_mse, two_loss", 1, true))
    assert.truthy(text[2]:find("output_1_loss", 1, true))
  end)
end)

local Both = kl.metrics.Metric:extend("Both")
function Both:init(options)
  Both.super.init(self, options)
  self.sum = self:add_weight{name = "sum"}
end
function Both:update_state(y_true, y_pred) self.sum:assign_add(kl.sum(kl.abs(y_true - y_pred))) end
function Both:result() return {sum = self.sum.value, twice = self.sum * 2} end

--- Two outputs that are the input and its double.
local function model_of_two()
  local input = kl.Input{1}
  return kl.Model{inputs = input, outputs = {one = L.Identity{}(input), two = L.Add{}{input, input}}}
end

describe("metrics with several values", function()
  it("have the output's name in front, and callbacks may look at them", function()
    local model = model_of_two()
    model:compile{loss = "mse", optimizer = "sgd", metrics = {one = Both{}, two = {Both{name = "other"}, "mae"}}}
    local names = {"loss", "one_loss", "one_sum", "one_twice", "two_loss", "two_mae", "two_sum", "two_twice"}
    assert.same(names, model:_log_names())
    local stopping = kl.callbacks.EarlyStopping{monitor = "two_twice", mode = "min", patience = 1}
    local history = model:fit{x, {one = y1, two = y2}, epochs = 5, verbose = 0, callbacks = {stopping}}.history
    assert.same({1.0, 1.0}, history.one_sum)
    assert.same({12.0, 12.0}, history.two_twice)
    assert.same(names, model:_log_names()) -- as it was known before
    local shown = {}
    for name in pairs(history) do shown[#shown + 1] = name end
    table.sort(shown)
    assert.same(names, shown)
  end)

  it("of a single output, too", function()
    local model = training.line(1, {metrics = {Both{}}})
    assert.same({"loss", "sum", "twice"}, model:_log_names())
    local stopping = kl.callbacks.EarlyStopping{monitor = "twice", mode = "max"}
    assert.equal(1, #model:fit{x, y1, verbose = 0, callbacks = {stopping}}.epoch)
  end)

  it("that are no scalars are refused, and what to do is said", function()
    local input = kl.Input{1}
    local model = kl.Model{inputs = input, outputs = {L.Dense{3, name = "p"}(input), L.Dense{1}(input)}}
    model:compile{metrics = {p = {kl.metrics.F1Score{}}}, loss = "mse"}
    refuses(function() model:fit{x, {kl.zeros{2, 3}, y2}, verbose = 0} end,
      "the metric 'p_f1_score' of model '.*' gives a float32 tensor of shape %(3,%), but .* show scalars: give it average = \"macro\"")
    local Vector = kl.metrics.Mean:extend("Vector")
    function Vector:update_state() self.total:assign_add(1) end
    function Vector:result() return kl.stack{self.total, self.total} end -- luacheck: ignore 212
    refuses(function() training.line(1, {metrics = {Vector{}}}):fit{x, y1, verbose = 0} end,
      "the metric 'vector' of model '.*' gives a float32 tensor of shape %(2,%), .* let it give a scalar")
  end)
end)

describe("what goes wrong in a loss or metric of several outputs", function()
  local function evaluate(options, y)
    local model = model_of_two()
    model:compile(options)
    return model:evaluate{x, y or {one = y1, two = y2}, verbose = 0}
  end

  it("is said with the output's name", function()
    refuses(function() evaluate({loss = "mse"}, {one = y1, two = kl.zeros{2, 3}}) end,
      "mse: y_true of shape %(2, 3%) does not fit y_pred of shape %(2, 1%) %(in the loss of output 'two'%)")
    refuses(function() evaluate({loss = {one = "mse"}, metrics = {two = "mae"}}, {one = y1, two = kl.zeros{2, 3}}) end,
      "%(in the metric 'two_mae' of output 'two'%)")
    refuses(function() evaluate{loss = {one = "mse", two = function(t) return kl.matmul(t, t) end}} end,
      "matmul: .*%(in the loss of output 'two'%)")
    local _, message = pcall(kl.matmul, y1, y1) -- and is over then
    assert.is_nil(message:find("the loss of", 1, true))
  end)

  it("is said of a loss that computes another model's loss, in there and behind it", function()
    local inner = model_of_two()
    inner:compile{loss = {one = "mse", two = function(t) return kl.matmul(t, t) end}}
    local teacher = model_of_two()
    teacher:compile{loss = "mse"}
    local function computes(model, after)
      return function(t)
        local value = model:compute_loss{y = {one = t, two = t}, y_pred = {t, t}}
        return after and after(t) or value
      end
    end
    refuses(function() evaluate{loss = {one = "mse", two = computes(inner)}} end,
      "matmul: .*%(in the loss of output 'two'%) %(in the loss of output 'two'%)\n")
    refuses(function() evaluate{loss = {one = computes(teacher, function(t) return kl.matmul(t, t) end), two = "mse"}} end,
      "x %(2, 1%) %(in the loss of output 'one'%)\n")
    local thread = coroutine.wrap(function() evaluate{loss = {one = "mse", two = function(t) return kl.matmul(t, t) end}} end)
    pcall(thread)
    local _, message = pcall(kl.matmul, y1, y1)
    assert.is_nil(message:find("the loss of", 1, true))
  end)
end)

describe("which values are better", function()
  it("is known before the first step, or asked for", function()
    local function steps_before(monitor, metrics, mode)
      local input, steps = kl.Input{1}, 0
      local model = kl.Model{inputs = input, outputs = {L.Dense{1, name = "one"}(input), L.Dense{1, name = "two"}(input)}}
      model:compile{loss = "mse", metrics = metrics}
      local ok, message = pcall(model.fit, model, {x, {y1, y2}, verbose = 0, callbacks = {
        kl.callbacks.EarlyStopping{monitor = monitor, mode = mode}, {on_train_batch_begin = function() steps = steps + 1 end}}})
      return steps, ok, not ok and message or nil
    end
    local own = function(t, p) return kl.mean(kl.abs(t - p), -1) end
    for monitor, metrics in pairs{two_mae = {two = "mae"}, one_acc = {one = "acc", two = "acc"}, one_loss = {}} do
      assert.same({1, true}, {steps_before(monitor, metrics)})
    end
    local name = "two_" .. kl.metrics.get(own).name
    local steps, ok, message = steps_before(name, {one = "acc", two = own})
    assert.same({0, false}, {steps, ok})
    assert.matches("whether '" .. name .. "' is better low or high is not known", message)
    assert.same({1, true}, {steps_before(name, {one = "acc", two = own}, "min")})
  end)
end)

describe("metric objects", function()
  it("belong to one model", function()
    local metric = kl.metrics.MeanAbsoluteError{}
    local first = training.line(1, {metrics = {metric}})
    local function compile(metrics)
      local model = training.line(1)
      model:compile{loss = "mse", metrics = metrics}
    end
    refuses(function() compile{metric} end,
      "the metric 'mean_absolute_error' is compiled into model '" .. first.name .. "' already.*make a new object for model 'sequential")
    refuses(function() compile{metric, metric} end, "is compiled into model")
    first:compile{loss = "mse", metrics = {metric}} -- again into its own
    refuses(function() first:compile{loss = "mse", metrics = {first = {}, second = {metric}}} end, "no output 'first'")
    refuses(function() compile{metric} end, "is compiled into model") -- what failed has changed nothing
    first:compile{loss = "mse"} -- without it: it is free
    compile{metric}
    local spare = kl.metrics.MeanAbsoluteError{}
    refuses(function() compile{no_output = {spare}} end, "no output 'no_output'")
    first:compile{loss = "mse", metrics = {spare}} -- a compile that failed has not taken it
    local twice = kl.metrics.MeanAbsoluteError{}
    refuses(function() compile{twice, twice} end, "the metric object 'mean_absolute_error' is given twice")
  end)

  it("are free again once their model is compiled without them, or was never compiled with them", function()
    local metric = kl.metrics.MeanAbsoluteError{}
    local input = kl.Input{1}
    local first = training.line(1, {metrics = {metric}})
    assert.is_false(pcall(first.compile, first, {loss = "no such"}))
    refuses(function() training.line(1, {metrics = {metric}}) end, "is compiled into model '" .. first.name) -- still
    first:compile{loss = "mse", metrics = {"mae"}}
    training.line(1, {metrics = {metric}})
    local other, two = kl.metrics.MeanAbsoluteError{}, kl.Model{inputs = input, outputs = {L.Dense{1}(input), L.Dense{1}(input)}}
    refuses(function() two:compile{loss = {no = "mse"}, metrics = {{other}, {}}} end, "no output 'no'")
    training.line(1, {metrics = {other}})
  end)
end)

describe("older tutorials'", function()
  it("compiled_loss and compiled_metrics train as the built-in step does", function()
    local Older = kl.Model:extend("Older")
    function Older:train_step(data)
      local inputs, targets = data[1], data[2]
      local tape <close> = kl.GradientTape()
      local y_pred = self(inputs, {training = true})
      local loss = self.compiled_loss(targets, y_pred, {regularization_losses = self.losses})
      self.optimizer:apply_gradients(tape:gradient(loss, self.trainable_variables), self.trainable_variables)
      self.compiled_metrics:update_state(targets, y_pred)
      local results = {}
      for _, metric in ipairs(self.metrics) do results[metric.name] = metric:result() end
      return results
    end
    local function train(class)
      kl.set_seed(5)
      local input = kl.Input{2}
      local model = class{inputs = input, outputs = L.Dense{1, kernel_regularizer = "l2"}(input)}
      model:compile{optimizer = "rmsprop", loss = "mse", metrics = {"mae"}}
      local xs = kl.random.normal{32, 2}
      return model:fit{xs, kl.sum(xs, -1), epochs = 2, batch_size = 8, verbose = 0}.history, model
    end
    local ours, model = train(Older)
    assert.same(train(kl.Model), ours)
    assert.equal(1, #model.compiled_metrics.metrics)
    assert.truthy(model.compiled_metrics:result().mae)
    model.compiled_metrics:reset_state()
    assert.equal(0, model.compiled_metrics:result().mae:item())
    raises(function() return training.watched().compiled_loss end, "was compiled without a loss")
    raises(function() return Older().compiled_metrics end, "compiled_metrics: model '.*' is not compiled")
  end)
end)
