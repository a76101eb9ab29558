-- Callbacks of one's own beside kl's: batch losses, a time limit, figures: kl run scripts/own_callback.lua [EPOCHS] [SAMPLES] [FOLDER]
local kl = require "kl"
local layers, callbacks = kl.layers, kl.callbacks

local epochs, samples, folder = tonumber(arg[1] or 5), tonumber(arg[2] or 20000), arg[3]

-- A class: hooks are methods; self.model and self.params are there; self.model.stop_training = true ends the training.
local LossHistory = callbacks.Callback:extend("LossHistory")
function LossHistory:on_train_begin() self.all = {} end
function LossHistory:on_epoch_begin() self.losses = {} end
function LossHistory:on_batch_end(_, logs) table.insert(self.losses, logs.loss) end
function LossHistory:on_epoch_end(epoch, logs)
  self.all[epoch] = self.losses
  print(("  epoch %d: %d batches, loss after the first %.4f, at the end %.4f"):format(epoch, #self.losses, self.losses[1], logs.loss))
  if folder then
    local fig = kl.plot.figure{title = "epoch " .. epoch, xlabel = "batch", ylabel = "loss so far"}
    fig:line(self.losses, {label = "training"})
    fig:save(("%s/losses_epoch_%d.png"):format(folder, epoch))
  end
end

local TimeLimit = callbacks.Callback:extend("TimeLimit")
function TimeLimit:init(seconds) self.seconds = seconds end
function TimeLimit:on_train_begin() self.start = os.time() end
function TimeLimit:on_batch_end()
  if os.time() - self.start >= self.seconds then self.model.stop_training = true end
end
function TimeLimit:on_train_end(_, reason) print(("  the training is %s after %d s"):format(reason, os.time() - self.start)) end

kl.set_seed(12)
local train = kl.datasets.mnist.load_data()
local x = train.images[{ {1, samples} }]:reshape{samples, 784}:cast("float32") / 255
local y = train.labels[{ {1, samples} }]
local model = kl.Sequential{
  kl.Input{784}, layers.Dense{64, activation = "relu"}, layers.Dropout{0.2}, layers.Dense{10, activation = "softmax"},
}
model:compile{optimizer = "rmsprop", loss = "sparse_categorical_crossentropy", metrics = {"accuracy"}}

local history = LossHistory{}
model:fit{x, y, epochs = epochs, batch_size = 128, validation_split = 0.1, verbose = 0, callbacks = {
  history,
  TimeLimit(60),
  callbacks.EarlyStopping{monitor = "val_loss", patience = 2, restore_best_weights = true},
  -- Without a class, for what is said in a line.
  callbacks.LambdaCallback{on_epoch_end = function(epoch, logs)
    print(("  epoch %d: val_accuracy %.4f"):format(epoch, logs.val_accuracy))
  end},
}}
print(("%d epochs were trained"):format(#history.all))
