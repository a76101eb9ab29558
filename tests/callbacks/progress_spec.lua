-- lua/kl/callbacks/progress.lua: the bar on a terminal, lines elsewhere.
local kl = require "kl"
local training = require "training"

local x, y = training.column{1, 2, 3, 4}, training.column{2, 4, 6, 8}

--- The lines that f writes, times replaced by T.
local function lines_of(f)
  local text = training.output_of(f):gsub("%d+s", "T"):gsub("%d+[mu]s/step", "T/step")
  local lines = {}
  for line in text:gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  return lines
end

describe("without a terminal", function()
  local model = training.line(1, {optimizer = kl.optimizers.SGD{learning_rate = 0.0}, metrics = {"mae"}})

  for _, verbose in ipairs{1, 2, "auto"} do
    it(("fit writes one line of results per epoch with verbose = %s"):format(verbose), function()
      local line = "2/2 - T - T/step - loss: 7.5000 - mae: 2.5000 - val_loss: 7.5000 - val_mae: 2.5000"
      assert.same({"Epoch 1/2", line, "Epoch 2/2", line}, lines_of(function()
        model:fit{x, y, batch_size = 2, epochs = 2, validation_data = {x, y}, verbose = verbose}
      end))
    end)
  end

  it("the header is left out for one epoch", function()
    assert.same({"1/1 - T - T/step - loss: 7.5000 - mae: 2.5000"}, lines_of(function() model:fit{x, y} end))
  end)

  it("evaluate and predict write one line", function()
    assert.same({"2/2 - T - T/step - loss: 7.5000 - mae: 2.5000", "4/4 - T - T/step"}, lines_of(function()
      model:evaluate{x, y, batch_size = 2}
      model:predict{x, batch_size = 1}
    end))
  end)

  it("verbose = 0 writes nothing", function()
    assert.same({}, lines_of(function()
      model:fit{x, y, epochs = 2, validation_data = {x, y}, verbose = 0}
      model:evaluate{x, y, verbose = 0}
      model:predict{x, verbose = 0}
    end))
  end)

  it("small values are written with an exponent", function()
    local own = training.watched()
    function own.train_step() return {a = 0.001, b = 0.0011, c = -2e-5, d = 0 / 0, e = 12345.678} end
    local line = lines_of(function() own:fit{x} end)[1]:gsub("%-nan", "nan")
    assert.equal("1/1 - T - T/step - a: 1.0000e-03 - b: 0.0011 - c: -2.0000e-05 - d: nan - e: 12345.6780", line)
  end)

  it("data of unknown length is counted", function()
    local ds = kl.data.Dataset.from_tensor_slices(x, y):batch(1)
    ds.length = -2
    assert.same({"4/4 - T - T/step - loss: 7.5000 - mae: 2.5000"}, lines_of(function() model:fit{ds} end))
  end)
end)

describe("on a terminal", function()
  local has_script = os.execute("command -v script >/dev/null 2>&1")
  local script = [[
    local kl = require "kl"
    kl.set_seed(1)
    local Model = kl.Model:extend("Slow")
    function Model:call(x) return x end
    function Model:train_step()
      local stop = kl.core.clock() + 0.06
      while kl.core.clock() < stop do end
      return {loss = 0.5, accuracy = 0.25}
    end
    function Model:test_step() return {loss = 1.0} end
    local model = Model()
    model:compile{}
    local x = kl.ones{4, 1}
  ]]

  --- What the script writes to a terminal, times replaced by T.
  local function screen(more)
    local path = os.tmpname()
    local file <close> = assert(io.open(path, "w"))
    file:write(script, more)
    file:flush()
    local program = (os.getenv("KL_BUILD") or "build") .. "/kl"
    local pipe <close> = assert(io.popen(("SHELL=/bin/sh script -qec '\"%s\" run %s' /dev/null </dev/null"):format(program, path)))
    local text = pipe:read("a"):gsub("\r\n", "\n"):gsub("%d+s\27", "T\27"):gsub(" %d+s %-", " T -"):gsub("%d+[mu]?s/step", "T/step")
    os.remove(path)
    return text
  end

  local function bar(count, green, values, final)
    return ("\r\27[1m%s\27[0m \27[32m%s\27[0m\27[37m%s\27[0m \27[1mT\27[0m T/step%s\27[K%s"):format(count, ("━"):rep(green),
      ("━"):rep(20 - green), values, final and "\n" or "")
  end

  local test = has_script and it or pending

  test("fit draws a bar over and over in one line, with the values in order, and evaluate and predict theirs", function()
    local text = screen [[
      model:fit{x, batch_size = 2, epochs = 2, validation_data = {x}}
      model:evaluate{x}
      model:predict{x, verbose = 1}
      model:fit{x, verbose = 2}
      model:fit{x, verbose = 0}
    ]]
    local epoch = bar("1/2", 10, " - accuracy: 0.2500 - loss: 0.5000") ..
      bar("2/2", 20, " - accuracy: 0.2500 - loss: 0.5000 - val_loss: 1.0000", true)
    assert.equal("Epoch 1/2\n" .. epoch .. "Epoch 2/2\n" .. epoch .. bar("1/1", 20, " - loss: 1.0000", true) .. bar("1/1", 20, "", true) ..
      "1/1 - T - T/step - accuracy: 0.2500 - loss: 0.5000\n", text)
  end)

  test("the bar of data of unknown length shows the count from the second epoch on", function()
    local text = screen [[
      local ds = kl.data.Dataset.from_tensor_slices(x):batch(2)
      ds.length = -2
      model:fit{ds, epochs = 2}
    ]]
    local values = " - accuracy: 0.2500 - loss: 0.5000"
    local unknown = ("\r\27[1m1/Unknown\27[0m \27[1mT\27[0m T/step%s\27[K"):format(values)
    assert.equal("Epoch 1/2\n" .. unknown .. unknown:gsub("1/Unknown", "2/Unknown") .. bar("2/2", 20, values, true) .. "Epoch 2/2\n" ..
      bar("1/2", 10, values) .. bar("2/2", 20, values, true), text)
  end)

  test("an error leaves the bar's line", function()
    local text = screen [[
      local step = model.train_step
      local n = 0
      function model:train_step(data)
        n = n + 1
        if n == 2 then error("here") end
        return step(self, data)
      end
      model:fit{x, batch_size = 2}
    ]]
    assert.matches("0.5000\27%[K\nkl: ", text)
  end)
end)
