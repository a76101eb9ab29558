-- The base of initializers.
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local random = require "kl.random"
local serialize = require "kl.saving.serialize"

---@class kl.initializers.Initializer: kl.Object
local Initializer = class.Object:extend("Initializer")
Initializer.params = args.params{}

function Initializer:init(given) args.configure(self, given) end

--- The tensor; `path` is the weight's, and makes the numbers its own.
---@param shape integer[]
---@param dtype? string
---@param path? string
---@return kl.Tensor
function Initializer:__call(shape, dtype, path)
  local what = getmetatable(self).__name
  if type(shape) ~= "table" then errors.fail("%s: a shape expected, got %s", what, errors.show(shape)) end
  for i, d in ipairs(shape) do
    if math.type(d) ~= "integer" or d < 0 then
      errors.fail("%s: axis %d of the shape must be an integer >= 0, got %s", what, i, errors.show(d))
    end
  end
  return self:call(shape, dtype or "float32", path or "initializer")
end

--- The generator of a weight: by its path, so that one object used for two weights gives them different numbers (Keras
--- repeats itself there), or by a seed of the initializer's own.
function Initializer:_generator(path)
  if self.seed ~= nil then return random.resolve(self.seed, path) end
  return random.new_generator(path)
end

function Initializer:get_config()
  local config = {}
  for _, p in ipairs(self.params) do config[p.name] = serialize.value(self._config[p.name]) end
  return config
end

return Initializer
