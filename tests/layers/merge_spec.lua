-- Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate and Dot.
local kl = require "kl"
local near = require "near"
local raises = require "raises"
local layers = kl.layers

describe("merging layers", function()
  local a, b, c = kl.tensor{{1.0, -2.0}}, kl.tensor{{3.0, 5.0}}, kl.tensor{{-4.0, 6.0}}
  local cases = {
    {"Add", {a, b, c}, {{0, 9}}}, {"Subtract", {a, b}, {{-2, -7}}}, {"Multiply", {a, b, c}, {{-12, -60}}},
    {"Average", {a, b, c}, {{0, 3}}}, {"Maximum", {a, b, c}, {{3, 6}}}, {"Minimum", {a, b, c}, {{-4, -2}}},
    {"Concatenate", {a, b, c}, {{1, -2, 3, 5, -4, 6}}}, {"Add", {a}, {{1, -2}}}, {"Average", {a}, {{1, -2}}},
  }
  for _, case in ipairs(cases) do
    it(("%s joins %d inputs"):format(case[1], #case[2]), function() near(layers[case[1]]{}(case[2]), case[3], case[1]) end)
  end

  for _, case in ipairs(cases) do
    it(("%s is a function too, by its name in lower case"):format(case[1]), function()
      near(layers[case[1]:lower()](case[2]), case[3], case[1])
    end)
  end

  it("take their options as functions too", function()
    local joined = layers.concatenate({a, b}, {axis = 1, name = "below"})
    near(joined, {{1, -2}, {3, 5}}, "along the first axis")
    near(layers.dot({a, b}, {axes = 2}), {{-7}}, "dot")
    local left, right = kl.Input{2}, kl.Input{2}
    local model = kl.Model{inputs = {left, right}, outputs = layers.subtract({left, right}, {name = "difference"})}
    assert.same({"difference"}, model.output_names)
    raises(function() layers.average({a, b}, {axis = 1}) end, "Average: unknown option 'axis'")
  end)

  it("inserts axes behind the batch where ranks differ", function()
    local wide = kl.tensor{{{1.0, 2.0}, {3.0, 4.0}}, {{5.0, 6.0}, {7.0, 8.0}}}
    near(layers.Add{}{wide, kl.tensor{{10.0, 20.0}, {30.0, 40.0}}}, {{{11, 22}, {13, 24}}, {{35, 46}, {37, 48}}}, "per sample")
    near(layers.Add{}{wide, kl.tensor{100.0, 200.0}}, {{{101, 102}, {103, 104}}, {{205, 206}, {207, 208}}},
      "one number per sample")
  end)

  it("take a list, and name what came instead", function()
    raises(function() layers.Add{name = "sum"}(a) end,
      "Add takes a list of tensors, got a float32 tensor of shape %(1, 2%) .*layer 'sum'")
    raises(function() layers.Add{}{left = a, right = b} end, "Add takes a list of tensors, got a table")
    raises(function() layers.Concatenate{}{{a}, b} end, "Concatenate: input 1 must be a tensor, got a table")
  end)
end)

describe("Dot", function()
  local x = kl.tensor{{1.0, 2.0, 2.0}, {3.0, 0.0, 4.0}}
  local y = kl.tensor{{2.0, 1.0, 0.0}, {0.0, 0.0, 2.0}}

  it("contracts an axis of two inputs, keeping the batch, with a last axis of 1 if none is left", function()
    near(layers.Dot{axes = 2}{x, y}, {{4}, {8}}, "vectors")
    near(layers.Dot{-1}{x, y}, {{4}, {8}}, "the last axis")
  end)

  it("gives cosines with normalize, and 0 for a vector of zeros", function()
    near(layers.Dot{axes = 2, normalize = true}{x, y}, {{4 / (3 * math.sqrt(5))}, {8 / (5 * 2)}}, "cosines")
    near(layers.Dot{axes = 2, normalize = true}{x, kl.zeros{2, 3}}, {{0}, {0}}, "zeros")
  end)

  it("multiplies stacks of matrices along any pair of axes, also of unknown lengths", function()
    local a, b = kl.random.normal{2, 3, 4, seed = 1}, kl.random.normal{2, 4, 5, seed = 2}
    local dot = layers.Dot{axes = {3, 2}}
    near(dot{a, b}, kl.matmul(a, b), "as matmul")
    near(layers.Dot{axes = {2, 3}}{a:swapaxes(2, 3), b:swapaxes(2, 3)}, kl.matmul(a, b), "transposed")
    local left, right = kl.Input{nil, 4}, kl.Input{4, false}
    local model = kl.Model{inputs = {left, right}, outputs = dot{left, right}}
    near(model{a, b}, kl.matmul(a, b), "through a graph")
  end)
end)
