"""Results of metrics by real Keras: cases of tests/metrics/cases.lua in; the result after every update and the state at the end out."""
import json
import sys

import keras
import numpy as np


def flat(x):
    return [float("%.8g" % v) if np.isfinite(v) else str(v) for v in np.asarray(x, "float64").reshape(-1)]


def array(x):
    a = np.array(x)
    return a.astype("float32") if a.dtype == "float64" else a


answers = []
for case in json.load(sys.stdin):
    config = case["object"]["config"]
    metric = getattr(keras.metrics, case["object"]["class_name"]).from_config(config)
    results = []
    for update in case["updates"]:
        if update.get("reset"):
            metric.reset_state()
            continue
        weight = update.get("weight")
        if weight is not None:
            weight = array(weight)
        try:
            metric.update_state(*[array(a) for a in update["arguments"]], sample_weight=weight)
        except Exception:
            print(json.dumps(case), file=sys.stderr)
            raise
        results.append(flat(metric.result()))
    state = [{"path": v.path, "shape": list(v.shape), "dtype": v.dtype, "value": flat(v)} for v in metric.variables]
    answers.append({"results": results, "state": state, "direction": getattr(metric, "_direction", None)})
json.dump(answers, sys.stdout)
