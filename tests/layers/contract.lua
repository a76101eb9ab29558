-- What every layer must do, whatever it computes.  contract_spec.lua has the cases; a case:
--   args     = table or function giving it     the constructor's argument, without a name
--   shapes   = list of input shapes, the batch first; one shape is one tensor, several are a list
--   list     = true                            one shape, but in a list
--   output   = the output's shape
--   weights  = {{name, shape, trainable}, ...} in their order
--   stateful = true                            training = true gives other values than training = false
--   no_config = pattern                        it cannot be saved, for that reason
--   low, high, avoid                           range of the inputs, and points to keep away from (kinks)
--   wrong    = {{list of shapes, pattern}, ...}  refused once the layer is built
local kl = require "kl"
local assert = require "luassert"
local gen = require "gen"
local compare = require "compare"
local gradients = require "gradients"
local objects = require "objects"
local raises = require "raises"

local contract = {}

local function copied(t)
  local copy = {}
  for k, v in pairs(t) do copy[k] = v end
  return copy
end

--- A new layer of a case, with further options.
function contract.new(cls, case, more)
  local given = case.args
  if type(given) == "function" then given = given() end
  given = copied(given or {})
  for k, v in pairs(more or {}) do given[k] = v end
  return cls(given)
end

local function structure(case, list) return (#list > 1 or case.list) and list or list[1] end

local function with_batch(shape, batch)
  local other = copied(shape)
  other[1] = batch
  return other
end

local function data(case, shapes, dtype)
  local list = {}
  for i, shape in ipairs(shapes) do
    local array = gen.array(shape, case.low or -2, case.high or 2, {avoid = case.avoid or {0}, distinct = case.distinct})
    list[i] = kl.tensor(array:nested(), dtype or "float32"):reshape(shape)
  end
  return list
end

local function inputs(case, dtype) return structure(case, data(case, case.shapes, dtype)) end

local function symbols(case, known)
  local list = {}
  for i, shape in ipairs(case.shapes) do
    list[i] = kl.Input{batch_shape = known and shape or with_batch(shape, false)}
  end
  return structure(case, list)
end

function contract.builds_at_first_call(cls, case)
  local layer = contract.new(cls, case, {name = "mine"})
  assert.is_false(layer.built)
  assert.same({}, layer.weights)
  raises(function() layer:count_params() end, "layer 'mine' is not built yet")
  local y = layer(inputs(case))
  assert.is_true(layer.built)
  assert.same(case.output, y.shape)
  local count = 0
  for i, w in ipairs(layer.weights) do
    local name, shape, trainable = table.unpack(case.weights[i], 1, 3)
    assert.equal(name, w.name)
    assert.equal("mine/" .. name, w.path)
    assert.same(shape, w.shape)
    assert.equal(trainable ~= false, w.trainable)
    local n = 1
    for _, d in ipairs(shape) do n = n * d end
    count = count + n
  end
  assert.equal(#(case.weights or {}), #layer.weights)
  assert.equal(count, layer:count_params())
  local weights = layer.weights
  layer(inputs(case))
  assert.same(weights, layer.weights)
end

function contract.same_shapes_without_values(cls, case)
  local layer = contract.new(cls, case)
  local y = layer(symbols(case))
  assert.same(with_batch(case.output, false), y.shape)
  assert.equal("float32", y.dtype)
  for _, batch in ipairs{case.output[1], 1, 5} do
    local shapes = {}
    for i, shape in ipairs(case.shapes) do shapes[i] = with_batch(shape, batch) end
    local x = structure(case, data(case, shapes))
    local direct = layer(x)
    assert.same(with_batch(case.output, batch), direct.shape)
    assert.equal("float32", direct.dtype)
    local ins = symbols(case)
    compare.bits(kl.Model{inputs = ins, outputs = layer(ins)}(x), direct, "through a graph")
  end
  assert.same(case.output, layer(symbols(case, true)).shape)
end

function contract.remade_from_its_config(cls, case)
  local x = inputs(case)
  local layer = contract.new(cls, case, {name = "mine"})
  local y = layer(x)
  if case.no_config then
    raises(function() layer:get_config() end, case.no_config)
    return
  end
  for _, again in ipairs{cls:from_config(layer:get_config()), objects.reread(layer)} do
    assert.equal("mine", again.name)
    assert.is_false(again.built)
    again(x)
    again:set_weights(layer:get_weights())
    compare.bits(again(x), y, "of the layer made again")
    assert.same(layer:get_config(), again:get_config())
  end
end

function contract.differentiates(cls, case)
  for _, training in ipairs{false, true} do
    local layer = contract.new(cls, case, {dtype = "float64"})
    local xs = data(case, case.shapes, "float64")
    layer(structure(case, xs))
    for _, w in ipairs(layer.trainable_weights) do -- zeros and ones would hide a lost factor
      w:assign(kl.tensor(gen.array(w.shape, -1, 1):nested(), "float64"):reshape(w.shape))
    end
    local function f(values) -- the same draws each time
      kl.set_seed(3)
      return {layer(structure(case, values), {training = training})}
    end
    gradients.check(f, xs, {second = false})
    local y = f(xs)[1]
    local weight = kl.tensor(gen.array(y.shape, -1, 1):nested(), "float64"):reshape(y.shape)
    for _, w in ipairs(layer.trainable_weights) do
      local direction = kl.tensor(gen.array(w.shape, -1, 1):nested(), "float64"):reshape(w.shape)
      local tape <close> = kl.GradientTape()
      local g = tape:gradient(kl.sum(f(xs)[1] * weight), w)
      assert.equal("float64", g.dtype)
      local value, h = w.value, 1e-6
      local function at(step)
        w:assign(value + direction * step)
        return kl.sum(f(xs)[1] * weight):item()
      end
      local numeric = (at(h) - at(-h)) / (2 * h)
      w:assign(value)
      local analytic = kl.sum(g * direction):item()
      assert(compare.close(analytic, numeric, 1e-6), ("%s: gradient %.10g, differences %.10g"):format(w.name, analytic, numeric))
    end
  end
end

function contract.takes_training(cls, case)
  local layer = contract.new(cls, case)
  local x = inputs(case)
  local plain = layer(x)
  compare.bits(layer(x, {training = false}), plain, "training = false is the default")
  kl.set_seed(1)
  local trained = layer(x, {training = true})
  assert.same(plain.shape, trained.shape)
  assert.equal(not case.stateful, kl.array_equal(plain, trained))
end

function contract.computes_in_its_dtype(cls, case)
  local double = contract.new(cls, case, {dtype = "float64"})
  assert.equal("float64", double(inputs(case, "float32")).dtype)
  for _, w in ipairs(double.weights) do assert.equal("float64", w.dtype) end
  local single = contract.new(cls, case)
  assert.equal("float32", single(inputs(case, "float64")).dtype)
  local kept = contract.new(cls, case, {dtype = "float64", autocast = false})
  if not case.weights then assert.equal("float32", kept(inputs(case, "float32")).dtype) end
  local x = inputs(case, "float64") -- rounding the input is all that may differ
  double:set_weights(double:get_weights())
  single:set_weights(double:get_weights())
  local exact = compare.flat(double(x))
  for i, v in ipairs(compare.flat(single(x))) do
    assert(compare.close(v, exact[i], 1e-4), ("element %d: float32 %.9g, float64 %.9g"):format(i, v, exact[i]))
  end
end

function contract.refuses_wrong_inputs(cls, case)
  local layer = contract.new(cls, case, {name = "mine"})
  layer(inputs(case))
  for _, entry in ipairs(case.wrong or {}) do
    local shapes, pattern, list = entry[1], entry[2], {}
    for i, shape in ipairs(shapes) do list[i] = kl.ones(shape) end
    local x = entry.list and list or structure({list = false}, list)
    raises(function() layer(x) end, pattern)
    raises(function() layer(x) end, "layer 'mine'")
  end
  raises(function() layer() end, "layer 'mine' was called without inputs")
  raises(function() layer("text") end, "layer 'mine': inputs must be tensors, got the string \"text\"")
  raises(function() layer(kl.ones{2, 3}, kl.ones{2, 3}) end,
    "layer 'mine': the second argument is a table of options .* several inputs are a list")
end

function contract.refuses_unknown_options(cls, case)
  for _, p in ipairs(cls.params) do
    local name = p.name
    raises(function() contract.new(cls, case, {[name .. "x"] = 1}) end,
      ("^[^ ]+ %s: unknown option '%sx'; did you mean '"):format(cls.__name, name))
  end
  raises(function() contract.new(cls, case, {nmae = "x"}) end, cls.__name .. ": unknown option 'nmae'; did you mean 'name'%?")
  for _, bad in ipairs{{{name = "a/b"}, "'name' must not be empty or contain '/', got 'a/b'"}, {{name = 5},
    "'name' must be a string"},
    {{dtype = "int8"}, "'dtype' must be one of \"float32\", \"float64\", got the string \"int8\""},
    {{trainable = 1}, "'trainable' must be a boolean, got integer 1"}} do
    raises(function() contract.new(cls, case, bad[1]) end, cls.__name .. ": " .. bad[2])
  end
  for _, bad in ipairs(case.bad or {}) do
    raises(function() cls(bad[1]) end, bad[2])
  end
end

return contract
