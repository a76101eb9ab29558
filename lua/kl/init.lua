-- kl: the module.  Everything a script uses is reached from here.
local core = require "kl.core"
local errors = require "kl.errors"
local ops = require "kl.ops"
local grad = require "kl.grad"
local random = require "kl.random"

local kl = {core = core}

for name, f in pairs(ops) do
  if name ~= "read_shape" and name ~= "__getitem" then kl[name] = f end
end
kl.ops = ops

kl.tensor, kl.convert_to_tensor = core.tensor, core.tensor
kl.Variable = require "kl.variable".Variable
kl.GradientTape, kl.custom_gradient, kl.gradcheck = grad.GradientTape, grad.custom_gradient, grad.gradcheck
kl.random, kl.set_seed = random, random.set_seed

kl.jit = require "kl.jit"
--- print, with plain tables shown by what is in them: kl.print(t.shape).
function kl.print(...) require "kl.show"(...) end
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
kl.models = {Model = kl.Model, Sequential = kl.Sequential}
function kl.models.load_model(...) return require "kl.saving".load_model(...) end
function kl.models.model_from_json(...) return require "kl.saving".model_from_json(...) end
function kl.models.clone_model(...) return require "kl.saving.clone".clone_model(...) end
kl.register = function(...) return require "kl.saving.serialize".register(...) end
kl.json = core.json
function kl.load(...) return require "kl.files".load(...) end
function kl.save(...) return require "kl.files".save(...) end
kl.set_threads, kl.set_memory_limit, kl.plans = core.set_threads, core.set_memory_limit, core.plans

local namespace = require "kl.namespace"
namespace(random, "kl.random", "function")
for name, what in pairs{layers = "layer", initializers = "initializer", regularizers = "regularizer", constraints = "constraint",
  activations = "activation"} do
  namespace(kl[name], "kl." .. name, what)
end

-- The parts of which a script uses some: each is read in when its name is first used.
local parts = {losses = "loss", metrics = "metric", optimizers = "optimizer", callbacks = "callback", utils = "function", data = false,
  datasets = "data set", plot = "function", summary = "function"}
setmetatable(kl, {__name = "kl", __index = function(_, name)
  local what = parts[name]
  if what == nil then
    if type(name) ~= "string" then return nil end
    local known = {}
    for own in pairs(kl) do known[own] = true end
    for own in pairs(parts) do known[own] = true end
    errors.fail("there is no kl.%s%s", name, require "kl.elsewhere".hint("kl", name) or errors.nearest(name, known))
  end
  local part = require("kl." .. name)
  if what then namespace(part, "kl." .. name, what) end
  kl[name] = part
  return part
end, __pairs = function()
  for name in pairs(parts) do
    local _ = kl[name]
  end
  return next, kl, nil
end})

-- Every op whose first argument is a tensor is also its method.
for name, f in pairs(ops) do
  if name ~= "read_shape" then core.tensor_methods[name] = f end
end
core.tensor_methods.__elsewhere = function(name) return require "kl.elsewhere".hint("kl.tensor", name) end

return kl
