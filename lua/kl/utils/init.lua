-- kl.utils: what Keras users find in keras.utils.
local names = require "kl.names"
local random = require "kl.random"
local dot = require "kl.utils.dot"
local arrays = require "kl.utils.arrays"

local utils = {plot_model = dot.plot_model, model_to_dot = dot.model_to_dot}

for name, f in pairs(arrays) do utils[name] = f end

--- Automatic names ("dense", "dense_1", ...) count from the beginning again.  Models and layers that are there keep theirs.
function utils.clear_session() names.reset() end

--- Fixes everything that is random from here on; kl.set_seed by Keras's name.
---@param seed integer
function utils.set_random_seed(seed) random.set_seed(seed) end

--- kl.register by Keras's name, as a function: register_keras_serializable(cls, {package = "Custom", name = cls.__name}).
function utils.register_keras_serializable(cls, options) return require "kl.saving.serialize".register(cls, options) end

--- Classes and functions by name that configs and files may mention:
--- `local scope <close> = kl.utils.custom_object_scope{MyLayer = MyLayer}`.
function utils.custom_object_scope(objects) return require "kl.saving.serialize".custom_object_scope(objects) end

-- Data sets, which Keras has among its utilities.
for _, name in ipairs{"image_dataset_from_directory", "timeseries_dataset_from_array", "split_dataset"} do
  utils[name] = function(...) return require "kl.data"[name](...) end
end

return utils
