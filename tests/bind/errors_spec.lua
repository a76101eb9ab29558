-- What a user's mistakes say at the boundary: the script's line first, what was expected, what came (design.md 10).
-- Wrong arguments of every op are in tests/ops/bad_arguments.lua.
local kl = require "kl"
local raises = require "raises"
local layers = kl.layers

local t = kl.tensor{{1.0, 2.0}, {3.0, 4.0}}
local v = kl.Variable{1.0, 2.0}
local scalar = kl.tensor(1.0)

describe("a mistake", function()
  for what, case in pairs{
    -- tensors are values
    ["assigning to an element of a tensor"] = {function() t[1] = 5 end, "tensors never change: use kl%.slice_update"},
    ["assigning to a property of a tensor"] = {function() t.shape = {4} end, "tensors never change"},
    ["assigning to an element of a variable"] = {function() v[1] = 5 end,
      "elements of a variable are not assigned: use v:assign"},
    ["assigning to a variable's value"] = {function() v.value = t end, "no property 'value' that can be set.*v:assign%(x%)"},
    -- names
    ["a misspelt method"] = {function() t:tranpose() end,
      "a tensor has no method or property 'tranpose'; did you mean 'transpose'%?"},
    ["two letters exchanged"] = {function() kl.cast(t, "folat32") end, "did you mean 'float32'%?"},
    ["two letters exchanged in a short name"] = {function() t:epx() end, "did you mean 'exp'%?"},
    ["a misspelt property"] = {function() return t.shap end, "a tensor has no method or property 'shap'"},
    ["a misspelt method of a variable"] = {function() v:asign(1) end,
      "a variable has no method or property 'asign'; did you mean 'assign'%?"},
    ["a misspelt option"] = {function() kl.sum(t, {axes = 1}) end, "kl%.sum: unknown option 'axes'; did you mean 'axis'%?"},
    ["a misspelt dtype"] = {function() kl.tensor(1, "flaot32") end, "kl%.tensor: the name of a dtype expected, got flaot32"},
    ["a misspelt dtype of an op"] = {function() kl.cast(t, "float23") end, "'float23' is no dtype.*did you mean 'float32'%?"},
    ["an option given twice"] = {function() kl.sum(t, 1, {axis = 2}) end, "kl%.sum: 'axis' is given twice"},
    ["too many arguments"] = {function() kl.exp(t, 1) end, "kl%.exp takes 1 argument, got 2"},
    ["a missing argument"] = {function() kl.add(t) end, "kl%.add: 'x2' is missing"},
    ["a nil operand"] = {function() return t + nil end, "kl%.add: a tensor or a number expected as operand 2, got nil"},
    ["a string operand"] = {function() return "x" * t end,
      "kl%.multiply: a tensor or a number expected as operand 1, got string"},
    ["a list with an odd entry"] = {function() kl.reshape(t, {2, {}}) end, "'newshape' must be a list of integers, got table"},
    ["a tensor as an axis"] = {function() kl.sum(t, t) end, "kl%.sum: 'axis' must be an axis or a list of axes, got a tensor"},
    ["a variable as an axis"] = {function() kl.sum(t, v) end,
      "kl%.sum: 'axis' must be an axis or a list of axes, got a variable"},
    -- Lua's operators
    ["an order of tensors"] = {function() return t < t end, "compared elementwise by functions: kl%.less"},
    ["an order of a tensor and a number"] = {function() return 1 >= t end, "compared elementwise by functions"},
    ["an order of variables"] = {function() return v <= 1 end, "compared elementwise by functions"},
    ["the length of a scalar"] = {function() return #scalar end, "a scalar tensor has no length"},
    ["joining a tensor to a string"] = {function() return "t = " .. t end, "attempt to concatenate a kl%.Tensor value"},
    ["calling a tensor"] = {function() t(1) end, "attempt to call a kl%.Tensor value"},
    -- shapes and types
    ["shapes that do not broadcast"] = {function() return t + kl.ones{3} end,
      "kl%.add: shapes do not broadcast: %(2, 2%) and %(3,%)"},
    ["inner dimensions"] = {function() kl.matmul(t, kl.ones{3}) end, "kl%.matmul: inner dimensions differ: %(2, 2%) x %(3,%)"},
    ["a float in an integer tensor"] = {function() kl.tensor({1, 2.5}, "int32") end,
      "kl%.tensor: the float 2%.5 in a tensor of int32"},
    ["an integer that does not fit"] = {function() kl.tensor({300}, "uint8") end, "kl%.tensor: 300 does not fit in uint8"},
    ["ragged tables"] = {function() kl.tensor{{1, 2}, {3}} end, "ragged: 2 elements expected along axis 2, got 1"},
    ["tables of different depth"] = {function() kl.tensor{1, {2}} end, "same depth"},
    ["a tensor of tensors"] = {function() kl.tensor{t, t} end, "got a tensor: kl.stack makes one of a list"},
    ["an option that is none"] = {function() kl.tensor({1}, {dytpe = "int32"}) end, "kl%.tensor: unknown option 'dytpe' %(known: dtype%)"},
    ["a misspelt dtype by name"] = {function() kl.tensor(1, {dtype = "f"}) end, "kl%.tensor: the name of a dtype expected, got f"},
    ["a tensor of strings"] = {function() kl.tensor{"a"} end, "numbers or booleans expected, got string"},
    ["a tensor of nothing"] = {function() kl.tensor() end, "kl%.tensor: nested tables of numbers.*got no value"},
    ["a table that holds itself"] = {function() local x = {}; x[1] = x; kl.tensor(x) end, "nested deeper than 8"},
    ["item of many"] = {function() t:item() end, "item: a tensor with one element expected, got shape %(2, 2%)"},
    ["an assignment of another shape"] = {function() v:assign(t) end,
      "assign: the variable has shape %(2,%), the value %(2, 2%)"},
    ["an assignment of a string"] = {function() v:assign("x") end, "assign: a tensor or a number expected, got string"},
    ["an assignment of nothing"] = {function() v:assign() end, "assign: a tensor or a number expected, got no value"},
    ["a float for an integer variable"] = {function() kl.Variable(kl.tensor{1}):assign(0.5) end,
      "the variable is int32, the value is a float"},
    ["a method without its object"] = {function() v.assign(1) end, "a kl%.Variable expected, got number"},
    ["free of a variable"] = {function() v:free() end, "free: a tensor expected"},
  } do
    it("blames the caller's line and says what is wrong: " .. what, function() raises(case[1], case[2]) end)
  end

  it("is blamed on the user's line from inside functions that kl calls", function()
    local model = kl.Sequential{kl.Input{2}, layers.Lambda and layers.Lambda{function(x) return x end} or layers.Dense{2}}
    model:compile{optimizer = "sgd", loss = function(y_true, y_pred)
      return y_true + y_pred:reshape{77}
    end}
    local line = debug.getinfo(1, "l").currentline - 2
    local ok, message = pcall(model.train_on_batch, model, {kl.ones{1, 2}, kl.ones{1, 2}})
    assert.is_false(ok)
    assert.matches(("^tests/bind/errors_spec.lua:%d: kl.reshape: "):format(line), message)
  end)

  it("is blamed on the user's line inside a coroutine", function()
    local co = coroutine.create(function() return t + kl.ones{3} end)
    local line = debug.getinfo(1, "l").currentline - 1
    local ok, message = coroutine.resume(co)
    assert.is_false(ok)
    assert.matches(("^tests/bind/errors_spec.lua:%d: kl.add: "):format(line), message)
  end)

  it("leaves variables and tensors usable", function()
    assert.has_error(function() v:assign(t) end)
    assert.has_error(function() v:assign_add(kl.ones{3}) end)
    assert.has_error(function() v:assign("x") end)
    assert.same({1, 2}, v:totable())
    v:assign_add(1)
    assert.same({2, 3}, v:totable())
    v:assign{1.0, 2.0}
  end)
end)

describe("an error inside layers", function()
  it("names the path of the layers and the class of the innermost", function()
    local Broken = kl.Layer:extend("Broken")
    function Broken:call(x) return kl.matmul(x, kl.ones{77}) end
    local Outer = kl.Layer:extend("Outer")
    function Outer:init(given)
      Outer.super.init(self, given)
      self.inner = Broken{name = "inner"}
    end
    function Outer:call(x) return self.inner(x) end
    local outer = Outer{name = "outer"}
    assert.error_matches(function() outer(kl.ones{1, 3}) end,
      "^kl%.matmul: inner dimensions differ: .* %(in layer 'outer/inner', a Broken%)$")
  end)

  it("does not stick to errors after it", function()
    local dense = layers.Dense{2}
    dense(kl.ones{1, 3})
    assert.has_error(function() dense(kl.ones{1, 4}) end)
    local _, message = pcall(function() return t + kl.ones{3} end)
    assert.not_matches("in layer", message)
  end)

  it("names the layer where a built one gets another width", function()
    local dense = layers.Dense{2, name = "head"}
    dense(kl.ones{1, 3})
    assert.error_matches(function() dense(kl.ones{1, 4}) end, "head")
  end)

  it("is not raised twice: an error object that is no string goes through as it is", function()
    local Raises = kl.Layer:extend("Raises")
    local object = {code = 7}
    function Raises:call() error(object) end
    local ok, got = pcall(Raises{}, kl.ones{1, 1})
    assert.is_false(ok)
    assert.equal(object, got)
  end)
end)

describe("two tensors", function()
  it("are equal only if they are one object", function()
    local alias = t
    assert.is_true(t == alias)
    assert.is_false(t == t + 0)
    assert.is_true(t ~= v)
    assert.is_true(kl.array_equal(t, t + 0))
  end)

  it("have lengths, as variables do", function()
    assert.equal(2, #t)
    assert.equal(2, #v)
    assert.equal(0, #kl.zeros{0, 3})
  end)
end)
