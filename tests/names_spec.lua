-- Snake case and automatic names (keras-semantics 1.1).
local assert = require "luassert"
local names = require "kl.names"

describe("snake_case", function()
  local cases = {
    Dense = "dense", Conv2D = "conv2d", Conv2DTranspose = "conv2d_transpose", SimpleRNN = "simple_rnn", LSTM = "lstm",
    GRU = "gru", ConvLSTM2D = "conv_lstm2d", GlobalAveragePooling2D = "global_average_pooling2d",
    TimeDistributed = "time_distributed", ReLU = "re_lu", PReLU = "p_re_lu", LeakyReLU = "leaky_re_lu", ELU = "elu",
    RMSprop = "rm_sprop", AdamW = "adam_w", SGD = "sgd", KLDivergence = "kl_divergence", MeanIoU = "mean_io_u",
    OneHotIoU = "one_hot_io_u", AUC = "auc", L1L2 = "l1l2", F1Score = "f1_score", R2Score = "r2_score", _Hidden = "__hidden",
    MyDense2 = "my_dense2",
    -- what is no word character goes; what is snake case already stays
    ["My Dense-Layer!"] = "my_dense_layer", dense_1 = "dense_1", [""] = "",
  }
  for given, expected in pairs(cases) do
    it(("makes '%s' of '%s'"):format(expected, given), function()
      -- one result only: gsub's count must not follow
      assert.same({expected}, {names.snake_case(given)})
    end)
  end
end)

describe("automatic names", function()
  it("count up from the bare name, each base for itself, until they are reset", function()
    names.reset()
    assert.equal("h1_spec_a", (names.unique("h1_spec_a")))
    assert.equal("h1_spec_a_1", (names.unique("h1_spec_a")))
    assert.equal("h1_spec_b", (names.unique("h1_spec_b")))
    names.reset()
    assert.equal("h1_spec_a", (names.unique("h1_spec_a")))
  end)

  it("that random keys use count from the last seed, whatever names were shown", function()
    names.unique("h1_spec_c")
    names.reset_keys()
    local shown, key = names.unique("h1_spec_c")
    assert.equal("h1_spec_c_1", shown)
    assert.equal("h1_spec_c", key)
  end)
end)

describe("the table kl", function()
  it("names the nearest where something does not exist, and lists all its parts", function()
    local kl, raises = require "kl", require "raises"
    raises(function() return kl.modles end, "there is no kl.modles; did you mean 'models'%?")
    raises(function() kl.concatenat({}) end, "there is no kl.concatenat; did you mean 'concatenate'%?")
    assert.is_nil(kl[1])
    local found = {}
    for name, value in pairs(kl) do found[name] = value end
    for _, name in ipairs{"losses", "metrics", "data", "callbacks", "utils", "summary", "matmul"} do assert.equal(kl[name], found[name]) end
  end)
end)

local function worst_error(a, b) return a - b end
local module = {}
function module.errorSum(a, b) return a - b end
function module:method_mean() return self end
module.table_mean, module["by key"] = function(a) return a end, function(a) return a + 1 end
module.assigned = function(a) return a end
module["text_key"] = function(a) return a end
local function made(k) return function(a) return a * k end end
function a_global_metric(a) return a end -- luacheck: ignore 111
_G.another_global = made(1) -- luacheck: ignore 122
local anonymous = {(function(a) return a end), (function(a) return a end)}
local loaded = load("local x = 1\n\nlocal function from_text(a)\n  return a\nend\nreturn from_text")()

describe("the name of a function", function()
  local held = made(2)
  for _, case in ipairs{
    {worst_error, "worst_error"}, {module.errorSum, "error_sum"}, {module.method_mean, "method_mean"}, {module.assigned, "assigned"},
    {module.text_key, "text_key"}, {a_global_metric, "a_global_metric"}, {_G.another_global, "another_global"}, -- luacheck: ignore 113
    {loaded, "from_text"}, {module.table_mean, nil}, {anonymous[1], nil}, {print, "print"},
    {load("return function(a) return a end", "=prompt")(), nil}, {load("return function(a) return a end", "@/no/such/file")(), nil},
  } do
    it("is " .. tostring(case[2]), function() assert.equal(case[2], names.of_function(case[1])) end)
  end

  it("is that of the variable that holds it, where it was not defined by one; the outermost", function()
    local top_five = held
    local function ask(metric) return names.of_function(metric) end
    assert.equal("top_five", ask(top_five))
    assert.equal("top_five", ask(held)) -- known by now
    assert.equal("given", (function(given) return (names.of_function(given)) end)(made(3)))
  end)
end)

describe("a function given to compile", function()
  local kl = require "kl"
  local x = kl.ones{2, 1}
  local function compiled(options)
    local model = kl.Sequential{kl.Input{1}, kl.layers.Identity{}}
    model:compile(options)
    return model
  end
  local function meanError(a, b) return kl.mean(kl.abs(a - b), -1) end

  it("as a metric has its name in the logs, or is called metric", function()
    local model = compiled{loss = "mse", metrics = {meanError, function(a, b) return kl.mean(a - b, -1) end,
      function(a, b) return kl.mean(b - a, -1) end, kl.losses.mean_squared_error}, weighted_metrics = {meanError}}
    assert.same({loss = 0, mean_error = 0, metric = 0, metric_1 = 0, mean_squared_error = 0, weighted_mean_error = 0},
      model:evaluate{x, x, verbose = 0})
    assert.same({loss = 0, metric = 0}, compiled{loss = "mse", metrics = function(a, b) return kl.mean(a - b, -1) end}
      :evaluate{x, x, verbose = 0})
  end)

  it("as a loss has it in messages", function()
    for name, loss in pairs{mean_error = meanError, loss = {function(a, b) return kl.mean(a - b, -1) end}} do
      local ok, message = pcall(function() compiled{loss = loss}:evaluate{x, kl.ones{2, 3}, verbose = 0} end)
      assert.is_false(ok)
      assert.matches(": " .. name .. ": y_true of shape", message)
    end
  end)
end)
