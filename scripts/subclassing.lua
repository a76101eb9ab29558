-- Models as classes, and styles mixed: a class in a graph, a graph in a class, layers in lists: kl run scripts/subclassing.lua [EPOCHS]
local kl = require "kl"
local layers = kl.layers

local epochs = tonumber(arg[1] or 20)
kl.set_seed(11)

-- A layer of one's own: weights are made in build, when the shape of the input is known.
local Scaled = kl.Layer:extend("Scaled")
function Scaled:build(input_shape)
  self.scale = self:add_weight{name = "scale", shape = {input_shape[#input_shape]}, initializer = "ones"}
end
function Scaled:call(inputs) return inputs * self.scale end

-- A block with a way around: layers in a list are found as those in fields are.
local Residual = kl.Layer:extend("Residual")
function Residual:init(units, depth)
  Residual.super.init(self)
  self.hidden = {}
  for i = 1, depth do self.hidden[i] = layers.Dense{units, activation = "tanh"} end
  self.scaled = Scaled()
end
function Residual:call(inputs)
  local x = inputs
  for _, layer in ipairs(self.hidden) do x = layer(x) end
  return inputs + self.scaled(x)
end

-- A model as a class ...
local Regressor = kl.Model:extend("Regressor")
function Regressor:init(units)
  Regressor.super.init(self)
  self.enter = layers.Dense{units, activation = "tanh"}
  self.blocks = {Residual(units, 2), Residual(units, 2)}
  self.dropout = layers.Dropout{0.05}
  self.answer = layers.Dense{1}
end
function Regressor:call(inputs, options) -- `training` passes down by itself
  local x = self.enter(inputs)
  for _, block in ipairs(self.blocks) do x = block(x) end
  if options.training then x = self.dropout(x) end
  return self.answer(x)
end

-- ... inside of a graph, beside a branch of plain layers ...
local inputs = kl.Input{1, name = "t"}
local wave = layers.Dense{16, activation = "tanh"}(inputs)
local both = layers.Average{}{Regressor(32)(inputs), layers.Dense{1, name = "linear"}(wave)}
local graph = kl.Model{inputs = inputs, outputs = both, name = "two_ways"}

-- ... and that graph inside of a class.
local Shifted = kl.Model:extend("Shifted")
function Shifted:init(inner)
  Shifted.super.init(self)
  self.inner = inner
  self.shift = kl.Variable(0.0, {name = "shift"})
end
function Shifted:call(x) return self.inner(x) + self.shift end

local model = Shifted(graph)
local t = kl.reshape(kl.linspace(-3, 3, 400), {-1, 1})
local y = kl.sin(t * 2) + 0.5 * t + 1
model:compile{optimizer = kl.optimizers.Adam{learning_rate = 3e-3}, loss = "mse"}
local history = model:fit{t, y, epochs = epochs, batch_size = 50, verbose = 0}.history
model:summary{expand_nested = true}
print(("loss %.4f after the first epoch, %.4f after %d; the shift is %.3f; %d weights, %d numbers"):format(history.loss[1],
  history.loss[#history.loss], epochs, model.shift.value:item(), #model.weights, model:count_params()))
