-- kl.utils.model_to_dot and plot_model: the text says what the model is, whatever its names hold, and `dot` draws it.
local kl = require "kl"
local assert = require "luassert"
local raises = require "raises"
local program = require "program"
local support = dofile "tests/saving/support.lua"
local L, U, Model = kl.layers, kl.utils, kl.Model

local function graph()
  local a, b = kl.Input{3, name = "title"}, kl.Input{2, name = 'a "b" <c> & d\\'}
  local inner = kl.Sequential{L.Dense{4, activation = "relu", name = "first"}, kl.Sequential{L.Dense{2, name = "deep"}, name = "in"},
    name = "block"}
  local joined = L.Concatenate{name = "join"}{a, b}
  return Model{inputs = {a, b}, outputs = {inner(joined), L.Dense{1, name = "out"}(joined) * 2.0}, name = "m"}
end

-- What an option must put into the text.
local options = {
  {{}, {'"title" %->', '"join" %-> "block";', '"join" %-> "out";', '"out" %-> "multiply";', "<b>Dense</b>"},
    {"Input shape", "float32", "<b>out"}},
  {{show_shapes = true}, {"Input shape: <b>%[%(None, 3%), %(None, 2%)%]</b>", "Output shape: <b>%(None, 5%)</b>"}},
  {{show_dtype = true}, {"Output dtype: <b>float32</b>"}},
  {{show_layer_names = true}, {"<b>out</b> %(Dense%)", "<b>a &quot;b&quot; &lt;c&gt; &amp; d\\</b>"}},
  {{show_layer_activations = true, expand_nested = true}, {"Activation: <b>relu</b>", "Activation: <b>linear</b>"}},
  {{show_trainable = true}, {"<b>Trainable</b>"}, {"<b>Non%-trainable</b>"}},
  {{expand_nested = true}, {'subgraph "cluster_block"', 'subgraph "cluster_block/in"', '"join" %-> "block/first";',
    '"block/first" %-> "block/in/deep";'}},
  {{rankdir = "LR", dpi = 50, splines = "spline"}, {"rankdir=LR, dpi=50, splines=spline"}},
}

describe("model_to_dot", function()
  for i, case in ipairs(options) do
    it("says what option set " .. i .. " asks for", function()
      local text = U.model_to_dot(graph(), case[1])
      for _, pattern in ipairs(case[2]) do assert.matches(pattern, text) end
      for _, pattern in ipairs(case[3] or {}) do assert.is_nil(text:match(pattern)) end
      assert.equal(1, select(2, text:gsub('\n  "a \\"b\\" <c> & d\\\\" %[', "")))
    end)
  end

  it("draws subclasses by their layers, and takes one table as well", function()
    local Own = Model:extend("Own")
    function Own:init()
      Own.super.init(self)
      self.list = {L.Dense{2, name = "one"}, L.Dense{3, name = "two"}}
    end
    function Own:call(x) return self.list[2](self.list[1](x)) end
    local own = Own()
    raises(function() U.model_to_dot(own) end, "model 'own[_%d]*' is not built")
    own(kl.ones{1, 2})
    local text = U.model_to_dot{own, show_shapes = true}
    assert.matches('"one" %[.*"two" %[', text)
    assert.matches("Input shape: <b>%(None, 2%)</b>", text)
    assert.matches('"one" %-> "two" %[style=invis%]', text)
  end)

  it("refuses what it does not know", function()
    raises(function() U.model_to_dot(5) end, "a model expected, got integer 5")
    raises(function() U.model_to_dot(graph(), {rankdir = "XY"}) end, "'rankdir' must be one of \"TB\", \"LR\", \"BT\", \"RL\", got")
    raises(function() U.model_to_dot(graph(), 5) end, "model_to_dot: 'show_shapes' must be a boolean, got integer 5")
    raises(function() U.plot_model(graph(), {to_file = "a.xyz"}) end, "'to_file' must end in")
    raises(function() U.model_to_dot(graph(), {splines = "no"}) end, "'splines' must be one of")
    raises(function() U.model_to_dot(graph(), {show_shape = true}) end, "unknown option 'show_shape'; did you mean 'show_shapes'")
    raises(function() U.model_to_dot(graph(), {dpi = 0}) end, "'dpi' must be a number >= 1")
    raises(function() U.model_to_dot(graph(), {expand_nested = 1}) end, "'expand_nested' must be a boolean")
  end)
end)

describe("plot_model", function()
  local heads = {png = "^\x89PNG", svg = "<svg", pdf = "^%%PDF", dot = "^digraph", gv = "^digraph", PNG = "^\x89PNG"}
  for ending, head in pairs(heads) do
    it("writes ." .. ending, function()
      local folder <close> = support.folder()
      for _, expand in ipairs{false, true} do
        local path = folder .. "/a 'name' with $signs." .. ending
        U.plot_model{graph(), to_file = path, show_shapes = true, show_layer_names = true, expand_nested = expand, dpi = 40}
        assert.matches(head, support.read(path))
        assert.equal(1, #support.names_in(folder.path))
      end
    end)
  end

  it("says what to install where dot is missing, and refuses other endings; nothing is written", function()
    local folder <close> = support.folder()
    raises(function() U.plot_model{graph(), to_file = folder .. "/m.xyz"} end, "must end in .png, .svg, .pdf, .jpg or .dot, got")
    raises(function() U.plot_model{graph(), to_file = "m"} end, "must end in")
    local output = program.run(([[
      local kl = require "kl"
      local m = kl.Sequential{kl.Input{2}, kl.layers.Dense{1}}
      kl.utils.plot_model{m, to_file = "%s/m.dot"}
      kl.utils.plot_model{m, to_file = "%s/m.png"}
    ]]):format(folder, folder), "", "PATH=/nowhere")
    assert.matches("there is no program 'dot' .*install Graphviz %(the package graphviz%)", output)
    assert.same({"m.dot"}, support.names_in(folder.path))
  end)
end)
