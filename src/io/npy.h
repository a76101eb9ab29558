/* NumPy's array files, `.npy` (formats.md 6), in memory. */
#ifndef KL_IO_NPY_H
#define KL_IO_NPY_H

#include "io/buffer.h"
#include "io/elements.h"

#define KL_NPY_MAX_HEADER 10000 /* bytes of text: NumPy refuses more, too */
#define KL_NPY_PREFIX 12        /* bytes before the text, at most */

typedef struct kl_npy_header {
  kl_element element;
  bool fortran; /* the first axis varies fastest */
  kl_shape shape;
  size_t data;  /* offset of the elements */
  size_t bytes; /* of all elements, as stored; fits in memory as kl's type, too */
} kl_npy_header;

/* Reads the header at the beginning of `size` bytes, which may be the beginning of a longer file.
 * Errors: KL_EIO, beginning with `name`: another format, a header that is cut off, longer than KL_NPY_MAX_HEADER or not
 * as NumPy writes it, an element type that is none of kl's (named), more than KL_MAX_NDIM axes. */
kl_status kl_npy_read_header(const char *name, const void *data, size_t size, kl_npy_header *out);

/* The array in a whole file: bool, (u)int8 to 64 and float16 to 64 of either byte order as kl_element_dtype has it.  An
 * array in Fortran's order becomes a view with its axes reversed.
 * Errors: as above; KL_EIO for missing or trailing bytes; KL_EVALUE for a uint64 that int64 does not hold; KL_ENOMEM.
 */
kl_status kl_npy_decode(const char *name, const void *data, size_t size, kl_tensor **out);

/* What the file of such a tensor begins with, in *out (empty before): `least` bytes at least.  Its size is the same for
 * all lengths of the first axis. */
kl_status kl_npy_encode_header(kl_dtype dtype, const kl_shape *shape, size_t least, kl_buffer *out);

/* The file of a tensor, with a value, in *out (empty before): version 1.0, byte for byte as NumPy writes it. */
kl_status kl_npy_encode(const kl_tensor *t, kl_buffer *out);

#endif
