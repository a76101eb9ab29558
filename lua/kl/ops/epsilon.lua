--- Keras's fuzz factor (keras.config.epsilon()): what keeps logarithms, divisions and probabilities of losses, metrics and
--- constraints away from 0.
return 1e-7
