-- What Ctrl-C and SIGTERM do to a script under `kl run` (src/bind/interrupt.c, lua/kl/training/fit.lua).
local scratch = require "scratch"
local training = require "training"

local script = [[
local kl = require "kl"
local function send(signal) io.popen("kill -" .. signal .. " $PPID"):close() end
local folder, signal, at, loops = %q, %q, %d, %s
kl.set_seed(5)
local x = kl.random.normal{64, 4}
local y = kl.cast(kl.greater(x:sum{axis = 2}, 0), "int32")
local model = kl.Sequential{kl.Input{4}, kl.layers.Dense{8, activation = "relu"}, kl.layers.Dropout{0.3}, kl.layers.Dense{2}}
model:compile{optimizer = "adam", loss = kl.losses.SparseCategoricalCrossentropy{from_logits = true}, metrics = {"accuracy"}}
local own = kl.callbacks.LambdaCallback{
  on_train_batch_end = function()
    if model.optimizer.iterations:item() ~= at then return end
    send(signal)
    if loops then
      send(signal)
      for i = 1, 1e9 do local _ = i end
    end
  end,
  on_epoch_end = function(epoch) print("epoch", epoch) end,
  on_train_end = function(_, reason) print("end", reason) end,
  on_train_error = function(message) print("error", message:match("interrupted by %%S+")) end,
}
local history = model:fit{x, y, epochs = 3, batch_size = 16, verbose = 0,
  callbacks = {kl.callbacks.BackupAndRestore{folder, save_freq = 1000}, own}}
print("fit", table.concat(history.history.loss, " "))
for _, w in ipairs(model.weights) do print(kl.array_equal(w, w), w:sum():item()) end
]]

--- The output and the exit status of a script that sends itself a signal.  Ctrl-C may be ignored where the tests run.
local function run(text)
  return (training.run_script(text, "env --default-signal=INT,TERM sh -c '\"$@\"; echo status $?' sh"))
end

describe("a signal under kl run", function()
  local folder, remove
  before_each(function() folder, remove = scratch.name() end)
  after_each(function() remove() end)
  local function train(signal, at, loops) return run(script:format(folder, signal, at, tostring(loops or false))) end

  for _, case in ipairs{{"INT", "Ctrl%-C", 130}, {"TERM", "SIGTERM", 143}} do
    local signal, name, status = table.unpack(case)
    it(signal .. " ends fit after the step, which is kept; the same script goes on with the same bits", function()
      local whole = train(signal, -1)
      assert.matches("end\tfinished\n.*status 0\n", whole)
      local stopped = train(signal, 6)
      assert.matches("epoch\t1\n.*end\tinterrupted\n", stopped)
      assert.is_nil(stopped:find("epoch\t2", 1, true))
      assert.matches("the run is kept in " .. folder:gsub("%p", "%%%0") .. "/latest.weights.h5", stopped)
      assert.matches(":%d+: fit: interrupted by " .. name .. " after step 2 of epoch 2\n", stopped)
      assert.matches("status " .. status .. "\n$", stopped)
      assert.is_nil(stopped:find("fit\t", 1, true))
      local resumed = train(signal, -1)
      assert.matches("going on after step 2 of epoch 2", resumed)
      assert.equal(whole:match("fit\t.*"), resumed:match("fit\t.*"))
    end)

    it(signal .. " in an epoch's last step is kept there", function()
      local whole = train(signal, -1)
      local stopped = train(signal, 4)
      assert.matches("end\tinterrupted\n", stopped)
      assert.matches("after step 4 of epoch 1\n", stopped)
      assert.equal(whole:match("fit\t.*"), train(signal, -1):match("fit\t.*"))
    end)

    it("the second " .. signal .. " in fit ends what its Lua does", function()
      local output = train(signal, 6, true)
      assert.matches("error\tinterrupted by " .. name .. "\n", output)
      assert.is_nil(output:find("end\t", 1, true))
      assert.matches("status " .. status .. "\n$", output)
    end)

    it(signal .. " outside of fit is an error at once that names the line; the next one ends the program", function()
      local send = ([[io.popen("kill -%s $PPID"):close()]]):format(signal)
      local output = run("local kl = require 'kl'\n" .. send .. "\nfor i = 1, 1e9 do local _ = i end\n")
      assert.matches("^kl: %S+:[23]: interrupted by " .. name .. "\n", output)
      assert.matches("status " .. status .. "\n$", output)
      output = run(("pcall(function()\n%s\nfor i = 1, 1e9 do local _ = i end\nend)\nprint('on')\n%s\nprint('never')\n"):format(send, send))
      assert.matches("^on\n", output)
      assert.is_nil(output:find("never", 1, true))
      assert.matches("status " .. status .. "\n$", output)
    end)

    it(signal .. " when the script has ended ends the program", function()
      local output = run(([[
        print "done"
        kept = setmetatable({}, {__gc = function() io.popen("kill -%s $PPID"):close() end})]]):format(signal))
      assert.matches("^done\n.*status " .. status .. "\n$", output)
    end)
  end
end)
