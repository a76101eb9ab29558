"""Files of arrays beside kl: input {folder}; reads kl's files there and writes its own.  Needs numpy, h5py, Pillow."""
import json
import struct
import sys

import h5py
import numpy as np
from PIL import Image

folder = json.load(sys.stdin)["folder"]
DTYPES = ["float32", "float64", "int32", "int64", "uint8", "bool"]
SHAPES = [(), (0,), (5,), (2, 3), (3, 0, 2), (2, 3, 4), (123456, 1)]
found = {}


def sample(dtype, shape):
    return (np.arange(int(np.prod(shape))) % 11).astype(dtype).reshape(shape)


def same(a, b):
    return bool(a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b))


for d in DTYPES:
    for i, s in enumerate(SHAPES):
        x = sample(d, s)
        np.save(f"{folder}/py_{d}_{i}.npy", x)
        ours, theirs = (open(f"{folder}/{w}_{d}_{i}.npy", "rb").read() for w in ("kl", "py"))
        found[f"npy {d} {s}"] = ours == theirs
        with np.load(f"{folder}/kl_{d}_{i}.npz") as z:
            found[f"npz {d} {s}"] = z.files == ["a", "b"] and same(z["a"], x) and same(z["b"], x)
        with h5py.File(f"{folder}/kl_{d}_{i}.h5") as f:
            found[f"h5 {d} {s}"] = same(f["g/x"][()] if s else np.asarray(f["g/x"][()]), x)
        raw = open(f"{folder}/kl_{d}_{i}.safetensors", "rb").read()
        n, = struct.unpack("<Q", raw[:8])
        entry = json.loads(raw[8:8 + n])["x"]
        found[f"safetensors {d} {s}"] = n % 8 == 0 and entry["shape"] == list(s) and raw[8 + n:] == x.tobytes()
        np.savez_compressed(f"{folder}/py_{d}_{i}.npz", a=x, b=np.asarray(x, order="F"))
        with h5py.File(f"{folder}/py_{d}_{i}.h5", "w") as f:
            f["x"] = x
            if s and x.size:
                f.create_dataset("packed", data=x, chunks=tuple(max(1, n // 2) for n in s), compression="gzip", shuffle=True)

rgb = (np.arange(7 * 5 * 4) * 37 % 251).astype("uint8").reshape(7, 5, 4)
pictures = {"L": rgb[..., 0], "RGB": rgb[..., :3], "RGBA": rgb, "LA": rgb[..., :2]}
for mode, x in pictures.items():
    Image.fromarray(x, mode).save(f"{folder}/py_{mode}.png")
    np.save(f"{folder}/py_{mode}.png.npy", x.reshape(7, 5, -1))
    image = Image.open(f"{folder}/kl_{x.reshape(7, 5, -1).shape[2]}.png")
    found[f"png {mode}"] = image.mode == mode and bool(np.array_equal(np.asarray(image), x))
colours = Image.fromarray(rgb[..., :3], "RGB")
grey = {"palette": colours.quantize(7), "bits": Image.fromarray(rgb[..., 0]).convert("1")}
for name, image in grey.items():
    image.save(f"{folder}/py_{name}.png")
    x = np.asarray(image.convert("RGB" if name == "palette" else "L"))
    np.save(f"{folder}/py_{name}.png.npy", x.reshape(7, 5, -1))
np.save(f"{folder}/py_luma.npy", np.asarray(colours.convert("L"))[..., None])
for name, options in {"plain": {}, "progressive": {"progressive": True}, "best": {"quality": 100, "subsampling": 0}}.items():
    for mode in ("L", "RGB"):
        colours.convert(mode).resize((33, 21)).save(f"{folder}/py_{name}_{mode}.jpg", **options)
        x = np.asarray(Image.open(f"{folder}/py_{name}_{mode}.jpg"))
        np.save(f"{folder}/py_{name}_{mode}.jpg.npy", x.reshape(21, 33, -1))
found["jpg"] = Image.open(f"{folder}/kl.jpg").size == (5, 7)
table = np.genfromtxt(f"{folder}/kl.csv", delimiter=",", dtype="float64")
found["csv"] = bool(np.array_equal(table, np.arange(12.0).reshape(4, 3) / 7))
print(json.dumps(found))
