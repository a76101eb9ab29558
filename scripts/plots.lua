-- Shows every kind of chart of kl.plot, as text or as PNG files in a folder: kl run scripts/plots.lua [FOLDER]
local kl = require "kl"

local folder = arg[1]
kl.set_seed(1)

local function done(name, figure)
  if not folder then return figure:show() end
  local path = ("%s/%s.png"):format(folder, name)
  figure:save(path)
  print(path)
end

-- Lines: (y) over 1, 2, ... or (x, y); lists, tensors, Variables.  NaN leaves a gap.
local x = kl.linspace(0, 10, 101)
local fig = kl.plot.figure{title = "lines", xlabel = "x", ylabel = "y"}
fig:fill_between(x, kl.sin(x) - 0.2, kl.sin(x) + 0.2, {color = "C0"})
fig:line(x, kl.sin(x), {label = "sin"})
fig:line(x, kl.cos(x), {label = "cos", style = "dashed"})
fig:step({0, 2, 4, 6, 8, 10}, {-1, -0.5, 0, 0.5, 1, 1}, {label = "steps", marker = "s"})
fig:hline(0, {color = "gray", style = "dotted"}):vline(3.14, {color = "gray", style = "dashdot"})
fig:text(3.3, -0.9, "half a turn")
done("lines", fig)

-- Points: of one color, or colored by a third list of numbers.
local points = kl.random.normal{300, 2}
local px, py = points[{ {}, 1 }], points[{ {}, 2 }]
fig = kl.plot.figure{title = "points", aspect = "equal"}
fig:scatter(px, py, {color = kl.sqrt(px * px + py * py), marker = "o", label = "by distance"})
fig:scatter({-2, 0, 2}, {2, -2, 2}, {color = "red", marker = "^", size = 9, label = "marked"})
done("points", fig)

-- Bars: beside each other, stacked, named, with errors; lying.
fig = kl.plot.figure{rows = 1, columns = 3, title = "bars"}
local towns = {"spring", "summer", "autumn", "winter"}
fig[1]:configure{title = "grouped"}:bar(towns, {3, 5, 4, 2}, {label = "before", yerr = 0.4}):bar(towns, {4, 6, 3, 1}, {label = "after"})
fig[2]:configure{title = "stacked"}:bar(towns, {3, 5, 4, 2}, {label = "sun"}):bar(towns, {1, 2, 3, 1}, {label = "rain", stacked = true})
fig[3]:configure{title = "lying"}:barh(towns, {3, -5, 4, 2}, {color = "teal"})
done("bars", fig)

-- Measurements with errors, and how numbers are spread.
fig = kl.plot.figure{rows = 1, columns = 2}
fig[1]:configure{title = "errors"}:errorbar({1, 2, 3, 4}, {2, 3, 2.5, 4}, {yerr = {0.3, 0.5, 0.2, 0.6}, xerr = 0.1, style = "dotted"})
fig[2]:configure{title = "spread"}:histogram(kl.random.normal{2000}, {bins = 30, density = true, label = "normal"})
fig[2]:histogram(kl.random.uniform{2000, minval = -2, maxval = 2}, {bins = 30, density = true, alpha = 0.5, label = "uniform"})
done("errors", fig)

-- Matrices, and numbers on logarithmic axes; a second axis on the right.
fig = kl.plot.figure{rows = 2, columns = 2, title = "four axes"}
local names = {"cat", "dog", "bird"}
fig[1]:configure{title = "confusion", xlabel = "predicted", ylabel = "true"}
fig[1]:heatmap({{50, 3, 2}, {4, 44, 7}, {1, 5, 60}}, {annotate = true, xlabels = names, ylabels = names, colormap = "Blues"})
fig:axes(1, 2, {title = "power laws", xscale = "log", yscale = "log"}):line({1, 10, 100, 1000}, {1, 1e2, 1e4, 1e6}, {label = "x²"})
fig[2]:line({1, 10, 100, 1000}, {1, 31.6, 1e3, 31623}, {label = "x^1.5", marker = "o"})
fig[3]:configure{title = "two scales", ylabel = "loss", y2label = "accuracy", legend = "center right"}
fig[3]:line({1.2, 0.7, 0.5, 0.4}, {label = "loss"}):line({0.4, 0.7, 0.8, 0.85}, {label = "accuracy", axis = "right"})
fig[4]:configure{title = "a function of two numbers"}:heatmap(x, x, kl.sin(kl.reshape(x, {-1, 1})) * kl.cos(x), {colormap = "coolwarm"})
done("axes", fig)

-- Images: gray or RGB, of bytes or of numbers from 0 to 1; one, or a grid with labels.
local ramp = kl.linspace(0, 1, 32)
local red, green = kl.broadcast_to(ramp, {32, 32}), kl.broadcast_to(kl.reshape(ramp, {-1, 1}), {32, 32})
fig = kl.plot.figure{rows = 1, columns = 2}
fig[1]:configure{title = "RGB"}:image(kl.stack({red, green, 1 - red}, 3))
local digits = kl.random.uniform{10, 8, 8}
fig[2]:configure{title = "a grid"}:images(digits, {columns = 5, labels = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}})
done("images", fig)

-- What fit returns draws itself.
local model = kl.Sequential{kl.layers.Dense{16, activation = "tanh"}, kl.layers.Dense{1, activation = "sigmoid"}}
model:compile{optimizer = kl.optimizers.Adam{learning_rate = 0.05}, loss = "binary_crossentropy", metrics = {"accuracy"}}
local inside = kl.cast(kl.less(kl.reshape(px * px + py * py, {-1, 1}), 1), "float32")
local history = model:fit{points, inside, epochs = 15, verbose = 0, validation_split = 0.3}
done("history", history:plot())
