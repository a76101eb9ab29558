/* Reading and writing variables, through the recorder where one is open. */
#ifndef KL_OP_ASSIGN_H
#define KL_OP_ASSIGN_H

#include "tensor/variable.h"

/* The variable's value here and now: a new reference. */
kl_status kl_variable_read(kl_variable *v, kl_tensor **out);

/* v = value.  value is cast to the variable's dtype and must have its shape; a weak scalar or a rank-0 tensor fills it.
 * Errors: KL_ESHAPE, KL_EDTYPE (a float for an integer variable). */
kl_status kl_variable_assign(kl_variable *v, kl_tensor *value);

/* v = v + value or v - value, in place where nobody else holds the storage. */
kl_status kl_variable_assign_add(kl_variable *v, kl_tensor *value);
kl_status kl_variable_assign_sub(kl_variable *v, kl_tensor *value);

#endif
