"""Values and gradients of losses by real Keras: cases of tests/losses/cases.lua in, {value, gradient} flat out."""
import json
import sys

import jax
import jax.numpy as jnp
import keras
import numpy as np


def flat(x):
    return [float("%.8g" % v) for v in np.asarray(x, "float64").reshape(-1)]


answers = []
for case in json.load(sys.stdin):
    loss = getattr(keras.losses, case["object"]["class_name"]).from_config(case["object"]["config"])
    y, weight = np.array(case["y_true"]), case.get("weight")
    if weight is not None:
        weight = np.array(weight, "float32")

    def total(p):
        value = loss(y, p, weight)
        return jnp.sum(value), value

    gradient, value = jax.grad(total, has_aux=True)(jnp.array(case["y_pred"], "float32"))
    answers.append({"value": flat(value), "gradient": flat(gradient)})
json.dump(answers, sys.stdout)
