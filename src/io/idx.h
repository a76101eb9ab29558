/* IDX files, read and written, plain or gzipped: the format of MNIST (formats.md 7). */
#ifndef KL_IO_IDX_H
#define KL_IO_IDX_H

#include "io/buffer.h"
#include "io/elements.h"

/* The array in the file.  Types: uint8 as it is, int8, int16 and int32 as int32, float32, float64.
 * A gzipped file (known by its first bytes, not by its name) may hold at most `limit` bytes of elements; 0 means 64 MiB
 * + 4 x the file's size.
 * Errors: KL_EIO naming the file, what was expected and what was found, for a file that cannot be read, has another
 * format, or has fewer or more bytes than its header declares; KL_ENOMEM.  *out is a new reference. */
kl_status kl_idx_read(const char *path, size_t limit, kl_tensor **out);

typedef struct kl_idx_header {
  kl_element element;
  kl_shape shape;
  size_t data;  /* offset of the elements */
  size_t bytes; /* of all elements, as stored */
} kl_idx_header;

#define KL_IDX_MAX_HEADER (4 + 4 * KL_MAX_NDIM)

/* The header at the beginning of `size` bytes of a plain file, which may go on.  Errors: as above. */
kl_status kl_idx_read_header(const char *name, const void *data, size_t size, kl_idx_header *out);

/* The file of a tensor, with a value, in *out (empty before), gzipped or not: uint8, int32, float32 and float64 as they
 * are, bool as uint8.
 * Errors: KL_EDTYPE for int64; KL_ESHAPE for a scalar and for an axis of 2^32 or more; KL_ENOMEM. */
kl_status kl_idx_encode(const kl_tensor *t, bool gzip, kl_buffer *out);

#endif
