-- Curves, histograms, images and text for TensorBoard, by callback and by hand: kl run scripts/tensorboard.lua [EPOCHS] [SAMPLES] [FOLDER]
local kl = require "kl"
local layers = kl.layers

local epochs, samples, folder = tonumber(arg[1] or 5), tonumber(arg[2] or 20000), arg[3] or "logs"

kl.set_seed(13)
local train = kl.datasets.mnist.load_data()
local x = train.images[{ {1, samples} }]:reshape{samples, 784}:cast("float32") / 255
local y = train.labels[{ {1, samples} }]
local model = kl.Sequential{
  kl.Input{784}, layers.Dense{128, activation = "relu", name = "hidden"}, layers.Dropout{0.2},
  layers.Dense{10, activation = "softmax", name = "digit"},
}
model:compile{optimizer = "adam", loss = "sparse_categorical_crossentropy", metrics = {"accuracy"}}

-- The callback writes what fit knows: curves of training and validation, histograms of the weights, the graph.
model:fit{x, y, epochs = epochs, batch_size = 128, validation_split = 0.1, callbacks = {
  kl.callbacks.TensorBoard{log_dir = folder, histogram_freq = 1, update_freq = 50},
}}

-- Whatever else is worth looking at, by a writer of one's own.
local writer <close> = kl.summary.create_file_writer(folder .. "/own")
local images = x[{ {1, 16} }]
writer:image("digits", images:reshape{16, 28, 28, 1}, {step = epochs, max_outputs = 16})
local guesses = kl.argmax(model(images), {axis = -1}):totable()
writer:text("guesses", "the first digits were taken for **" .. table.concat(guesses, " ") .. "**", {step = epochs})
local hidden = kl.Model{inputs = model.inputs, outputs = model:get_layer("hidden").output}
writer:histogram("hidden activations", hidden(x[{ {1, 1000} }]), {step = epochs})
for step = 1, 100 do writer:scalar("a sine", math.sin(step / 10), {step = step}) end
print("open it with: tensorboard --logdir " .. folder)
