"""Random models of kl's in real Keras: reads {"folder", "cases": [{"path", "again", "x", "y"}]}, each a compiled model in a file.

Prints, for each, what Keras finds: names of layers, paths of weights, the summary, predictions, what evaluate says, the history of
an epoch in order; and saves the trained model as "again".
"""
import json
import os
import sys

os.environ["COLUMNS"] = "250"
import keras  # noqa: E402
import numpy as np  # noqa: E402

given = json.load(sys.stdin)


def arrays(value):
    if isinstance(value, dict) and "rows" not in value:
        return {k: arrays(v) for k, v in value.items()}
    if isinstance(value, dict):
        return np.array(value["rows"], dtype=value["dtype"])
    return [arrays(v) for v in value]


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return np.asarray(value).tolist()


results = []
for case in given["cases"]:
    model = keras.models.load_model(case["path"])
    x, y = arrays(case["x"]), arrays(case["y"])
    lines = []
    model.summary(print_fn=lines.append)
    found = {
        "layers": [layer.name for layer in model.layers],
        "shapes": [list(w.shape) for w in model.weights],
        "trainable": [w.trainable for w in model.weights],
        "summary": "\n".join(lines).strip("\n"),
        "predictions": plain(model.predict(x, batch_size=5, verbose=0)),
        "evaluated": plain(model.evaluate(x, y, batch_size=5, verbose=0, return_dict=True)),
        "history": plain(model.fit(x, y, batch_size=5, epochs=2, shuffle=False, verbose=0).history),
        "trained": plain(model.predict(x, batch_size=5, verbose=0)),
    }
    model.save(case["again"])
    results.append(found)
json.dump({"results": results}, sys.stdout)
