local assert = require "luassert"
local raises = require "raises"
local tree = require "kl.tree"

describe("structures", function()
  local nested = {b = {1, {2}}, a = 3, c = {}}

  it("are walked in order: lists by position, tables by name sorted", function()
    assert.same({3, 1, 2}, tree.flatten(nested))
    assert.same({5}, tree.flatten(5))
    assert.same({}, tree.flatten{})
    assert.same({"x", "y", "z"}, tree.names{z = 1, x = 2, y = 3})
    assert.is_nil(tree.names{1, 2})
  end)

  it("keep false, which stands for nothing, as a leaf", function()
    assert.same({1, false, 2}, tree.flatten{1, false, {2}})
    assert.same({2, false}, tree.map(function(x) return x and 2 * x end, {1, false}))
  end)

  it("are mapped leaf by leaf, together with others of the same form", function()
    assert.same({b = {10, {20}}, a = 30, c = {}}, tree.map(function(x) return 10 * x end, nested))
    assert.same({a = 11, b = {22}}, tree.map(function(x, y) return x + y end, {a = 1, b = {2}}, {a = 10, b = {20}}))
    assert.equal(3, tree.map(function(x) return x + 1 end, 2))
    raises(function() tree.map(function() end, {1}, 5) end, "structures differ: a leaf where a table is expected")
    raises(function() tree.map(function() end, {1, 2}, {1}) end, "structures differ")
    raises(function() tree.map(function() end, 1, {1}) end, "structures differ")
  end)

  it("are packed again from their leaves", function()
    assert.same(nested, tree.pack(nested, tree.flatten(nested)))
  end)

  it("are described by their form", function()
    assert.equal("{a: *, b: [*, [*]], c: []}", tree.form(nested))
    assert.equal("*", tree.form(false))
  end)

  it("have objects as leaves, whatever is in them", function()
    local object = setmetatable({1, 2}, {})
    assert.same({object}, tree.flatten(object))
    assert.is_true(tree.is_leaf(object))
  end)

  it("have either positions or names", function()
    raises(function() tree.flatten{1, x = 2} end,
      "either a list or a table by name, this one has both positions and names %('x'%)")
    raises(function() tree.flatten{[0.5] = 1} end, "a structure's keys must be positions or names, got a number")
    raises(function() tree.flatten{[true] = 1} end, "got a boolean")
  end)

  it("have no holes", function()
    for _, list in ipairs{{1, nil, 3}, {[1] = 1, [3] = 3}, {1, {2, nil, 4}}, {nil, 2}, {a = {nil, 1}}} do
      raises(function() tree.flatten(list) end, "element %d of a list is nil, and element %d is not")
      raises(function() tree.map(tostring, {x = list}) end, "element %d of a list is nil, and element %d is not")
    end
  end)
end)
