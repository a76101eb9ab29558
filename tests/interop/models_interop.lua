-- Random models beside real Keras: stacks, and graphs with several inputs and outputs, shared layers, models inside models and bare
-- operations.  A file of kl's gives the same layers, summary, predictions and logs in Keras; what Keras trained for two epochs is
-- what kl trains, and comes back in Keras's own file.
local kl = require "kl"
local names_of = require "objects".names
local python = require "python"
local L, O = kl.layers, kl.optimizers

local state = 20260
local function draw(n)
  state = (state * 1103515245 + 12345) % 2147483648
  return state // 65536 % n + 1
end
local function pick(list) return list[draw(#list)] end

local activations = {"relu", "tanh", "sigmoid", "elu", "softplus", "gelu", "selu", "silu"}

local function dense(units)
  local given = {units or 1 + draw(4), activation = pick(activations), use_bias = draw(4) > 1}
  if draw(5) == 1 then given.kernel_regularizer = pick{"l1", "l2"} end
  if draw(6) == 1 then given.activity_regularizer = "l2" end
  if draw(6) == 1 then given.kernel_constraint = "unit_norm" end
  return L.Dense(given)
end

-- Layers of one input that keep the rank.
local function layer()
  local kind = draw(9)
  if kind == 1 then return L.BatchNormalization{momentum = 0.9, scale = draw(2) == 1} end
  if kind == 2 then return L.Dropout{0.0} end
  if kind == 3 then return pick{L.LeakyReLU{}, L.ELU{}, L.ReLU{max_value = 2.0}, L.PReLU{}, L.Softmax{}} end
  if kind == 4 then return L.Activation{pick(activations)} end
  local made = dense()
  if draw(6) == 1 then made.trainable = false end
  return made
end

local function stack(width)
  local list = {}
  if width then list[1] = kl.Input{width} end
  for _ = 1, 1 + draw(3) do list[#list + 1] = layer() end
  return kl.Sequential(list)
end

-- Two tensors made one, of any widths.
local function joined(a, b)
  local width = 1 + draw(3)
  local kind = draw(7)
  if kind <= 2 then return L.concatenate{a, b} end
  a, b = L.Dense{width}(a), L.Dense{width}(b)
  if kind == 3 then return pick{L.add, L.subtract, L.multiply, L.average, L.maximum, L.minimum}{a, b} end
  if kind == 4 then return L.dot({a, b}, {axes = -1}) end
  if kind == 5 then return a + b end -- operations without a layer, of a kind that files hold
  if kind == 6 then return a * b end
  return L.Dot{axes = 2, normalize = true}{a, b}
end

-- A model inside another: a graph of its own, with one input.
local function inner(width)
  local input = kl.Input{width}
  local a = layer()(input)
  return kl.Model{inputs = input, outputs = joined(a, dense()(input))}
end

local function graph()
  local inputs, ends = {}, {}
  for i = 1, draw(3) do
    inputs[i] = kl.Input{1 + draw(4), name = pick{"left", "image", "tags"} .. "_" .. i}
    ends[i] = inputs[i]
  end
  local shared, apart = dense(3), inner(3)
  for _ = 1, 3 + draw(5) do
    local at = draw(#ends)
    local t, kind = ends[at], draw(7)
    if kind <= 2 and #ends > 1 then
      local other = at % #ends + 1
      ends[at] = joined(t, ends[other])
    elseif kind == 3 then
      local narrow = L.Dense{3}(t)
      ends[at] = shared(narrow)
    elseif kind == 4 then
      local narrow = L.Dense{3}(t)
      ends[at] = apart(narrow)
    elseif kind == 5 then
      ends[at] = stack(t.shape[2])(t)
    elseif kind == 6 then
      table.insert(ends, layer()(t))
    else
      ends[at] = layer()(t)
    end
  end
  while #ends > 3 do ends[#ends - 1] = joined(table.remove(ends), ends[#ends - 1]) end
  local outputs = {}
  for i, t in ipairs(ends) do outputs[i] = L.Dense{draw(3), name = "out_" .. i}(t) end
  return kl.Model{inputs = #inputs == 1 and inputs[1] or inputs, outputs = #outputs == 1 and outputs[1] or outputs}
end

local function optimizer()
  return pick{
    function() return O.SGD{0.05, momentum = pick{0.0, 0.9}, nesterov = draw(2) == 1} end,
    function() return O.Adam{0.01, amsgrad = draw(2) == 1} end,
    function() return O.RMSprop{0.01, centered = draw(2) == 1, momentum = pick{0.0, 0.5}} end,
  }()
end

local rows, count = 20, 16
local function data_for(ends)
  local list = {}
  for i, t in ipairs(ends.shape and {ends} or ends) do list[i] = kl.random.normal{rows, t.shape[2]} end
  return #list == 1 and list[1] or list
end

local function written(data)
  if data.shape then return {rows = data:totable(), dtype = data.dtype} end
  local list = {}
  for i, t in ipairs(data) do list[i] = written(t) end
  return list
end

local function near(expected, got, tolerance, what)
  if type(expected) == "number" then
    if math.abs(expected - got) > tolerance * math.max(1, math.abs(expected)) then
      error(("%s: %.9g in Keras, %.9g here"):format(what, expected, got), 0)
    end
    return
  end
  for key, value in pairs(expected) do near(value, got[key], tolerance, what .. "." .. key) end
end

local function lists(data)
  if data.shape then return data:totable() end
  local result = {}
  for i, t in ipairs(data) do result[i] = t:totable() end
  return result
end

--- A summary without its counts: Keras makes the optimizer's variables with the model that it loads, kl with the first step.
local function table_of(text) return text:match("^(.-)\n Total params") end

describe("random models beside Keras", function()
  local folder, cases, answers
  setup(function()
    kl.set_seed(77)
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir '" .. folder .. "'"))
    cases = {}
    local input = {}
    for i = 1, count do
      local model = i % 4 == 0 and stack(1 + draw(4)) or graph()
      for _, w in ipairs(model.weights) do -- not zeros and ones, and variances above 0
        local values = kl.random.uniform(w.shape)
        w:assign(w.path:find("variance") and values + 0.5 or values - 0.5)
      end
      local c = {model = model, x = data_for(model.inputs), y = data_for(model.outputs),
        path = ("%s/%d.keras"):format(folder, i), again = ("%s/%d_again.keras"):format(folder, i)}
      local one = model.outputs.shape ~= nil
      model:compile{optimizer = optimizer(), loss = pick{"mse", "mae", "huber"}, metrics = one and {"mae", "mse"} or nil}
      model:save(c.path)
      cases[i] = c
      input[i] = {path = c.path, again = c.again, x = written(c.x), y = written(c.y)}
    end
    answers = python.run("models.py", {cases = input}).results
  end)
  teardown(function() os.execute("rm -rf '" .. folder .. "'") end)

  for i = 1, count do
    it("model " .. i, function()
      local c, theirs = cases[i], answers[i]
      local model, layers, trainable = c.model, {}, {}
      for k, one in ipairs(model.layers) do layers[k] = one.name end
      for k, w in ipairs(model.weights) do trainable[k] = w.trainable end
      assert.same(theirs.trainable, trainable)
      assert.equal(#theirs.layers, #layers)
      local text
      model:summary{print_fn = function(t) text = t end}
      if not theirs.summary:find("…") then assert.equal(table_of(theirs.summary), table_of(text)) end -- kl cuts nothing
      near(theirs.predictions, lists(model:predict{c.x, batch_size = 5, verbose = 0}), 1e-5, "predict")
      local evaluated = model:evaluate{c.x, c.y, batch_size = 5, verbose = 0, return_dict = true}
      assert.same(names_of(theirs.evaluated), names_of(evaluated))
      near(theirs.evaluated, evaluated, 1e-5, "evaluate")
      local history = model:fit{c.x, c.y, batch_size = 5, epochs = 2, shuffle = false, verbose = 0}.history
      assert.same(names_of(theirs.history), names_of(history))
      near(theirs.history, history, 1e-4, "fit") -- eight steps of rounding
      near(theirs.trained, lists(model:predict{c.x, verbose = 0}), 1e-3, "predict after training")
      local again = kl.models.load_model(c.again)
      near(theirs.trained, lists(again:predict{c.x, verbose = 0}), 1e-5, "Keras's file")
      again:fit{c.x, c.y, batch_size = 5, verbose = 0}
    end)
  end
end)
