/* The inputs of one pass through the door, for apply.c. */
#ifndef KL_OP_ARGUMENTS_H
#define KL_OP_ARGUMENTS_H

#include "op/op.h"

/* `t`: as they enter the op; `owned`: a bit per reference that the door made itself. */
typedef struct kl_arguments {
  int n;
  uint64_t owned;
  kl_tensor *t[KL_MAX_INPUTS];
  kl_spec spec[KL_MAX_INPUTS]; /* a weak scalar's dtype is the type it will be converted to */
} kl_arguments;

/* Makes their types agree as the row says: tensors are cast, a weak scalar's spec gets its type. */
kl_status kl_arguments_convert(kl_arguments *a, const kl_op *op);

/* The shape they are broadcast to. */
kl_status kl_arguments_broadcast(const kl_arguments *a, kl_shape *joined);

void kl_arguments_release(kl_arguments *a);

#endif
