local kl = require "kl"
local assert = require "luassert"
local class = require "kl.class"
local raises = require "raises"

local function point()
  local Point = class.Object:extend("Point")
  function Point:init(x) self.x = x end
  function Point:size() return self.x end
  function Point.get:double() return 2 * self.x end
  function Point.get:half() return self.x / 2 end
  function Point.set:half(value) self.x = 2 * value end
  return Point
end

describe("a class", function()
  it("makes objects, whose methods and fields are found", function()
    local p = point()(3)
    assert.equal(3, p.x)
    assert.equal(3, p:size())
    assert.is_nil(p.absent)
    assert.equal("<Point>", tostring(p))
  end)

  it("is extended: methods are inherited, replaced, and reached through super", function()
    local Point = point()
    local Point3 = Point:extend("Point3")
    function Point3:init(x, z)
      Point3.super.init(self, x)
      self.z = z
    end
    function Point3:size() return Point3.super.size(self) + self.z end
    local p = Point3(3, 4)
    assert.equal(7, p:size())
    assert.equal(6, p.double)
    assert.equal(3, Point(3):size())
    assert.is_true(p:is(Point) and p:is(Point3) and p:is(class.Object))
    assert.is_false(Point(1):is(Point3))
    assert.equal(Point3, class.of(p))
    assert.equal("class Point3", tostring(Point3))
  end)

  it("computes properties, which are no fields: setting one needs a setter", function()
    local p = point()(3)
    assert.equal(6, p.double)
    p.half = 5
    assert.equal(10, p.x)
    assert.is_nil(rawget(p, "half"))
    raises(function() p.double = 1 end, "'double' of a Point is computed and cannot be set")
  end)

  it("lets a subclass replace a property, also one it only sets", function()
    local Point = point()
    local Loud = Point:extend("Loud")
    function Loud.get:double() return -1 end
    function Loud.set:half(value) self.x = value end
    local p = Loud(3)
    assert.equal(-1, p.double)
    p.half = 8
    assert.equal(8, p.x)
    assert.equal(4, p.half) -- the getter of the class above
    assert.equal(6, Point(3).double)
  end)

  it("sees methods that are defined after objects were made", function()
    local Point = point()
    local Sub = Point:extend("Sub")
    local p = Sub(1)
    function Point:late() return "late" end
    assert.equal("late", p:late())
  end)

  it("needs a name, and its objects are called only if it defines __call", function()
    raises(function() class.Object:extend() end, "extend: the name of the class expected, got nil")
    raises(function() class.Object:extend(5) end, "extend: the name of the class expected, got integer 5")
    raises(function() local _ = point()(1)() end, "a Point cannot be called")
    local Callable = point():extend("Callable")
    function Callable:__call(y) return self.x + y end
    assert.equal(5, Callable(2)(3))
  end)

  it("is told from its objects and from other tables", function()
    local Point = point()
    assert.is_true(class.is_class(Point))
    assert.is_false(class.is_class(Point(1)))
    assert.is_false(class.is_class({}))
    assert.is_false(class.is({}, Point))
    assert.is_nil(class.of(5))
  end)

  it("made of kl's own behaves the same", function()
    assert.is_true(kl.layers.Dense{1}:is(kl.Layer))
    raises(function() kl.layers.Dense{1}.weights = {} end, "'weights' of a Dense is computed and cannot be set")
  end)
end)
