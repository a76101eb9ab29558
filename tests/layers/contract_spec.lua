-- Every layer of the library keeps the contract.  A layer without a case here fails.
local kl = require "kl"
local contract = dofile "tests/layers/contract.lua"

local two = {{4, 3}, {4, 3}}

local function merge(more)
  local case = {shapes = two, output = {4, 3}, distinct = true,
    wrong = {{{{4, 3}, {4, 2}}, "%(4, 3%).*%(4, 2%)"}, {{{4, 3}}, "takes a list of .*got a float32 tensor of shape %(4, 3%)"}}}
  for k, v in pairs(more or {}) do case[k] = v end
  return case
end

local cases = {
  Activation = {
    {args = {"tanh"}, shapes = {{4, 3}}, output = {4, 3}, bad = {
      {{"tnah"}, "there is no activation 'tnah'; did you mean 'tanh'%?"}, {{5},
        "an activation must be a name or a function, got integer 5"},
      {{}, "Activation: 'activation' is missing"}}},
    {args = {"softmax"}, shapes = {{4, 2, 3}}, output = {4, 2, 3}},
  },
  Add = {merge(), merge{shapes = {{4, 3}, {4, 2, 3}, {4, 3}}, output = {4, 2, 3}, wrong = {}}, merge{shapes = {{4, 3}},
    list = true, wrong = {}}},
  Average = {merge(), merge{shapes = {{4, 3}, {4, 3}, {4, 1}}, wrong = {}}},
  BatchNormalization = {
    {args = {momentum = 0.5}, shapes = {{6, 3}}, output = {6, 3}, stateful = true,
      weights = {{"gamma", {3}}, {"beta", {3}}, {"moving_mean", {3}, false}, {"moving_variance", {3}, false}},
      wrong = {{{{6, 4}}, "expects length 3 along axis 2, got 4: shape %(6, 4%)"}, {{{6, 2, 3}},
        "expects 2 axes, got 3: shape %(6, 2, 3%)"}},
      bad = {{{axis = "x"}, "'axis' must be an integer"}, {{momentum = 2}, "'momentum' must be a number >= 0 and <= 1, got 2"},
        {{epsilon = -1}, "'epsilon' must be a number >= 0"}, {{scale = 1}, "'scale' must be a boolean"}, {{renorm = true},
          "renorm"},
        {{gamma_initializer = "onse"}, "there is no initializer 'onse'; did you mean 'one"}}},
    {args = {axis = 2, center = false}, shapes = {{6, 3, 2}}, output = {6, 3, 2}, stateful = true,
      weights = {{"gamma", {3}}, {"moving_mean", {3}, false}, {"moving_variance", {3}, false}}},
    {args = {scale = false}, shapes = {{6, 3, 2}}, output = {6, 3, 2}, stateful = true,
      weights = {{"beta", {2}}, {"moving_mean", {2}, false}, {"moving_variance", {2}, false}}},
  },
  Concatenate = {
    {shapes = {{4, 3}, {4, 2}}, output = {4, 5}, wrong = {{{{4, 3}, {4, 3, 1}},
      "%(4, 3, 1%) does not fit the first of shape %(4, 3%)"},
      {{{4, 3}}, "Concatenate takes a list of tensors, got a float32 tensor"}}, bad = {{{axis = 0.5},
        "'axis' must be an integer"}}},
    {args = {axis = 2}, shapes = {{4, 3, 2}, {4, 1, 2}}, output = {4, 4, 2}},
  },
  Dense = {
    {args = {5, activation = "tanh"}, shapes = {{4, 3}}, output = {4, 5}, weights = {{"kernel", {3, 5}}, {"bias", {5}}},
      wrong = {{{{4, 2}}, "expects length 3 along axis %-1, got 2: shape %(4, 2%)"}, {{{3}},
        "expects at least 2 axes, got 1: shape %(3,%)"},
        {{{4, 3}, {4, 3}}, "expects one tensor, got a structure %[%*, %*%]"}},
      bad = {{{0}, "'units' must be an integer >= 1, got 0"}, {{2.5}, "'units' must be an integer, got float 2.5"}, {{},
        "'units' is missing"},
        {{3, 4, true, "zeros", "zeros", nil, nil, nil, nil, 1}, "takes at most 9 positional arguments, got argument 10"},
        {{3, use_bias = 1}, "'use_bias' must be a boolean, got integer 1"}, {{3, units = 4}, "'units' is given twice"},
        {{3, activation = "reul"}, "there is no activation 'reul'; did you mean '"},
        {{3, kernel_initializer = "glorot"}, "there is no initializer 'glorot'"}, {{3, kernel_regularizer = "l3"},
          "no regularizer 'l3'"},
        {{3, bias_constraint = 5}, "a constraint must be"}}},
    {args = {5, use_bias = false}, shapes = {{2, 4, 3}}, output = {2, 4, 5}, weights = {{"kernel", {3, 5}}}},
  },
  Dot = {
    {args = {axes = 2}, shapes = {{4, 3}, {4, 3}}, output = {4, 1}, wrong = {
      {{{4, 3}, {4, 2}}, "axis 2 of shape %(4, 3%) and axis 2 of shape %(4, 2%) must have the same length"},
      {{{4, 3}}, "Dot takes a list of exactly two tensors"}, {{{4}, {4}}, "axis 2 of a tensor of rank 1"}},
      bad = {{{axes = "x"}, "'axes' must be an axis or a pair of axes"}, {{axes = {1, 2, 3}}, "'axes' must be"},
        {{axes = 2, normalize = 1}, "'normalize' must be a boolean"}}},
    {args = {{3, 2}, normalize = true}, shapes = {{4, 2, 3}, {4, 3, 5}}, output = {4, 2, 5}},
    {args = {{-1, 2}}, shapes = {{4, 2, 5, 3}, {4, 3}}, output = {4, 2, 5}},
    {args = {axes = 3}, shapes = {{4, 2, 3}, {4, 5, 3, 2}}, output = {4, 2, 5, 2}},
  },
  Dropout = {
    {args = {0.5}, shapes = {{8, 6}}, output = {8, 6}, stateful = true, bad = {{{1.5},
      "'rate' must be a number >= 0 and <= 1, got 1.5"},
      {{-0.1}, "'rate' must be"}, {{0 / 0}, "'rate' must be"}, {{"half"}, "'rate' must be a number, got the string \"half\""},
        {{}, "'rate' is missing"},
      {{0.5, noise_shape = 3}, "'noise_shape' must be a table"}}},
    {args = {0.5, noise_shape = {false, 1, 4}, seed = 3}, shapes = {{8, 3, 4}}, output = {8, 3, 4}, stateful = true},
    {args = {0}, shapes = {{4, 3}}, output = {4, 3}},
  },
  ELU = {{args = {alpha = 0.7}, shapes = {{4, 3}}, output = {4, 3}, bad = {{{alpha = "a"}, "'alpha' must be a number"}}}},
  Flatten = {{shapes = {{4, 2, 3}}, output = {4, 6}}, {shapes = {{4}}, output = {4, 1}}, {shapes = {{4, 2, 1, 3}}, output = {4,
    6}}},
  Identity = {{shapes = {{4, 3}}, output = {4, 3}}},
  Lambda = {
    {args = {function(x) return kl.tanh(x) * 2 end, output_shape = {3}}, shapes = {{4, 3}}, output = {4, 3},
      no_config = "'mine' is a Lambda: it holds a Lua function, which cannot be saved; write a class",
      wrong = {{{{4, 2}}, "output_shape says %(batch, 3%), its function gave %(4, 2%)"}},
      bad = {{{}, "'function' is missing"}, {{5}, "a function of the inputs expected, got integer 5"}, {{print,
        arguments = {1}}, "'arguments' must be a table by name"}, {{print, output_shape = "x"}, "'output_shape' must be a table"},
        {{print, mask = print}, "'mask' is not supported"}}},
    {args = {function(list, o) return list[1] * list[2] + o.plus end, arguments = {plus = 1}}, shapes = two, output = {4, 3},
      no_config = "cannot be saved"},
    {args = {function(x, o) return o.training and x * 2 or x end}, shapes = {{4, 3}}, output = {4, 3}, stateful = true,
      no_config = "cannot be saved"},
  },
  LeakyReLU = {{shapes = {{4, 3}}, output = {4, 3}, bad = {{{-1}, "'negative_slope' must be a number >= 0, got %-1"}}}},
  Maximum = {merge()}, Minimum = {merge()}, Multiply = {merge(), merge{shapes = {{4, 2, 3}, {4, 3}}, output = {4, 2, 3},
    wrong = {}}},
  PReLU = {
    {args = {alpha_initializer = "ones"}, shapes = {{4, 3}}, output = {4, 3}, weights = {{"alpha", {3}}},
      wrong = {{{{4, 1}}, "expects length 3 along axis 2, got 1"}, {{{3}}, "expects 2 axes, got 1"}},
      bad = {{{shared_axes = 0}, "an axis in 'shared_axes' must be an integer >= 1, got 0"}, {{shared_axes = "a"},
        "'shared_axes' must be a table"}}},
    {args = {shared_axes = {1}}, shapes = {{4, 2, 3}}, output = {4, 2, 3}, weights = {{"alpha", {1, 3}}}},
  },
  Permute = {{args = {2, 1}, shapes = {{4, 2, 3}}, output = {4, 3, 2}, wrong = {{{{4, 2}},
    "expects 3 axes, got 2: shape %(4, 2%)"}},
    bad = {{{1, 3}, "dims must be a permutation of 1 to 2, got %(1, 3%)"}, {{dims = "x"}, "'dims' must be a list of axes"},
      {{0.5}, "must be an integer"}}},
    {args = {dims = {3, 1, 2}}, shapes = {{2, 3, 4, 5}}, output = {2, 5, 3, 4}}},
  ReLU = {{shapes = {{4, 3}}, output = {4, 3}}, {args = {1.5, 0.1, 0.5}, shapes = {{4, 3}}, output = {4, 3}, avoid = {0.5, 1.5},
    bad = {{{max_value = -1}, "'max_value' must be a number >= 0"}, {{negative_slope = -1}, "'negative_slope' must be"},
      {{threshold = "a"}, "'threshold' must be"}}}},
  RepeatVector = {{args = {5}, shapes = {{4, 3}}, output = {4, 5, 3}, wrong = {{{{4, 3, 2}},
    "expects 2 axes, got 3: shape %(4, 3, 2%)"}},
    bad = {{{0}, "'n' must be an integer >= 1, got 0"}}}},
  Reshape = {
    {args = {3, 2}, shapes = {{4, 6}}, output = {4, 3, 2}, wrong = {{{{4, 5}},
      "samples of 5 elements do not fit the shape %(3, 2%)"}},
      bad = {{{3, -2}, "must be an integer >= %-1, got %-2"}, {{-1, -1}, "only one axis may be %-1"}, {"x",
        "a shape expected, got the string \"x\""}}},
    {args = {target_shape = {-1, 3}}, shapes = {{4, 2, 6}}, output = {4, 4, 3}, wrong = {{{{4, 5}},
      "samples of 5 elements do not fit"}}},
    {args = {6}, shapes = {{4, 2, 3}}, output = {4, 6}},
  },
  Softmax = {{shapes = {{4, 3}}, output = {4, 3}, bad = {{{axis = 1.5}, "'axis' must be an integer"}}},
    {args = {axis = 2}, shapes = {{4, 3, 2}}, output = {4, 3, 2}}, {args = {axis = {2, 3}}, shapes = {{4, 3, 2}}, output = {4,
      3, 2}}},
  Subtract = {merge{wrong = {{{{4, 3}, {4, 2}}, "%(4, 3%).*%(4, 2%)"},
    {{{4, 3}, {4, 3}, {4, 3}}, "Subtract takes a list of exactly two tensors, got 3"}}}},
}

local behaviour = {
  {"is built at its first call, with the weights it must have", "builds_at_first_call"},
  {"gives without values, for an unknown batch, the shape and dtype it gives with values", "same_shapes_without_values"},
  {"is made again from its config, and computes the same", "remade_from_its_config"},
  {"passes gradients to inputs and weights", "differentiates"},
  {"is told by `training`, false by default, which rule holds", "takes_training"},
  {"computes in its own dtype", "computes_in_its_dtype"},
  {"refuses inputs that do not fit, naming itself, what it expects and what came", "refuses_wrong_inputs"},
  {"refuses unknown options and bad values, with the nearest name", "refuses_unknown_options"},
}

local names = {}
for name in pairs(kl.layers.classes) do names[#names + 1] = name end
table.sort(names)

describe("the layer contract", function()
  for _, name in ipairs(names) do
    local cls = kl.layers.classes[name]
    if name ~= "InputLayer" then -- it is no step of a computation: functional_spec.lua
      it(name .. " has a case", function() assert.is_table(cases[name]) end)
    end
    for i, case in ipairs(cases[name] or {}) do
      describe(("%s %d"):format(name, i), function()
        for _, entry in ipairs(behaviour) do
          it(entry[1], function() contract[entry[2]](cls, case) end)
        end
      end)
    end
  end
end)
