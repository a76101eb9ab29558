-- Overrides train_step and test_step under fit, in three steps of freedom: kl run scripts/train_step.lua [EPOCHS] [SAMPLES]
local kl = require "kl"
local layers = kl.layers

local epochs, samples = tonumber(arg[1] or 2), tonumber(arg[2] or 20000)

kl.set_seed(3)
local train = kl.datasets.mnist.load_data()
local x = train.images[{ {1, samples} }]:reshape{samples, 784}:cast("float32") / 255
local y = train.labels[{ {1, samples} }]

local function graph()
  local inputs = kl.Input{784}
  local hidden = layers.Dropout{0.2}(layers.Dense{128, activation = "relu"}(inputs))
  return inputs, layers.Dense{10, activation = "softmax"}(hidden)
end

-- 1. The compiled loss, metrics and optimizer, in a step of one's own: here gradients are clipped to a length of 1.
local Clipped = kl.Model:extend("Clipped")
function Clipped:train_step(data)
  local inputs, targets, sample_weight = data[1], data[2], data[3]
  local tape <close> = kl.GradientTape()
  local y_pred = self(inputs, {training = true})
  local loss = self:compute_loss{x = inputs, y = targets, y_pred = y_pred, sample_weight = sample_weight}
  local gradients = tape:gradient(loss, self.trainable_weights)
  local squares = 0.0
  for _, g in ipairs(gradients) do squares = squares + kl.sum(kl.square(g)) end
  local norm = kl.sqrt(squares)
  for i, g in ipairs(gradients) do gradients[i] = g / kl.maximum(norm, 1.0) end
  self.optimizer:apply_gradients(gradients, self.trainable_weights)
  local results = self:compute_metrics{x = inputs, y = targets, y_pred = y_pred, sample_weight = sample_weight, loss = loss}
  results.gradient_norm = norm -- whatever is returned is shown, logged and kept
  return results
end

-- 2. Nothing compiled but the optimizer: loss and trackers are the model's own, and `metrics` says what fit resets.
local Own = kl.Model:extend("Own")
local loss_fn = kl.losses.SparseCategoricalCrossentropy{}
local loss_tracker, accuracy = kl.metrics.Mean{name = "loss"}, kl.metrics.SparseCategoricalAccuracy{name = "accuracy"}
function Own.get:metrics() return {loss_tracker, accuracy} end
function Own:update(inputs, targets, training)
  local y_pred = self(inputs, {training = training})
  local loss = loss_fn(targets, y_pred)
  loss_tracker:update_state(loss)
  accuracy:update_state(targets, y_pred)
  return loss
end
function Own:train_step(data)
  local tape <close> = kl.GradientTape()
  local loss = self:update(data[1], data[2], true)
  self.optimizer:apply_gradients(tape:gradient(loss, self.trainable_weights), self.trainable_weights)
  return {loss = loss_tracker:result(), accuracy = accuracy:result()}
end
function Own:test_step(data)
  self:update(data[1], data[2], false)
  return {loss = loss_tracker:result(), accuracy = accuracy:result()}
end

-- 3. Only what is predicted is another thing: the class instead of probabilities.
local Classes = kl.Model:extend("Classes")
function Classes:predict_step(data) return kl.argmax(self(data[1], {training = false}), {axis = -1}) end

for _, class in ipairs{Clipped, Own, Classes} do
  local inputs, outputs = graph()
  local model = class{inputs = inputs, outputs = outputs}
  if class == Own then
    model:compile{optimizer = kl.optimizers.RMSprop{}}
  else
    model:compile{optimizer = "rmsprop", loss = "sparse_categorical_crossentropy", metrics = {"accuracy"}}
  end
  print(class.__name .. ":")
  model:fit{x, y, epochs = epochs, batch_size = 128, validation_split = 0.1}
  if class == Classes then
    local first = model:predict{x[{ {1, 10} }], verbose = 0}
    print("predicted " .. table.concat(first:totable(), " ") .. ", labels " .. table.concat(y[{ {1, 10} }]:totable(), " "))
  end
end
