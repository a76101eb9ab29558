-- history:plot, and showing figures.
local kl = require "kl"
local program = require "program"
local support = dofile "tests/plot/support.lua"

local function made(epochs)
  local history = kl.callbacks.History()
  for epoch = 1, epochs do history:on_epoch_end(epoch, {loss = 1 / epoch, val_loss = 2 / epoch, accuracy = epoch / epochs}) end
  return history
end

describe("history:plot", function()
  it("has axes per metric, the loss first, with the validation beside the training", function()
    local fig = made(3):plot()
    assert.equal(2, #fig)
    assert.equal("loss", fig[1].options.title)
    assert.equal(2, #fig[1].series)
    assert.equal(1, #fig[2].series)
    local svg = fig:render("svg")
    for word, n in pairs{loss = 1, accuracy = 1, training = 2, validation = 1, epoch = 2} do
      assert.equal(n, support.count(svg, "<text>" .. word .. "</text>"), word)
    end
    assert.equal(3, support.count(support.part(svg, 1), "<use ")) -- an epoch each
  end)
  it("takes what is wanted", function()
    local fig = made(40):plot{metrics = "accuracy", title = "how right", width = 300, height = 200}
    assert.equal(1, #fig)
    assert.equal("300 x 200", support.size(fig:render("png")))
    assert.is_truthy(fig:render("svg"):find("<text>how right</text>", 1, true))
    fig = made(1):plot{metrics = {"loss", "accuracy"}, columns = 1, title = "both", yscale = "log"}
    assert.equal(2, fig.rows)
    assert.is_truthy(fig:render("txt"):find("both", 1, true))
    assert.equal(1, #made(2):plot{metrics = {"val_loss"}})
  end)
  it("says what is wrong", function()
    support.fails(function() made(1):plot{metrics = {"los"}} end, "did you mean 'loss'")
    support.fails(function() made(1):plot{metric = {"loss"}} end, "did you mean 'metrics'")
    support.fails(function() made(1):plot{metrics = 1} end, "'metrics'")
    support.fails(function() made(1):plot{columns = 0} end, "'columns'")
    support.fails(function() made(1):plot{yscale = "logarithmic"} end, "\"linear\" or \"log\"")
    support.fails(function() kl.callbacks.History():plot() end, "nothing to draw")
  end)
  it("draws what fit returns", function()
    local model = kl.Sequential{kl.layers.Dense{1}}
    model:compile{optimizer = "sgd", loss = "mean_squared_error", metrics = {"mean_absolute_error"}}
    local history = model:fit{kl.ones{8, 2}, kl.ones{8, 1}, epochs = 2, verbose = 0, validation_split = 0.5}
    local fig = history:plot()
    assert.equal(2, #fig)
    assert.equal(2, #fig[1].series)
    assert.matches("mean_absolute_error", fig:render("txt"))
  end)
end)

describe("showing a figure", function()
  it("writes text where standard output is no terminal, without escapes", function()
    local output, status = program.run('require "kl".plot.figure{title = "shown"}:line({1, 2}):show():bar({1}):show{width = 30, height = 9}')
    assert.equal(0, status)
    assert.equal(2, support.count(output, "shown"))
    assert.is_nil((output:find("\27", 1, true)))
    for line in output:gmatch("[^\n]+") do assert.is_true(utf8.len(line) <= 80) end
  end)
  it("writes colors or a picture where they are wanted", function()
    local output = program.run('require "kl".plot.figure{}:line({1, 2}):show{color = true}:show{sixel = true}')
    assert.matches("\27%[.*\27P", output)
  end)
  it("a figure says what it is", function()
    local fig = kl.plot.figure{columns = 2, title = "t"}
    fig[1]:line({1})
    assert.equal('<Figure "t": 2 axes, 1 series, 1120 x 400 pixels; :show() or :save(path) draws it>',
      tostring(fig))
  end)
end)
