-- Trains MNIST in a loop of its own: tape, optimizer, metrics, data set, validation: kl run scripts/custom_loop.lua [EPOCHS] [SAMPLES]
local kl = require "kl"
local layers = kl.layers

local epochs, samples = tonumber(arg[1] or 3), tonumber(arg[2] or 50000)

kl.set_seed(7)
local train, test = kl.datasets.mnist.load_data()
local x_train = train.images[{ {1, samples} }]:reshape{samples, 784}:cast("float32") / 255
local x_test = test.images:reshape{10000, 784}:cast("float32") / 255
local train_data = kl.data.Dataset.from_tensor_slices(x_train, train.labels[{ {1, samples} }]):shuffle(samples):batch(64)
local test_data = kl.data.Dataset.from_tensor_slices(x_test, test.labels):batch(500)

local model = kl.Sequential{
  kl.Input{784}, layers.Dense{256, activation = "relu"}, layers.Dropout{0.3}, layers.Dense{10, activation = "softmax"},
}
local loss_fn = kl.losses.SparseCategoricalCrossentropy{}
local optimizer = kl.optimizers.Adam{learning_rate = 1e-3}
local loss_tracker, accuracy = kl.metrics.Mean{}, kl.metrics.SparseCategoricalAccuracy{}

-- A step is recorded and runs as one plan; without kl.jit it would give the same numbers, more slowly.
local train_step = kl.jit(function(x, y)
  local tape <close> = kl.GradientTape()
  local y_pred = model(x, {training = true})
  local loss = loss_fn(y, y_pred)
  optimizer:apply_gradients(tape:gradient(loss, model.trainable_weights), model.trainable_weights)
  loss_tracker:update_state(loss)
  accuracy:update_state(y, y_pred)
end)

local test_step = kl.jit(function(x, y)
  local y_pred = model(x, {training = false})
  loss_tracker:update_state(loss_fn(y, y_pred))
  accuracy:update_state(y, y_pred)
end)

local function results()
  local loss, correct = loss_tracker:result():item(), accuracy:result():item()
  loss_tracker:reset_state()
  accuracy:reset_state()
  return loss, correct
end

for epoch = 1, epochs do
  local start = os.clock()
  for step, x, y in train_data:enumerate() do
    train_step(x, y)
    if step % 200 == 0 then print(("  step %d: loss so far %.4f"):format(step, loss_tracker:result():item())) end
  end
  local loss, correct = results()
  for x, y in test_data:each() do test_step(x, y) end
  local test_loss, test_correct = results()
  print(("epoch %d: loss %.4f, accuracy %.4f; test loss %.4f, accuracy %.4f (%.1f s of processor time)"):format(epoch, loss, correct,
    test_loss, test_correct, os.clock() - start))
end
