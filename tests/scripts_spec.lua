-- The example scripts: each says in its first line what it is, and runs, shortened, in a folder of its own.
local kl = require "kl"

local root = io.popen("pwd"):read("l")
local program = (os.getenv("KL_BUILD") or "build") .. "/kl"
if program:sub(1, 1) ~= "/" then program = root .. "/" .. program end

-- How each is shortened, what it must say, the files that it must leave, and options of `kl run`.
local cases = {
  ["autoencoder.lua"] = {"1 1500 found.png", "with 100 labels: accuracy [0-9.]+ on what it has learned", {"found.png"}},
  ["bench.lua"] = {"linreg", '"workload":"linreg"'},
  ["custom_loop.lua"] = {"1 2000", "epoch 1: loss [0-9.]+, accuracy [0-9.]+; test loss"},
  ["gan.lua"] = {"2 ring.png", "made points lie at", {"ring.png"}},
  ["linear_regression.lua"] = {"3 .", "fit gives the same", {"parameters.png", "data.png"}},
  ["mnist.lua"] = {"1 mnist.keras", "test accuracy 0.[89][0-9]+", {"mnist.keras"}, "--steps 100"},
  ["optimizers.lua"] = {"2 curves.png", "Adam, cosine decay +loss", {"curves.png"}},
  ["own_callback.lua"] = {"2 2000 .", "2 epochs were trained", {"losses_epoch_1.png", "losses_epoch_2.png"}},
  ["own_metric.lua"] = {"1 2000", "share of the threes"},
  ["plots.lua"] = {".", ""},
  ["policy_gradient.lua"] = {"5 steps.png", "round 5: the pole stood for [0-9.]+ steps", {"steps.png"}},
  ["subclassing.lua"] = {"2", "loss [0-9.]+ after the first epoch"},
  ["tensorboard.lua"] = {"1 2000 logs", "open it with: tensorboard", {"logs/train", "logs/validation", "logs/own"}},
  ["tickets.lua"] = {"2 256", "with 3 outputs: priority, department, difficulty"},
  ["train_step.lua"] = {"1 2000", "predicted [0-9 ]+, labels 5 0 4 1 9 2 1 3 1 4"},
}

describe("the example scripts", function()
  local names = {}
  for name in io.popen("ls scripts/*.lua"):lines() do names[#names + 1] = name:match("[^/]+$") end

  it("are all in the list above", function()
    local known = {}
    for name in pairs(cases) do known[#known + 1] = name end
    table.sort(known)
    table.sort(names)
    assert.same(known, names)
  end)

  for _, name in ipairs(names) do
    it("say what they are in the first line: " .. name, function()
      local file <close> = assert(io.open("scripts/" .. name))
      local line = file:read("l")
      assert.matches("^%-%- %u.*%l", line)
    end)

    it("run: " .. name, function()
      local case = assert(cases[name])
      local folder = os.tmpname()
      os.remove(folder)
      assert(os.execute("mkdir " .. folder))
      local command = "cd %s && '%s' run %s '%s/scripts/%s' %s 2>&1; echo status $?"
      local pipe = assert(io.popen(command:format(folder, program, case[4] or "", root, name, case[1])))
      local output = pipe:read("a")
      pipe:close()
      local missing = {}
      for _, path in ipairs(case[3] or {}) do
        if not os.rename(folder .. "/" .. path, folder .. "/" .. path) then missing[#missing + 1] = path end
      end
      os.execute("rm -r " .. folder)
      assert.matches("status 0\n$", output)
      assert.matches(case[2], output)
      assert.same({}, missing, output)
    end)
  end
end)

assert(kl)
