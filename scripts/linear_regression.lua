-- A line through noisy points, from raw tensors and then as a Model, with figures: kl run scripts/linear_regression.lua [EPOCHS] [FOLDER]
local kl = require "kl"

local epochs, folder = tonumber(arg[1] or 10), arg[2]
local TRUE_W, TRUE_B, N = 3.0, 2.0, 201

kl.set_seed(4)
local x = kl.linspace(-2, 2, N)
local y = x * TRUE_W + TRUE_B + kl.random.normal{N}

-- From tensors: two variables, a function, its gradient.
local Line = kl.Module:extend("Line")
function Line:init()
  self.w = kl.Variable(5.0, {name = "w"})
  self.b = kl.Variable(0.0, {name = "b"})
end
function Line:call(t) return self.w * t + self.b end

local function loss(wanted, found) return kl.mean(kl.square(wanted - found)) end

local line = Line()
local weights, biases, losses = {}, {}, {}
for epoch = 1, epochs do
  local tape <close> = kl.GradientTape()
  local current = loss(y, line(x))
  local dw, db = table.unpack(tape:gradient(current, {line.w, line.b}))
  line.w:assign_sub(0.1 * dw)
  line.b:assign_sub(0.1 * db)
  weights[epoch], biases[epoch], losses[epoch] = line.w:item(), line.b:item(), current:item()
  print(("epoch %2d: w = %.3f, b = %.3f, loss = %.5f"):format(epoch, weights[epoch], biases[epoch], losses[epoch]))
end

-- The same as a Model, so that fit does the loop.
local LineModel = kl.Model:extend("LineModel")
function LineModel:init()
  LineModel.super.init(self)
  self.w = kl.Variable(5.0, {name = "w"})
  self.b = kl.Variable(0.0, {name = "b"})
end
function LineModel:call(t) return self.w * t + self.b end

local model = LineModel()
model:compile{optimizer = kl.optimizers.SGD{learning_rate = 0.1}, loss = "mean_squared_error"}
model:fit{x, y, epochs = epochs, batch_size = N, verbose = 0}
print(("fit gives the same: w = %.3f, b = %.3f"):format(model.w:item(), model.b:item()))

if folder then
  local fig = kl.plot.figure{title = "parameters over epochs", xlabel = "epoch", ylabel = "value"}
  fig:line(weights, {label = "w"})
  fig:line(biases, {label = "b"})
  fig:hline(TRUE_W, {label = "true w", style = "dashed"})
  fig:hline(TRUE_B, {label = "true b", style = "dashed"})
  fig:save(folder .. "/parameters.png")

  local data = kl.plot.figure{title = "data and model", xlabel = "x", ylabel = "y"}
  data:scatter(x, y, {label = "data"})
  data:line(x, x * TRUE_W + TRUE_B, {label = "true line", style = "dashed"})
  data:line(x, line(x), {label = "found line"})
  data:save(folder .. "/data.png")
end
