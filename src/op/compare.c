/* Comparisons and logic: results are bool, so there are no gradients. */
#include "op/elementwise.h"

#define COMPARE(op, other, kind, type, text)      \
  const kl_op kl_op_##op = {                      \
      kind(op, text),                             \
      .alias = other,                             \
      .types = type,                              \
      .flags = KL_ELEMENTWISE | KL_OUT_BOOL,      \
      KL_CONSTANT("the result is a truth value"), \
  };

COMPARE(equal, "eq", KL_BINARY, KL_TYPES_PROMOTE, "x1 = x2, elementwise; NaN equals nothing.")
COMPARE(not_equal, "ne", KL_BINARY, KL_TYPES_PROMOTE, "x1 differs from x2, elementwise.")
COMPARE(less, "lt", KL_BINARY, KL_TYPES_PROMOTE, "x1 < x2, elementwise.")
COMPARE(less_equal, "le", KL_BINARY, KL_TYPES_PROMOTE, "x1 <= x2, elementwise.")
COMPARE(greater, "gt", KL_BINARY, KL_TYPES_PROMOTE, "x1 > x2, elementwise.")
COMPARE(greater_equal, "ge", KL_BINARY, KL_TYPES_PROMOTE, "x1 >= x2, elementwise.")
COMPARE(logical_and, NULL, KL_BINARY, KL_TYPES_BOOL, "Both are true (not 0), elementwise.")
COMPARE(logical_or, NULL, KL_BINARY, KL_TYPES_BOOL, "At least one is true (not 0), elementwise.")
COMPARE(logical_not, NULL, KL_UNARY, KL_TYPES_BOOL, "x is false (0), elementwise.")
COMPARE(isnan, NULL, KL_UNARY, KL_TYPES_FLOAT, "x is not a number, elementwise.")
COMPARE(isinf, NULL, KL_UNARY, KL_TYPES_FLOAT, "x is infinite, elementwise.")
COMPARE(isfinite, NULL, KL_UNARY, KL_TYPES_FLOAT, "x is neither infinite nor NaN, elementwise.")
