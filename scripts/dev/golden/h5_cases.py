"""Makes tests/golden/h5/: one small HDF5 file per rule of the reader.  usage: python h5_cases.py OUT

Needs h5py (made with h5py 3.16.0, HDF5 2.0.0).  accept_* must be read, refuse_* must not: tests/io/h5_read_spec.lua has the
messages.  Every file is below 10 KB but accept_chunks, whose index has large nodes.
"""
import os
import sys

import h5py
import numpy as np

out = sys.argv[1]
os.makedirs(out, exist_ok=True)


def make(name, fill, **options):
    options.setdefault("libver", ("earliest", "v110"))
    with h5py.File(os.path.join(out, name + ".h5"), "w", **options) as f:
        fill(f)


def data(f, name="x"):
    return f.create_dataset(name, data=np.arange(6, dtype="<f4").reshape(2, 3))


def types(f, order):
    values = {
        "i1": [-128, -1, 127], "u1": [0, 128, 255], "i2": [-32768, -1, 32767], "u2": [0, 32768, 65535],
        "i4": [-2**31, -1, 2**31 - 1], "u4": [0, 2**31, 2**32 - 1], "i8": [-2**63, -1, 2**63 - 1],
        "u8": [0, 1, 2**63 - 1], "f2": [-1.5, 2.0**-24, 65504.0], "f4": [-1.5, 2.0**-149, 3.5], "f8": [-1.5, 1e-300, 0.1],
    }
    for kind, list_ in values.items():
        f.create_dataset(kind, data=np.array(list_, dtype=order + kind))
    f.create_dataset("special", data=np.array([np.inf, -np.inf, np.nan, -0.0], dtype=order + "f2"))
    f.create_dataset("beyond", data=np.array([1, 2**63], dtype=order + "u8"))


def shapes(f):
    f.create_dataset("scalar", data=np.float32(2.5))
    f.create_dataset("none", data=np.zeros((0, 3), "<f4"))
    f.create_dataset("rank8", data=np.ones((1, 1, 1, 1, 1, 1, 1, 2), "<f4"))
    f.create_dataset("rank9", data=np.ones((1,) * 9, "<f4"))
    f.create_dataset("empty", data=h5py.Empty("<f4"))


def layouts(f):
    f.create_dataset("chunked", data=np.arange(10, dtype="<i4"), chunks=(4,))
    f.create_dataset("fletcher", data=np.arange(10, dtype="<i4"), chunks=(4,), fletcher32=True)
    f.create_dataset("gzip", data=np.arange(10, dtype="<i4"), chunks=(4,), compression="gzip")
    f.create_dataset("shuffle", data=np.arange(10, dtype="<i4"), chunks=(4,), shuffle=True)
    f.create_dataset("absent", shape=(10,), dtype="<i4", chunks=(4,))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((3,))
    compact = h5py.h5d.create(f.id, b"compact", h5py.h5t.STD_I32LE, space, plist)
    compact.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([7, 8, 9], "<i4"))
    # declared and never written: a shape bomb when it is contiguous
    f.create_dataset("bomb", shape=(1 << 40,), dtype="<f4")


def chunks(f):
    """Each way to find chunks, each filter.  Element i is i, but for what is not written."""
    def numbers(*shape, dtype="<i4"):
        return np.arange(np.prod(shape), dtype=dtype).reshape(shape)

    f.create_dataset("all", data=numbers(5, 7, 3, dtype="<i2"), chunks=(2, 3, 2), shuffle=True, compression="gzip", fletcher32=True)
    f.create_dataset("rows", data=numbers(7, 2, 3, dtype=">f8"), chunks=(2, 2, 3), compression="gzip")
    f.create_dataset("single", data=numbers(4, 3), chunks=(4, 3), fletcher32=True)
    f.create_dataset("larger", data=numbers(3, 3), chunks=(4, 4), maxshape=(None, 8), compression="gzip")
    f.create_dataset("grows", data=numbers(9, 2), chunks=(2, 2), maxshape=(None, 2), shuffle=True)
    f.create_dataset("grows2", data=numbers(5, 5), chunks=(2, 2), maxshape=(None, None), compression="gzip")
    f.create_dataset("bools", data=numbers(20) % 3 == 0, chunks=(8,), shuffle=True, compression="gzip")
    sparse = f.create_dataset("sparse", shape=(6, 6), dtype="<i4", chunks=(4, 4), compression="gzip", fillvalue=7)
    sparse[5, 5] = 35
    skips = f.create_dataset("skips", shape=(8,), dtype="<i4", chunks=(4,), shuffle=True, compression="gzip")
    skips[4:] = [4, 5, 6, 7]
    skips.id.write_direct_chunk((0,), np.arange(4, dtype="<i4").tobytes(), filter_mask=3)
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((2, 3))
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    early = h5py.h5d.create(f.id, b"early", h5py.h5t.STD_I32LE, h5py.h5s.create_simple((5, 4)), plist)
    early.write(h5py.h5s.ALL, h5py.h5s.ALL, numbers(5, 4))


def strange_types(f):
    f.create_dataset("string", data=["a", "b"], dtype=h5py.string_dtype())
    f.create_dataset("fixed", data=np.array([b"ab", b"c"], dtype="S2"))
    f.create_dataset("bool", data=np.array([True, False]))
    f.create_dataset("complex", data=np.array([1 + 2j]))
    f.create_dataset("vlen", shape=(1,), dtype=h5py.vlen_dtype("<i4"))
    f.create_dataset("opaque", data=np.array([b"abcd"], dtype="V4"))
    odd = h5py.h5t.STD_I32LE.copy()
    odd.set_precision(24)
    h5py.h5d.create(f.id, b"odd", odd, h5py.h5s.create_simple((1,)))


def attributes(f):
    group = f.create_group("g")
    group.attrs["variable"] = "variable length"
    group.attrs["fixed"] = np.bytes_("fixed")
    group.attrs["list"] = np.array([b"one", b"three"], dtype="S5")
    group.attrs["none"] = np.array([], dtype="S3")
    group.attrs["small"] = np.int16(-7)
    group.attrs["big"] = np.array(9, dtype=">u4")
    group.attrs["float"] = 1.5
    group.attrs["table"] = np.zeros((2, 2), "<i4")
    group.attrs["padded"] = np.bytes_("pad")
    spaces = h5py.h5t.C_S1.copy()
    spaces.set_size(6)
    spaces.set_strpad(h5py.h5t.STR_SPACEPAD)
    attribute = h5py.h5a.create(group.id, b"spaces", spaces, h5py.h5s.create(h5py.h5s.SCALAR))
    attribute.write(np.array(b"ab    ", dtype="S6"), mtype=spaces)
    group["variable"] = np.zeros(1, "<f4")


def soft(f):
    data(f)
    f["g/link"] = h5py.SoftLink("/x")


def external(f):
    data(f)
    f["g/link"] = h5py.ExternalLink("other.h5", "/x")


def ring(f):
    group = f.create_group("g")
    data(group)
    group["again"] = group


def deep(f):
    f.create_dataset("/".join(["d"] * 33), data=np.zeros(1, "<f4"))


def named_type(f):
    data(f)
    f["t"] = np.dtype("<f4")


def storage(f):
    f.create_dataset("x", shape=(4,), dtype="<f4", external=[("other.bin", 0, 16)])


def virtual(f):
    layout = h5py.VirtualLayout(shape=(4,), dtype="<f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", shape=(4,))
    f.create_virtual_dataset("x", layout)


def names(f):
    data(f, "günther/日本")
    f.create_dataset("a b", data=np.zeros(1, "<f4"))
    for i in range(12):
        f.create_dataset(f"many/{i}", data=np.float32(i))


make("accept_types_little", lambda f: types(f, "<"))
make("accept_types_big", lambda f: types(f, ">"), libver=("v110", "v110"))
make("accept_shapes", shapes)
make("accept_layouts", layouts, libver=("v110", "v110"))
make("accept_chunks", chunks)
make("accept_chunks_v110", chunks, libver=("v110", "v110"))
make("accept_attributes", attributes)
make("accept_names", names)
make("accept_names_v110", names, libver=("v110", "v110"))
make("refuse_types", strange_types)
make("refuse_soft_link", soft)
make("refuse_external_link", external)
make("refuse_ring", ring)
make("refuse_deep", deep, libver=("v110", "v110"))
make("refuse_named_type", named_type)
make("refuse_external_storage", storage)
make("refuse_virtual", virtual, libver=("v110", "v110"))
make("refuse_user_block", data, userblock_size=512)


def patched(name, source, change):
    with open(os.path.join(out, source + ".h5"), "rb") as f:
        raw = bytearray(f.read())
    change(raw)
    with open(os.path.join(out, name + ".h5"), "wb") as f:
        f.write(raw)


def replace(raw, old, new):
    assert raw.count(old) == 1 and len(old) == len(new)
    at = raw.index(old)
    raw[at:at + len(old)] = new


# names that HDF5 itself does not check: they lie in the local heap of the group
make("refuse_name_dots", lambda f: data(f, "zz"))
patched("refuse_name_dots", "refuse_name_dots", lambda raw: replace(raw, b"zz\0", b"..\0"))
make("refuse_name_slash", lambda f: data(f, "a_b"))
patched("refuse_name_slash", "refuse_name_slash", lambda raw: replace(raw, b"a_b\0", b"a/b\0"))
make("refuse_name_utf8", lambda f: data(f, "caf_"))
patched("refuse_name_utf8", "refuse_name_utf8", lambda raw: replace(raw, b"caf_\0", b"caf\xe9\0"))
make("refuse_name_empty", lambda f: data(f, "q"))
patched("refuse_name_empty", "refuse_name_empty", lambda raw: replace(raw, b"q\0\0\0\0\0\0\0", b"\0\0\0\0\0\0\0\0"))

for name in sorted(os.listdir(out)):
    size = os.path.getsize(os.path.join(out, name))
    print(f"{size:6d} {name}")
