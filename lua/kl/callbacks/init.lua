-- Callbacks: what happens around training.  A file per callback; those that a script names are in this list.
local callbacks = {classes = {}}

for name, file in pairs{
  BackupAndRestore = "backup_and_restore",
  CSVLogger = "csv_logger",
  EarlyStopping = "early_stopping",
  History = "history",
  LambdaCallback = "lambda",
  LearningRateScheduler = "learning_rate_scheduler",
  ModelCheckpoint = "model_checkpoint",
  ProgbarLogger = "progress",
  ReduceLROnPlateau = "reduce_lr_on_plateau",
  TensorBoard = "tensorboard",
  TerminateOnNaN = "terminate_on_nan",
} do
  local class = require("kl.callbacks." .. file)
  callbacks[name], callbacks.classes[name] = class, class
end

callbacks.Callback = require "kl.callbacks.callback"
callbacks.Every = require "kl.callbacks.every"
callbacks.List = require "kl.callbacks.list"

return callbacks
