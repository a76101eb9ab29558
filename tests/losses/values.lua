-- By loss class: {options, y_true, y_pred, the loss, the loss with weights {1, 3}}, from keras-semantics 3.6.
local y = {{0, 1, 0}, {1, 0, 0}}
local labels = {1, 0}
local p = {{.2, .7, .1}, {.3, .4, .3}}
local z = {{1, 2, -1}, {.5, -.5, 0}} -- logits

return {
  MeanSquaredError = {{{}, y, p, 0.1466667, 0.3933333}},
  MeanAbsoluteError = {{{}, y, p, 0.3333333, 0.8}},
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
