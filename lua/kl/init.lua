local core = require "kl.core"
local kl = {}
for name, f in pairs(require "kl.ops") do
  kl[name] = f
  core.tensor_methods[name] = f
end
kl.core = core
kl.tensor = core.tensor
kl.GradientTape = require "kl.grad".GradientTape
kl.Variable = require "kl.variable".Variable
return kl
