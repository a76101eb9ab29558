-- All losses: classes, and the functions behind them.
local class = require "kl.class"
local errors = require "kl.errors"
local lookup = require "kl.lookup"
local names = require "kl.names"
local Loss = require "kl.losses.loss"

-- raw: the functions with all arguments by position, for metrics.
local losses = {Loss = Loss, classes = {}, functions = {}, raw = {}}

for _, family in ipairs{"elementwise", "hinge", "probabilistic", "crossentropy", "overlap", "circle", "ctc"} do
  local part = require("kl.losses." .. family)
  for name, cls in pairs(part.classes) do losses[name], losses.classes[name] = cls, cls end
  for name, f in pairs(part.functions) do losses[name], losses.functions[name] = f, f end
  for name, f in pairs(part.raw) do losses.raw[name] = f end
end

-- Keras's, and names that look valid there but are not.
local aliases = {huber_loss = "Huber", kullback_leibler_divergence = "KLDivergence", ctc_loss = "CTC", dice_loss = "Dice",
  logcosh = "LogCosh"}
local index = lookup.index(losses.classes, lookup.add_short_names(aliases))

-- A function given as a loss: values per sample, then the default reduction.
local FunctionLoss = Loss:extend("LossFunctionWrapper")
function FunctionLoss:call(y_true, y_pred) return self.f(y_true, y_pred) end
function FunctionLoss:get_config()
  errors.fail("the loss '%s' wraps a Lua function: the function itself is what can be saved, once kl.register has named it", self.name)
end

local names_of = {}
for name, f in pairs(losses.functions) do names_of[f] = name end

--- A loss from an object, a class, a name in any spelling, or a function (y_true, y_pred) -> per-sample values, whose name it
--- has (as it was defined, else that of a variable that holds it, else "loss").
function losses.get(given)
  if given == nil then return nil end
  if type(given) == "function" then
    local name = names_of[given]
    if name then return lookup.find("loss", index, name)() end
    local registered = require "kl.saving.serialize".function_name(given)
    local wrapped = FunctionLoss{name = registered or names.of_function(given) or "loss"}
    rawset(wrapped, "f", given)
    return wrapped
  end
  if type(given) == "string" then
    local cls = lookup.find("loss", index, given)
    return cls{name = given}
  end
  if class.is(given, Loss) then return given end
  if class.is_class(given) then return given{} end
  if type(given) == "table" and given.class_name then return require "kl.saving.serialize".deserialize(given) end
  errors.fail("a loss must be a name, an object or a function, got %s", errors.show(given))
end

return losses
