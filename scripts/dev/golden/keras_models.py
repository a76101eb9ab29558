"""Makes tests/golden/keras_models/: small models of real Keras, with inputs and the outputs of predict.

usage: KERAS_BACKEND=jax python keras_models.py OUT [--all]

Each model becomes NAME.keras and NAME.json: {"keras": version, "inputs": ..., "outputs": ...}, both nested like the
model's own.  A compiled model has taken three steps first.  Without --all only the kept ones are made, of which
tests/saving/golden_spec.lua loads every one; --all adds those that are for checking by hand, each also as
NAME.weights.h5.
"""
import json
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers as L  # noqa: E402

out = sys.argv[1]
everything = "--all" in sys.argv
os.makedirs(out, exist_ok=True)
models = {}


def model(kept=False):
    def note(f):
        models[f.__name__] = (f, kept)
        return f
    return note


@model(kept=True)
def options():
    """Every layer with one input, with options that are not the defaults; regularizers, constraints, initializers."""
    return keras.Sequential([
        keras.Input((4, 6), name="a sample"),
        L.Dense(5, "tanh", kernel_regularizer=keras.regularizers.L1L2(0.01, 0.02), bias_constraint="non_neg",
                kernel_constraint=keras.constraints.MaxNorm(3, axis=1), kernel_initializer=keras.initializers.HeNormal(seed=3),
                bias_initializer=keras.initializers.Constant(0.5), name="first"),
        L.BatchNormalization(axis=1, momentum=0.8, epsilon=0.01, scale=False, beta_regularizer="l2"),
        L.PReLU(shared_axes=[1], alpha_initializer=keras.initializers.RandomUniform(-0.1, 0.1)),
        L.Permute((2, 1)), L.Reshape((-1, 2)), L.LeakyReLU(negative_slope=0.1), L.ELU(alpha=0.5),
        L.ReLU(max_value=2.0, negative_slope=0.2, threshold=0.1), L.Softmax(axis=1), L.Identity(),
        L.Dropout(0.3, noise_shape=(None, 1, None), seed=5), L.Flatten(), L.RepeatVector(3),
        L.Dense(4, use_bias=False, kernel_constraint=keras.constraints.MinMaxNorm(0.1, 2.0, rate=0.5, axis=[0]),
                kernel_regularizer=keras.regularizers.OrthogonalRegularizer(0.1, mode="columns")),
        L.BatchNormalization(center=False), L.Activation("gelu"), L.Activation("softmax"), L.Flatten(data_format="channels_last"),
        L.Dense(2, activity_regularizer=keras.regularizers.L2(0.1), kernel_initializer="lecun_uniform"),
    ], name="options")


@model(kept=True)
def merges():
    """Every merging layer; lists of inputs and outputs; kwargs; axes."""
    a, b = keras.Input((3, 4), name="a"), keras.Input((3, 4), name="b")
    c = L.Concatenate(axis=1)([a, b])
    parts = [L.Add()([a, b, a]), L.Subtract()([a, b]), L.Multiply()([a, b]), L.Average()([a, b]), L.Maximum()([a, b]),
             L.Minimum()([a, b]), L.Dot(axes=(2, 2))([a, c]), L.Dot(axes=1, normalize=True)([a, b]), L.Dot(axes=-1)([b, a])]
    flatten = L.Flatten()
    joined = L.Concatenate()([flatten(p) for p in parts])
    return keras.Model([a, b], [L.Dense(2, name="left")(joined), L.Softmax(axis=-1, name="right")(joined), c])


@model(kept=True)
def nested():
    """Models inside models, a layer and a model used twice, automatic names."""
    inner = keras.Sequential([L.Dense(4, "relu"), keras.Sequential([L.Dense(3), L.BatchNormalization()])])
    x, y = keras.Input((4,)), keras.Input((4,))
    shared = L.Dense(3, "sigmoid")
    h = keras.Input((3,))
    block = keras.Model(h, L.Add()([L.Dense(3, "tanh")(h), h]), name="block")
    left, right = block(shared(x)), block(inner(y))
    z = L.Concatenate()([left, right, shared(y), inner(x), block(shared(L.Dense(4)(x)))])
    return keras.Model([x, y], L.Dense(1)(z), name="outer")


@model(kept=True)
def by_name():
    """Inputs and outputs by name, several nodes, an input that is an output's neighbour."""
    x, y = keras.Input((3,), name="x"), keras.Input((2,), name="y")
    d = L.Dense(2, name="d")
    e = d(x)
    return keras.Model({"y_in": y, "x_in": x}, {"sum": L.Add(name="sum")([e, y]), "deep": L.Dense(1, name="deep")(e)})


@model(kept=True)
def operations():
    """Operations between layers, with numbers on either side."""
    x, y = keras.Input((3,), name="x"), keras.Input((3,), name="y")
    z = (L.Dense(3)(x) * 2.0 + y) / (1 + keras.ops.exp(-y)) - keras.ops.maximum(x, 0.5) + keras.ops.tanh(x) ** 2
    return keras.Model([x, y], L.Dense(1)(keras.ops.abs(z) + keras.ops.sqrt(keras.ops.square(y))))


def compiled(optimizer, loss="mse", metrics=("mae",), weighted=None, units=2, activation=None):
    m = keras.Sequential([keras.Input((4,)), L.Dense(3, "tanh"), L.BatchNormalization(), L.Dense(units, activation)])
    m.compile(optimizer, loss, metrics=list(metrics), weighted_metrics=weighted)
    return m


@model(kept=True)
def adam():
    return compiled(keras.optimizers.Adam(0.01, amsgrad=True, weight_decay=0.1, global_clipnorm=1.0),
                    keras.losses.MeanAbsoluteError(reduction="sum"),
                    [keras.metrics.MeanSquaredError(name="second"), "mae"])


@model(kept=True)
def rmsprop():
    return compiled(keras.optimizers.RMSprop(keras.optimizers.schedules.ExponentialDecay(0.01, 2, 0.9, staircase=True),
                                             rho=0.8, momentum=0.5, centered=True, clipvalue=0.5), weighted=["mse"])


@model(kept=True)
def sgd():
    return compiled(keras.optimizers.SGD(keras.optimizers.schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.05, 0.01]),
                                         momentum=0.9, nesterov=True),
                    keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
                    ["accuracy", keras.metrics.CategoricalAccuracy(name="again")])


@model(kept=True)
def double():
    """float64 throughout; without Input: the file holds the batch size of the first call."""
    layers = [L.Dense(3, "relu", dtype="float64"), L.BatchNormalization(dtype="float64"), L.Dense(2, dtype="float64")]
    m = keras.Sequential(layers)
    m(np.zeros((2, 4)))
    return m


@model()
def adam_plain():
    return compiled("adam", keras.losses.BinaryCrossentropy(), [keras.metrics.BinaryAccuracy(threshold=0.4)], units=1,
                    activation="sigmoid")


@model()
def sgd_plain():
    return compiled("sgd", "binary_crossentropy", ["accuracy"], units=1, activation="sigmoid")


for i, schedule in enumerate([
        keras.optimizers.schedules.CosineDecay(0.1, 10, 0.1, warmup_target=0.2, warmup_steps=2),
        keras.optimizers.schedules.CosineDecayRestarts(0.1, 4), keras.optimizers.schedules.InverseTimeDecay(0.1, 2, 0.5),
        keras.optimizers.schedules.PolynomialDecay(0.1, 5, cycle=True)]):
    def scheduled(schedule=schedule):
        return compiled(keras.optimizers.SGD(schedule))
    scheduled.__name__ = f"schedule_{i}"
    model()(scheduled)


@model()
def activations():
    x = keras.Input((5,))
    names = ["relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "hard_sigmoid", "hard_silu",
             "hard_tanh", "hard_shrink", "soft_shrink", "tanh_shrink", "softplus", "softsign", "exponential", "sigmoid", "log_sigmoid", "tanh",
             "squareplus", "sparse_plus", "softmax", "log_softmax", "linear", "swish"]
    return keras.Model(x, L.Concatenate()([L.Dense(5, n)(x) for n in names] + [L.Activation(n)(x) for n in names]))


@model()
def initializers():
    I = keras.initializers
    return keras.Sequential([keras.Input((4,))] + [L.Dense(4, kernel_initializer=i) for i in [
        I.RandomNormal(0.1, 0.2, seed=1), I.TruncatedNormal(), I.RandomUniform(-1, 1),
        I.VarianceScaling(2.0, "fan_out", "uniform"), I.GlorotNormal(), I.HeUniform(), I.LecunNormal(), I.Identity(0.5), I.Ones(), I.Zeros(), "uniform"]])


@model()
def deep():
    x = keras.Input((4,))
    y = x
    for _ in range(13):
        y = L.Add()([y, L.BatchNormalization()(L.Dense(4)(y))])
    return keras.Model(x, y)


@model()
def lazy():
    m = keras.Sequential([L.Dense(3), L.Dropout(0.5), L.ReLU(), L.Dense(2)])
    m(np.zeros((2, 5), "float32"))
    return m


@model()
def rank5():
    x = keras.Input((2, 3, 4))
    y = L.Permute((3, 1, 2))(x)
    z = L.Reshape((4, 6))(y)
    return keras.Model(x, [L.Dense(2)(y), L.PReLU(shared_axes=[1, 2])(x), L.BatchNormalization(axis=2)(x), L.Dot(axes=2)([z, z]),
                           L.Softmax(axis=[1, 2])(z), L.Concatenate(axis=2)([z, z]), L.Flatten()(x)])


@model()
def one_in_list():
    x = keras.Input((3,))
    return keras.Model([x], [L.Dense(2)(x)])


@model()
def frozen():
    m = keras.Sequential([keras.Input((4,)), L.Dense(3), L.BatchNormalization(), L.Dense(2)])
    m.layers[0].trainable = False
    m.layers[1].trainable = False
    m.compile(keras.optimizers.Adam(0.1), "mse")
    return m


@model()
def training_call():
    x = keras.Input((3,))
    y = L.BatchNormalization()(L.Dense(4)(x), training=False)
    return keras.Model(x, L.Dropout(0.5)(y, training=False))


@model()
def embedded_sequential_first():
    return keras.Sequential([keras.Input((4,)), keras.Sequential([keras.Input((4,)), L.Dense(3)], name="in"),
                             keras.Sequential([L.Dense(2)]), L.Dense(2)])


@model()
def output_twice():
    x = keras.Input((3,))
    y = L.Dense(3)(x)
    return keras.Model(x, [y, y, x])


@model()
def list_structure():
    x, y = keras.Input((3,)), keras.Input((3,))
    return keras.Model([x, [y]], {"a": [L.Dense(2)(x), L.Dense(2)(y)], "b": L.Add()([x, y])})


def plain(value):
    """Nested lists; float32 with nine digits, which give it exactly."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    value = np.asarray(value)
    if value.ndim > 0:
        return [plain(v) for v in value]
    return float(f"{value:.9g}") if value.dtype == np.float32 else value.item()


for name, (f, kept) in models.items():
    if not (kept or everything):
        continue
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    if keras.backend.backend() == "jax":
        import jax
        jax.config.update("jax_enable_x64", name == "double")
    m = f()
    for v in m.variables:
        if v.dtype in ("float32", "float64"):
            values = rng.normal(size=v.shape) * 0.5
            v.assign(np.abs(values) + 0.5 if v.name == "moving_variance" else values)
    inputs = keras.tree.map_structure(
        lambda t: np.round(0.5 * rng.normal(size=(3,) + tuple(t.shape[1:])), 3).astype(t.dtype),
        m.inputs[0] if isinstance(m, keras.Sequential) else m._inputs_struct)
    if m.compiled:
        y = np.abs(rng.normal(size=(3,) + m.output_shape[1:])).astype("float32")
        y = y / y.sum(axis=-1, keepdims=True)
        for _ in range(3):
            m.train_on_batch(inputs, y)
    outputs = m(inputs, training=False) if name == "double" else m.predict(inputs, verbose=0)
    m.save(os.path.join(out, name + ".keras"))
    if everything:
        m.save_weights(os.path.join(out, name + ".weights.h5"))
    stored = {"keras": keras.__version__, "inputs": plain(inputs), "outputs": plain(outputs)}
    if m.compiled:
        stored["optimizer"] = [plain(v) for v in m.optimizer.variables]
    with open(os.path.join(out, name + ".json"), "w") as file:
        json.dump(stored, file)
        file.write("\n")
