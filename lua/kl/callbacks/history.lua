-- What fit returns: the results of every epoch.
local Callback = require "kl.callbacks.callback"

---@class kl.callbacks.History: kl.callbacks.Callback
---@field history table<string, number[]>
---@field epoch integer[] # from 1
local History = Callback:extend("History")
History.state_fields = {"history", "epoch"}

function History:init()
  self.history, self.epoch = {}, {}
end

function History:on_epoch_end(epoch, logs)
  table.insert(self.epoch, epoch)
  for name, value in pairs(logs) do
    self.history[name] = self.history[name] or {}
    table.insert(self.history[name], value)
  end
end

return History
