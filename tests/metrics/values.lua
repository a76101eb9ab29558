-- By metric class: {options, arguments of update_state, result, result with weights, the weights}, from keras-semantics 3.6 and 4.7
-- and, where those say nothing, by hand.  A weighted mean metric is the weighted loss of 3.6 times its 2 samples over the weights' 4.
local y, p = {{0, 1, 0}, {1, 0, 0}}, {{.2, .7, .1}, {.3, .4, .3}}
local z = {{1, 2, -1}, {.5, -.5, 0}}
local w = {1, 3}
local yes, probability, weights = {0, 0, 1, 1, 1}, {.1, .6, .4, .8, .9}, {1, 1, 2, 1, 1}
local maps = {yes, {0, 1, 1, 1, 0}} -- class 0: 1 of 3, class 1: 2 of 4
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
  TopKCategoricalAccuracy = {{{k = 2}, {y, p}, 1, 1, w}, {{k = 1}, {y, p}, 0.5, 0.25, w}, {{}, {y, p}, 1, 1, w}},
  SparseTopKCategoricalAccuracy = {
    {{k = 2}, {{1, 0}, p}, 1, 1, w}, -- 0.3 shares the second place
    {{k = 1}, {{{1}, {0}}, p}, 0.5, 0.25, w},
    {{k = 2, from_sorted_ids = true}, {{1, 0}, {{2, 1, 0}, {2, 1, 0}}}, 0.5, 0.25, w},
  },
  MeanSquaredError = {{{}, {y, p}, 0.1466667, (0.04666667 + 3 * 0.2466667) / 4, w}},
  MeanAbsoluteError = {{{}, {y, p}, 1 / 3, 0.4, w}},
  MeanAbsolutePercentageError = {{{}, {{{1, 2, 1}, {2, 1, 1}}, p}, 75.0, 73.33333, w}},
  MeanSquaredLogarithmicError = {{{}, {y, p}, 0.07272664, 0.0976337, w}},
  RootMeanSquaredError = {{{}, {yes, probability}, 0.3949684, 0.4358899, weights}},
  CosineSimilarity = {{{}, {y, p}, 0.7335376, 0.6240165, w}},
  LogCoshError = {{{}, {y, p}, 0.06979418, 0.09315785, w}},
  Hinge = {{{}, {y, z}, 0.6666667, 0.6666667, w}},
  SquaredHinge = {{{}, {y, z}, 0.9166667, 0.7083333, w}},
  CategoricalHinge = {{{}, {y, p}, 0.8, 0.95, w}},
  KLDivergence = {{{}, {y, p}, 0.7803209, 0.9921455, w}},
  Poisson = {{{}, {y, p}, 0.5934412, 0.6640495, w}},
  BinaryCrossentropy = {{{}, {y, p}, 0.4594421, 0.5749665, w}, {{from_logits = true}, {y, z}, 0.5657921, 0.5564465, w},
    {{label_smoothing = 0.1}, {y, p}, 0.4997444, 0.5984965, w}},
  CategoricalCrossentropy = {{{}, {y, p}, 0.7803239, 0.9921485, w}, {{label_smoothing = 0.1}, {y, p}, 0.8288404, 1.011612, w},
    {{from_logits = true}, {y, z}, 0.5146409, 0.5974555, w}},
  SparseCategoricalCrossentropy = {{{}, {{1, 0}, p}, 0.7803239, 0.9921485, w},
    -- as Keras has it: without weights an ignored entry is a 0 among the values, with weights it is none
    {{ignore_class = 0}, {{1, 0}, p}, 0.356675 / 2, 0.356675, w}},
  PearsonCorrelation = {{{}, {y, p}, 0.2439145}},
  ConcordanceCorrelation = {{{}, {y, p}, 0.3703423}},
  Precision = {{{}, {yes, probability}, 2 / 3, 2 / 3, weights}, {{thresholds = {0.5, 0.85}}, {yes, probability}, {2 / 3, 1}},
    {{top_k = 1}, {y, p}, 0.5, 0.25, w}, {{class_id = 1}, {y, p}, 1.0, 1.0, w}},
  Recall = {{{}, {yes, probability}, 2 / 3, 0.5, weights}, {{top_k = 1}, {y, p}, 0.5, 0.25, w}},
  TruePositives = {{{}, {yes, probability}, 2, 2, weights}, {{thresholds = {0.3, 0.85}}, {yes, probability}, {3, 1}}},
  FalsePositives = {{{}, {yes, probability}, 1, 1, weights}},
  TrueNegatives = {{{}, {yes, probability}, 1, 1, weights}},
  FalseNegatives = {{{}, {yes, probability}, 1, 2, weights}},
  AUC = {
    {{}, {yes, probability}, 0.8333334, 0.75, weights}, {{curve = "PR"}, {yes, probability}, 0.904106, 0.8722936, weights},
    {{num_thresholds = 5}, {yes, probability}, 0.8333334, 0.75, weights},
    {{multi_label = true}, {y, {{.2, .7, .1}, {.3, .4, .3}}}, 2 / 3}, -- areas 1, 1 and, of no positives, 0
  },
  -- specificity 1 from 0.6 on, where two of three (2 of 4 by weight) are above; all are above up to 0.4
  SensitivityAtSpecificity = {{{specificity = 0.9}, {yes, probability}, 2 / 3, 0.5, weights}},
  SpecificityAtSensitivity = {{{sensitivity = 0.9}, {yes, probability}, 0.5, 0.5, weights}},
  PrecisionAtRecall = {{{recall = 0.9}, {yes, probability}, 0.75, 0.8, weights}},
  RecallAtPrecision = {{{precision = 0.9}, {yes, probability}, 2 / 3, 0.5, weights}},
  F1Score = {{{}, {y, p}, {0, 0.6666666, 0}}, {{average = "macro"}, {y, p}, 0.2222222},
    {{average = "micro", threshold = 0.35}, {y, p}, 0.4999999}},
  FBetaScore = {{{average = "weighted", beta = 2.0}, {y, p}, 0.4166666}},
  R2Score = {{{}, {y, p}, 0.1466667}},
  IoU = {{{num_classes = 2, target_class_ids = {0}}, maps, 1 / 3, 1 / 3, weights}},
  MeanIoU = {{{num_classes = 2}, maps, 5 / 12, (1 / 3 + 3 / 5) / 2, weights}, {{num_classes = 3}, {{1, 0}, {1, 2}}, 1 / 3}},
  BinaryIoU = {{{}, {yes, probability}, 5 / 12, (1 / 4 + 2 / 5) / 2, weights}},
  OneHotIoU = {{{num_classes = 3, target_class_ids = {1}}, {y, p}, 0.5, 0.25, w}},
  OneHotMeanIoU = {{{num_classes = 3}, {y, p}, 0.25, 0.125, w}},
}
