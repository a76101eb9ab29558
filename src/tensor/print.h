/* Tensors as text, laid out as numpy does: aligned columns, the fewest digits that tell the values apart (at most 8
 * after the point), the middle of long axes left out above 1000 elements; then shape and dtype. */
#ifndef KL_TENSOR_PRINT_H
#define KL_TENSOR_PRINT_H

#include "tensor/tensor.h"

/* Bytes that kl_print needs at most, with the final NUL. */
size_t kl_print_size(const kl_tensor *t);

/* Writes the text and returns its length. */
size_t kl_print(const kl_tensor *t, char *out, size_t size);

#endif
