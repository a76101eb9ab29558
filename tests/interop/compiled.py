"""Opens the compiled models that compiled_interop.lua saved, and saves some of its own.

Reads {"folder", "x", "y", "files": [{"path", "table"}], "own": [compile arguments by name]} and prints {"evaluate": [results, one
per file], "own": {path: results}}.
"""
import json
import os
import sys

import keras
import numpy as np
from keras import layers

given = json.load(sys.stdin)
x = np.array(given["x"], dtype="float32")
targets = [np.array(given["y"][name], dtype="float32") for name in ("a", "b")]


def y_of(table):
    return dict(zip(("a", "b"), targets)) if table else targets


evaluated = []
for file in given["files"]:
    model = keras.models.load_model(file["path"])
    evaluated.append(model.evaluate(x, y_of(file["table"]), verbose=0, return_dict=True))

own = {}
for name, options in given["own"].items():
    inputs = keras.Input((3,))
    outputs = [layers.Dense(1, name="a")(inputs), layers.Dense(2, activation="softmax", name="b")(inputs)]
    table = isinstance(options["loss"], dict)
    model = keras.Model(inputs, dict(zip(("a", "b"), outputs)) if table else outputs)
    model.compile(optimizer="adam", **options)
    model.fit(x, y_of(table), verbose=0)
    path = os.path.join(given["folder"], "theirs_" + name + ".keras")
    model.save(path)
    own[path] = {"table": table, "results": model.evaluate(x, y_of(table), verbose=0, return_dict=True)}

print(json.dumps({"evaluate": evaluated, "own": own}))
