-- By metric class: {options, arguments of update_state, result, result with weights}, from keras-semantics 3.6 and 4.7 and,
-- where those say nothing, by hand.
local y, p = {{0, 1, 0}, {1, 0, 0}}, {{.2, .7, .1}, {.3, .4, .3}}
local w = {1, 3}
local yes, probability, weights = {0, 0, 1, 1, 1}, {.1, .6, .4, .8, .9}, {1, 1, 2, 1, 1}
local function abs_error(a, b) return (a - b):abs():mean(-1) end

return {
  Mean = {{{}, {{1, 3, 5, 7}}, 4, 2, {1, 1, 0, 0}}},
  Sum = {{{}, {{1, 3, 5, 7}}, 16, 4, {1, 1, 0, 0}}},
  MeanMetricWrapper = {{{abs_error}, {y, p}, 1 / 3, 0.4, w}},
  Accuracy = {{{}, {{1, 2, 3, 4}, {0, 2, 3, 4}}, 0.75, 0.5, {1, 1, 0, 0}}}, -- Keras's own example
  BinaryAccuracy = {
    {{}, {yes, probability}, 0.6, 0.5, weights},
    {{threshold = 0.7}, {yes, probability}, 0.8, 4 / 6, weights},
    {{}, {{{0, 1}, {1, 1}}, {{.1, .9}, {.9, .1}}}, 0.75, 0.625, w}, -- means of the rows: 1 and 1/2
  },
  CategoricalAccuracy = {{{}, {y, p}, 0.5, 0.25, w}},
  SparseCategoricalAccuracy = {{{}, {{1, 0}, p}, 0.5, 0.25, w}, {{}, {{{1}, {0}}, p}, 0.5, 0.25, w}},
  MeanSquaredError = {{{}, {y, p}, 0.1466667, (0.04666667 + 3 * 0.2466667) / 4, w}},
  MeanAbsoluteError = {{{}, {y, p}, 1 / 3, 0.4, w}},
}
