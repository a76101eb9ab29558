-- Dropout (Srivastava et al., 2014).
local Layer = require "kl.layer"
local args = require "kl.args"
local errors = require "kl.errors"
local random = require "kl.random"

--- While training each element is kept with probability 1 - rate and multiplied by 1/(1 - rate); otherwise the identity.
---@class kl.layers.Dropout: kl.Layer
---@field rate number          # in [0, 1]
---@field noise_shape? table   # shape of the decisions; false takes the input's own length, 1 shares one decision
local Dropout = Layer:extend("Dropout")
Dropout.params = args.params{"rate", {"noise_shape"}, {"seed"}}

function Dropout:init(given)
  Dropout.super.init(self, given)
  local o = self._config
  self.rate = args.check("Dropout: 'rate'", o.rate, "number", 0, 1)
  if o.noise_shape ~= nil then
    if type(o.noise_shape) ~= "table" then
      errors.fail("Dropout: 'noise_shape' must be a table, got %s", errors.show(o.noise_shape))
    end
    self.noise_shape = Layer._normalize_shape(o.noise_shape)
    o.noise_shape = self.noise_shape
  end
  self.seed = o.seed
end

Dropout.builds_weights = false -- only a generator

function Dropout:build(shape)
  if self.noise_shape and #self.noise_shape ~= #shape then
    errors.fail("Dropout: 'noise_shape' has %d axes, the input %d", #self.noise_shape, #shape)
  end
  if self.rate > 0 then rawset(self, "_seed_generator", self:_generator(self.seed)) end
end

function Dropout:call(x, options)
  if not options.training or self.rate == 0 then return x end
  return random._dropout(x, self.rate, rawget(self, "noise_shape"), self._seed_generator or random.resolve())
end

return Dropout
