-- kl.plot: every kind of chart in every format, and what is drawn of the data.
local kl = require "kl"
local Axes = require "kl.plot.axes"
local support = dofile "tests/plot/support.lua"
local calls, count, part = support.calls, support.count, support.part

local function svg_of(draw, options)
  local fig = kl.plot.figure(options or {})
  draw(fig)
  return fig:render("svg")
end

-- What is seen of the figure that `calls` has of a kind: a pattern, and how often it is in the first part.
local seen = {
  line = {" [ML]?%-?[%d.]+,[%d.]+", 3}, -- the two pieces beside the gap, M is before the first
  step = {"L%-?[%d.]+,[%d.]+", 4},
  scatter = {"<use ", 3},
  hline = {"<path ", 1},
  vline = {"<path ", 1},
  fill_between = {"<polygon ", 1},
  errorbar = {"M[%d.]+,[%d.]+", 9}, -- each a line and two ends
  bar = {"<polygon ", 2},
  barh = {"<polygon ", 3},
  histogram = {"<polygon ", 3}, -- empty bins have no area
  heatmap = {"<polygon ", 5},
  image = {"<image ", 1},
  images = {"<image ", 1},
}

describe("a chart of kind", function()
  for _, kind in ipairs(Axes.charts) do
    it(kind .. " is drawn in every format", function()
      local fig = kl.plot.figure{title = "A " .. kind, width = 320, height = 240}
      assert(calls[kind], "no call for this kind")(fig, {})
      local svg = fig:render("svg")
      assert.matches("^<%?xml.*>A " .. kind .. "<.*</svg>%s*$", svg)
      assert.matches("^%%PDF.*%%%%EOF%s*$", fig:render("pdf"))
      assert.matches("A " .. kind, fig:render("txt"))
      if kind == "heatmap" or kind:find("^image") then
        assert.matches("A " .. kind, fig:render("txt", {color = true, width = 40, height = 12}))
      end
      local png = fig:render("png")
      assert.equal("\137PNG\r\n\26\n", png:sub(1, 8))
      assert.equal("320 x 240", support.size(png))
      if seen[kind] then assert.equal(seen[kind][2], count(part(svg, 1), seen[kind][1])) end
    end)
  end

  it("takes tensors and Variables of every dtype, and lists, for the same", function()
    local y = {1, 0, 1, 1}
    local expected = svg_of(function(f) f:line(y):scatter(y, y):histogram(y):bar(y) end)
    for _, dtype in ipairs{"bool", "uint8", "int32", "int64", "float32", "float64"} do
      local tensor = kl.tensor(y, dtype)
      local variable = kl.Variable(tensor)
      assert.equal(expected, svg_of(function(f) f:line(variable):scatter(tensor, y):histogram(variable):bar(tensor) end), dtype)
    end
    assert.equal(expected, svg_of(function(f)
      f:line{true, false, true, kl.tensor(1)}:scatter(kl.tensor{{1}, {0}, {1}, {1}}, y):histogram(y):bar(y)
    end))
  end)

  it("is as large as it is told", function()
    local fig = kl.plot.figure{width = 200, height = 100}:line({1, 2})
    assert.equal("400 x 200", support.size(fig:render("png", {scale = 2})))
    assert.equal("300 x 150", support.size(fig:render("png", {width = 300, height = 150})))
    assert.matches("/MediaBox %[ 0 0 144 72 %]", (fig:render("pdf")))
    for line in fig:render("txt", {width = 50, height = 10}):gmatch("[^\n]+") do assert.is_true(utf8.len(line) <= 50) end
  end)
end)

describe("a legend", function()
  it("has the labels of all kinds that have one", function()
    local fig = kl.plot.figure{legend = "outside"}
    local kinds = {"line", "step", "scatter", "hline", "vline", "fill_between", "errorbar", "bar", "barh", "histogram"}
    for _, kind in ipairs(kinds) do calls[kind](fig, {label = "the & of " .. kind}) end
    local svg = fig:render("svg")
    for _, kind in ipairs(kinds) do assert.is_truthy(svg:find("<text>the &amp; of " .. kind .. "</text>", 1, true), kind) end
  end)
  it("is not there without labels, or where it is not wanted", function()
    assert.is_nil((svg_of(function(f) f:line({1, 2}) end):find("<text>mark")))
    assert.is_nil((svg_of(function(f) f:line({1, 2}, {label = "mark"}) end, {legend = false}):find("<text>mark")))
  end)
  -- the places of the label and of the picture's middle
  local function place(svg)
    local x, y = svg:match('translate%(([%d.]+),([%d.]+)%)"[^>]*>%s*<text>mark</text>')
    return tonumber(x) < 360 and "left" or "right", tonumber(y) < 240 and "top" or "bottom"
  end
  it("stands where it hides least: bars count as high as they are", function()
    assert.same({"left", "top"}, {place(svg_of(function(f) f:bar({1, 2, 3, 4, 5, 6}, {label = "mark"}) end))})
    assert.same({"right", "top"}, {place(svg_of(function(f) f:bar({6, 5, 4, 3, 2, 1}, {label = "mark"}) end))})
    assert.same({"left", "bottom"}, {place(svg_of(function(f) f:barh({9, 9, 9}, {label = "mark"}) end, {ylim = {-1, 3.5}}))})
    assert.same({"left", "top"}, {place(svg_of(function(f) f:line({1, 2, 3}, {label = "mark"}) end))})
    assert.same({"right", "bottom"}, {place(svg_of(function(f)
      f:errorbar({1, 2, 3, 4}, {9, 9, 9, 9}, {yerr = {5, 5, 1, 1}, label = "mark"})
    end, {ylim = {0, 10.5}, legend = "lower right"}))})
  end)
end)

describe("bars", function()
  local function spans(svg, n)
    local list = {}
    for points in part(svg, n):gmatch("<polygon fill = '[^']*' points = '([^']*)'") do
      local x1, y1, x2, _, _, y3 = points:match("([%d.]+),([%d.]+) ([%d.]+),([%d.]+) ([%d.]+),([%d.]+)")
      list[#list + 1] = {x1 = tonumber(x1), x2 = tonumber(x2), y1 = tonumber(y1), y2 = tonumber(y3)}
    end
    return list
  end
  it("stand side by side, or on each other", function()
    local svg = svg_of(function(f) f:bar({"a", "b"}, {1, 2}):bar({"a", "b"}, {2, 1}):bar({"b"}, {1}, {stacked = true}) end)
    local first, second, third = spans(svg, 1), spans(svg, 2), spans(svg, 3)
    assert.near(first[1].x2, second[1].x1, 0.1)
    assert.near(second[2].y2, third[1].y1, 0.1) -- on the second's b
    assert.near(second[2].x1, third[1].x1, 0.1)
    assert.is_true(third[1].y2 < third[1].y1)
  end)
  it("are filled in text, each with its letter", function()
    local text = kl.plot.figure{}:bar({"p", "q"}, {4, 2}, {label = "one"}):bar({"p", "q"}, {2, -4}, {label = "two"}):render("txt")
    assert.is_true(count(text, "A") > 60)
    assert.near(count(text, "A"), count(text, "B"), 0.25 * count(text, "A")) -- the same height on the whole
  end)
  it("have their errors", function()
    local svg = svg_of(function(f) f:bar({1, 2}, {yerr = 0.5}) end)
    assert.equal(6, count(part(svg, 2), "M[%d.]+,[%d.]+"))
  end)
end)

describe("a histogram", function()
  local function counts(list, o) return kl.plot.figure{}:histogram(list, o)[1].series[1].counts end
  it("counts: the last edge belongs to the last bin", function()
    assert.same({2.0, 1.0, 2.0}, counts({0, 0.5, 1, 2, 3, 0 / 0}, {bins = 3}))
    assert.same({1.0, 3.0}, counts({0, 1, 2, 3, 9}, {bins = {0, 1, 3}}))
    assert.same({1.0, 5.0}, counts({0, 1, 2}, {bins = {0, 1, 3}, weights = {1, 2, 3}}))
    assert.same({1.0, 3.0, 4.0}, counts({0, 1, 1.5, 3}, {bins = {0, 1, 2, 3}, cumulative = true}))
    assert.same({0.5, 0.25}, counts({0, 1}, {bins = {0, 1, 3}, density = true}))
  end)
end)

describe("a heat map", function()
  it("has its numbers and names, in pictures and in text", function()
    local fig = kl.plot.figure{}:heatmap({{50, 3}, {4, 44.5}}, {annotate = true, xlabels = {"cat", "dog"}, ylabels = {"Katze", "Hund"}})
    local svg, text = fig:render("svg"), fig:render("txt")
    for _, word in ipairs{"50", "3", "4", "44.5", "cat", "dog", "Katze", "Hund"} do
      assert.is_truthy(svg:find("<text>" .. word .. "</text>", 1, true), word)
      assert.is_truthy(text:find(word, 1, true), word)
    end
  end)
end)

describe("a heat map's axes", function()
  it("number every row and column where there is room", function()
    local function labels(n, axis)
      local list = {}
      local fig = kl.plot.figure{}:heatmap(kl.zeros{n, n})
      for i, tick in ipairs(fig[1]:axis(axis, fig[1]:parts(), 9).ticks) do list[i] = tick[2] end
      return table.concat(list, " ")
    end
    assert.equal("0 1 2 3 4 5 6 7 8 9", labels(10, "y"))
    assert.equal("0 1 2 3 4 5 6 7 8 9", labels(10, "x"))
    assert.equal("0 5 10 15 20 25", labels(28, "y"))
  end)
end)

describe("a label of an axis in text", function()
  it("stands beside the numbers, not on them", function()
    for _, case in ipairs{{"Loss", {0.2, 0.5, 0.8}}, {"a long label", {1e5, 2e5}}, {"y", {1e-5, 3e-5}}} do
      local text = kl.plot.figure{ylabel = case[1]}:line(case[2]):render("txt", {width = 60, height = 9})
      assert.matches("\n *" .. case[1] .. "  +", "\n" .. text)
      assert.is_nil(text:find(case[1] .. "[%d|]"))
    end
  end)
end)

describe("a heat map over coordinates", function()
  local z = {{1, 2, 3}, {4, 5, 6}}
  local function map() return kl.plot.figure{}:heatmap({10, 20, 30}, {0.5, 1.5}, z, {annotate = true}) end

  it("has axes of these numbers that it fills, with the matrix's first row at the bottom", function()
    local fig = map()
    local x, y = fig[1]:axis("x", fig[1]:parts(), 6), fig[1]:axis("y", fig[1]:parts(), 6)
    assert.same({5, 35, 0, 2}, {x.low, x.high, y.low, y.high})
    local svg = fig:render("svg")
    local function height(text)
      return tonumber(svg:match('translate%([%d.]+,([%d.]+)%)"[^>]*>%s*<text>' .. text .. "</text>"))
    end
    assert.is_true(height("1") > height("4"))
  end)

  it("lies below what else is drawn, in pictures and in text, whichever came first", function()
    local fig = kl.plot.figure{}:scatter({10, 30}, {0.5, 1.5}, {label = "points", edgecolor = "black"}):heatmap({10, 20, 30}, {0.5, 1.5}, z)
    assert.equal("image", fig[1]:parts()[1].part.with)
    local svg = fig:render("svg")
    assert.matches("<polygon ", part(svg, 1))
    assert.equal(2, count(part(svg, 2), "<use "))
    assert.equal(2, count(part(svg, 3), "<use "))
    local lines = {}
    for line in fig:render("txt", {width = 40, height = 14}):gmatch("[^\n]+") do lines[#lines + 1] = line end
    local low, high
    for i, line in ipairs(lines) do
      if not line:find("points") then
        if line:find("o", 1, true) then high, low = high or i, i end
      end
    end
    assert.is_true(high < low) -- (30, 1.5) is above (10, 0.5)
    assert.matches("o points", table.concat(lines, "\n"))
    assert.is_true(lines[high]:find("o", 1, true) > lines[low]:find("o", 1, true))
  end)

  it("leaves room for points outside of it", function()
    local fig = map():scatter({50}, {1})
    local x = fig[1]:axis("x", fig[1]:parts(), 6)
    assert.equal(5, x.low)
    assert.is_true(x.high > 50)
  end)
end)

describe("a legend's box", function()
  local legend = require "kl.plot.legend"
  it("is as wide as the widest line of its labels is drawn", function()
    local function width(...)
      local series = {}
      for i, label in ipairs{...} do series[i] = {label = label} end
      return (legend.measure(series))
    end
    assert.is_true(width("a") < 1 and width("a") > 0.4)
    assert.is_true(width("WWW") > 2 * width("iii"))
    assert.equal(width("longer"), width("x\nlonger", "abc"))
    assert.equal(width("ab"), width("éä"))
    local svg = svg_of(function(f) f:line({1, 2}, {label = "i"}) end)
    local wide = svg_of(function(f) f:line({1, 2}, {label = "accuracy of it"}) end)
    local function box(text) -- from the label to the right end of the box
      local x = text:match('translate%(([%d.]+),[%d.]+%)"[^>]*>%s*<text>[ia]')
      local right = text:match("'rgb%(204, 204, 204%)'  d='M[%d.]+,[%d.]+ L[%d.]+,[%d.]+ L([%d.]+),")
      return tonumber(right) - tonumber(x)
    end
    assert.is_true(box(svg) > width("i") * 13.2 + 4)
    assert.near(width("accuracy of it") * 13.2 + 7, box(wide), 5)
  end)
end)

describe("several axes", function()
  it("are each where they belong, with the title over all", function()
    local fig = kl.plot.figure{rows = 2, columns = 2, title = "whole", xscale = "log"}
    fig[1]:configure{title = "first"}:line({1, 10}, {1, 2})
    fig:axes(2, 2, {title = "last"}):line({1, 10}, {1, 2}):line({1, 10}, {5, 6}, {axis = "right"})
    local svg = fig:render("svg")
    for _, word in ipairs{"whole", "first", "last", "10⁰"} do assert.is_truthy(svg:find("<text>" .. word .. "</text>", 1, true), word) end
    assert.equal(fig[4], fig:axes(4))
    local text = fig:render("txt")
    assert.matches("whole.*first.*last", text)
  end)
  it("may all be empty", function()
    for _, fig in ipairs{kl.plot.figure{}, kl.plot.figure{rows = 2, title = "nothing"}, kl.plot.figure{xscale = "log", yscale = "log"}} do
      for _, format in ipairs{"png", "svg", "pdf", "txt"} do assert.is_true(#fig:render(format) > (format == "txt" and 1 or 100)) end
    end
  end)
end)
