"""Trains and evaluates the two-output model of training_interop.lua with real Keras.

Reads {"weights", "a", "b", "p", "q", "sp", "sq", "cases": [compile arguments with "data" and "weighting"]} and prints
{"results": [{"evaluate": ..., "history": ...}]} in the same order.
"""
import json
import sys

import keras
import numpy as np
from keras import layers

given = json.load(sys.stdin)
array = {k: np.array(given[k], dtype="int32" if k == "q" else "float32") for k in ("a", "b", "p", "q", "sp", "sq")}


def build(form):
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    joined = layers.Concatenate()([a, b])
    p = layers.Dense(1, name="p")(joined)
    q = layers.Dense(4, activation="softmax", name="q")(joined)
    outputs = {"list": [p, q], "table": {"p": p, "q": q}, "one": q}[form]
    model = keras.Model([a, b], outputs)
    count = 2 if form == "one" else 4
    model.set_weights([np.array(w, dtype="float32") for w in given["weights"][-count:]])
    return model


results = []
for case in given["cases"]:
    model = build(case["form"])
    options = {k: case[k] for k in ("loss", "loss_weights", "metrics", "weighted_metrics") if k in case}
    model.compile(optimizer=keras.optimizers.SGD(0.1), **options)
    if case["form"] == "one":
        y, sw = array["q"], array["sq"]
    elif case["data"] == "list":
        y, sw = [array["p"], array["q"]], [array["sp"], array["sq"]]
    else:
        y, sw = {"p": array["p"], "q": array["q"]}, {"p": array["sp"], "q": array["sq"]}
    weighting = {"none": None, "each": sw, "same": array["sq"]}[case["weighting"]]
    x = [array["a"], array["b"]]
    evaluated = model.evaluate(x, y, batch_size=8, verbose=0, sample_weight=weighting, return_dict=True)
    history = model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0, sample_weight=weighting,
                        validation_data=(x, y)).history
    results.append({"evaluate": {k: float(v) for k, v in evaluated.items()},
                    "history": {k: [float(x) for x in v] for k, v in history.items()}})
json.dump({"results": results}, sys.stdout)
