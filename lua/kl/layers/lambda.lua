-- A Lua function as a layer.
local core = require "kl.core"
local Layer = require "kl.layer"
local args = require "kl.args"
local errors = require "kl.errors"
local tree = require "kl.tree"

--- Lambda{function(x) return x * 2 end}: the layer is called as f(inputs, options); options are `training` and what `arguments`
--- holds.  It has no weights: variables that f reads are nobody's, so they are neither trained by fit nor saved.  It cannot be
--- saved itself, for a file holds no code: a class with a `call` can.
---@class kl.layers.Lambda: kl.Layer
---@field output_shape? table # without the batch axis, false where unknown; what f gives is held against it
---@field arguments? table    # further options for f
local Lambda = Layer:extend("Lambda")
Lambda.params = args.params{"function", {"output_shape"}, {"mask"}, {"arguments"}}

function Lambda:init(given)
  Lambda.super.init(self, given)
  local o = self._config
  local f = o["function"]
  local meta = type(f) == "table" and getmetatable(f)
  if type(f) ~= "function" and not (meta and meta.__call) then
    errors.fail("Lambda: a function of the inputs expected, got %s", errors.show(f))
  end
  if o.mask ~= nil then errors.fail("Lambda: 'mask' is not supported") end
  if o.arguments ~= nil and (type(o.arguments) ~= "table" or #o.arguments > 0) then
    errors.fail("Lambda: 'arguments' must be a table by name, got %s", errors.show(o.arguments))
  end
  if type(o.output_shape) == "number" then o.output_shape = {o.output_shape} end
  if o.output_shape ~= nil then
    o.output_shape = Layer._normalize_shape(args.check("Lambda: 'output_shape'", o.output_shape, "table"))
  end
  self.f, self.output_shape, self.arguments = f, o.output_shape, o.arguments
end

function Lambda:call(inputs, options)
  local given = {training = options.training, mask = options.mask}
  for name, value in pairs(self.arguments or {}) do given[name] = value end
  local outputs = self.f(inputs, given)
  if outputs == nil then errors.fail("Lambda '%s': its function returned nothing", self.name) end
  local expected = self.output_shape
  for _, leaf in ipairs(expected and tree.flatten(outputs) or {}) do
    local shape = core.kind(leaf) and leaf.shape or {}
    local fits = #shape == #expected + 1
    for i, n in ipairs(fits and expected or {}) do fits = fits and (not n or not shape[i + 1] or shape[i + 1] == n) end
    if not fits then
      local wanted = {"batch"}
      for i, n in ipairs(expected) do wanted[i + 1] = n and tostring(n) or "?" end
      errors.fail("Lambda '%s': output_shape says (%s), its function gave %s", self.name, table.concat(wanted, ", "),
        core.kind(leaf) and core.shape_text(leaf) or errors.show(leaf))
    end
  end
  return outputs
end

function Lambda:get_config()
  errors.fail("the layer '%s' is a Lambda: it holds a Lua function, which cannot be saved; write a class with kl.Layer:extend and a "
    .. "`call`, and give it to kl.register or to load_model's custom_objects", self.name)
end

return Lambda
