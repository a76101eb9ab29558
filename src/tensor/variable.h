/* Variables: the only thing whose value changes.
 *
 * A variable holds one tensor, contiguous, whose id is the variable's own, whatever the value: gradients with respect
 * to a variable are found by that id.  This file is the state; reading and assigning, which a recorder may take over,
 * are in op/assign.h. */
#ifndef KL_TENSOR_VARIABLE_H
#define KL_TENSOR_VARIABLE_H

#include "tensor/tensor.h"

typedef struct kl_variable {
  int32_t refs;
  bool trainable;
  uint64_t id;
  kl_tensor *value;
  uint64_t marked_by; /* as in kl_tensor */
  int32_t mark;
} kl_variable;

/* A variable that starts with a copy of `initial` (which needs a value and is not weak). */
kl_status kl_variable_new(const kl_tensor *initial, bool trainable, kl_variable **out);
kl_variable *kl_variable_retain(kl_variable *v);
void kl_variable_release(kl_variable *v); /* NULL is allowed */

/* A trainable variable is watched by every recording tape that reads it. */
void kl_variable_set_trainable(kl_variable *v, bool trainable);

/* True if nobody but the variable holds its storage: a write in place would not be seen by anyone. */
bool kl_variable_is_sole_holder(const kl_variable *v);

/* Replaces the value by `t`, whose storage is shared, not copied, if it is contiguous, else copied.
 * Shape and dtype of t are those of the variable; the caller has checked. */
kl_status kl_variable_adopt(kl_variable *v, const kl_tensor *t);

/* Makes `t`, a contiguous tensor of that shape and dtype that is nobody's value or input, the value.  Cannot fail. */
void kl_variable_replace(kl_variable *v, kl_tensor *t);

#endif
