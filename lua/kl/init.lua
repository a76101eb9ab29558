-- kl: the module.  Everything a script uses is reached from here.
local core = require "kl.core"
local ops = require "kl.ops"
local grad = require "kl.grad"
local random = require "kl.random"
local files = require "kl.files"

local kl = {core = core}

for name, f in pairs(ops) do
  if name ~= "read_shape" and name ~= "__getitem" then kl[name] = f end
end
kl.ops = ops

kl.tensor = core.tensor
kl.Variable = require "kl.variable".Variable
kl.GradientTape, kl.custom_gradient, kl.gradcheck = grad.GradientTape, grad.custom_gradient, grad.gradcheck
kl.random, kl.set_seed = random, random.set_seed

kl.jit = require "kl.jit"
kl.profile = function(...) return require "kl.profile"(...) end
kl.Module = require "kl.module"
kl.layers = require "kl.layers"
kl.Layer, kl.Input = kl.layers.Layer, kl.layers.Input
kl.Model = require "kl.model"
kl.Sequential = require "kl.sequential"
kl.activations = require "kl.activations"
kl.initializers = require "kl.initializers"
kl.regularizers = require "kl.regularizers"
kl.constraints = require "kl.constraints"
kl.losses = require "kl.losses"
kl.metrics = require "kl.metrics"
kl.optimizers = require "kl.optimizers"
kl.callbacks = require "kl.callbacks"
kl.data = require "kl.data"
kl.datasets = require "kl.datasets"

kl.models = {load_model = function(...) return require "kl.saving".load_model(...) end, Model = kl.Model, Sequential = kl.Sequential}
kl.register = function(...) return require "kl.saving.serialize".register(...) end
kl.json = core.json
kl.load, kl.save = files.load, files.save
kl.set_threads, kl.set_memory_limit, kl.plans = core.set_threads, core.set_memory_limit, core.plans

-- Every op whose first argument is a tensor is also its method.
for name, f in pairs(ops) do core.tensor_methods[name] = f end

return kl
