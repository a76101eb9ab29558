-- By loss class: {options, y_true, y_pred, the loss, the loss with weights {1, 3} or those that follow}, from keras-semantics 3.6;
-- where it says nothing, by hand.
local y = {{0, 1, 0}, {1, 0, 0}}
local labels = {1, 0}
local p = {{.2, .7, .1}, {.3, .4, .3}}
local z = {{1, 2, -1}, {.5, -.5, 0}} -- logits
local zeros = {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}}
local units = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}}
local circle = math.log(1 + math.exp(80 * 1.4 * 0.6 - 80 * 0.4 * 0.4 + math.log(2)))

return {
  MeanSquaredError = {{{}, y, p, 0.1466667, 0.3933333}},
  MeanAbsoluteError = {{{}, y, p, 0.3333333, 0.8}},
  MeanAbsolutePercentageError = {{{}, {{1, 2, 1}, {2, 1, 1}}, p, 75.0, 146.6667}},
  MeanSquaredLogarithmicError = {{{}, y, p, 0.07272664, 0.1952674}},
  CosineSimilarity = {{{}, y, p, -0.7335376, -1.248033}},
  Huber = {{{}, {{0, 3, 0}, {3, 0, 0}}, p, 0.6916667, 1.466667}},
  LogCosh = {{{}, y, p, 0.06979418, 0.1863157}},
  Hinge = {{{}, y, z, 0.6666667, 1.333333}, {{}, {{-1, 1, -1}, {1, -1, -1}}, z, 0.6666667, 1.333333}},
  SquaredHinge = {{{}, y, z, 0.9166667, 1.416667}},
  CategoricalHinge = {{{}, y, p, 0.8, 1.9}},
  KLDivergence = {{{}, y, p, 0.7803209, 1.984291}},
  Poisson = {{{}, y, p, 0.5934412, 1.328099}},
  BinaryFocalCrossentropy = {
    {{}, y, p, 0.1243099, 0.3589031},
    {{apply_class_balancing = true}, y, p, 0.04139516, 0.1190156},
    {{gamma = 0.0}, y, p, 0.4594421, 1.149933}, -- the crossentropy itself
  },
  CategoricalFocalCrossentropy = {
    {{}, y, p, 0.07775592, 0.2252426},
    {{gamma = 0.0, alpha = 1.0}, y, p, 0.7803239, 1.984297},
  },
  CategoricalGeneralizedCrossEntropy = {{{}, labels, p, 0.6156174, 1.520172}},
  Dice = {{{}, y, p, 0.5, 1.0}},
  Tversky = {{{}, y, p, 0.5, 1.0}, {{alpha = 1.0, beta = 0.0}, y, p, 0.5, 1.0}},
  -- 15 of the 3^4 paths through equal logits spell {1, 2}
  CTC = {{{}, {{1, 2, 0}, {1, 2, 0}}, {zeros, zeros}, math.log(81 / 15), 2 * math.log(81 / 15)}},
  -- all at distance 1: gamma (1.4 * 0.6) for the one pair of a label, gamma (0.4 * -0.4) for each of the two others
  Circle = {{{}, {1, 1, 2, 2}, units, circle, 2 * circle, {1, 3, 1, 3}}},
  BinaryCrossentropy = {
    {{}, y, p, 0.4594421, 1.149933},
    {{from_logits = true}, y, z, 0.5657921, 1.112893},
    {{label_smoothing = 0.1}, y, p, 0.4997444, 1.196993},
  },
  CategoricalCrossentropy = {
    {{}, y, p, 0.7803239, 1.984297},
    {{from_logits = true}, y, z, 0.5146409, 1.194911},
    {{label_smoothing = 0.1}, y, p, 0.8288404, 2.023224},
  },
  SparseCategoricalCrossentropy = {
    {{}, labels, p, 0.7803239, 1.984297},
    {{from_logits = true}, labels, z, 0.5146409, 1.194911},
    {{ignore_class = 0}, labels, p, 0.356675, 0.356675},
  },
}
