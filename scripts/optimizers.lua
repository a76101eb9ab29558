-- Several optimizers: one for each part of a model, and each alone on the same model: kl run scripts/optimizers.lua [EPOCHS] [FIGURE]
local kl = require "kl"
local layers, optimizers = kl.layers, kl.optimizers

local epochs, figure = tonumber(arg[1] or 10), arg[2]

kl.set_seed(8)
local x = kl.random.uniform{2000, 8, minval = -1, maxval = 1}
local y = kl.sin(3 * x[{ {}, {1, 1} }]) + x[{ {}, {2, 2} }] * x[{ {}, {3, 3} }]

-- Slow and steady for the layers below, quick for the head: two optimizers in one train_step.
local TwoSpeeds = kl.Model:extend("TwoSpeeds")
function TwoSpeeds:init()
  TwoSpeeds.super.init(self)
  self.body = kl.Sequential{layers.Dense{64, activation = "tanh"}, layers.Dense{64, activation = "tanh"}, name = "body"}
  self.head = layers.Dense{1, name = "head"}
end
function TwoSpeeds:call(inputs) return self.head(self.body(inputs)) end
function TwoSpeeds:compile(args)
  TwoSpeeds.super.compile(self, {loss = args.loss})
  self.body_optimizer, self.head_optimizer = args.body, args.head
end
function TwoSpeeds:train_step(data)
  local tape <close> = kl.GradientTape{persistent = true}
  local loss = self:compute_loss{y = data[2], y_pred = self(data[1], {training = true})}
  for _, pair in ipairs{{self.body, self.body_optimizer}, {self.head, self.head_optimizer}} do
    local weights = pair[1].trainable_weights
    pair[2]:apply_gradients(tape:gradient(loss, weights), weights)
  end
  return {loss = loss}
end
local two = TwoSpeeds()
two:compile{loss = "mse", body = optimizers.Adam{learning_rate = 1e-3}, head = optimizers.SGD{learning_rate = 0.01, momentum = 0.9}}
local curves = {{label = "Adam below, SGD above", two:fit{x, y, epochs = epochs, batch_size = 50, verbose = 0}.history.loss}}

-- And each alone, on the same model from the same weights.
for _, pair in ipairs{
  {"SGD", optimizers.SGD{learning_rate = 0.05}},
  {"SGD with momentum", optimizers.SGD{learning_rate = 0.05, momentum = 0.9}},
  {"RMSprop", optimizers.RMSprop{learning_rate = 1e-3}},
  {"Adam", optimizers.Adam{learning_rate = 3e-3}},
  {"Adam, cosine decay", optimizers.Adam{learning_rate = optimizers.schedules.CosineDecay{1e-2, 40 * epochs}}},
} do
  kl.set_seed(9)
  local model = kl.Sequential{kl.Input{8}, layers.Dense{64, activation = "tanh"}, layers.Dense{64, activation = "tanh"}, layers.Dense{1}}
  model:compile{optimizer = pair[2], loss = "mse"}
  table.insert(curves, {label = pair[1], model:fit{x, y, epochs = epochs, batch_size = 50, verbose = 0}.history.loss})
end
for _, curve in ipairs(curves) do
  print(("%-24s loss %.5f, then %.5f"):format(curve.label, curve[1][1], curve[1][#curve[1]]))
end
if figure then
  local fig = kl.plot.figure{title = "loss by optimizer", xlabel = "epoch", ylabel = "mean squared error", yscale = "log"}
  for _, curve in ipairs(curves) do fig:line(curve[1], {label = curve.label}) end
  fig:save(figure)
end
