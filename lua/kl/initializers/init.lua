-- Initializers: functions of (shape, dtype, path) that give a weight its first value (keras-semantics 5).
local class = require "kl.class"
local lookup = require "kl.lookup"

local initializers = {}

initializers.Initializer = require "kl.initializers.initializer"
for _, family in ipairs{"constant", "random", "variance_scaling"} do
  for name, cls in pairs(require("kl.initializers." .. family)) do initializers[name] = cls end
end

local classes = {}
for name, cls in pairs(initializers) do
  if class.is_class(cls) and name ~= "Initializer" then classes[name] = cls end
end
initializers.classes = classes

local index = lookup.index(classes, {
  zero = "Zeros", one = "Ones", normal = "RandomNormal", uniform = "RandomUniform",
  IdentityInitializer = "Identity",
})

--- An initializer from an object, a class, a name or a function (shape, dtype, path) -> tensor.
function initializers.get(given)
  return lookup.get("initializer", initializers.Initializer, index, given)
end

return initializers
