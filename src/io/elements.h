/* Elements of other programs' files: their types, and their conversion to kl's.
 *
 * Every array format of io/ reads raw bytes and converts them here, so no library converts for us (reliability.md F4).
 * kl runs on little-endian machines only. */
#ifndef KL_IO_ELEMENTS_H
#define KL_IO_ELEMENTS_H

#include "tensor/tensor.h"

typedef enum kl_element_kind {
  KL_ELEMENT_UNSIGNED,
  KL_ELEMENT_SIGNED,
  KL_ELEMENT_FLOAT,
  KL_ELEMENT_BFLOAT, /* the upper half of a float32 */
  KL_ELEMENT_BOOL,   /* false: 0, true: anything else */
} kl_element_kind;

/* A number as it lies in a file: 1, 2, 4 or 8 bytes, floats 2, 4 or 8, bfloat 2, bool 1. */
typedef struct kl_element {
  kl_element_kind kind;
  int size; /* bytes */
  bool big; /* big-endian */
} kl_element;

/* What it becomes: the smallest kl type that holds all its values; uint64 becomes int64. */
kl_dtype kl_element_dtype(kl_element e);

/* "int16", "float32 (big-endian)".  Returns text. */
#define KL_ELEMENT_TEXT 32
const char *kl_element_text(kl_element e, char text[KL_ELEMENT_TEXT]);

/* How a tensor's elements lie in a file that kl writes: little-endian, bool as uint8. */
kl_element kl_element_of(kl_dtype dtype);

/* Where in the bytes of a new tensor of kl_element_dtype(e) its raw elements are read to, to be converted in place:
 * at their end, because they are never wider than the result. */
char *kl_elements_place(const kl_tensor *t, kl_element e);

/* Converts the raw elements at that place into the tensor's.
 * Errors: KL_EVALUE, beginning with `what`, for an unsigned number that int64 does not hold. */
kl_status kl_elements_convert(const char *what, kl_tensor *t, kl_element e);

/* The same for `numel` elements without a tensor: from `from`, to `to`, which may be one block as above.  From any
 * thread. */
kl_status kl_elements_convert_block(const char *what, kl_element e, const void *from, int64_t numel, void *to);

#endif
