/* What the rows of elementwise families share. */
#ifndef KL_OP_ELEMENTWISE_H
#define KL_OP_ELEMENTWISE_H

#include "op/build.h"

extern const kl_param kl_unary_params[];  /* x */
extern const kl_param kl_binary_params[]; /* x1, x2 */

/* The fields every row begins with. */
#define KL_ROW(op, text) .id = KL_OP_##op, .name = #op, .doc = text
#define KL_UNARY(op, text) KL_ROW(op, text), .params = kl_unary_params, .outputs = 1
#define KL_BINARY(op, text) KL_ROW(op, text), .params = kl_binary_params, .outputs = 1

#endif
