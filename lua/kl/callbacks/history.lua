-- What fit returns: the results of every epoch.
local args = require "kl.args"
local Callback = require "kl.callbacks.callback"
local errors = require "kl.errors"

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

local plot_params = args.params{{"metrics"}, {"title"}, {"columns"}, {"width"}, {"height"}, {"yscale"}}

--- Curves over the epochs, one pair of axes per metric: training, and validation where there is one.
--- options: metrics (a list of names; default: all, the loss first), title, columns (of axes), width and height in pixels, yscale.
--- Errors: an unknown metric, nothing to draw.
---@return kl.plot.Figure
function History:plot(options)
  local o = args.read("history:plot", plot_params, options)
  local names, found = {}, {}
  for name in pairs(self.history) do
    local base = self.history[name:gsub("^val_", "")] and name:gsub("^val_", "") or name
    if not found[base] then
      found[base], names[#names + 1] = true, base
    end
  end
  table.sort(names, function(a, b) return a == "loss" and b ~= "loss" or b ~= "loss" and a < b end)
  if type(o.metrics) == "string" then o.metrics = {o.metrics} end
  if o.metrics ~= nil and type(o.metrics) ~= "table" then
    errors.fail("history:plot: 'metrics' must be a list of names, got %s", errors.show(o.metrics))
  end
  for _, name in ipairs(o.metrics or {}) do
    if not self.history[name] then
      errors.fail("history:plot: no metric '%s'%s", tostring(name), errors.nearest(name, self.history))
    end
  end
  names = o.metrics or names
  if #names == 0 then errors.fail("history:plot: there is nothing to draw: no epoch has ended") end
  if o.columns ~= nil then args.check("history:plot: 'columns'", o.columns, "integer", 1) end
  local columns = o.columns or math.min(#names, #names == 4 and 2 or 3)
  local rows = (#names + columns - 1) // columns
  local figure = require "kl.plot".figure{rows = rows, columns = columns, width = o.width, height = o.height, yscale = o.yscale,
    title = #names > 1 and o.title or nil}
  for i, name in ipairs(names) do
    local axes = figure:axes(i, {title = #names == 1 and o.title or name, xlabel = "epoch"})
    for _, curve in ipairs{{name, "training"}, {"val_" .. name, "validation"}} do
      local list = self.history[curve[1]]
      if list then
        local epochs = table.move(self.epoch, #self.epoch - #list + 1, #self.epoch, 1, {})
        axes:line(epochs, list, {label = curve[2], marker = #list <= 25 and "o" or nil, size = 4})
      end
    end
  end
  return figure
end

return History
