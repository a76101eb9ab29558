"""Makes tests/golden/idx/: gzipped IDX files, good and damaged.  usage: python idx_cases.py OUT

Plain IDX files are short enough for tests/io/idx_spec.lua to spell out.
"""
import gzip
import os
import struct
import sys
import zlib

out = sys.argv[1]
os.makedirs(out, exist_ok=True)

array = struct.pack(">4B2I", 0, 0, 8, 2, 3, 4) + bytes(range(12))


def pack(raw):
    return gzip.compress(raw, mtime=0)


def save(name, raw):
    with open(os.path.join(out, name), "wb") as f:
        f.write(raw)


packed = pack(array)
save("good.idx.gz", packed)
save("two_members.idx.gz", pack(array[:7]) + pack(array[7:]))
save("cut.idx.gz", packed[:-9])
save("cut_trailer.idx.gz", packed[:-1])
save("behind.idx.gz", packed + b"\0\0\0")
save("wrong_crc.idx.gz", packed[:-8] + struct.pack("<I", zlib.crc32(array) ^ 1) + packed[-4:])
save("wrong_data.idx.gz", packed[:10] + b"\xff" + packed[11:])
save("short.idx.gz", pack(array[:-1]))
save("long.idx.gz", pack(array + b"\0"))
save("bomb.idx.gz", pack(struct.pack(">4B2I", 0, 0, 8, 2, 1 << 16, 1 << 16) + bytes(12)))
save("zeros.idx.gz", pack(struct.pack(">4B1I", 0, 0, 8, 1, 1 << 20) + bytes(1 << 20)))
