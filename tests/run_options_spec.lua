-- kl run --profile, --trace, --steps: src/main.c, lua/kl/run.lua, lua/kl/dry_run.lua
local kl = require "kl"
local program = require "program"

--- Runs a script with options of `kl run`; what it wrote on both streams, and its status.
local function run(options, text, environment)
  local path = program.script(text)
  local output, status = program.shell(("%s %s run %s %s"):format(environment or "", program.quote(program.kl), options, path))
  os.remove(path)
  return output, status
end

local training = [[
  local kl = require "kl"
  kl.set_seed(1)
  local model = kl.Sequential{kl.Input{3}, kl.layers.Dense{2, name = "out"}}
  model:compile{optimizer = "sgd", loss = "mse"}
  local batches = {train = 0, test = 0, predict = 0}
  local Count = kl.callbacks.Callback:extend("Count")
  function Count:on_train_batch_end() batches.train = batches.train + 1 end
  function Count:on_test_batch_end() batches.test = batches.test + 1 end
  function Count:on_predict_batch_end() batches.predict = batches.predict + 1 end
  local x, y = kl.ones{100, 3}, kl.ones{100, 2}
]]

describe("kl run --steps", function()
  it("bounds fit to one epoch, and fit, evaluate, predict and validation to so many batches, and says so", function()
    local output, status = run("--steps 3", training .. [[
      local history = model:fit{x, y, batch_size = 10, epochs = 5, callbacks = {Count()}, validation_data = {x, y},
        validation_batch_size = 5}
      model:evaluate{x, y, batch_size = 10, callbacks = {Count()}}
      local out = model:predict{x, batch_size = 10, callbacks = {Count()}}
      print("epochs", #history.epoch, "train", batches.train, "test", batches.test, "predict", batches.predict, "rows", out.shape[1])
    ]])
    assert.equal(0, status, output)
    assert.matches("kl: dry run: fit stops after one epoch of at most 3 batches", output)
    assert.matches("epochs\t1\ttrain\t3\ttest\t6\tpredict\t3\trows\t30", output)
  end)

  it("leaves alone what is shorter, and the size of batches that steps_per_epoch decides", function()
    local output, status = run("--steps=50", training .. [[
      local sizes = {}
      local Own = kl.Model:extend("Own")
      function Own:train_step(data)
        sizes[#sizes + 1] = data[1].shape[1]
        return {loss = data[1]:sum()}
      end
      local own = Own{}
      own:compile{optimizer = "sgd", loss = "mse"}
      own:fit{x, y, steps_per_epoch = 4, epochs = 3, initial_epoch = 1, verbose = 0}
      model:fit{x, y, batch_size = 40, epochs = 2, callbacks = {Count()}, verbose = 0}
      print(table.concat(sizes, " "), batches.train)
    ]])
    assert.equal(0, status, output)
    assert.matches("25 25 25 25\t3", output)
  end)

  it("is not in force without the option", function()
    local output = run("", training .. [[
      model:fit{x, y, batch_size = 10, epochs = 2, callbacks = {Count()}, verbose = 0}
      print("train", batches.train)
    ]])
    assert.matches("train\t20", output)
    assert.is_nil(output:find("dry run"))
    assert.is_nil(require "kl.dry_run".steps)
  end)

  it("needs a number", function()
    for _, bad in ipairs{"0", "-1", "1.5", "x", "''", "99999999999999999999"} do
      local output, status = run("--steps " .. bad, "")
      assert.equal(2, status)
      assert.matches("kl: %-%-steps needs a number of steps, got", output)
    end
    local output, status = program.shell(program.quote(program.kl) .. " run --steps")
    assert.matches("needs a number of steps, got nothing", output)
    assert.equal(2, status)
  end)
end)

describe("kl run --profile", function()
  local script = training .. "model:fit{x, y, batch_size = 10, verbose = 0} "

  it("prints the report on standard error when the script has ended", function()
    local output, status = run("--profile 2>/dev/null", script .. [[ print("done") ]])
    assert.equal(0, status)
    assert.equal("done", output:match("^%s*(.-)%s*$"))
    output = run("--profile", script)
    for _, words in ipairs{"kl profile: ", "10 steps", "by operation", "matmul", "by layer", "sequential/out", "longest kernels"} do
      assert(output:find(words, 1, true), words .. " is missing in:\n" .. output)
    end
  end)

  it("also after an error and after os.exit, with the status these have", function()
    local output, status = run("--profile", script .. [[ error("broken") ]])
    assert.equal(1, status)
    assert.matches("broken.*by operation", output)
    output, status = run("--profile", script .. [[ os.exit(7) ]])
    assert.equal(7, status)
    assert.equal(1, select(2, output:gsub("by operation", "")))
  end)

  it("tells steps that are run operation by operation", function()
    assert.matches("10 steps %(10 immediate%)", run("--profile", script, "KL_EAGER=1"))
    assert.matches("no kernel ran", run("--profile", "print(1)"))
  end)

  it("goes with --trace, which writes the file and says how to look at it", function()
    local path = os.tmpname()
    local output, status = run("--trace=" .. path, script)
    assert.equal(0, status)
    assert.matches("%d+ events are in .*perfetto", output)
    assert.is_nil(output:find("by operation"))
    local steps = 0
    for _, e in ipairs(kl.json.decode(assert(io.open(path)):read("a"))) do steps = steps + (e.cat == "step" and 1 or 0) end
    assert.equal(10, steps)
    output = run("--profile --steps 2 --trace " .. path, script)
    assert.matches("dry run.*2 steps.*by operation.*events are in", output)
    os.remove(path)
  end)

  it("runs nothing if the trace cannot be written, or an option is wrong", function()
    local output, status = run("--trace /nowhere/at/all.json", [[ print("ran") ]])
    assert.equal(1, status)
    assert.matches("the trace cannot be written: /nowhere/at/all.json", output)
    assert.is_nil(output:find("ran\n"))
    output, status = run("--profil", "")
    assert.equal(2, status)
    assert.matches("unknown option %-%-profil", output)
    output, status = program.shell(program.quote(program.kl) .. " run --trace")
    assert.equal(2, status)
    assert.matches("%-%-trace needs the name of a file", output)
  end)

  it("is in the help", function()
    local output = program.shell(program.quote(program.kl) .. " --help")
    for _, option in ipairs{"--profile", "--trace FILE", "--steps N", "--threads N"} do assert(output:find(option, 1, true), option) end
  end)
end)
