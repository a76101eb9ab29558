-- What callbacks write: names of checkpoints, when they are due, CSV files.  Backups: resume_spec.lua.
local kl = require "kl"
local raises = require "raises"
local scratch = require "scratch"
local training = require "training"
local callbacks = kl.callbacks
local template = require "kl.callbacks.template"

local x, y = training.column{1, 2, 3, 4, 5, 6, 7, 8}, training.column{2, 4, 6, 8, 10, 12, 14, 16}
local folder, remove
before_each(function() folder, remove = scratch.name() end)
after_each(function() remove() end)

local function names_in(path)
  local list = {}
  for name in io.popen("LC_ALL=C ls " .. path .. " 2>/dev/null"):lines() do list[#list + 1] = name end
  return list
end

local function read(path) return kl.core.io.read_file(path) end

describe("names with values", function()
  for _, case in ipairs{ -- as Python's str.format writes them
    {"{epoch}", {epoch = 3}, "3"}, {"{epoch:02d}", {epoch = 3}, "03"}, {"{epoch:03}-x", {epoch = 12}, "012-x"},
    {"{a:.2f}", {a = 1.005}, "1.00"}, {"{a}", {a = 0.1}, "0.1"}, {"{a}", {a = 2.0}, "2.0"}, {"{a:8.3f}|", {a = -1.5}, "  -1.500|"},
    {"{a:<8.3f}|", {a = 1.5}, "1.500   |"}, {"{a:+.1e}", {a = 12345.0}, "+1.2e+04"}, {"{{{a:d}}}", {a = 7}, "{7}"},
    {"{a:.0%}", {a = 0.25}, "25%"}, {"{a:*^7d}", {a = 42}, "**42***"}, {"{a:08.2f}", {a = -3.14159}, "-0003.14"},
  } do
    it(case[1] .. " is " .. case[3], function()
      assert.equal(case[3], template.fill("name", template.parse("name", case[1]), case[2]))
    end)
  end

  for _, case in ipairs{
    {"{epoch", "a name in braces"}, {"epoch}", "a name in braces"}, {"{}", "a name in braces"}, {"{epoch:}", "a name in braces"},
    {"{epoch:zz}", "a format such as 02d"}, {"{epoch:.2d}", "a format such as 02d"},
  } do
    it(case[1] .. " is refused", function()
      raises(function() callbacks.ModelCheckpoint{case[1] .. ".keras"} end, "ModelCheckpoint: 'filepath'.*" .. case[2])
    end)
  end
end)

describe("ModelCheckpoint", function()
  for _, case in ipairs{
    {{every = {epochs = 2}}, {"2.keras", "4.keras"}, "{epoch}.keras"},
    {{save_freq = "epoch"}, {"1.keras", "2.keras", "3.keras", "4.keras"}, "{epoch}.keras"},
    {{save_freq = 3}, {"1-3.h5", "2-2.h5", "3-1.h5", "3-4.h5", "4-3.h5"}, "{epoch}-{batch}.h5"},
    {{every = {steps = 5}}, {"2-1.h5", "3-2.h5", "4-3.h5"}, "{epoch}-{batch}.h5"},
    {{every = {minutes = 1e-9}, save_weights_only = true}, {"1.weights.h5", "2.weights.h5", "3.weights.h5", "4.weights.h5"},
      "{epoch}.weights.h5"},
    {{every = {minutes = 1000}}, {}, "{epoch}.h5"},
  } do
    it("saves when it is due, in folders that it makes: " .. case[3] .. " " .. kl.json.encode(case[1]), function()
      local given = {folder .. "/a/b/" .. case[3]}
      for k, v in pairs(case[1]) do given[k] = v end
      training.line(1):fit{x, y, batch_size = 2, epochs = 4, verbose = 0, callbacks = {callbacks.ModelCheckpoint(given)}}
      assert.same(case[2], names_in(folder .. "/a/b"))
    end)
  end

  for _, case in ipairs{
    {{"m.txt"}, "must end in .keras or .h5, got 'm.txt'"}, {{"m.weights.h5"}, "must end in .keras or .h5 .or set save_weights_only"},
    {{"m.keras", save_weights_only = true}, "must end in .weights.h5"}, {{"{batch}.keras"}, "'{batch}' in the file's name"},
    {{"m.keras", save_freq = 0}, "'save_freq' must be"}, {{"m.keras", every = {step = 5}}, "got 'step'; did you mean 'steps'"},
    {{"m.keras", every = {steps = 1.5}}, "a positive integer of steps, got float 1.5"},
    {{"m.keras", every = {steps = 1, epochs = 1}}, "got several"}, {{"m.keras", every = {steps = 1}, save_freq = 2}, "say the same"},
    {{"m.keras", mode = "maximum"}, "'mode' must be"},
    {{"m.keras", save_freq = 5, save_best_only = true}, "'val_loss' is known at the end"},
  } do
    it("refuses when it is made: " .. case[2], function()
      raises(function() callbacks.ModelCheckpoint(case[1]) end, case[2])
    end)
  end

  it("keeps the best file, also when steps are looked at, and what is not finite never is the best", function()
    local model = training.line(1)
    local path = folder .. "/best.weights.h5"
    local callback = callbacks.ModelCheckpoint{path, monitor = "loss", save_best_only = true, save_weights_only = true, save_freq = 1}
    callback:set_model(model)
    callback:on_train_begin{}
    callback:on_epoch_begin(1)
    local best = {}
    for batch, loss in ipairs{0 / 0, 3.0, math.huge, 2.0, -math.huge, 2.5, 1.0} do
      model:set_weights{ {{batch + 0.0}} }
      callback:on_train_batch_end(batch, {loss = loss})
      best[batch] = callback.best
    end
    assert.same({[2] = 3.0, [3] = 3.0, [4] = 2.0, [5] = 2.0, [6] = 2.0, [7] = 1.0}, best)
    local loaded = training.line(0)
    loaded:load_weights(path)
    assert.equal(7.0, training.weight(loaded))
  end)
end)

describe("CSVLogger", function()
  local function fit(options, more)
    local model = training.line(2, {optimizer = kl.optimizers.SGD{learning_rate = 0.0}})
    local given = {x, y, verbose = 0, callbacks = {callbacks.CSVLogger(options)}}
    for k, v in pairs(more or {}) do given[k] = v end
    model:fit(given)
    return read(options[1])
  end

  it("writes epochs from 0, names sorted, NA for a validation that may still come", function()
    assert.equal("epoch,loss,val_loss\n0,0.0,NA\n1,0.0,0.0\n", fit({folder .. "/new/log.csv"}, {epochs = 2, validation_data = {x, y},
      validation_freq = 2}))
    assert.equal("epoch;loss;val_loss\n0;0.0;NA\n", fit{folder .. "/new/log.csv", separator = ";"})
  end)

  it("appends to a file whose header fits, without an unfinished row, and to no other", function()
    local path = folder .. "/log.csv"
    fit({path}, {epochs = 2})
    local whole = read(path)
    kl.core.io.write_file(path, whole .. "2,")
    assert.equal(whole .. "2,0.0,NA\n", fit({path, append = true}, {initial_epoch = 2, epochs = 3}))
    kl.core.io.write_file(path, "epoch,other\n0,1\n")
    assert.matches("has no column 'loss'.*its columns: epoch, other", select(2, pcall(fit, {path, append = true})))
    assert.equal("epoch,other\n0,1\n", read(path))
    kl.core.io.write_file(path, "something else\n")
    assert.matches("no header that begins with 'epoch'", select(2, pcall(fit, {path, append = true})))
    kl.core.io.write_file(path, "")
    assert.equal("epoch,loss,val_loss\n0,0.0,NA\n", fit{path, append = true})
  end)

  it("quotes what needs it", function()
    local path = folder .. "/log.csv"
    training.line(1):fit{x, y, verbose = 0, callbacks = {
      {on_epoch_end = function(_, _, logs) logs.list, logs.text, logs.val_loss = {1, 2.5}, 'a "b",c', true end},
      callbacks.CSVLogger{path}}}
    assert.matches('^epoch,list,loss,text,val_loss\n0,"%[1, 2.5%]",[^,]+,"a ""b"",c",true\n$', read(path))
  end)

  it("taken up from its state goes on exactly, whatever the file has got since then", function()
    local straight = fit({folder .. "/a.csv"}, {epochs = 4})
    local first = callbacks.CSVLogger{folder .. "/b.csv"}
    local state
    local model = training.line(2, {optimizer = kl.optimizers.SGD{learning_rate = 0.0}})
    model:fit{x, y, epochs = 3, verbose = 0, callbacks = {first,
      {on_epoch_end = function(_, epoch) if epoch == 2 then state = first:get_state() end end}}}
    local second = callbacks.CSVLogger{folder .. "/b.csv"}
    second:set_state(state)
    model:fit{x, y, epochs = 4, initial_epoch = 2, verbose = 0, callbacks = {second}}
    assert.equal(straight, read(folder .. "/b.csv"))
  end)
end)

describe("EarlyStopping", function()
  it("restores the best weights when training has finished or was stopped, not after an interruption", function()
    for reason, expected in pairs{finished = 1.0, stopped = 1.0, interrupted = 3.0} do
      local model = training.line(1)
      local callback = callbacks.EarlyStopping{monitor = "loss", patience = 5, restore_best_weights = true, verbose = 1}
      callback:set_model(model)
      callback:on_train_begin{}
      for epoch = 1, 3 do
        model:set_weights{ {{epoch + 0.0}} }
        callback:on_epoch_end(epoch, {loss = epoch + 0.0})
      end
      local text = training.output_of(function() callback:on_train_end({}, reason) end)
      assert.equal(expected, training.weight(model))
      assert.equal(reason == "interrupted" and "" or "Restoring model weights from the end of the best epoch: 1.\n", text)
    end
  end)
end)

describe("make_folder", function()
  it("names the part that cannot be made", function()
    kl.core.io.make_folder(folder .. "/a")
    kl.core.io.make_folder(folder .. "//a/b/")
    kl.core.io.write_file(folder .. "/file", "x")
    raises(function() kl.core.io.make_folder(folder .. "/file/c") end, "file/c: the folder .*file cannot be made")
  end)
end)
