-- Regularizers: penalties on weights or activities (keras-semantics 6.1).
local args = require "kl.args"
local class = require "kl.class"
local core = require "kl.core"
local errors = require "kl.errors"
local lookup = require "kl.lookup"

local ops = core.ops
local regularizers = {}

---@class kl.regularizers.Regularizer: kl.Object
local Regularizer = class.Object:extend("Regularizer")
Regularizer.params = args.params{}

function Regularizer:init(given)
  local what, o = args.configure(self, given)
  for _, p in ipairs(self.params) do
    local value = o[p.name]
    if type(value) == "number" and not (value >= 0 and value < math.huge) then
      errors.fail("%s: '%s' must be a finite number >= 0, got %s", what, p.name, value)
    end
  end
end
function Regularizer:__call(x) return self:call(x) end
function Regularizer:get_config() return args.config_of(self) end

local function l1(x, factor) return ops.multiply(ops.sum(ops.abs(x)), factor) end
local function l2(x, factor) return ops.multiply(ops.sum(ops.square(x)), factor) end

--- l1 sum |w|.
local L1 = Regularizer:extend("L1")
L1.params = args.params{{"l1", 0.01}}
function L1:call(x) return l1(x, self.l1) end

--- l2 sum w^2 (without 1/2).
local L2 = Regularizer:extend("L2")
L2.params = args.params{{"l2", 0.01}}
function L2:call(x) return l2(x, self.l2) end

--- Both.
local L1L2 = Regularizer:extend("L1L2")
L1L2.params = args.params{{"l1", 0.0}, {"l2", 0.0}}
function L1L2:call(x) return ops.add(l1(x, self.l1), l2(x, self.l2)) end

--- Rows (or columns) of a matrix scaled to unit length: factor times half the mean of |cosine| over pairs.
local OrthogonalRegularizer = Regularizer:extend("OrthogonalRegularizer")
OrthogonalRegularizer.params = args.params{{"factor", 0.01}, {"mode", "rows"}}
function OrthogonalRegularizer:init(given)
  OrthogonalRegularizer.super.init(self, given)
  if self.mode ~= "rows" and self.mode ~= "columns" then
    errors.fail("OrthogonalRegularizer: mode must be \"rows\" or \"columns\", got %s", errors.show(self.mode))
  end
end
function OrthogonalRegularizer:call(x)
  if x.ndim ~= 2 then errors.fail("OrthogonalRegularizer: a matrix expected, got shape %s", core.shape_text(x)) end
  local rows = self.mode == "rows" and x or ops.transpose(x)
  local n = rows.shape[1]
  local length = ops.sum(ops.square(rows), 2, true)
  local unit = ops.multiply(rows, ops.rsqrt(ops.maximum(length, 1e-12)))
  local products = ops.matmul(unit, ops.transpose(unit))
  local off = ops.multiply(products, ops.subtract(1.0, require "kl.ops.create".eye(n, n, 0, x.dtype)))
  return ops.multiply(ops.sum(ops.abs(off)), self.factor * 0.5 / math.max(1, n * (n - 1) / 2))
end

regularizers.Regularizer = Regularizer
regularizers.classes = {L1 = L1, L2 = L2, L1L2 = L1L2, OrthogonalRegularizer = OrthogonalRegularizer}
for name, cls in pairs(regularizers.classes) do regularizers[name] = cls end

local index = lookup.index(regularizers.classes, {l1_l2 = "L1L2"})

--- A regularizer from an object, a class, a name or a function.
function regularizers.get(given) return lookup.get("regularizer", Regularizer, index, given) end

return regularizers
