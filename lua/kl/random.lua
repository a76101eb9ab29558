-- Random numbers (design 7): counter-based generators, one seed.
--
-- A generator's key is a hash of (seed, path, n): the path of the object that owns it, and how many generators had used
-- that path before since the last kl.set_seed.  kl.set_seed re-keys every living generator and zeroes it.
local core = require "kl.core"
local args = require "kl.args"
local create = require "kl.ops.create"
local errors = require "kl.errors"
local names = require "kl.names"

local prim = core.ops
local random = {}

local seed             -- the run's seed; drawn when first needed if the script sets none
local uses = {}        -- path -> generators made on it since the last set_seed
local generators = setmetatable({}, {__mode = "k"}) -- those that live, and the how-manieth each was
local made = 0

--- A seed from the system, told to the user so that the run can be repeated.
local function draw_seed()
  local file <close> = io.open("/dev/urandom", "rb")
  local bytes = file and file:read(4)
  local drawn = bytes and ("<I4"):unpack(bytes) or os.time()
  if core.is_program() then
    io.stderr:write(("kl: seed %d (kl.set_seed(%d) repeats this run)\n"):format(drawn, drawn))
  end
  return drawn
end

--- The seed in use.
---@return integer
function random.get_seed()
  seed = seed or draw_seed()
  return seed
end

--- Fixes everything that is random from here on: initial weights, dropout, shuffles.
---@param n integer
function random.set_seed(n)
  seed = args.check("kl.set_seed: the seed", n, "integer")
  uses = {}
  names.reset_keys()
  for generator in pairs(generators) do generator:_rekey() end
end

---@class kl.random.SeedGenerator
local Generator = {}
Generator.__index = Generator
Generator.__name = "kl.random.SeedGenerator"

--- A generator on a path.  With `own_seed` it does not follow kl.set_seed: the same path and seed are the same stream.
function random.new_generator(path, own_seed)
  local n = own_seed and 0 or uses[path] or 0
  if not own_seed then uses[path] = n + 1 end
  local g = setmetatable({path = path, n = n, own_seed = own_seed}, Generator)
  g:_rekey()
  made = made + 1
  generators[g] = made
  return g
end

--- True for a generator.
function random.is_generator(value) return getmetatable(value) == Generator end

function Generator:_rekey()
  local key = core.generator_key(self.own_seed or random.get_seed(), self.path, self.n)
  if self._core then self._core:set_state(key, 0) else self._core = core.generator(key, 0) end
end

--- The key tensor of the next draw of `count` elements; the generator advances.
function Generator:next(count) return self._core:next(count) end

--- {key, counter}: all there is to save.
function Generator:state() return {self._core:state()} end
function Generator:set_state(state) self._core:set_state(state[1], state[2]) end

-- The living generators by what a process that runs the same script calls them too: path, number on it and own seed; where that
-- is not one only, counted from the newest.
local function by_identity()
  local list, counts, result = {}, {}, {}
  for g in pairs(generators) do
    if g._core:state() then list[#list + 1] = g end -- a weak key may outlive what it refers to for one cycle of the collector
  end
  table.sort(list, function(a, b) return generators[a] > generators[b] end)
  for _, g in ipairs(list) do
    local base = ("%s %d %s"):format(g.path, g.n, g.own_seed or "-")
    counts[base] = (counts[base] or 0) + 1
    result[("%s %d"):format(base, counts[base])] = g
  end
  return result
end

--- All that later draws depend on, as plain values: the seed, how often each path was used, and where every generator stands.
---@return table
function random.get_state()
  local state = {seed = random.get_seed(), uses = {}, keys = {}, generators = {}}
  for path, n in pairs(uses) do state.uses[path] = n end
  for base, n in pairs(names.key_counts()) do state.keys[base] = n end
  for identity, g in pairs(by_identity()) do state.generators[identity] = g:state() end
  return state
end

--- Goes on from such a state: the generators that were there then draw what they would have drawn.
function random.set_state(state)
  seed = state.seed
  for path, n in pairs(state.uses) do uses[path] = math.max(n, uses[path] or 0) end
  names.raise_keys(state.keys)
  for identity, g in pairs(by_identity()) do
    local at = state.generators[identity]
    if at then g:set_state(at) end
  end
end

local generator_params = args.params{{"seed"}}

--- kl.random.SeedGenerator{seed}: an own stream of random numbers, to be given as `seed` to layers and functions.
function random.SeedGenerator(options)
  local o = args.read("SeedGenerator", generator_params, options)
  if o.seed ~= nil then args.check("SeedGenerator: 'seed'", o.seed, "integer") end
  return random.new_generator("seed_generator", o.seed)
end

local global

--- True if numbers were drawn without a generator of their own (kl.random.* without `seed`).
function random.global_was_used() return global ~= nil and global:state()[2] > 0 end

--- What `seed` means in a function: nil is the global generator, an integer a fresh stream, a generator itself.
function random.resolve(given, path)
  if given == nil then
    global = global or random.new_generator("global")
    return global
  end
  if math.type(given) == "integer" then
    return setmetatable({path = path or "seed", n = 0, own_seed = given,
      _core = core.generator(core.generator_key(given, path or "seed", 0), 0, true)}, Generator)
  end
  if getmetatable(given) == Generator then return given end
  errors.fail("a seed must be an integer or a kl.random.SeedGenerator, got %s", errors.show(given))
end

local function numel(shape)
  local n = 1
  for _, length in ipairs(shape) do n = n * length end
  return n
end

--- A key for a draw of that shape.
local function key_for(shape, given) return random.resolve(given):next(numel(shape)) end

local function distribution(name, first, first_default, second, second_default)
  local params = args.params{{first, first_default}, {second, second_default}, {"dtype", "float32"}, {"seed"}}
  local op = prim["random_" .. name]
  return function(...)
    local shape, o = create.read_shape("kl.random." .. name, params, ...)
    return op(key_for(shape, o.seed), shape, o[first], o[second], o.dtype)
  end
end

--- Uniform in [minval, maxval): kl.random.uniform{2, 3, minval = 0, maxval = 1, dtype = "float32", seed = nil}.
random.uniform = distribution("uniform", "minval", 0.0, "maxval", 1.0)
--- Normal: kl.random.normal{2, 3, mean = 0, stddev = 1}.
random.normal = distribution("normal", "mean", 0.0, "stddev", 1.0)
random.randn = random.normal
--- Normal within two standard deviations of the mean.
random.truncated_normal = distribution("truncated_normal", "mean", 0.0, "stddev", 1.0)

local define = require "kl.ops.define"

--- Integers, uniform in [minval, maxval).
random.randint = define("kl.random.randint", {"shape", "minval", "maxval", {"dtype", "int32"}, {"seed"}},
  function(shape, minval, maxval, dtype, given)
    return prim.random_randint(key_for(shape, given), shape, minval, maxval, dtype)
  end)

--- 1 with probability p, else 0.
random.bernoulli = define("kl.random.bernoulli", {"shape", {"p", 0.5}, {"dtype", "float32"}, {"seed"}},
  function(shape, p, dtype, given)
    return prim.random_bernoulli(key_for(shape, given), shape, p, dtype)
  end)

--- Draws of classes: for each row of unnormalized log-probabilities (n, classes) num_samples classes from 0, shape (n, num_samples).
--- The largest of logits plus Gumbel noise is such a draw (Gumbel 1954).
random.categorical = define("kl.random.categorical", {"logits", {"num_samples", 1}, {"dtype", "int32"}, {"seed"}},
  function(logits, num_samples, dtype, given)
    if not core.kind(logits) then logits = core.tensor(logits, "float32") end
    if logits.ndim ~= 2 then
      errors.fail("kl.random.categorical: logits of shape (n, classes) expected, got %s", core.shape_text(logits))
    end
    if math.type(num_samples) ~= "integer" or num_samples < 1 then
      errors.fail("kl.random.categorical: 'num_samples' must be a positive integer, got %s", errors.show(num_samples))
    end
    local shape = {logits.shape[1], num_samples, logits.shape[2]}
    local u = prim.random_uniform(key_for(shape, given), shape, 0.0, 1.0, "float32")
    local tiny = 1.1754943508222875e-38 -- u may be 0, and its logarithm not
    local noise = prim.negative(prim.log(prim.negative(prim.log(prim.maximum(u, tiny)))))
    return prim.cast(prim.argmax(prim.add(prim.expand_dims(logits, 2), noise), -1), dtype)
  end)

--- The numbers 0 to n - 1 in random order (int32).
random.permutation = define("kl.random.permutation", {"n", {"seed"}}, function(n, given)
  args.check("kl.random.permutation: 'n'", n, "integer", 0)
  return prim.random_permutation(random.resolve(given):next(n), n)
end)

--- The slices of x along an axis in random order.
random.shuffle = define("kl.random.shuffle", {"x", {"axis", 1}, {"seed"}}, function(x, axis, given)
  args.check("kl.random.shuffle: 'axis'", axis, "integer")
  local n = x.shape[axis < 0 and x.ndim + axis + 1 or axis]
  return prim.take(x, random.permutation(n, given), axis)
end)

--- random.dropout with the generator itself, for the layer that has one.
function random._dropout(x, rate, noise_shape, generator)
  if core.is_symbolic(x) and core.building_depth() == 0 then
    errors.fail("kl.random.dropout: in a functional graph the draw would be the same at every call: use kl.layers.Dropout")
  end
  if not noise_shape then return prim.dropout(x, generator:next(core.size(x) or 0), rate) end
  args.check("kl.random.dropout: 'noise_shape'", noise_shape, "table")
  local own, shape = x.shape, {}
  if #noise_shape ~= #own then
    errors.fail("kl.random.dropout: 'noise_shape' has %d axes, the tensor %d", #noise_shape, #own)
  end
  for i, length in ipairs(own) do shape[i] = noise_shape[i] or length end
  local count = 1
  for _, length in ipairs(shape) do count = count * (length or 0) end
  local key = generator:next(count)
  -- ones of the shape of decisions: the first elements along the axes that share one
  local starts, open = {}, false
  for i, length in ipairs(shape) do
    starts[i] = 1
    open = open or not length
  end
  if not open then return prim.multiply(x, prim.dropout(create.ones{shape, dtype = x.dtype}, key, rate)) end
  return prim.multiply(x, prim.dropout(create.ones_like(prim.slice(x, starts, shape)), key, rate))
end

--- Each element times 1/(1 - rate), or 0 with probability rate.  noise_shape: the shape of the decisions, which are
--- repeated to that of x (false takes x's own length).
random.dropout = define("kl.random.dropout", {"x", "rate", {"noise_shape"}, {"seed"}}, function(x, rate, noise_shape, given)
  return random._dropout(x, rate, noise_shape, random.resolve(given))
end)

return random
