-- Learns digits without labels: an autoencoder that fills in what was hidden, then a classifier on its features with few labels.
-- kl run scripts/autoencoder.lua [EPOCHS] [SAMPLES] [FIGURE]
local kl = require "kl"
local layers = kl.layers

local epochs, samples, figure = tonumber(arg[1] or 8), tonumber(arg[2] or 20000), arg[3]
local LABELLED = 100

kl.set_seed(6)
local train, test = kl.datasets.mnist.load_data()
local x = train.images[{ {1, samples} }]:reshape{samples, 784}:cast("float32") / 255
local x_test = test.images[{ {1, 5000} }]:reshape{5000, 784}:cast("float32") / 255
local y_test = test.labels[{ {1, 5000} }]

-- The task that needs no labels: of every image half of the pixels are hidden, and all of them are to be found again.
local inputs = kl.Input{784}
local hidden = layers.Dropout{0.5, name = "hide"}(inputs)
local code = layers.Dense{256, activation = "relu", name = "code"}(layers.Dense{256, activation = "relu"}(hidden))
local outputs = layers.Dense{784, activation = "sigmoid"}(layers.Dense{256, activation = "relu"}(code))
local autoencoder = kl.Model{inputs = inputs, outputs = outputs, name = "autoencoder"}
autoencoder:compile{optimizer = "adam", loss = "binary_crossentropy"}
local history = autoencoder:fit{x, x, epochs = epochs, batch_size = 128, validation_data = {x_test, x_test}}.history
print(("loss on images not seen: %.4f, then %.4f"):format(history.val_loss[1], history.val_loss[#history.val_loss]))

-- What it has learned is in the layers up to `code`.  A linear classifier on them, which stay as they are, and one on the pixels see
-- 100 labels.
autoencoder.trainable = false
local function classifier(features)
  local normalized = layers.BatchNormalization{}(features)
  local model = kl.Model{inputs = inputs, outputs = layers.Dense{10, activation = "softmax"}(normalized)}
  model:compile{optimizer = kl.optimizers.Adam{learning_rate = 3e-3}, loss = "sparse_categorical_crossentropy", metrics = {"accuracy"}}
  local n = math.min(LABELLED, samples)
  model:fit{x[{ {1, n} }], train.labels[{ {1, n} }], epochs = 10 * epochs, verbose = 0}
  return model:evaluate{x_test, y_test, verbose = 0}.accuracy
end
print(("with %d labels: accuracy %.4f on what it has learned, %.4f on the pixels"):format(math.min(LABELLED, samples),
  classifier(autoencoder:get_layer("code").output), classifier(inputs)))

if figure then
  local some = x_test[{ {1, 16} }]
  local masked = some * kl.random.bernoulli({16, 784}, 0.5)
  local fig = kl.plot.figure{title = "seen with half hidden, found again, as they were", height = 240}
  local rows = kl.concatenate({masked, autoencoder(masked), some}, {axis = 1})
  fig:images(rows:reshape{48, 28, 28}, {columns = 16})
  fig:save(figure)
end
