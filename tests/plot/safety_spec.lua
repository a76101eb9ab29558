-- kl.plot: what texts may not do, data at the ends of what numbers can be, wrong arguments, files, the surroundings.
local kl = require "kl"
local program = require "program"
local gnuplot = require "kl.plot.gnuplot"
local ticks = require "kl.plot.ticks"
local support = dofile "tests/plot/support.lua"
local exists, fails = support.exists, support.fails

local evil = {"'", '"', "\\", "a\nb", "@x", "{/=20 b}^2_3", "%s %n 100%", "`touch kl-evil`", "$(touch kl-evil)", "é ∑ 日本 🙂", "<b>&amp;",
  '"; system("touch kl-evil"); "', "'\n! touch kl-evil\n", "\\\"\nsystem 'touch kl-evil'\n", "\xff", "a\0b\27[31m", "#x", "]]>", "-->",
  "\\042; system 'touch kl-evil'", "@DATA@", "0", "10", "-", "", " ", ("long "):rep(100)}

describe("a text", function()
  it("is only a text, whatever is in it and wherever it stands", function()
    local svgs = {}
    for first = 1, #evil, 4 do
      local fig = kl.plot.figure{rows = 4, columns = 2, title = evil[first]}
      for row = 1, math.min(4, #evil - first + 1) do
        local text = evil[first + row - 1]
        fig:axes(row, 1, {title = text, xlabel = text, ylabel = text, y2label = text, xticks = {1, 2}, xticklabels = {text, text}})
        fig:axes(row, 1):line({1, 2}, {label = text}):text(1, 1, text):bar({text, "b"}, {1, 2})
        fig:axes(row, 2):heatmap({{1, 2}}, {xlabels = {text, "b"}, annotate = true})
      end
      svgs[#svgs + 1] = fig:render("svg")
      fig:render("txt")
      fig:render("png")
      assert.is_false(exists("kl-evil"))
    end
    local errors = support.xml_errors(svgs)
    if errors then assert.equal("", errors) end
  end)

  it("is in a script as letters, blanks and escapes only", function()
    for _, text in ipairs(evil) do
      assert.is_truthy(gnuplot.quote(text):gsub("\\[0-3][0-7][0-7]", ""):match('^"[A-Za-z ]*"$'), text)
    end
  end)

  it("stands literally in an SVG file", function()
    for _, text in ipairs{"a`b` $x @y {z}^2_3 5% \\n \\\\ #", "it's \"so\"", "é ∑ 日本", "%d %s %%", "00", "7up \\0417"} do
      local svg = kl.plot.figure{title = text, xticks = {1, 2}, xticklabels = {text, "b"}}:line({1, 2}, {label = text}):render("svg")
      assert.equal(3, select(2, svg:gsub("<text>" .. text:gsub("%p", "%%%0") .. "</text>", "")), text)
    end
    local svg = kl.plot.figure{title = "a < b & c"}:line({1, 2}):render("svg")
    assert.is_truthy(svg:find("a &lt; b &amp; c", 1, true))
  end)
end)

describe("series of", function()
  local lists = {
    nothing = {}, ["no number"] = {0 / 0, 1 / 0, -1 / 0}, one = {3}, zero = {0}, equals = {2, 2, 2}, negatives = {-1, -2, -3},
    ["huge ones"] = {-1e308, 1e308}, ["a huge one"] = {1.7e308}, ["tiny ones"] = {5e-324, 1e-320, 1e-310},
    ["one and the next"] = {1, 1 + 2e-16},
    ["large neighbours"] = {2 ^ 53, 2 ^ 53 + 2}, ["all sizes"] = {5e-324, 1, 1.7e308},
    ["integers at the end"] = {math.mininteger, math.maxinteger},
    ["gaps"] = {1, 0 / 0, 2, 1 / 0, 3},
  }
  for name, list in pairs(lists) do
    it(name .. " are drawn on both scales", function()
      local fig = kl.plot.figure{rows = 2, columns = 3}
      for i, scale in ipairs{"linear", "log"} do
        local o = {yscale = scale, xscale = scale}
        fig:axes(i, 1, o):line(list, list, {label = "l"}):scatter(list, list, {label = "s", color = #list ~= 3 and list or nil})
        fig:axes(i, 1):errorbar(list, list, {yerr = 1, xerr = 1}):fill_between(list, 0, list):line(list, {})
        fig:axes(i, 2, o):bar(list, {label = "b"}):barh(list):histogram(list, {label = "h"})
        if #list > 0 then fig:axes(i, 3):heatmap({list}, {annotate = true}) end
      end
      local svg = fig:render("svg")
      assert.is_nil((svg:find("<text>[-+]?nan</text>")))
      assert.is_nil((svg:find("<text>[-+]?inf</text>")))
      for i, scale in ipairs{"linear", "log"} do
        local o = {yscale = scale, xscale = scale}
        local text = kl.plot.figure(o):line(list, list):bar(list):barh(list):errorbar(list, list, {yerr = 1})
          :render("txt", {color = i == 2})
        assert.is_true(#text > 200)
      end
      if #list > 0 then assert.is_true(#kl.plot.figure{}:image{list}:images{{list}}:render("txt") > 10) end
    end)
  end

  it("limits that users give have ticks, few of them, at once", function()
    local ends = {-1e300, -1e17, -3, -1e-200, 0, 1e-300, 1e-7, 1, 1.0000001, 2, 1e6, 1e17, 1e17 + 1000, 1e300}
    for i = 1, #ends do
      for k = i + 1, #ends do
        for _, scale in ipairs{"linear", "log"} do
          if scale == "linear" and ticks.are_apart(ends[i], ends[k]) or scale == "log" and ends[i] > 0 then
            local list = scale == "linear" and ticks.linear(ends[i], ends[k], 6, k % 2 == 0) or ticks.log(ends[i], ends[k], 6)
            local words = 0
            for _, tick in ipairs(list) do
              words = words + (tick[2] and 1 or 0)
              assert.is_true(tick[1] - tick[1] == 0)
            end
            assert.is_true(words <= 20 and #list <= 400, ("%g %g %s"):format(ends[i], ends[k], scale))
          end
        end
      end
    end
  end)

  it("ticks are round numbers, of integers whole ones", function()
    local function words(list)
      local all = {}
      for _, tick in ipairs(list) do all[#all + 1] = tick[2] or nil end
      return table.concat(all, " ")
    end
    assert.equal("0.0 0.2 0.4 0.6 0.8 1.0", words(ticks.linear(0, 1, 6, false)))
    assert.equal("1 2 3", words(ticks.linear(0.9, 3.1, 6, true)))
    assert.equal("-50 0 50", words(ticks.linear(-60, 60, 3, false)))
    assert.equal("0 1e9 2e9", words(ticks.linear(0, 2e9, 3, false)))
    assert.equal("10⁰ 10¹ 10²", words(ticks.log(1, 100, 6)))
    assert.equal("10⁻⁴ 10⁻² 10⁰", words(ticks.log(1e-4, 1, 3)))
  end)
end)

describe("saving a figure", function()
  it("makes files in paths with quotes and blanks, whole or not at all", function()
    local folder = support.folder()
    local fig = kl.plot.figure{}:line({1, 2})
    for _, name in ipairs{"a 'b' \"c\" $d `e`.png", "-x.svg", "%s.PDF", "é\\n.txt"} do
      fig:save(folder .. "/" .. name)
      assert.is_true(exists(folder .. "/" .. name), name)
    end
    fails(function() fig:save(folder .. "/no/x.png") end, "No such file or directory")
    fails(function() fig:save(folder .. "/x.gif") end, "ends in .png, .svg, .pdf or .txt")
    fails(function() fig:save(folder) end, "ends in .png, .svg, .pdf or .txt")
    fails(function() fig:save() end, "the path")
    local pipe = io.popen("ls " .. folder .. " | wc -l")
    assert.equal(4, tonumber(pipe:read("a")))
    pipe:close()
    os.execute("rm -r " .. folder)
  end)
  it("says what to install where gnuplot is missing, and what failed where it fails", function()
    local folder = support.folder()
    local script = ('require "kl".plot.figure{}:line({1}):save("%s/x.png")'):format(folder)
    assert.matches("gnuplot%-nox", (program.run(script, "", "PATH=")))
    support.write(folder .. "/gnuplot", "#!/bin/sh\necho 'line 0: no such terminal' >&2\nexit 1\n")
    os.execute("chmod +x " .. folder .. "/gnuplot")
    assert.matches("gnuplot failed: line 0: no such terminal", (program.run(script, "", ("PATH=%s:$PATH"):format(folder))))
    support.write(folder .. "/gnuplot", "#!/bin/sh\nprintf '\\211PNG'\n")
    assert.matches("no whole png %(4 bytes%)", (program.run(script, "", ("PATH=%s:$PATH"):format(folder))))
    assert.is_false(exists(folder .. "/x.png"))
    os.execute("rm -r " .. folder)
  end)
  it("leaves no temporary files", function()
    local made, tmpname = {}, os.tmpname
    os.tmpname = function() -- luacheck: ignore 122
      made[#made + 1] = tmpname()
      return made[#made]
    end
    local fig = kl.plot.figure{}:line({1, 2})
    local drawn, message = pcall(fig.render, fig, "svg")
    local failed = not pcall(gnuplot.run, "no such command", "data")
    os.tmpname = tmpname -- luacheck: ignore 122
    assert.is_true(drawn, message)
    assert.is_true(failed)
    assert.equal(2, #made)
    for _, path in ipairs(made) do assert.is_false(exists(path)) end
  end)
  it("writes the same numbers where commas are decimal points", function()
    local folder = support.folder()
    local script = [[os.setlocale("de_DE.UTF-8")
      local kl = require "kl"
      local fig = kl.plot.figure{ylim = {0.25, 2.75}, width = 333, dpi = 123}:line({0.5, 1.5, 2.5}, {label = "l", width = 1.25})
      io.write(#fig:heatmap({{0.5, 1.5}}, {annotate = true}):render("svg", {scale = 1.5}), fig:render("svg"), fig:render("txt"))
      io.stderr:write(("%.1f"):format(1.5))]]
    local made = program.shell(("localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 && echo made"):format(folder)):find("made")
    local plain = program.run(script, "2>/dev/null", "LC_ALL=C")
    local german = program.run(script, "2>/dev/null", ("LOCPATH=%s LC_ALL=de_DE.UTF-8"):format(folder))
    assert.is_true(#plain > 2000)
    assert.equal(plain, german)
    if made then assert.matches("1,5$", (program.run(script, "2>&1 >/dev/null", ("LOCPATH=%s LC_ALL=de_DE.UTF-8"):format(folder)))) end
    os.execute("rm -r " .. folder)
  end)
end)

describe("wrong arguments", function()
  local cases = {
    {"lengths 3 and 2", function(f) f:line({1, 2, 3}, {1, 2}) end, "'x' has 3 elements and 'y' 2"},
    {"a misspelt option", function(f) f:line({1}, {colour = "red"}) end, "did you mean 'color'"},
    {"an unknown color", function(f) f:line({1}, {color = "blu"}) end, "did you mean 'blue'"},
    {"a color of numbers that are too large", function(f) f:line({1}, {color = {1, 2, 3}}) end, "from 0 to 1"},
    {"an unknown style", function(f) f:line({1}, {style = "dashd"}) end, "did you mean 'dashed'"},
    {"an unknown marker", function(f) f:line({1}, {marker = "squar"}) end, "did you mean 'square'"},
    {"an unknown color map", function(f) f:heatmap({{1}}, {colormap = "virids"}) end, "did you mean 'viridis'"},
    {"a string among numbers", function(f) f:line({1, "2"}) end, "element 2 is the string"},
    {"a table with names", function(f) f:line({1, 2}, {x = 1, [1] = 2}) end, "the key x"},
    {"nothing", function(f) f:line() end, "takes y, or x and y"},
    {"nil", function(f) f:line(nil) end, "'y' must be a list of numbers or a tensor, got nil"},
    {"too many arguments", function(f) f:hline(1, 2) end, "takes y, and options; got 2 arguments"},
    {"a matrix for a line", function(f) f:line(kl.zeros{2, 2}) end, "a list of numbers or a vector"},
    {"a vector for a heat map", function(f) f:heatmap({1, 2}) end, "a matrix"},
    {"rows of several lengths", function(f) f:heatmap({{1, 2}, {1}}) end, "a matrix"},
    {"an empty matrix", function(f) f:heatmap({}) end, "an empty table"},
    {"two names for three columns", function(f) f:heatmap({{1, 2, 3}}, {xlabels = {"a", "b"}}) end, "a list of 3 names"},
    {"coordinates of another number", function(f) f:heatmap({1, 2}, {1, 2}, {{1, 2, 3}, {1, 2, 3}}) end,
      "'x' has 2 elements, the matrix 3 columns"},
    {"uneven coordinates", function(f) f:heatmap({1, 2}, {1, 2, 4}, {{1, 2}, {1, 2}, {1, 2}}) end, "'y' must increase in even steps"},
    {"falling coordinates", function(f) f:heatmap({2, 1}, {1}, {{1, 2}}) end, "'x' must increase in even steps"},
    {"coordinates without number", function(f) f:heatmap({1, 0 / 0, 3}, {1}, {{1, 2, 3}}) end, "'x' must increase in even steps"},
    {"x without y", function(f) f:heatmap({1, 2}, {{1, 2}}) end, "takes a matrix, or x, y and a matrix"},
    {"names beside coordinates", function(f) f:heatmap({1, 2}, {1}, {{1, 2}}, {xlabels = {"a", "b"}}) end,
      "'xlabels' names the rows or columns"},
    {"a heat map on a logarithmic axis", function(f) f:heatmap({{1, 2}}):configure{xscale = "log"}:render("svg") end,
      "must not be \"log\""},
    {"an edge of no color", function(f) f:scatter({1}, {1}, {edgecolor = "blakc"}) end, "'edgecolor': unknown color"},
    {"limits of colors upside down", function(f) f:heatmap({{1}}, {vmin = 2, vmax = 1}) end, "is above 'vmax'"},
    {"a format for no number", function(f) f:heatmap({{1}}, {annotate = true, format = "%s%s"}) end, "a format for one number"},
    {"an image of two channels", function(f) f:image(kl.zeros{2, 2, 2}) end, "1, 3 or 4 channels"},
    {"labels for other images", function(f) f:images(kl.zeros{3, 2, 2}, {labels = {"a"}}) end, "has 1 elements for 3 images"},
    {"no bins", function(f) f:histogram({1}, {bins = 0}) end, "'bins' must be an integer >= 1"},
    {"edges that fall", function(f) f:histogram({1}, {bins = {1, 0}}) end, "increasing order"},
    {"an edge that is NaN", function(f) f:histogram({1}, {bins = {0, 0 / 0, 1}}) end, "increasing order"},
    {"a range upside down", function(f) f:histogram({1}, {range = {1, 0}}) end, "{lowest, highest}"},
    {"errors below 0", function(f) f:errorbar({1}, {yerr = -1}) end, "must not be negative"},
    {"no errors", function(f) f:errorbar({1}) end, "'yerr' or 'xerr' expected"},
    {"an alpha of 2", function(f) f:line({1}, {alpha = 2}) end, "'alpha'"},
    {"an unknown axis", function(f) f:line({1}, {axis = "top"}) end, "\"left\" or \"right\""},
    {"limits of a logarithmic axis", function() kl.plot.figure{xscale = "log", xlim = {0, 1}} end, "above 0"},
    {"limits that are one", function() kl.plot.figure{xlim = {1, 1}} end, "two different numbers"},
    {"limits that are nearly one", function() kl.plot.figure{xlim = {1e200, 1e200 * (1 + 1e-15)}} end, "too close"},
    {"a limit that is NaN", function() kl.plot.figure{xlim = {0 / 0, 1}} end, "a finite number"},
    {"an unknown scale", function() kl.plot.figure{xscale = "lin"} end, "\"linear\" or \"log\""},
    {"an unknown place of the legend", function() kl.plot.figure{legend = "uper left"} end, "did you mean 'upper left'"},
    {"an unknown option of a figure", function() kl.plot.figure{titel = "x"} end, "did you mean 'title'"},
    {"an unknown option of axes", function(f) f:axes(1, {xlable = "x"}) end, "did you mean 'xlabel'"},
    {"a figure of no axes", function() kl.plot.figure{rows = 0} end, "'rows' must be an integer >= 1"},
    {"axes that are not there", function(f) f:axes(2) end, "the number"},
    {"labels for other ticks", function() kl.plot.figure{xticks = {1, 2}, xticklabels = {"a"}} end, "1 elements for 2 ticks"},
    {"a chart on several axes", function() kl.plot.figure{columns = 2}:line({1}) end, "say which"},
    {"an unknown format", function(f) f:render("pgn") end, "did you mean 'png'"},
    {"an unknown option of a file", function(f) f:render("png", {widht = 1}) end, "did you mean 'width'"},
    {"a symbolic tensor", function(f) f:line(kl.Input{3}) end, "a tensor with a value expected"},
  }
  for _, case in ipairs(cases) do
    it("such as " .. case[1], function() fails(function() case[2](kl.plot.figure{}) end, case[3]) end)
  end
end)
