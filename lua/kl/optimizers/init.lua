-- All optimizers.  A new one needs its file and its line here.
local lookup = require "kl.lookup"

local optimizers = {
  Optimizer = require "kl.optimizers.optimizer",
  schedules = require "kl.optimizers.schedules",
  classes = {
    SGD = require "kl.optimizers.sgd",
    RMSprop = require "kl.optimizers.rmsprop",
    Adam = require "kl.optimizers.adam",
  },
}
for name, cls in pairs(optimizers.classes) do optimizers[name] = cls end

local index = lookup.index(optimizers.classes)

--- An optimizer from an object, a class or a name.
function optimizers.get(given)
  if type(given) == "string" then given = given:lower() end -- as Keras does
  local optimizer = lookup.get("optimizer", optimizers.Optimizer, index, given)
  if type(optimizer) == "function" then require "kl.errors".fail("an optimizer must be a name or an object, got a function") end
  return optimizer
end

return optimizers
