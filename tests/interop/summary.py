"""Summaries of models by real Keras: the list of texts, in the order of summary_interop.lua."""
import json
import os

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras  # noqa: E402
from keras import layers as L  # noqa: E402


def chain():
    return keras.Sequential([keras.Input((4,)), L.Dense(8, name="d1"), L.BatchNormalization(name="batch_normalization"),
                             L.Dropout(0.5, name="drop"), L.Dense(3, name="d2")], name="chain")


def graph():
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    shared = L.Dense(4, name="sh")
    first = shared(a)
    joined = L.Concatenate(name="join")([first, shared(L.Dense(3, name="up")(b)), b])
    inner = keras.Sequential([L.Dense(4, name="i1"), keras.Sequential([L.Dense(2, name="i2")], name="deep")], name="inner")
    d = inner(joined)
    return keras.Model([a, b], [L.Dense(1, name="e")(d), d], name="graph")


cases = [(chain, {}), (chain, {"line_length": 60}), (graph, {}), (graph, {"expand_nested": True}),
         (graph, {"expand_nested": True, "show_trainable": True}), (graph, {"layer_range": ["sh", "e"]}),
         (graph, {"positions": [0.2, 0.4, 0.6, 1.0]}), (graph, {"line_length": 140})]
texts = []
for make, options in cases:
    parts = []
    os.environ["COLUMNS"] = "250"
    make().summary(print_fn=parts.append, **options)
    texts.append("\n".join(parts).strip("\n"))
print(json.dumps(texts))
