--- A class of layers from a function of (inputs, options, self).
return function(f, name)
  local Own = require "kl".Layer:extend(name or "Own")
  function Own:call(inputs, options) return f(inputs, options, self) end
  return Own
end
