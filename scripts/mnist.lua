-- Trains the MNIST classifier of the Keras tutorials, evaluates it and saves it: kl run scripts/mnist.lua [EPOCHS] [FILE]
local kl = require "kl"
local layers = kl.layers

local epochs = tonumber(arg[1] or 3)
local file = arg[2] or "mnist.h5"

kl.set_seed(1337)
local train, test = kl.datasets.mnist.load_data()
local x_train = train.images:reshape{60000, 784}:cast("float32") / 255
local x_test = test.images:reshape{10000, 784}:cast("float32") / 255

local inputs = kl.Input{784}
local x = layers.Dense{512, activation = "relu"}(inputs)
x = layers.Dropout{0.5}(x)
local model = kl.Model{inputs = inputs, outputs = layers.Dense{10, activation = "softmax"}(x)}

model:compile{optimizer = "rmsprop", loss = "sparse_categorical_crossentropy", metrics = {"accuracy"}}
model:fit{x_train, train.labels, epochs = epochs, batch_size = 128, validation_split = 1 / 6}

local result = model:evaluate{x_test, test.labels, verbose = 0}
model:save(file)
print(("test accuracy %.4f, loss %.4f; saved to %s"):format(result.accuracy, result.loss, file))
