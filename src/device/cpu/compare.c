/* Comparison and logic kernels: results are bytes 0 or 1.  Compiled once per instruction set. */
#include "device/cpu/tile_loops.h"
#include "device/cpu/tiles.h"

#define COMPARE(op, formula)                                                                         \
  KL_PLAIN_BINARY(op##_f32, float, uint8_t, formula)                                                 \
  KL_PLAIN_BINARY(op##_f64, double, uint8_t, formula)                                                \
  KL_PLAIN_BINARY(op##_i32, int32_t, uint8_t, formula)                                               \
  KL_PLAIN_BINARY(op##_i64, int64_t, uint8_t, formula)                                               \
  KL_PLAIN_BINARY(op##_u8, uint8_t, uint8_t, formula)                                                \
  KL_ELEMENTWISE_KERNEL(op, [KL_FLOAT32] = op##_f32, [KL_FLOAT64] = op##_f64, [KL_INT32] = op##_i32, \
                        [KL_INT64] = op##_i64, [KL_UINT8] = op##_u8, [KL_BOOL] = op##_u8)

COMPARE(equal, a == b)
COMPARE(not_equal, a != b)
COMPARE(less, a < b)
COMPARE(less_equal, a <= b)
COMPARE(greater, a > b)
COMPARE(greater_equal, a >= b)

KL_PLAIN_BINARY(and_tile, uint8_t, uint8_t, a &b)
KL_ELEMENTWISE_KERNEL(logical_and, [KL_BOOL] = and_tile)
KL_PLAIN_BINARY(or_tile, uint8_t, uint8_t, a | b)
KL_ELEMENTWISE_KERNEL(logical_or, [KL_BOOL] = or_tile)
KL_PLAIN_UNARY(not_tile, uint8_t, uint8_t, !a)
KL_ELEMENTWISE_KERNEL(logical_not, [KL_BOOL] = not_tile)

#define CLASSIFY(op, formula32, formula64)             \
  KL_PLAIN_UNARY(op##_f32, float, uint8_t, formula32)  \
  KL_PLAIN_UNARY(op##_f64, double, uint8_t, formula64) \
  KL_ELEMENTWISE_KERNEL(op, [KL_FLOAT32] = op##_f32, [KL_FLOAT64] = op##_f64)

CLASSIFY(isnan, a != a, a != a)
CLASSIFY(isinf, __builtin_fabsf(a) > __FLT_MAX__, __builtin_fabs(a) > __DBL_MAX__)
CLASSIFY(isfinite, __builtin_fabsf(a) <= __FLT_MAX__, __builtin_fabs(a) <= __DBL_MAX__)
