-- layer:on_output and layer:on_gradient: they see every call and change no bit, in every mode and style.
local kl = require "kl"
local assert = require "luassert"
local compare = require "compare"
local raises = require "raises"
local L = kl.layers

local x = kl.tensor{{1.0, -2.0, 0.5}, {3.0, 4.0, -1.0}, {0.1, 0.2, 0.3}, {-1.0, 1.0, 2.0}}
local labels = kl.tensor{0, 1, 1, 0}

-- Models of every style over (n, 3) -> (n, 2); each with the layers that are hooked.
local styles = {
  Sequential = function()
    local model = kl.Sequential{kl.Input{3}, L.Dense{4, activation = "tanh", name = "h"}, L.Dense{2, activation = "softmax", name = "o"}}
    return model, {model:get_layer("h"), model:get_layer("o"), model}
  end,
  ["deferred Sequential"] = function()
    local h, o = L.Dense{4, activation = "relu", name = "h"}, L.Dense{2, activation = "softmax", name = "o"}
    return kl.Sequential{h, o}, {h, o}
  end,
  ["functional with a shared layer"] = function()
    local inputs, shared = kl.Input{3}, L.Dense{3, activation = "sigmoid", name = "shared"}
    local out = L.Dense{2, activation = "softmax", name = "o"}
    return kl.Model{inputs = inputs, outputs = out(shared(shared(inputs)) + inputs)}, {shared, out}
  end,
  ["nested subclass"] = function()
    local Block = kl.Model:extend("Block")
    function Block:init()
      Block.super.init(self)
      self.parts = {L.Dense{3, activation = "tanh", name = "p1"}, kl.Sequential{L.Dense{3, name = "p2"}, name = "inner"}}
    end
    function Block:call(t)
      for _, part in ipairs(self.parts) do t = part(t) end
      return t
    end
    local block, out = Block(), L.Dense{2, activation = "softmax", name = "o"}
    local inputs = kl.Input{3}
    return kl.Model{inputs = inputs, outputs = out(block(inputs))}, {block, block.parts[1], block.parts[2], out}
  end,
}
local names = {}
for name in pairs(styles) do names[#names + 1] = name end
table.sort(names)

local loss = kl.losses.SparseCategoricalCrossentropy{}
local function gradients(model)
  return function(data, targets)
    local tape <close> = kl.GradientTape()
    local value = loss(targets, model(data, {training = true}))
    return {value, tape:gradient(value, model.trainable_weights)}
  end
end

local function count_hooks(list)
  local seen, handles = {outputs = {}, gradients = {}}, {}
  for _, layer in ipairs(list) do
    handles[#handles + 1] = layer:on_output(function(l, inputs, outputs)
      assert.equal(layer, l)
      assert(kl.core.kind(inputs) and kl.core.kind(outputs))
      seen.outputs[l.name] = (seen.outputs[l.name] or 0) + 1
    end)
    handles[#handles + 1] = layer:on_gradient(function(l, gradient, index)
      assert.equal(1, index)
      assert.equal(2, #gradient.shape)
      seen.gradients[l.name] = (seen.gradients[l.name] or 0) + 1
    end)
  end
  return seen, handles
end

describe("hooks", function()
  for _, name in ipairs(names) do
    for _, mode in ipairs{"immediate", "kl.jit"} do
      it(("of a %s, %s, see each call and its gradient, and change no bit"):format(name, mode), function()
        kl.set_seed(4)
        local model, hooked = styles[name]()
        local f = mode == "kl.jit" and kl.jit(gradients(model)) or gradients(model)
        local before = f(x, labels)
        local seen, handles = count_hooks(hooked)
        for round = 1, 3 do
          local after = f(x, labels)
          compare.bits(after[1], before[1], "the loss")
          for i, g in ipairs(before[2]) do compare.bits(after[2][i], g, "gradient " .. i) end
          for _, layer in ipairs(hooked) do
            local calls = layer.name == "shared" and 2 or 1
            assert.equal(round * calls, seen.outputs[layer.name], layer.name)
            assert.equal(round * calls, seen.gradients[layer.name], layer.name)
          end
        end
        for _, handle in ipairs(handles) do handle:remove() end
        for _, handle in ipairs(handles) do handle:remove() end
        f(x, labels)
        assert.equal(hooked[1].name == "shared" and 6 or 3, seen.outputs[hooked[1].name])
        assert.is_false(hooked[1]._hooks)
      end)
    end

    it("of a " .. name .. " are called in each step of fit, and training goes as without them", function()
      local function train(hook)
        kl.set_seed(4)
        local model, hooked = styles[name]()
        model:compile{optimizer = "adam", loss = "sparse_categorical_crossentropy"}
        model:fit{x, labels, epochs = 2, batch_size = 2, verbose = 0} -- steps are replayed by now
        local seen = hook and count_hooks(hooked)
        model:fit{x, labels, epochs = 2, batch_size = 2, verbose = 0}
        if hook then
          local calls = hooked[1].name == "shared" and 8 or 4
          assert.equal(calls, seen.outputs[hooked[1].name])
          assert.equal(calls, seen.gradients[hooked[1].name])
        end
        return model:get_weights()
      end
      local without, with = train(false), train(true)
      for i, w in ipairs(without) do compare.bits(with[i], w, "weight " .. i) end
    end)
  end

  it("are called by a function of C's too, and closed with their variable", function()
    local layer = L.Identity{}
    local calls = 0
    do
      local handle <close> = layer:on_output(setmetatable({}, {__call = function() calls = calls + 1 end}))
      layer(x)
      assert.matches("a hook on", tostring(handle))
    end
    layer(x)
    assert.equal(1, calls)
    raises(function() layer:on_output(5) end, "on_output: layer 'identity[_%d]*': a function expected, got integer 5")
    raises(function() layer:on_gradient() end, "on_gradient: .* a function expected, got nil")
  end)

  it("show gradients of each output of several, and values in a jitted step", function()
    local Two = kl.Layer:extend("Two")
    function Two:call(t) return {t * 2, t * 3} end
    local two, seen, values = Two(), {}, nil
    two:on_gradient(function(_, g, index) table.insert(seen, index .. ":" .. g:sum():item()) end)
    two:on_output(function(_, inputs, outputs) values = {inputs:sum():item(), outputs[2]:sum():item()} end)
    local function f(t)
      local tape <close> = kl.GradientTape()
      tape:watch(t)
      local both = two(t)
      return tape:gradient((both[1] + both[2] * 5):sum(), t)
    end
    for _, run in ipairs{f, kl.jit(f)} do
      seen = {}
      compare.bits(run(kl.ones{2, 2}), kl.full({2, 2}, 17.0), "2 + 5 * 3")
      table.sort(seen)
      assert.same({"1:4.0", "2:20.0"}, seen)
      assert.same({4.0, 12.0}, values)
    end
  end)

  it("may take themselves off while they run, and do not run while a graph is built", function()
    local layer, calls = L.Dense{2}, 0
    local handle
    handle = layer:on_output(function() calls = calls + 1; handle:remove() end)
    local inputs = kl.Input{3}
    local model = kl.Model{inputs = inputs, outputs = layer(inputs)}
    assert.equal(0, calls)
    model(x)
    model(x)
    assert.equal(1, calls)
  end)

  it("that fail name the layer, and leave it usable", function()
    local layer = L.Dense{2, name = "d"}
    local handle = layer:on_output(function() error("seen enough") end)
    local ok, message = pcall(layer, x)
    assert.is_false(ok)
    assert.matches("seen enough", message)
    handle:remove()
    assert.same({4, 2}, layer(x).shape)
  end)
end)
