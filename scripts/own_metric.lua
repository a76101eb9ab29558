-- A metric of one's own, used by fit and in a loop: kl run scripts/own_metric.lua [EPOCHS] [SAMPLES]
local kl = require "kl"
local layers, metrics = kl.layers, kl.metrics

local epochs, samples = tonumber(arg[1] or 3), tonumber(arg[2] or 20000)

-- State lives in weights (add_weight); update_state takes a batch into account, result says how it stands, and reset_state, which sets
-- everything to 0 unless a class says otherwise, is called by fit at every epoch.
local RootMeanSquaredError = metrics.Metric:extend("RootMeanSquaredError")
function RootMeanSquaredError:init(args)
  RootMeanSquaredError.super.init(self, {name = args and args.name or "rmse"})
  self.squares = self:add_weight{name = "squares"}
  self.count = self:add_weight{name = "count"}
end
function RootMeanSquaredError:update_state(y_true, y_pred)
  local wanted = kl.one_hot(y_true, y_pred.shape[2])
  self.squares:assign_add(kl.sum(kl.square(wanted - y_pred)))
  self.count:assign_add(y_pred.shape[1])
end
function RootMeanSquaredError:result() return kl.sqrt(kl.divide_no_nan(self.squares, self.count)) end

-- One that gives several values: how many of each class were predicted, as shares.
local Shares = metrics.Metric:extend("Shares")
function Shares:init(classes)
  Shares.super.init(self)
  self.classes = classes
  self.counts = self:add_weight{name = "counts", shape = {classes}}
end
function Shares:update_state(_, y_pred)
  self.counts:assign_add(kl.sum(kl.one_hot(kl.argmax(y_pred, {axis = -1}), self.classes), 1))
end
function Shares:result()
  local shares, total = {}, kl.sum(self.counts)
  for class = 0, self.classes - 1 do shares["share_" .. class] = kl.divide_no_nan(self.counts.value[class + 1], total) end
  return shares
end

kl.set_seed(4)
local train, test = kl.datasets.mnist.load_data()
local x = train.images[{ {1, samples} }]:reshape{samples, 784}:cast("float32") / 255
local y = train.labels[{ {1, samples} }]
local model = kl.Sequential{kl.Input{784}, layers.Dense{128, activation = "relu"}, layers.Dense{10, activation = "softmax"}}
model:compile{optimizer = "rmsprop", loss = "sparse_categorical_crossentropy", metrics = {"accuracy", RootMeanSquaredError{}}}
local history = model:fit{x, y, epochs = epochs, batch_size = 128, validation_split = 0.1}.history
print(("root mean squared error on what it has not seen: %.4f, then %.4f"):format(history.val_rmse[1], history.val_rmse[#history.val_rmse]))

-- The same objects without fit.
local rmse, shares = RootMeanSquaredError{}, Shares(10)
local test_images = test.images:reshape{10000, 784}:cast("float32") / 255
for images, labels in kl.data.Dataset.from_tensor_slices(test_images, test.labels):batch(1000):take(2):each() do
  local y_pred = model(images)
  rmse:update_state(labels, y_pred)
  shares:update_state(labels, y_pred)
end
local result = shares:result()
print(("on 2000 test images %.4f; share of the threes %.3f, of the sevens %.3f"):format(rmse:result():item(), result.share_3:item(),
  result.share_7:item()))
