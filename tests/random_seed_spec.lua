-- kl.set_seed: what it fixes (lua/kl/random.lua).
local kl = require "kl"
local raises = require "raises"
local training = require "training"
local layers = kl.layers

--- Builds and trains a model whose weights, dropout and shuffles are random; all that comes of it as one list of numbers.
local function train()
  local x, y = kl.random.normal{20, 6}, kl.random.randint({20}, 0, 3)
  local inputs = kl.Input{6}
  local h = layers.Dropout{0.3}(layers.Dense{16, activation = "relu"}(inputs))
  h = layers.Dropout{0.3, seed = 9}(h)
  local model = kl.Model{inputs = inputs, outputs = layers.Dense{3, activation = "softmax"}(h)}
  model:compile{optimizer = "adam", loss = "sparse_categorical_crossentropy", metrics = {"accuracy"}}
  local history = model:fit{x, y, epochs = 3, batch_size = 6, verbose = 0, validation_split = 0.2}.history
  local ds = kl.data.Dataset.from_tensor_slices(x, y):shuffle(20):batch(7)
  local more = model:fit{ds, epochs = 2, verbose = 0}.history
  local numbers = {}
  for _, list in ipairs{history.loss, history.val_loss, history.accuracy, more.loss} do
    table.move(list, 1, #list, #numbers + 1, numbers)
  end
  for _, w in ipairs(model.weights) do table.move(w:reshape{-1}:totable(), 1, 1000, #numbers + 1, numbers) end
  return numbers
end

describe("the same seed", function()
  it("gives the same weights, dropout and shuffles, whatever was made before; another seed gives others", function()
    kl.set_seed(11)
    local first = train()
    local others = train()
    kl.set_seed(11)
    assert.same(first, train())
    assert.same(others, train())
    kl.set_seed(12)
    assert.not_same(first, train())
    assert.not_same(first, others)
  end)

  it("gives the same bits on one thread and on two", function()
    local results = {}
    for i, threads in ipairs{1, 2, 2} do
      kl.set_threads(threads)
      kl.set_seed(11)
      results[i] = train()
    end
    assert.same(results[1], results[2])
    assert.same(results[2], results[3])
  end)

  it("gives the same weights to a model built twice, and different ones to the layers inside", function()
    local function weights()
      local model = kl.Sequential{kl.Input{4}, layers.Dense{4}, layers.Dense{4}}
      return {model.weights[1]:totable(), model.weights[3]:totable()}
    end
    kl.set_seed(1)
    local first = weights()
    kl.set_seed(1)
    local second = weights()
    assert.same(first, second)
    assert.not_same(first[1], first[2])
    assert.not_same(first, weights())
  end)

  it("re-keys what exists: dropout, shuffles and generators begin anew", function()
    local dropout, generator = layers.Dropout{0.5}, kl.random.SeedGenerator{}
    local own = kl.random.SeedGenerator{seed = 5}
    local function draw()
      return {dropout(kl.ones{50}, {training = true}):totable(), kl.random.uniform{5, seed = generator}:totable(),
        kl.random.normal{5}:totable(), kl.random.uniform{5, seed = own}:totable()}
    end
    draw()
    kl.set_seed(3)
    local first = draw()
    local second = draw()
    kl.set_seed(3)
    assert.same(first, draw())
    assert.same(second, draw())
    for i in ipairs(first) do assert.not_same(first[i], second[i]) end
    kl.set_seed(4)
    local other = draw()
    for i = 1, 3 do assert.not_same(first[i], other[i]) end
    assert.same(first[4], other[4], "a generator with a seed of its own does not follow")
  end)
end)

describe("a generator", function()
  it("of a seed is the same stream wherever it is made", function()
    local function stream(seed)
      local generator = kl.random.SeedGenerator{seed}
      return {kl.random.uniform{4, seed = generator}:totable(), kl.random.uniform{4, seed = generator}:totable()}
    end
    local first = stream(5)
    local _ = kl.random.SeedGenerator{}
    assert.same(first, stream(5))
    assert.not_same(first, stream(6))
    assert.not_same(first[1], first[2])
  end)

  it("without a seed is a stream of its own", function()
    local a, b = kl.random.SeedGenerator{}, kl.random.SeedGenerator{}
    assert.not_same(kl.random.uniform{4, seed = a}:totable(), kl.random.uniform{4, seed = b}:totable())
  end)

  it("a whole number as seed gives the same numbers at each call", function()
    assert.same(kl.random.normal{4, seed = 5}:totable(), kl.random.normal{4, seed = 5}:totable())
  end)

  it("refuses other seeds", function()
    raises(function() kl.set_seed("a") end, "kl.set_seed: the seed must be an integer, got the string \"a\"")
    raises(function() kl.set_seed() end, "kl.set_seed: the seed must be an integer, got nil")
    raises(function() kl.set_seed(1.5) end, "got float 1.5")
    raises(function() kl.random.SeedGenerator{"a"} end, "SeedGenerator: 'seed' must be an integer, got the string \"a\"")
    raises(function() kl.random.uniform{2, seed = "a"} end, "a seed must be an integer or a kl.random.SeedGenerator, got the string \"a\"")
  end)
end)

describe("kl run", function()
  local program = [[
    local kl = require "kl"
    %s
    local model = kl.Sequential{kl.Input{3}, kl.layers.Dense{4}, kl.layers.Dropout{0.5}, kl.layers.Dense{1}}
    model:compile{optimizer = "sgd", loss = "mse"}
    local x = kl.random.normal{10, 3}
    model:fit{x, kl.sum(x, {axis = -1}), epochs = 2, batch_size = 4, verbose = 0}
    for _, w in ipairs(model.weights) do
      for _, v in ipairs(w:reshape{-1}:totable()) do print(("%%a"):format(v)) end
    end
  ]]

  it("draws a seed where the script sets none, says so once, and setting it repeats the bits", function()
    local output = training.run_script(program:format(""))
    local seed, statement, rest = output:match("^kl: seed (%d+) %((kl.set_seed%(%d+%)) repeats this run%)\n(.*)$")
    assert(seed, output)
    assert.equal(("kl.set_seed(%s)"):format(seed), statement)
    assert.equal(3 * 4 + 4 + 4 + 1, select(2, rest:gsub("\n", "\n")))
    assert.equal(rest, training.run_script(program:format(statement)))
    assert.equal(rest, training.run_script(program:format(statement)))
    assert.not_equal(rest, training.run_script(program:format("")):match("\n(.*)$"), "another seed is drawn")
  end)

  it("draws none where nothing is random", function()
    assert.equal("2.0\n", training.run_script("print((require 'kl'.ones{2} + 1)[1]:item())"))
  end)
end)

describe("the state of all random numbers", function()
  local random = require "kl.random"

  it("makes generators go on, old ones and those made later, whatever the seed was", function()
    local function old() return {kl.random.SeedGenerator{}, kl.random.SeedGenerator{5}, kl.random.SeedGenerator{5}} end
    local function draws(generators)
      local list = {kl.random.uniform{2}:totable()}
      for i, g in ipairs(generators) do list[i + 1] = kl.random.uniform({2}, {seed = g}):totable() end
      list[#list + 1] = kl.random.uniform({2}, {seed = kl.random.SeedGenerator{}}):totable()
      return list
    end
    kl.set_seed(3)
    local generators = old()
    kl.random.uniform({3}, {seed = generators[2]})
    kl.random.uniform{4}
    kl.random.SeedGenerator{} -- while it trained, say
    local state = kl.json.decode(kl.json.encode(random.get_state()))
    local expected = draws(generators)
    kl.set_seed(4)
    local anew = old()
    random.set_state(state)
    assert.equal(3, random.get_seed())
    assert.same(expected, draws(anew))
  end)
end)
