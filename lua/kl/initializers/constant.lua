-- Initializers without randomness.
local args = require "kl.args"
local create = require "kl.ops.create"
local core = require "kl.core"
local errors = require "kl.errors"
local Initializer = require "kl.initializers.initializer"

local ops = core.ops

--- All 0.
local Zeros = Initializer:extend("Zeros")
function Zeros:call(shape, dtype) return create.zeros{shape, dtype = dtype} end

--- All 1.
local Ones = Initializer:extend("Ones")
function Ones:call(shape, dtype) return create.ones{shape, dtype = dtype} end

--- All one value (0 by default), or a table of the weight's shape.
local Constant = Initializer:extend("Constant")
Constant.params = args.params{{"value", 0.0}}
function Constant:call(shape, dtype) return ops.copy(ops.broadcast_to(core.tensor(self.value, dtype), shape)) end

--- gain on the diagonal of a matrix, 0 elsewhere.
local Identity = Initializer:extend("Identity")
Identity.params = args.params{{"gain", 1.0}}
function Identity:call(shape, dtype)
  if #shape ~= 2 then errors.fail("Identity: a shape with 2 axes expected, got %d", #shape) end
  return ops.multiply(create.eye(shape[1], shape[2], 0, dtype), self.gain)
end

return {Zeros = Zeros, Ones = Ones, Constant = Constant, Identity = Identity}
