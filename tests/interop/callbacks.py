"""Keras's callbacks driven by given logs: reads {"cases": [{"callback", "options", "values", "rate"}]}, prints a trace for each."""
import json
import sys

import keras


class Optimizer:
    def __init__(self, rate):
        self.learning_rate = keras.Variable(rate, dtype="float32")

    def __setattr__(self, name, value):
        if name == "learning_rate" and hasattr(self, name):
            self.learning_rate.assign(value)
        else:
            object.__setattr__(self, name, value)


class Model:
    """What the callbacks ask of a model; its weights are the number of the epoch."""

    def __init__(self, rate):
        self.optimizer = Optimizer(rate)
        self.metrics = []
        self.stop_training = False
        self.weights = 0
        self.saved = []

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights

    def save(self, path, overwrite=True):
        self.saved.append(path)

    save_weights = save


def run(case):
    model = Model(case["rate"])
    callback = getattr(keras.callbacks, case["callback"])(**case["options"])
    callback.set_model(model)
    callback.on_train_begin({})
    trace = []
    for epoch, value in enumerate(case["values"]):
        model.saved.clear()
        model.weights = epoch + 1
        logs = {case["options"]["monitor"]: value}
        callback.on_epoch_begin(epoch, {})
        callback.on_epoch_end(epoch, logs)
        trace.append({
            "best": callback.best,
            "wait": getattr(callback, "wait", 0),
            "cooldown": getattr(callback, "cooldown_counter", 0),
            "rate": float(model.optimizer.learning_rate.numpy() if hasattr(model.optimizer.learning_rate, "numpy")
                          else model.optimizer.learning_rate),
            "saved": list(model.saved),
            "stop": model.stop_training,
        })
        if model.stop_training:
            break
    callback.on_train_end({})
    return {"trace": trace, "weights": model.weights}


def name(case):
    return [case["template"].format(**case["fields"])]


given = json.load(sys.stdin)
json.dump({"runs": [run(case) for case in given["cases"]], "names": [name(case) for case in given["names"]]}, sys.stdout)
