-- model:summary is Keras's, letter by letter, where Keras cuts nothing.
local kl = require "kl"
local assert = require "luassert"
local python = require "python"
local L = kl.layers

local function chain()
  return kl.Sequential{kl.Input{4}, L.Dense{8, name = "d1"}, L.BatchNormalization{name = "batch_normalization"},
    L.Dropout{0.5, name = "drop"}, L.Dense{3, name = "d2"}, name = "chain"}
end

local function graph()
  local a, b = kl.Input{3, name = "a"}, kl.Input{2, name = "b"}
  local shared = L.Dense{4, name = "sh"}
  local first = shared(a)
  local joined = L.Concatenate{name = "join"}{first, shared(L.Dense{3, name = "up"}(b)), b}
  local inner = kl.Sequential{L.Dense{4, name = "i1"}, kl.Sequential{L.Dense{2, name = "i2"}, name = "deep"}, name = "inner"}
  local d = inner(joined)
  return kl.Model{inputs = {a, b}, outputs = {L.Dense{1, name = "e"}(d), d}, name = "graph"}
end

local cases = {{chain, {}}, {chain, {line_length = 60}}, {graph, {}}, {graph, {expand_nested = true}},
  {graph, {expand_nested = true, show_trainable = true}}, {graph, {layer_range = {"sh", "e"}}},
  {graph, {positions = {0.2, 0.4, 0.6, 1.0}}}, {graph, {line_length = 140}}}

describe("summary beside Keras's", function()
  local texts = python.run("summary.py")
  assert.equal(#cases, #texts)
  for i, case in ipairs(cases) do
    it("case " .. i, function()
      local text
      case[2].print_fn = function(t) text = t end
      case[1]():summary(case[2])
      assert.equal(texts[i], text)
    end)
  end
end)
