-- Reshape, Permute, Flatten and RepeatVector.
local kl = require "kl"
local assert = require "luassert"
local near = require "near"
local raises = require "raises"
local layers = kl.layers

describe("reshaping layers", function()
  local x = kl.arange(12):reshape{2, 2, 3}

  it("keep C order and the batch", function()
    near(layers.Flatten{}(x), {{0, 1, 2, 3, 4, 5}, {6, 7, 8, 9, 10, 11}}, "Flatten")
    near(layers.Reshape{3, -1}(x), {{{0, 1}, {2, 3}, {4, 5}}, {{6, 7}, {8, 9}, {10, 11}}}, "Reshape")
    near(layers.Permute{2, 1}(x), {{{0, 3}, {1, 4}, {2, 5}}, {{6, 9}, {7, 10}, {8, 11}}}, "Permute")
    near(layers.RepeatVector{2}(kl.tensor{{1.0, 2.0}, {3.0, 4.0}}), {{{1, 2}, {1, 2}}, {{3, 4}, {3, 4}}}, "RepeatVector")
    near(layers.Flatten{}(kl.tensor{1.0, 2.0}), {{1}, {2}}, "a vector")
    near(layers.Flatten{data_format = "channels_first"}(x), {{0, 3, 1, 4, 2, 5}, {6, 9, 7, 10, 8, 11}}, "channels first")
    raises(function() layers.Flatten{data_format = "first"} end, "'data_format' must be one of \"channels_last\", \"channels_first\"")
  end)

  it("leave integers as they are", function() assert.equal("int32", layers.Flatten{}(x).dtype) end)

  it("take axes of unknown length", function()
    local inputs = kl.Input{nil, 3}
    local cases = {{layers.Flatten{}, {false, false}, {2, 6}}, {layers.Reshape{-1, 3}, {false, false, 3}, {2, 2, 3}},
      {layers.Reshape{6}, {false, 6}, {2, 6}}, {layers.Permute{2, 1}, {false, 3, false}, {2, 3, 2}}}
    for _, case in ipairs(cases) do
      local y = case[1](inputs)
      assert.same(case[2], y.shape)
      assert.same(case[3], kl.Model{inputs = inputs, outputs = y}(x).shape)
    end
  end)

  it("check what is known before a graph runs, and the rest when it does", function()
    raises(function() layers.Reshape{4}(kl.Input{3}) end, "samples of 3 elements do not fit the shape %(4%)")
    local inputs = kl.Input{false}
    local model = kl.Model{inputs = inputs, outputs = layers.Reshape{4}(inputs)}
    raises(function() local _ = model(kl.ones{2, 3}) end, "samples of 3 elements do not fit the shape %(4%)")
  end)
end)
