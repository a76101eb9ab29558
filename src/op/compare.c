/* Comparisons and logic: results are bool, so there are no gradients. */
#include "op/elementwise.h"

#define COMPARE(op, kind, type, text)             \
  const kl_op kl_op_##op = {                      \
      kind(op, text),                             \
      .types = type,                              \
      .flags = KL_ELEMENTWISE | KL_OUT_BOOL,      \
      KL_CONSTANT("the result is a truth value"), \
  };

COMPARE(equal, KL_BINARY, KL_TYPES_PROMOTE, "x1 = x2, elementwise; NaN equals nothing.")
COMPARE(not_equal, KL_BINARY, KL_TYPES_PROMOTE, "x1 differs from x2, elementwise.")
COMPARE(less, KL_BINARY, KL_TYPES_PROMOTE, "x1 < x2, elementwise.")
COMPARE(less_equal, KL_BINARY, KL_TYPES_PROMOTE, "x1 <= x2, elementwise.")
COMPARE(greater, KL_BINARY, KL_TYPES_PROMOTE, "x1 > x2, elementwise.")
COMPARE(greater_equal, KL_BINARY, KL_TYPES_PROMOTE, "x1 >= x2, elementwise.")
COMPARE(logical_and, KL_BINARY, KL_TYPES_BOOL, "Both are true (not 0), elementwise.")
COMPARE(logical_or, KL_BINARY, KL_TYPES_BOOL, "At least one is true (not 0), elementwise.")
COMPARE(logical_not, KL_UNARY, KL_TYPES_BOOL, "x is false (0), elementwise.")
COMPARE(isnan, KL_UNARY, KL_TYPES_FLOAT, "x is not a number, elementwise.")
COMPARE(isinf, KL_UNARY, KL_TYPES_FLOAT, "x is infinite, elementwise.")
COMPARE(isfinite, KL_UNARY, KL_TYPES_FLOAT, "x is neither infinite nor NaN, elementwise.")
