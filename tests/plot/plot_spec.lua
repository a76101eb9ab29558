-- kl.plot: every kind of chart in every format, what labels may not do, and what bad input gets.
local kl = require "kl"
local program = require "program"
local Axes = require "kl.plot.axes"
local gnuplot = require "kl.plot.gnuplot"

-- One call per kind; a kind without one fails.
local calls = {
  line = function(f, o) f:line({1, 2, 0 / 0, 4}, o) end,
  step = function(f, o) f:step({1, 2, 3}, o) end,
  scatter = function(f, o) f:scatter(kl.tensor{1, 2, 3}, {3, kl.Variable(2.0), 1}, o) end,
  hline = function(f, o) f:hline(2, o) end,
  vline = function(f, o) f:vline(2, o) end,
  fill_between = function(f, o) f:fill_between({1, 2}, {0, 1}, {2, 3}, o) end,
  errorbar = function(f, o)
    o = o or {}
    o.yerr = 0.5
    f:errorbar({1, 2}, {3, 4}, o)
  end,
  bar = function(f, o) f:bar({"a", "b"}, {1, 2}, o) end,
  barh = function(f, o) f:barh({1, 2}, o) end,
  histogram = function(f, o) f:histogram(kl.tensor({1, 2, 2, 3}, "int32"), o) end,
  text = function(f, o) f:text(1, 1, "note", o) end,
  heatmap = function(f, o) f:heatmap({{1, 2}, {3, 4}}, o) end,
  image = function(f, o) f:image(kl.zeros{4, 3}, o) end,
  images = function(f, o) f:images(kl.zeros{3, 4, 4, 3}, o) end,
}
local labelled = {"line", "step", "scatter", "hline", "vline", "fill_between", "errorbar", "bar", "barh", "histogram"}
local evil = {"'", '"', "\\", "a\nb", "@x", "{/=20 b}^2_3", "%s %n 100%", "`touch kl-evil`", "$(touch kl-evil)", "é ∑", "<b>&amp;",
  '"; system("touch kl-evil"); "', "'\n! touch kl-evil\n", "\\\"\nsystem 'touch kl-evil'\n", "\xff", "a\0b", "#x", ""}

local function fails(f, words)
  local ok, message = pcall(f)
  assert.is_false(ok)
  assert.is_truthy(message:find(words, 1, true), message)
end

local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

describe("a chart of kind", function()
  for _, kind in ipairs(Axes.charts) do
    it(kind .. " is drawn in every format", function()
      local fig = kl.plot.figure{title = kind, width = 320, height = 240}
      assert(calls[kind], "no call for this kind")(fig)
      for format, head in pairs{png = "^\137PNG", svg = "^<%?xml", pdf = "^%%PDF", txt = kind} do
        assert.matches(head, fig:render(format))
      end
      local png = fig:render("png", {scale = 2})
      assert.same({640, 480}, {(">I4I4"):unpack(png, 17)})
    end)
  end
  for _, kind in ipairs(labelled) do
    it(kind .. " has its label in the legend", function()
      local fig = kl.plot.figure{}
      calls[kind](fig, {label = "the <label> of it"})
      assert.matches("the &lt;label&gt; of it", fig:render("svg"))
    end)
  end
end)

describe("a text", function()
  it("is only a text, whatever is in it", function()
    for _, text in ipairs(evil) do
      local fig = kl.plot.figure{title = text, xlabel = text, ylabel = text, xticks = {1, 2}, xticklabels = {text, text}}
      fig:line({1, 2}, {label = text}):text(1, 1, text)
      for _, format in ipairs{"png", "svg", "txt"} do assert.is_true(#fig:render(format) > 100) end
    end
    assert.is_false(exists("kl-evil"))
  end)
  it("is in a script as letters, digits, blanks and escapes only", function()
    for _, text in ipairs(evil) do
      assert.matches('^"[%a \\0-9]*"$', gnuplot.quote(text))
    end
  end)
  it("stands literally in an SVG file, which is whole XML", function()
    local svg = kl.plot.figure{title = "a`b` $x @y {z} 5% \\n"}:line({1, 2}):render("svg")
    assert.is_truthy(svg:find("a`b` $x @y {z} 5% \\n", 1, true))
  end)
end)

describe("saving a figure", function()
  it("makes files in paths with quotes and blanks, and nothing in folders that are missing", function()
    local folder = os.tmpname()
    os.remove(folder)
    os.execute("mkdir " .. folder)
    local fig = kl.plot.figure{}:line({1, 2})
    local path = folder .. "/a 'b' \"c\" $d.png"
    fig:save(path)
    assert.is_true(exists(path))
    fails(function() fig:save(folder .. "/no/x.png") end, "No such file or directory")
    fails(function() fig:save(folder .. "/x.gif") end, "ends in .png, .svg, .pdf or .txt")
    os.execute("rm -r " .. folder)
  end)
  it("says what to install where gnuplot is missing", function()
    local output = program.run('require "kl".plot.figure{}:line({1}):save("/tmp/kl-plot-never.png")', "", "PATH=")
    assert.matches("gnuplot%-nox", output)
    assert.is_false(exists("/tmp/kl-plot-never.png"))
  end)
end)

describe("wrong arguments", function()
  local cases = {
    {"lengths 3 and 2", function(f) f:line({1, 2, 3}, {1, 2}) end, "'x' has 3 elements and 'y' 2"},
    {"a misspelt option", function(f) f:line({1}, {colour = "red"}) end, "did you mean 'color'"},
    {"an unknown color", function(f) f:line({1}, {color = "blu"}) end, "did you mean 'blue'"},
    {"an unknown style", function(f) f:line({1}, {style = "dashd"}) end, "unknown style"},
    {"a string among numbers", function(f) f:line({1, "2"}) end, "element 2 is the string"},
    {"a matrix for a line", function(f) f:line(kl.zeros{2, 2}) end, "a list of numbers or a vector"},
    {"a vector for a heat map", function(f) f:heatmap({1, 2}) end, "a matrix"},
    {"an image of two channels", function(f) f:image(kl.zeros{2, 2, 2}) end, "1, 3 or 4 channels"},
    {"no bins", function(f) f:histogram({1}, {bins = 0}) end, "'bins' must be an integer >= 1"},
    {"limits of a logarithmic axis", function() kl.plot.figure{xscale = "log", xlim = {0, 1}} end, "above 0"},
    {"an unknown option of a figure", function() kl.plot.figure{titel = "x"} end, "did you mean 'title'"},
    {"a chart on several axes", function() kl.plot.figure{columns = 2}:line({1}) end, "say which"},
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      fails(function() case[2](kl.plot.figure{}) end, case[3])
    end)
  end
end)

describe("series of", function()
  for name, list in pairs{nothing = {}, ["no number"] = {0 / 0, 1 / 0}, one = {3}, equals = {2, 2, 2}, ["huge ones"] = {-1e308, 1e308}} do
    it(name .. " are drawn", function()
      for _, scale in ipairs{"linear", "log"} do
        local fig = kl.plot.figure{yscale = scale}:line(list, {label = "l"}):scatter(list, {label = "s"}):histogram(list)
        for _, format in ipairs{"png", "txt"} do assert.is_true(#fig:render(format) > 100) end
      end
    end)
  end
end)

describe("history:plot", function()
  it("has axes per metric, with the validation beside the training", function()
    local history = kl.callbacks.History()
    for epoch = 1, 3 do history:on_epoch_end(epoch, {loss = 1 / epoch, val_loss = 2 / epoch, accuracy = epoch / 3}) end
    local fig = history:plot{}
    assert.equal(2, #fig)
    local svg = fig:render("svg")
    for _, word in ipairs{"loss", "accuracy", "training", "validation", "epoch"} do assert.matches(">%s*" .. word .. "<", svg) end
    fails(function() history:plot{metrics = {"los"}} end, "did you mean 'loss'")
    fails(function() kl.callbacks.History():plot() end, "nothing to draw")
  end)
end)
