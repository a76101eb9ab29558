/* Kernels of elementary functions.  Compiled once per instruction set.
 *
 * float32: vectors (vmath.h, at most 2 ulp) for what models use, the correctly rounded double of libm for the rest.
 * float64: libm.  An element's bits depend on its own value only. */
#include <math.h>

#include "device/cpu/tile_loops.h"
#include "device/cpu/tiles.h"
#include "device/cpu/vmath.h"

#define FUNCTION(op) KL_ELEMENTWISE_KERNEL(op, [KL_FLOAT32] = op##_f32, [KL_FLOAT64] = op##_f64)

/* A vector function and its libm twin. */
#define VECTOR(op, formula64)                         \
  KL_VECTOR_UNARY(op##_f32, vf_##op(a))               \
  KL_PLAIN_UNARY(op##_f64, double, double, formula64) \
  FUNCTION(op)

VECTOR(exp, exp(a))
VECTOR(expm1, expm1(a))
VECTOR(log, log(a))
VECTOR(log1p, log1p(a))
VECTOR(log2, log2(a))
VECTOR(sin, sin(a))
VECTOR(cos, cos(a))
VECTOR(tanh, tanh(a))
VECTOR(erf, erf(a))
VECTOR(sigmoid, 1 / (1 + exp(-a)))
VECTOR(softplus, a > 0 ? a + log1p(exp(-a)) : log1p(exp(a)))

/* libm in double, rounded once. */
#define LIBM(op, function)                                    \
  KL_PLAIN_UNARY(op##_f32, float, float, function((double)a)) \
  KL_PLAIN_UNARY(op##_f64, double, double, function(a))       \
  FUNCTION(op)

LIBM(log10, log10)
LIBM(tan, tan)
LIBM(arcsin, asin)
LIBM(arccos, acos)
LIBM(arctan, atan)
LIBM(sinh, sinh)
LIBM(cosh, cosh)

KL_PLAIN_BINARY(arctan2_f32, float, float, atan2((double)a, (double)b))
KL_PLAIN_BINARY(arctan2_f64, double, double, atan2(a, b))
FUNCTION(arctan2)

KL_VECTOR_UNARY(sqrt_f32, vf_sqrt(a))
KL_PLAIN_UNARY(sqrt_f64, double, double, sqrt(a))
FUNCTION(sqrt)

KL_VECTOR_UNARY(rsqrt_f32, 1.0f / vf_sqrt(a))
KL_PLAIN_UNARY(rsqrt_f64, double, double, 1 / sqrt(a))
FUNCTION(rsqrt)

KL_VECTOR_UNARY(floor_f32, vf_floor(a))
KL_PLAIN_UNARY(floor_f64, double, double, floor(a))
FUNCTION(floor)

KL_VECTOR_UNARY(ceil_f32, vf_ceil(a))
KL_PLAIN_UNARY(ceil_f64, double, double, ceil(a))
FUNCTION(ceil)

KL_VECTOR_UNARY(round_f32, vf_round(a))
KL_PLAIN_UNARY(round_f64, double, double, rint(a))
KL_PLAIN_UNARY(round_i32, int32_t, int32_t, a)
KL_PLAIN_UNARY(round_i64, int64_t, int64_t, a)
KL_PLAIN_UNARY(round_u8, uint8_t, uint8_t, a)
KL_ELEMENTWISE_KERNEL(round, [KL_FLOAT32] = round_f32, [KL_FLOAT64] = round_f64, [KL_INT32] = round_i32,
                      [KL_INT64] = round_i64, [KL_UINT8] = round_u8, [KL_BOOL] = round_u8)

/* NaN stays NaN. */
KL_PLAIN_UNARY(relu_f32, float, float, a <= 0 ? 0 : a)
KL_PLAIN_UNARY(relu_f64, double, double, a <= 0 ? 0 : a)
KL_PLAIN_UNARY(relu_i32, int32_t, int32_t, a < 0 ? 0 : a)
KL_PLAIN_UNARY(relu_i64, int64_t, int64_t, a < 0 ? 0 : a)
KL_PLAIN_UNARY(relu_u8, uint8_t, uint8_t, a)
KL_ELEMENTWISE_KERNEL(relu, [KL_FLOAT32] = relu_f32, [KL_FLOAT64] = relu_f64, [KL_INT32] = relu_i32,
                      [KL_INT64] = relu_i64, [KL_UINT8] = relu_u8)
