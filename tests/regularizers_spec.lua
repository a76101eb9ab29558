-- Regularizers: penalties of keras-semantics 6.1, names, configs.
local kl = require "kl"
local assert = require "luassert"
local gradients = require "gradients"
local near = require "near"
local objects = require "objects"
local raises = require "raises"

local regularizers = kl.regularizers
local W = {{1, -2}, {3, 4}}
-- Two rows (or columns) cost factor times their cosine: (3 - 8) / 5 / sqrt(5) for the rows, (12 - 2) / sqrt(10) / sqrt(20).
local rows, columns = 0.004472136, 0.01 * 10 / math.sqrt(200)

local values = {
  L1 = {{{}, 0.1}, {{0.5}, 5}}, L2 = {{{}, 0.3}, {{l2 = 1}, 30}},
  L1L2 = {{{}, 0}, {{l1 = 0.01}, 0.1}, {{0.01, 0.01}, 0.4}},
  OrthogonalRegularizer = {{{}, rows}, {{factor = 0.1, mode = "columns"}, 10 * columns}},
}
local spellings = {L1 = {"L1", "l1"}, L2 = {"L2", "l2"}, L1L2 = {"L1L2", "l1l2", "l1_l2"},
  OrthogonalRegularizer = {"OrthogonalRegularizer", "orthogonal_regularizer"}}

describe("every regularizer", function()
  for _, name in ipairs(objects.names(regularizers.classes)) do
    local cls = regularizers.classes[name]
    it(name .. " gives Keras's penalties, and the gradients that differences show", function()
      for i, case in ipairs(values[name]) do
        near(cls(case[1])(kl.tensor(W, "float32")), case[2], "case " .. i)
        if case[2] > 0 then
          gradients.check(function(xs) return {cls(case[1])(xs[1])} end, {kl.tensor(W, "float64") + 0.25})
        end
      end
    end)

    it(name .. " is found by its names and survives its config", function()
      for _, spelling in ipairs(spellings[name]) do assert.equal(cls, getmetatable(regularizers.get(spelling)).class) end
      for _, case in ipairs(values[name]) do
        near(objects.round_trip(cls(case[1]))(kl.tensor(W, "float32")), case[2], "the copy")
      end
    end)

    it(name .. " refuses unknown options and values that are no finite numbers from 0", function()
      raises(function() cls{ratee = 1} end, name .. ": unknown option 'ratee'")
      for _, p in ipairs(cls.params) do
        raises(function() cls{[p.name] = true} end, ("%s: '%s' must be a "):format(name, p.name))
        if type(p.default) == "number" then
          for _, wrong in ipairs{-1, math.huge, 0 / 0} do
            raises(function() cls{[p.name] = wrong} end, ("%s: '%s' must be a finite number >= 0"):format(name, p.name))
          end
        end
      end
    end)
  end

  it("that is orthogonal takes matrices only, by rows or columns", function()
    raises(function() regularizers.OrthogonalRegularizer{mode = "diagonals"} end, "mode must be \"rows\" or \"columns\"")
    local regularizer = regularizers.OrthogonalRegularizer{}
    raises(function() regularizer(kl.ones{3}) end, "OrthogonalRegularizer: a matrix expected, got shape %(3,%)")
    near(regularizer(kl.eye(3)), 0, "orthogonal rows cost nothing")
    near(regularizer(kl.zeros{2, 2}), 0, "rows of zeros are no division by zero")
  end)
end)

describe("a regularizer by name", function()
  it("is an error that names the nearest one where it is misspelt", function()
    raises(function() regularizers.get("orthogonal_regularizr") end, "did you mean 'orthogonal_regularizer'%?")
    raises(function() regularizers.get(0.01) end, "a regularizer must be a name, an object or a function, got float 0.01")
  end)

  it("may also be an object, a class, a function or nothing", function()
    local object = regularizers.L1{}
    assert.equal(object, regularizers.get(object))
    assert.equal(regularizers.L2, getmetatable(regularizers.get(regularizers.L2)).class)
    assert.equal(print, regularizers.get(print))
    assert.is_nil(regularizers.get(nil))
  end)
end)
