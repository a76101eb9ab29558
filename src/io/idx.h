/* IDX files, plain or gzipped: the format of MNIST (formats.md 7). */
#ifndef KL_IO_IDX_H
#define KL_IO_IDX_H

#include "tensor/tensor.h"

/* The array in the file.  Types: uint8 as it is, int8, int16 and int32 as int32, float32, float64.
 * A gzipped file (known by its first bytes, not by its name) may hold at most `limit` bytes of elements; 0 means 64 MiB
 * + 4 x the file's size.
 * Errors: KL_EIO naming the file, what was expected and what was found, for a file that cannot be read, has another
 * format, or has fewer or more bytes than its header declares; KL_ENOMEM.  *out is a new reference. */
kl_status kl_idx_read(const char *path, size_t limit, kl_tensor **out);

#endif
