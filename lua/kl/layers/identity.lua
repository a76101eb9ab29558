-- The layer that changes nothing.
local Layer = require "kl.layer"

---@class kl.layers.Identity: kl.Layer
local Identity = Layer:extend("Identity")

function Identity:call(x) return x end

return Identity
