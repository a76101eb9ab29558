local kl = require "kl"
local assert = require "luassert"
local near = require "near"
local raises = require "raises"

describe("a variable", function()
  it("starts with a copy of its initial value; a number is float32 unless a dtype says otherwise", function()
    local t = kl.tensor{1.0, 2.0}
    local v = kl.Variable(t)
    v:assign{3.0, 4.0}
    near(t, {1, 2}, "the tensor it was made of")
    local cases = {{1, {}, "float32"}, {1.5, {}, "float32"}, {1, {dtype = "int32"}, "int32"}, {{1, 2}, {dtype = "float64"},
      "float64"},
      {kl.tensor({1, 2}, "int64"), {}, "int64"}}
    for _, case in ipairs(cases) do assert.equal(case[3], kl.Variable(case[1], next(case[2]) and case[2] or nil).dtype) end
  end)

  it("has a name, given or automatic, a path, a shape and a rank", function()
    local v = kl.Variable(kl.zeros{2, 3}, {name = "w"})
    assert.same({"w", "w", 2}, {v.name, v.path, v.ndim})
    assert.same({2, 3}, v.shape)
    assert.matches("^variable[_%d]*$", kl.Variable(1.0).name)
    raises(function() kl.Variable(1.0, {nmae = "x"}) end, "Variable: unknown option 'nmae'; did you mean 'name'")
  end)

  it("is assigned, added to and subtracted from, and returns itself", function()
    local v = kl.Variable{1.0, 2.0}
    near(v:assign{5.0, 6.0}:assign_add{1.0, 1.0}:assign_sub(kl.tensor{0.5, 0.0}), {5.5, 7}, "chained")
    near(v:assign(3), {3, 3}, "a number fills it")
    near(v:assign_add(v), {6, 6}, "itself")
    near(v:assign(v * 2 - 1), {11, 11}, "an expression of itself")
  end)

  it("writes in place where nobody holds the value, and leaves alone what somebody holds", function()
    local v, ones = kl.Variable(kl.zeros{1 << 20}), kl.ones{1 << 20}
    local held, part = v.value, v.value[{ {1, 2} }]
    v:assign_add(ones)
    near(held[1], 0, "a value that was read")
    near(part, {0, 0}, "a view of it")
    held, part = nil, nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    local stats = kl.core.memory_stats()
    kl.set_memory_limit(stats.live_bytes + (2 << 20)) -- no room for a second storage
    local in_place = pcall(v.assign_add, v, ones)
    held = v.value
    local copied = pcall(v.assign_add, v, ones)
    kl.set_memory_limit(stats.limit_bytes)
    assert.is_true(in_place)
    assert.is_false(copied)
    near(held[-1], 2, "after two")
  end)

  it("keeps its dtype and shape", function()
    local v, n = kl.Variable(kl.zeros{2, 3}), kl.Variable(1, {dtype = "int32"})
    v:assign(kl.ones{2, 3, dtype = "float64"})
    v:assign(kl.ones{2, 3, dtype = "int32"})
    assert.equal("float32", v.dtype)
    raises(function() v:assign(kl.ones{3, 2}) end, "%(2, 3%).*%(3, 2%)")
    raises(function() v:assign_add(kl.ones{4}) end, "%(2, 3%)")
    raises(function() n:assign(1.5) end, "float")
    raises(function() n:assign(kl.ones{}) end, "the variable is int32, the value is a float: cast it first")
    raises(function() v:assign("x") end, "assign: a tensor or a number expected, got string")
    raises(function() v:assign() end, "assign: a tensor or a number expected")
    near(v, kl.ones{2, 3}, "unchanged by what failed")
  end)

  it("reads as a tensor in ops, methods, operators and indices", function()
    local v = kl.Variable{1.0, 2.0, 3.0}
    near(v * 2 + v, {3, 6, 9}, "operators")
    near(v:sum(), 6, "method")
    near(v[2], 2, "index")
    assert.same({1.0, 2.0, 3.0}, v:totable())
    assert.matches("1., 2., 3.", tostring(v), 1, true)
    raises(function() v[1] = 5 end, "use v:assign%(kl.slice_update")
    raises(function() v.shpae = 5 end, "a variable has no property 'shpae'")
    raises(function() local _ = v.asign end, "no method or property 'asign'; did you mean 'assign'")
  end)

  it("is watched by tapes while it is trainable", function()
    local v = kl.Variable(3.0)
    local function gradient()
      local tape <close> = kl.GradientTape()
      return tape:gradient(v * v, v)
    end
    near(gradient(), 6, "trainable")
    v.trainable = false
    assert.is_false(v.trainable)
    assert.is_nil(gradient())
    v.trainable = true
    near(gradient(), 6, "again")
    assert.is_false(kl.Variable(1.0, {trainable = false}).trainable)
  end)

  it("that a layer makes has the layer's path, and remembers how it was declared", function()
    local layer = kl.Layer{name = "own", trainable = false}
    local v = layer:add_weight{name = "w", shape = {2}, initializer = "ones"}
    assert.same({"own/w", false, true}, {v.path, v.trainable, v.declared_trainable})
    layer.trainable = true
    assert.is_true(v.trainable)
    raises(function() layer:add_weight{name = "x", shape = {2, false}} end,
      "axis 2 of the shape of 'x' must be an integer, got boolean false")
    raises(function() layer:add_weight{name = "x", shpae = {2}} end, "add_weight: unknown option 'shpae'; did you mean 'shape'")
  end)
end)
