"""Makes tests/golden/zip/: archives that tests/io/zip_spec.lua cannot spell out itself.  usage: python zip_cases.py OUT

Made with Python's zipfile.  accept_* is read, refuse_* is not.
"""
import io
import os
import sys
import zipfile

out = sys.argv[1]
os.makedirs(out, exist_ok=True)


class Stream(io.RawIOBase):
    """Cannot seek: zipfile writes data descriptors."""

    def __init__(self):
        super().__init__()
        self.bytes = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.bytes += bytes(data)
        return len(data)


def make(name, fill, stream=None, **options):
    target = stream if stream is not None else io.BytesIO()
    with zipfile.ZipFile(target, "w", **options) as z:
        fill(z)
    raw = bytes(target.bytes) if stream is not None else target.getvalue()
    with open(os.path.join(out, name + ".zip"), "wb") as f:
        f.write(raw)
    return raw


def entry(name):
    return zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))


def deflated(z):
    z.writestr(entry("a.txt"), "abc" * 1000, zipfile.ZIP_DEFLATED)
    z.writestr(entry("b.txt"), "stored", zipfile.ZIP_STORED)


def zip64(z):
    with z.open(entry("a.npy"), "w", force_zip64=True) as f:
        f.write(b"numpy does this")


def other(method):
    return lambda z: z.writestr(entry("a.txt"), "abc" * 100, method)


make("accept_deflated", deflated)
make("accept_descriptors", deflated, stream=Stream())
make("accept_zip64", zip64)
make("accept_empty", lambda z: None)
make("accept_comment", lambda z: (deflated(z), setattr(z, "comment", b"a comment PK\x05\x06")))
make("accept_folder", lambda z: (z.writestr(entry("assets/"), ""), z.writestr(entry("assets/x"), "1")))
make("refuse_bzip2", other(zipfile.ZIP_BZIP2))
make("refuse_lzma", other(zipfile.ZIP_LZMA))
raw = bytearray(make("refuse_encrypted", deflated))
for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
    at = -1
    while (at := raw.find(signature, at + 1)) >= 0:
        raw[at + offset] |= 1
with open(os.path.join(out, "refuse_encrypted.zip"), "wb") as f:
    f.write(raw)
