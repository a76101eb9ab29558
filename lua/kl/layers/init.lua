-- All layers.  One class per file; a new one needs its file and its line here.
local Layer = require "kl.layer"
local args = require "kl.args"
local errors = require "kl.errors"

local layers = {Layer = Layer}
local files = {
  "input_layer", "dense", "flatten", "reshape", "permute", "repeat_vector", "dropout", "batch_normalization", "activation",
  "identity", "relu", "leaky_relu", "prelu", "elu", "softmax", "add", "subtract", "multiply", "average", "maximum", "minimum",
  "concatenate", "dot", "lambda",
}

layers.classes = {}
for _, file in ipairs(files) do
  local cls = require("kl.layers." .. file)
  layers[cls.__name], layers.classes[cls.__name] = cls, cls
end
layers.Input = layers.InputLayer.Input

-- The layers that join a list of tensors are functions too: layers.concatenate({a, b}, {axis = -1}) is
-- layers.Concatenate{axis = -1}{a, b}.
for _, file in ipairs{"add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate", "dot"} do
  local cls = require("kl.layers." .. file)
  layers[file] = function(inputs, options) return cls(options)(inputs) end
end

--- A layer as files hold it, {module, class_name, config, registered_name}, and a layer from that.
function layers.serialize(layer) return require "kl.saving.serialize".object(layer) end

local deserialize_params = args.params{{"custom_objects"}}

---@param options? table # custom_objects = {Name = class}
function layers.deserialize(config, options)
  local o = args.read("layers.deserialize", deserialize_params, options)
  if type(config) ~= "table" or type(config.config) ~= "table" then
    errors.fail("layers.deserialize: a table with class_name and config expected, got %s", errors.show(config))
  end
  local serialize = require "kl.saving.serialize"
  return serialize.with_custom_objects(o.custom_objects, serialize.deserialize, config)
end

return layers
