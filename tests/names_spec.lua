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
