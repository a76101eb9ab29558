-- Building a layer: making its weights, once, when the shape of its inputs is known.
local core = require "kl.core"
local call_stack = require "kl.call_stack"
local errors = require "kl.errors"
local tree = require "kl.tree"

local function normalize_shape(shape)
  if tree.is_leaf(shape) then errors.fail("build: a shape expected, got %s", errors.show(shape)) end
  if type(shape[#shape]) == "table" then
    local list = {}
    for i, s in ipairs(shape) do list[i] = normalize_shape(s) end
    return list
  end
  local full = {}
  for i = 1, #shape do full[i] = shape[i] or false end
  if #shape == 0 and next(shape) ~= nil then
    for name, s in pairs(shape) do full[name] = normalize_shape(s) end
  end
  return full
end

--- Gives the class how it is built.
return function(Layer)
  Layer._normalize_shape = normalize_shape

  --- A class's own `build`, called by anyone but the first call, does what the first call would.
  function Layer.__define(key, value)
    if key ~= "build" or type(value) ~= "function" then return value end
    return function(self, shape)
      if self._building then return value(self, shape) end
      if shape == nil then errors.fail("build: layer '%s': the shape of the inputs is missing", self.name) end
      self:_build_once(self._normalize_shape(shape))
    end
  end

  --- Makes the weights; called once, with the shape of the inputs (unknown axes are false).  Subclasses override it.
  function Layer:build() end

  --- Builds once, in the layer's own name scope and outside of any graph that is being built.
  function Layer:_build_once(shape)
    if self.built then return end
    self._building, self._build_shape = true, shape
    local before = #self._weights
    local scope <close> = self:_scope()
    local ok, message = pcall(core.outside, self.build, self, shape)
    self._building = false
    if not ok then
      for i = #self._weights, before + 1, -1 do self._weights[i] = nil end -- the next call builds anew
      call_stack.raise_again(self, message)
    end
    self.built = true
    local _ = scope
  end
end
