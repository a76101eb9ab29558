/* Checks: ops that only refuse.  In a step they run before its first write to a variable, so a refused step has changed
 * nothing. */
#include "op/elementwise.h"

static const char *const checked[] = {"tensor", "target", NULL};

static const kl_param check_params[] = {
    KL_PARAM("x", KL_TENSOR),
    KL_CHOICES("what", checked, 0),
    {0},
};

static kl_status check_infer(kl_infer *c) {
  c->out[0] = (kl_spec){KL_BOOL, {0}};
  return KL_OK;
}

const kl_op kl_op_check_finite = {
    KL_ROW(check_finite,
           "True; an error if an element of x is infinite or NaN.  `what` says what x is to the message: a \"tensor\", "
           "or the \"target\" of a gradient."),
    .params = check_params,
    .types = KL_TYPES_FLOAT,
    .flags = KL_CHECKS,
    .outputs = 1,
    .infer = check_infer,
    KL_CONSTANT("the result is a truth value"),
};
