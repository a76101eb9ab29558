-- Tracking: what a module owns, in which order, and that it is found when it is there.
local kl = require "kl"
local assert = require "luassert"
local names_of = require "names_of"
local raises = require "raises"

local function var(name, trainable) return kl.Variable(0.0, {name = name, trainable = trainable}) end

local function variables(module) return names_of(module.variables) end

describe("a module", function()
  it("lists its own variables in the order they were made, not that of fields", function()
    local m = kl.Module()
    local a, b, c = var("a"), var("b"), var("c")
    m.first, m.second, m.third = c, a, b
    assert.equal("a b c", variables(m))
  end)

  it("lists own variables first, then those of modules in the order their fields were first assigned", function()
    local m, x, y = kl.Module(), kl.Module(), kl.Module()
    y.v, x.v = var("of y"), var("of x")
    m.zebra = x
    m.apple = y
    m.own = var("own")
    assert.equal("own of x of y", variables(m))
    m.zebra = x -- assigned again: the place stays
    assert.equal("own of x of y", variables(m))
  end)

  it("finds members in lists, in tables by name in sorted order, and in both nested and mixed", function()
    local m = kl.Module()
    local function owner(name)
      local o = kl.Module()
      o.v = var(name)
      return o
    end
    m.parts = {owner "1", {owner "2", deep = {owner "3"}}, z = owner "5", a = owner "4"}
    assert.equal("1 2 3 4 5", variables(m))
  end)

  it("sees what was added since: to a list, to an empty table, to an inner module", function()
    local m, inner = kl.Module(), kl.Module()
    m.list, m.named, m.inner = {var("a")}, {}, inner
    assert.equal("a", variables(m))
    table.insert(m.list, var("b"))
    assert.equal("a b", variables(m))
    m.named.x = var("c")
    assert.equal("a b c", variables(m))
    inner.v = var("d")
    assert.equal("a b c d", variables(m))
    inner.parts = {}
    assert.equal("a b c d", variables(m))
    inner.parts[1] = kl.Module()
    inner.parts[1].v = var("e")
    assert.equal("a b c d e", variables(m))
    m.list.name = var("f") -- a name beside positions
    assert.equal("a b c f d e", variables(m))
  end)

  it("forgets what was replaced, taken out or set to nil, and finds it again", function()
    local m = kl.Module()
    m.x, m.list = var("a"), {var("b"), var("c")}
    assert.equal("a b c", variables(m))
    m.x = var("d")
    assert.equal("b c d", variables(m))
    table.remove(m.list)
    assert.equal("b d", variables(m))
    m.list[1] = var("e")
    assert.equal("d e", variables(m))
    local d = m.x
    m.x = nil
    assert.equal("e", variables(m))
    m.x = d
    assert.equal("d e", variables(m))
    m.x = 5
    assert.equal("e", variables(m))
    m.x = d
    assert.equal("d e", variables(m))
  end)

  it("keeps one place for a field that comes and goes", function()
    local m = kl.Module()
    for _ = 1, 10 do
      m.x = var("a")
      m.x = nil
    end
    assert.equal(1, #m._order)
  end)

  it("counts shared modules and variables once, at their first place, and survives cycles", function()
    local m, shared = kl.Module(), kl.Module()
    local v = var("v")
    shared.v, shared.parent = v, m
    m.a, m.b, m.again, m.v = shared, {shared}, v, v
    assert.equal("v", variables(m))
    assert.equal(1, #m:_children())
    assert.equal("v", variables(shared))
  end)

  it("leaves alone what is none of its business: other keys, other objects, functions", function()
    local m = kl.Module()
    m.cache = {[0.5] = var("x"), [kl.Module()] = var("y"), [true] = 1}
    m.counter, m.text, m.f = 0 / 0, "text", print
    m.tensor = kl.ones{2}
    assert.equal("", variables(m))
  end)

  it("tells trainable variables from others", function()
    local m = kl.Module()
    m.a, m.b, m.c = var("a"), var("b", false), var("c")
    assert.equal("a c", names_of(m.trainable_variables))
    assert.equal("b", names_of(m.non_trainable_variables))
    m.a.trainable = false
    assert.equal("c", names_of(m.trainable_variables))
  end)

  it("is ready for fields before init, without a call of super.init", function()
    local Own = kl.Module:extend("Own")
    function Own:init() self.v = var("v") end
    function Own:call(x) return x * 2 end
    local o = Own()
    assert.equal("v", variables(o))
    assert.equal(6, o(3))
    raises(function() local _ = kl.Module()(3) end, "Module defines no call")
  end)
end)

describe("a module of one's own", function()
  local Pair = kl.Module:extend("Pair")
  function Pair:init(lazy)
    self.scale = not lazy and kl.Variable{1.0, 2.0} or nil
    self.parts = {kl.layers.Dense{2}, kl.layers.Dense{3}}
    self.inner = kl.Module()
    self.inner.v = kl.Variable(5.0)
  end
  function Pair:call(x) return self.parts[2](self.parts[1](x)) end

  it("names the modules below it", function()
    local m = Pair()
    assert.same({m.parts[1], m.parts[2], m.inner}, m.submodules)
    m.inner.deeper = kl.Module()
    assert.same({m.parts[1], m.parts[2], m.inner, m.inner.deeper}, m.submodules)
    assert.same({}, kl.Module().submodules)
  end)

  it("is saved and loaded whole", function()
    local path = os.tmpname() .. ".weights.h5"
    local x = kl.ones{1, 4}
    local m, other = Pair(), Pair()
    local y = m(x)
    m.scale:assign{7, 8}
    m.inner.v:assign(9)
    m:save_weights(path)
    assert.is_false(kl.array_equal(y, other(x)))
    other:load_weights(path)
    assert.is_true(kl.array_equal(y, other(x)))
    for i, v in ipairs(m.variables) do assert.is_true(kl.array_equal(v, other.variables[i])) end
    raises(function() m:save_weights(path, {overwrite = false}) end, "exists, and overwrite is false")
    raises(function() kl.Module():save_weights(path) end, "save_weights: the Module has no variables %(yet%): call it on data")
    raises(function() m:save_weights("x.npz") end, "must end in .weights.h5")
    os.remove(path)
  end)

  it("keeps its optimizer's state beside its variables", function()
    local path = os.tmpname() .. ".weights.h5"
    local function make()
      local m = kl.Module()
      m.v = kl.Variable{1.0, 2.0}
      m.optimizer = kl.optimizers.Adam{0.1}
      return m
    end
    local function step(m) m.optimizer:apply_gradients({kl.tensor{0.5, -1.0}}, {m.v}) end
    local m, other = make(), make()
    step(m)
    m:save_weights(path)
    other:load_weights(path)
    step(m)
    step(other)
    assert.equal(2, other.optimizer.iterations:item())
    assert.is_true(kl.array_equal(m.v, other.v))
    os.remove(path)
  end)
end)

describe("a layer", function()
  it("lists trainable weights before others, as they were declared", function()
    local Own = kl.Layer:extend("Own")
    function Own:build()
      self:add_weight{name = "n", trainable = false}
      self:add_weight{name = "t"}
      self.extra = kl.layers.Dense{1, name = "inner"}
      self.v = kl.Variable(1.0, {name = "v"})
    end
    function Own:call(x) return self.extra(x) end
    local layer = Own()
    layer(kl.ones{2, 3})
    assert.equal("t v n kernel bias", names_of(layer.weights))
    layer.weights[1].trainable = false
    assert.equal("t v n kernel bias", names_of(layer.weights))
  end)

  it("registers layers in fields and lists: a subclassed model needs nothing else", function()
    local Own = kl.Model:extend("Own")
    function Own:init(n)
      self.blocks = {}
      for i = 1, n do self.blocks[i] = kl.layers.Dense{2, name = "block_" .. i} end
      self.last = kl.layers.Dense{1, name = "last"}
    end
    function Own:call(x)
      for _, block in ipairs(self.blocks) do x = block(x) end
      return self.last(x)
    end
    local model = Own(3)
    assert.equal("block_1 block_2 block_3 last", names_of(model.layers))
    assert.equal(0, #model.weights)
    model(kl.ones{1, 4})
    assert.equal(8, #model.weights)
    assert.matches("^own[_%d]*/block_1/kernel$", model.weights[1].path)
  end)
end)
