-- lua/kl/callbacks: which hooks are called, in which order, with what.
local kl = require "kl"
local raises = require "raises"
local training = require "training"
local Callback, LambdaCallback = kl.callbacks.Callback, kl.callbacks.LambdaCallback

local x, y = training.column{1, 2, 3}, training.column{2, 4, 6}

local function describe_logs(logs)
  local names = {}
  for name in pairs(logs) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, ",")
end

--- A callback of a class that notes its hooks as text; `skip` are hooks to leave out.
local function noting(skip)
  local Noting = Callback:extend("Noting")
  local notes = {}
  for _, hook in ipairs(Callback.hooks) do
    if not (skip and hook:find(skip)) then
      Noting[hook] = function(_, first, second)
        local text = hook:gsub("^on_", "")
        if type(first) == "number" then text = text .. " " .. first end
        local logs = type(first) == "table" and first or second
        if type(logs) == "table" then text = text .. " {" .. describe_logs(logs) .. "}" end
        if type(second) == "string" then text = text .. " " .. second end
        notes[#notes + 1] = text
      end
    end
  end
  return Noting{}, notes
end

describe("the hooks", function()
  it("of fit are Keras's in Keras's order, epochs and batches counted from 1", function()
    local callback, notes = noting("^on_batch")
    training.line(1, {metrics = {"mae"}}):fit{x, y, batch_size = 2, epochs = 2, validation_data = {x, y}, validation_freq = 2,
      callbacks = {callback}, verbose = 0}
    local function train(i) return ("train_batch_begin %d {}|train_batch_end %d {loss,mae}"):format(i, i) end
    local expected = table.concat({
      "train_begin {}",
      "epoch_begin 1 {}", train(1), train(2), "epoch_end 1 {loss,mae}",
      "epoch_begin 2 {}", train(1), train(2),
      "test_begin {}", "test_batch_begin 1 {}", "test_batch_end 1 {loss,mae}", "test_batch_begin 2 {}", "test_batch_end 2 {loss,mae}",
      "test_end {loss,mae}",
      "epoch_end 2 {loss,mae,val_loss,val_mae}",
      "train_end {loss,mae,val_loss,val_mae} finished",
    }, "|")
    assert.same(expected, table.concat(notes, "|"))
  end)

  it("of evaluate and predict are those of tests and predictions", function()
    local callback, notes = noting()
    local model = training.line(1)
    model:evaluate{x, y, batch_size = 2, callbacks = {callback}, verbose = 0}
    model:predict{x, callbacks = {callback}, verbose = 0}
    assert.same({"test_begin {}", "test_batch_begin 1 {}", "test_batch_end 1 {loss}", "test_batch_begin 2 {}", "test_batch_end 2 {loss}",
      "test_end {loss}", "predict_begin {}", "predict_batch_begin 1 {}", "predict_batch_end 1 {outputs}", "predict_end {}"}, notes)
  end)

  it("on_batch_begin and on_batch_end are called by those of training only", function()
    local callback, notes = noting("train_batch")
    training.line(1):fit{x, y, validation_data = {x, y}, callbacks = {callback}, verbose = 0}
    assert.same({"train_begin {}", "epoch_begin 1 {}", "batch_begin 1 {}", "batch_end 1 {loss}"}, {table.unpack(notes, 1, 4)})
    assert.is_nil(table.concat(notes, "|", 5):find("|batch", 1, true))
  end)

  it("get running results as Lua numbers, and predictions as tensors", function()
    local losses, outputs = {}, {}
    local callback = LambdaCallback{
      on_train_batch_end = function(_, logs) losses[#losses + 1] = logs.loss end,
      on_predict_batch_end = function(batch, logs) outputs[batch] = logs.outputs:totable() end,
    }
    local model = training.line(0, {optimizer = kl.optimizers.SGD{learning_rate = 0.0}})
    model:fit{x, training.column{1, 1, 4}, batch_size = 2, shuffle = false, callbacks = callback, verbose = 0}
    assert.same({1.0, 6.0}, losses)
    model:predict{x, batch_size = 2, callbacks = callback, verbose = 0}
    assert.same({{{0.0}, {0.0}}, {{0.0}}}, outputs)
  end)

  it("may add to the logs of an epoch what History then holds", function()
    local h = training.line(1):fit{x, y, verbose = 0, callbacks = {{on_epoch_end = function(_, _, logs) logs.extra = 7 end}}}
    assert.same({7}, h.history.extra)
  end)
end)

describe("on_train_end", function()
  it("says whether training finished or was stopped, wherever that was asked for", function()
    for hook, last in pairs{on_train_batch_end = 1, on_epoch_end = 1, on_test_end = 1, on_epoch_begin = 1, [""] = 3} do
      local reason
      local model = training.line(1)
      local h = model:fit{x, y, epochs = 3, validation_data = {x, y}, verbose = 0, callbacks = {
        {[hook ~= "" and hook or "on_batch_end"] = function(self) self.model.stop_training = hook ~= "" end},
        LambdaCallback{on_train_end = function(_, why) reason = why end},
      }}
      assert.equal(hook == "" and "finished" or "stopped", reason)
      assert.equal(last, #h.epoch)
    end
  end)
end)

describe("a callback", function()
  it("hears of the model and of verbose, epochs and steps before it is called", function()
    local Order = Callback:extend("Order")
    local order = {}
    function Order:set_params(params)
      order[#order + 1] = "params"
      Order.super.set_params(self, params)
    end
    function Order:set_model(model)
      order[#order + 1] = "model"
      Order.super.set_model(self, model)
    end
    function Order:on_train_begin() order[#order + 1] = "begin" end
    local callback = Order{}
    local model = training.line(1)
    model:fit{x, y, epochs = 4, batch_size = 2, verbose = 0, callbacks = {callback}}
    assert.same({"params", "model", "begin"}, order)
    assert.equal(model, callback.model)
    assert.same({verbose = 0, epochs = 4, steps = 2}, callback.params)
  end)

  it("may be an object, a class, a LambdaCallback, a plain table of hooks, alone or in a list, and keeps its place", function()
    local order = {}
    local function note(name) return function() order[#order + 1] = name end end
    local Class = Callback:extend("Class")
    Class.on_epoch_end = note "class"
    local Object = Callback:extend("Object")
    Object.on_epoch_end = note "object"
    local plain = {on_epoch_end = function(self, epoch, logs)
      assert(self.model and self.params and epoch == 1 and logs.loss)
      order[#order + 1] = self.called
    end, called = "plain"}
    local model = training.line(1)
    model:fit{x, y, verbose = 0, callbacks = {plain, Object{}, LambdaCallback{on_epoch_end = note "lambda"}, Class}}
    assert.same({"plain", "object", "lambda", "class"}, order)
    order = {}
    for _, one in ipairs{plain, Object{}, Class} do model:fit{x, y, verbose = 0, callbacks = one} end
    assert.same({"plain", "object", "class"}, order)
    model:fit{x, y, verbose = 0, callbacks = {}}
  end)

  for _, case in ipairs{
    {{5}, "callback 1 must be a kl.callbacks.Callback or a table of hooks, got integer 5"},
    {{{}, {}}, "callback 1 must be .*, got a table"},
    {{{on_epoch_end = print}, kl.layers.Dense{1}}, "callback 2 must be .*, got a Dense"},
    {{kl.metrics.Mean}, "callback 1 must be .*, got class Mean"},
    {"text", "callback 1 must be .*, got the string \"text\""},
    {{{on_epoch_ends = print}}, "callbacks have no hook 'on_epoch_ends'; did you mean 'on_epoch_end'"},
    {{on_epoch_end = 5}, "callbacks: 'on_epoch_end' must be a function, got integer 5"},
  } do
    it("that is none is refused: " .. case[2], function()
      local model = training.line(1)
      raises(function() model:fit{x, y, callbacks = case[1], verbose = 0} end, case[2])
      model:fit{x, y, verbose = 0}
    end)
  end

  it("of functions refuses hooks that do not exist and values that are no functions", function()
    raises(function() LambdaCallback{on_epoch_ended = print} end,
      "LambdaCallback: unknown option 'on_epoch_ended'; did you mean 'on_epoch_end'")
    raises(function() LambdaCallback{on_epoch_end = 5} end, "LambdaCallback: 'on_epoch_end' must be a function, got integer 5")
  end)

  it("may evaluate, predict and change the learning rate on the way", function()
    local model = training.line(1)
    local results = {}
    model:fit{x, y, epochs = 2, verbose = 0, callbacks = {{on_epoch_end = function(self)
      results[#results + 1] = self.model:evaluate{x, y, verbose = 0}.loss
      self.model:predict{x, verbose = 0}
      self.model.optimizer.learning_rate = 0.0
    end}}}
    assert.equal(results[1], results[2])
  end)
end)

describe("a fit inside a fit", function()
  it("leaves the outer one its history", function()
    local model, inner = training.line(1), nil
    local h = model:fit{x, y, epochs = 3, verbose = 0, callbacks = {on_epoch_end = function(_, epoch)
      if epoch == 2 then inner = model:fit{x, y, verbose = 0} end
    end}}
    assert.same({1, 2, 3}, h.epoch)
    assert.equal(h, model.history)
    assert.same({1}, inner.epoch)
  end)
end)

describe("the list of callbacks", function()
  it("is the user's, then History, then the bar", function()
    local model = training.line(1)
    local text = training.output_of(function()
      model:fit{x, y, verbose = 2, callbacks = {{on_epoch_end = function(self)
        assert.same({}, self.model.history.epoch)
        io.stdout:write("first ")
      end}}}
    end)
    assert.matches("^first 1/1", text)
  end)
end)
