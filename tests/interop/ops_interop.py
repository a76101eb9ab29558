"""Sorting and selecting by keras.ops (JAX): {cases: [{op, inputs, options}]} -> a list of results.

An input is {shape, dtype, values}; NaN and infinities are text, in both directions.
"""
import json
import math
import sys

import jax

jax.config.update("jax_enable_x64", True)

import keras
import numpy as np


def array(spec):
    values = [float(v) if isinstance(v, str) else v for v in spec["values"]]
    return keras.ops.convert_to_tensor(np.array(values, spec["dtype"]).reshape(spec["shape"]))


def describe(result):
    a = np.asarray(result)
    values = [v if not isinstance(v, float) or math.isfinite(v) else str(v) for v in a.ravel().tolist()]
    return {"shape": list(a.shape), "dtype": str(a.dtype), "values": values}


def run(case):
    inputs = [array(spec) for spec in case["inputs"]]
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in (case.get("options") or {}).items()}
    result = getattr(keras.ops, case["op"])(*inputs, **options)
    results = result if isinstance(result, (list, tuple)) else [result]
    return [describe(r) for r in results]


json.dump([run(case) for case in json.load(sys.stdin)["cases"]], sys.stdout)
