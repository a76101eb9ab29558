-- Where data enters a functional graph.
local core = require "kl.core"
local Layer = require "kl.layer"
local args = require "kl.args"
local errors = require "kl.errors"
local one_table = require "kl.one_table"

---@class kl.layers.InputLayer: kl.Layer
---@field batch_shape (integer|false)[] # with the batch axis; false where unknown
local InputLayer = Layer:extend("InputLayer")
InputLayer.params = args.params{{"batch_shape"}, {"dtype", "float32"}, {"sparse", false}, {"ragged", false},
  {"optional", false}}

function InputLayer:init(given)
  InputLayer.super.init(self, given)
  local o = self._config
  if o.sparse or o.ragged or o.optional then errors.fail("InputLayer: sparse, ragged and optional inputs are not supported") end
  if type(o.batch_shape) ~= "table" then
    errors.fail("InputLayer: 'batch_shape' must be a table, got %s", errors.show(o.batch_shape))
  end
  self.batch_shape = Layer._normalize_shape(o.batch_shape)
  self.built = true
  local origin = {layer = self, inputs = {}, options = false, serial = core.next_serial(), is_input = true}
  origin.outputs = core.symbolic(self.batch_shape, o.dtype, origin, 0)
  table.insert(self._calls, origin)
end

function InputLayer:call(inputs) return inputs end

function InputLayer:get_config()
  local shape = {}
  for i, n in ipairs(self.batch_shape) do shape[i] = n or core.json.null end
  return {batch_shape = core.json.array(shape), dtype = self._config.dtype, sparse = false, ragged = false, optional = false,
    name = self.name}
end

local input_params = args.params{{"batch_size"}, {"dtype", "float32"}, {"batch_shape"}, {"name"}, {"sparse", false},
  {"ragged", false}, {"optional", false}}

--- A symbolic tensor that data will take the place of: kl.Input{784}, kl.Input{28, 28, 1, name = "image"}.  The array part
--- is the shape of one sample; the batch axis comes before it and is unknown unless batch_size is given.
---@return kl.Tensor
function InputLayer.Input(...)
  local given, shape, options = one_table("Input", ...), {}, {}
  if type(given) == "number" then given = {given} end
  if type(given) ~= "table" or getmetatable(given) ~= nil then
    errors.fail("Input: a shape expected, got %s", errors.show(given))
  end
  for i = 1, #given do shape[i] = given[i] or false end -- {nil, 3}: an unknown axis
  for key, value in pairs(given) do
    if math.type(key) ~= "integer" then options[key] = value end
  end
  if type(options.shape) == "table" then shape, options.shape = options.shape, nil end
  if type(shape[1]) == "table" then shape = shape[1] end
  local o = args.read("Input", input_params, options)
  local batch_shape = o.batch_shape
  if batch_shape == nil then
    batch_shape = {o.batch_size or false}
    for i = 1, #shape do
      local n = shape[i]
      if n and (math.type(n) ~= "integer" or n < 0) then
        errors.fail("Input: axis %d of the shape must be a length, or false where it is unknown, got %s", i, errors.show(n))
      end
      batch_shape[i + 1] = n or false
    end
  end
  local layer = InputLayer{batch_shape = batch_shape, name = o.name, dtype = o.dtype, sparse = o.sparse, ragged = o.ragged,
    optional = o.optional}
  return layer.output
end

return InputLayer
