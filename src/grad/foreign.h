/* Gradient rules that are not C's: kl.custom_gradient.
 *
 * The values a user's function computed become outputs of one node whose inputs are the function's arguments; a sweep
 * that meets the node stops and lets the caller compute (sweep.h). */
#ifndef KL_GRAD_FOREIGN_H
#define KL_GRAD_FOREIGN_H

#include "op/op.h"

/* The pseudo-row of such nodes: not in the list, never applied. */
extern const kl_op kl_op_foreign;

/* out[i]: values[i] as a new tensor, whose gradient with respect to args is the rule's.  `foreign` is taken over, also
 * on failure. */
kl_status kl_foreign_attach(int nvalues, kl_tensor *const *values, int nargs, kl_tensor *const *args,
                            kl_foreign *foreign, kl_tensor **out);

#endif
