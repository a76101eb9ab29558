-- Compiled models with two outputs in files: real Keras opens kl's and evaluates them to the same numbers under the same names,
-- and kl opens Keras's.
local kl = require "kl"
local python = require "python"
local L, losses, metrics = kl.layers, kl.losses, kl.metrics

kl.set_seed(31)
local n = 20
local x = kl.random.normal{n, 3}
local y = {a = kl.random.normal{n, 1}, b = kl.one_hot(kl.random.randint({n}, 0, 2), 2)}

local function targets(by_name) return by_name and y or {y.a, y.b} end

local function model_of_two(by_name)
  local input = kl.Input{3}
  local a, b = L.Dense{1, name = "a"}(input), L.Dense{2, activation = "softmax", name = "b"}(input)
  return kl.Model{inputs = input, outputs = by_name and {a = a, b = b} or {a, b}}
end

local function options()
  return {
    lists = {loss = {"mse", "categorical_crossentropy"}, metrics = {{"mae"}, {"accuracy"}}, loss_weights = {1.0, 2.0}},
    names = {loss = {a = "mae", b = losses.CategoricalCrossentropy{label_smoothing = 0.1}}, loss_weights = {b = 2.0},
      metrics = {a = {"mae", metrics.RootMeanSquaredError{}}, b = {metrics.AUC{}, "acc"}}},
    no_loss = {loss = {"mse", false}, metrics = {{"mae"}, {}}},
    no_first_loss = {loss = {nil, "mse"}, metrics = {nil, "mae"}},
    no_named_loss = {loss = {b = "mse"}, metrics = {b = "mae"}},
    one = {loss = "mse"},
    one_metric = {loss = "mse", metrics = "mae", weighted_metrics = {}},
    some_weights = {loss = "mse", loss_weights = {b = 2.0}},
    weighted = {loss = {a = "mse", b = "bce"}, weighted_metrics = {a = {"mae"}, b = {"mse"}}},
  }
end

-- Keras takes no table with losses of some outputs only of a model whose outputs have names.
local lists_only = {no_loss = true, no_first_loss = true, no_named_loss = true, lists = true}

local function near(expected, got, what)
  for name, value in pairs(expected) do
    assert(got[name] and math.abs(got[name] - value) <= 1e-5 * math.max(1, math.abs(value)), -- sums in another order
      ("%s: %s is %s, expected %s"):format(what, name, got[name], value))
  end
  for name in pairs(got) do assert(expected[name] ~= nil, what .. ": " .. name) end
end

describe("compiled models with several outputs in files", function()
  it("are the same in kl and in Keras", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir '" .. folder .. "'"))
    local files, results = {}, {}
    for _, by_name in ipairs{false, true} do
      for name, given in pairs(options()) do
        if not (by_name and lists_only[name]) then
          local model = model_of_two(by_name)
          given.optimizer = "adam"
          model:compile(given)
          model:fit{x, targets(by_name), verbose = 0}
          for _, extension in ipairs{"keras", "h5"} do
            local path = ("%s/%s_%s.%s"):format(folder, name, by_name and "names" or "list", extension)
            model:save(path)
            files[#files + 1] = {path = path, table = by_name}
            results[#results + 1] = model:evaluate{x, targets(by_name), verbose = 0}
          end
        end
      end
    end
    local answer = python.run("compiled.py", {folder = folder, x = x:totable(), y = {a = y.a:totable(), b = y.b:totable()}, files = files,
      own = {
        lists = {loss = {"mse", "categorical_crossentropy"}, metrics = {{"mae"}, {"accuracy"}}, loss_weights = {1.0, 2.0}},
        none = {loss = {"mse", kl.json.null}, metrics = {{"mae"}, kl.json.array{}}},
        names = {loss = {a = "mse", b = "mae"}, metrics = {b = {"mae", "accuracy"}}, weighted_metrics = {a = {"mae"}}},
      }})
    for i, file in ipairs(files) do near(results[i], answer.evaluate[i], file.path) end
    for path, theirs in pairs(answer.own) do
      local model = kl.models.load_model(path)
      near(theirs.results, model:evaluate{x, targets(theirs.table), verbose = 0}, path)
      model:fit{x, targets(theirs.table), verbose = 0}
    end
    os.execute("rm -r '" .. folder .. "'")
  end)
end)
