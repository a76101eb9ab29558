/* Elementwise kernels: arithmetic and conversion.  Compiled once per instruction set. */
#include <math.h>

#include "device/cpu/tile_loops.h"
#include "device/cpu/tiles.h"

/* Integers wrap as unsigned; uint8_t and bool arithmetic is in int before the conversion back. */
KL_ARITHMETIC_TILES(add, KL_PLAIN_BINARY, a + b, a | b)
KL_ELEMENTWISE_KERNEL(add, KL_ARITHMETIC_TABLE(add))

KL_ARITHMETIC_TILES(subtract, KL_PLAIN_BINARY, a - b, a ^ b)
KL_ELEMENTWISE_KERNEL(subtract, KL_ARITHMETIC_TABLE(subtract))

KL_ARITHMETIC_TILES(multiply, KL_PLAIN_BINARY, a *b, a &b)
KL_ELEMENTWISE_KERNEL(multiply, KL_ARITHMETIC_TABLE(multiply))

KL_ARITHMETIC_TILES(copy, KL_PLAIN_UNARY, a, a)
KL_ELEMENTWISE_KERNEL(copy, KL_ARITHMETIC_TABLE(copy))

KL_ARITHMETIC_TILES(square, KL_PLAIN_UNARY, a *a, a)
KL_ELEMENTWISE_KERNEL(square, KL_ARITHMETIC_TABLE(square))

KL_PLAIN_BINARY(divide_f32, float, float, a / b)
KL_PLAIN_BINARY(divide_f64, double, double, a / b)
KL_ELEMENTWISE_KERNEL(divide, [KL_FLOAT32] = divide_f32, [KL_FLOAT64] = divide_f64)
KL_PLAIN_BINARY(divide_no_nan_f32, float, float, b == 0 ? 0 : a / b)
KL_PLAIN_BINARY(divide_no_nan_f64, double, double, b == 0 ? 0 : a / b)
KL_ELEMENTWISE_KERNEL(divide_no_nan, [KL_FLOAT32] = divide_no_nan_f32, [KL_FLOAT64] = divide_no_nan_f64)

/* The six numeric types; bool is refused by the door or handled apart. */
#define SIGNED_TILES(op, loop, formula)                                                   \
  loop(op##_f32, float, float, formula) loop(op##_f64, double, double, formula)           \
      loop(op##_i32, int32_t, int32_t, formula) loop(op##_i64, int64_t, int64_t, formula) \
          loop(op##_u8, uint8_t, uint8_t, formula)
#define SIGNED_TABLE(op) \
  [KL_FLOAT32] = op##_f32, [KL_FLOAT64] = op##_f64, [KL_INT32] = op##_i32, [KL_INT64] = op##_i64, [KL_UINT8] = op##_u8

KL_PLAIN_UNARY(negative_f32, float, float, -a)
KL_PLAIN_UNARY(negative_f64, double, double, -a)
KL_PLAIN_UNARY(negative_i32, uint32_t, uint32_t, 0u - a)
KL_PLAIN_UNARY(negative_i64, uint64_t, uint64_t, 0u - a)
KL_PLAIN_UNARY(negative_u8, uint8_t, uint8_t, -a)
KL_ELEMENTWISE_KERNEL(negative, SIGNED_TABLE(negative))

KL_PLAIN_UNARY(abs_f32, float, float, __builtin_fabsf(a))
KL_PLAIN_UNARY(abs_f64, double, double, __builtin_fabs(a))
KL_PLAIN_UNARY(abs_i32, int32_t, uint32_t, a < 0 ? 0u - (uint32_t)a : (uint32_t)a)
KL_PLAIN_UNARY(abs_i64, int64_t, uint64_t, a < 0 ? 0u - (uint64_t)a : (uint64_t)a)
KL_PLAIN_UNARY(abs_u8, uint8_t, uint8_t, a)
KL_ELEMENTWISE_KERNEL(abs, SIGNED_TABLE(abs))

/* NaN stays NaN: a != a. */
KL_PLAIN_UNARY(sign_f32, float, float, a > 0 ? 1.0f : a < 0 ? -1.0f : a)
KL_PLAIN_UNARY(sign_f64, double, double, a > 0 ? 1.0 : a < 0 ? -1.0 : a)
KL_PLAIN_UNARY(sign_i32, int32_t, int32_t, (a > 0) - (a < 0))
KL_PLAIN_UNARY(sign_i64, int64_t, int64_t, (a > 0) - (a < 0))
KL_PLAIN_UNARY(sign_u8, uint8_t, uint8_t, a > 0)
KL_ELEMENTWISE_KERNEL(sign, SIGNED_TABLE(sign))

/* A NaN on either side is the result; for integers `a != a` is never true and costs nothing. */
#define MINIMUM (a < b || a != a ? a : b)
#define MAXIMUM (a > b || a != a ? a : b)
SIGNED_TILES(minimum, KL_PLAIN_BINARY, MINIMUM)
KL_ELEMENTWISE_KERNEL(minimum, SIGNED_TABLE(minimum), [KL_BOOL] = minimum_u8)
SIGNED_TILES(maximum, KL_PLAIN_BINARY, MAXIMUM)
KL_ELEMENTWISE_KERNEL(maximum, SIGNED_TABLE(maximum), [KL_BOOL] = maximum_u8)

/* min(max(x, low), high), NaN of x kept. */
SIGNED_TILES(clip, KL_PLAIN_TERNARY, (a < b ? b : a) > c ? c : (a < b ? b : a))
KL_ELEMENTWISE_KERNEL(clip, SIGNED_TABLE(clip))

/* a is the condition, one byte; the others move as raw bits. */
#define WHERE_TILE(name, type)                                           \
  static void name(int64_t n, void *const *out, const void *const *in) { \
    const uint8_t *condition = in[0];                                    \
    const type *x1 = in[1], *x2 = in[2];                                 \
    type *y = out[0];                                                    \
    for (int64_t i = 0; i < n; i++) {                                    \
      const type a = x1[i], b = x2[i];                                   \
      y[i] = condition[i] ? a : b;                                       \
    }                                                                    \
  }
WHERE_TILE(where_1, uint8_t)
WHERE_TILE(where_4, uint32_t)
WHERE_TILE(where_8, uint64_t)
KL_ELEMENTWISE_KERNEL(where, [KL_BOOL] = where_1, [KL_UINT8] = where_1, [KL_INT32] = where_4, [KL_INT64] = where_8,
                      [KL_FLOAT32] = where_4, [KL_FLOAT64] = where_8)

/* fmod is exact; the sign is then moved to the divisor's (numpy's rule, so that mod and floor_divide belong together).
 */
static inline double mod_number(double a, double b) {
  double r = fmod(a, b);
  return r == 0 ? copysign(0.0, b) : (r < 0) != (b < 0) ? r + b : r;
}
static inline double floor_divide_number(double a, double b) {
  if (b == 0) {
    return a / b;
  }
  /* Not by way of the moved rest, which is infinite where b is. */
  double r = fmod(a, b), q = (a - r) / b - (r != 0 && (r < 0) != (b < 0));
  return q == 0 ? copysign(0.0, a / b) : rint(q);
}
KL_PLAIN_BINARY(mod_f32, float, float, mod_number((double)a, (double)b))
KL_PLAIN_BINARY(mod_f64, double, double, mod_number(a, b))
KL_PLAIN_BINARY(floor_divide_f32, float, float, floor_divide_number((double)a, (double)b))
KL_PLAIN_BINARY(floor_divide_f64, double, double, floor_divide_number(a, b))

/* Divisors are not 0 here.  b = -1 apart: the smallest number / -1 overflows. */
KL_PLAIN_BINARY(mod_i32, int32_t, int32_t, b == -1 ? 0 : a % b + (a % b != 0 && (a % b < 0) != (b < 0) ? b : 0))
KL_PLAIN_BINARY(mod_i64, int64_t, int64_t, b == -1 ? 0 : a % b + (a % b != 0 && (a % b < 0) != (b < 0) ? b : 0))
KL_PLAIN_BINARY(mod_u8, uint8_t, uint8_t, a % b)
KL_PLAIN_BINARY(floor_divide_i32, int32_t, int32_t,
                b == -1 ? (int32_t)(0u - (uint32_t)a) : a / b - (a % b != 0 && (a % b < 0) != (b < 0)))
KL_PLAIN_BINARY(floor_divide_i64, int64_t, int64_t,
                b == -1 ? (int64_t)(0u - (uint64_t)a) : a / b - (a % b != 0 && (a % b < 0) != (b < 0)))
KL_PLAIN_BINARY(floor_divide_u8, uint8_t, uint8_t, a / b)

static inline uint64_t power_integer(uint64_t base, uint64_t exponent) {
  uint64_t y = 1;
  for (; exponent != 0; exponent >>= 1) {
    y *= exponent & 1 ? base : 1;
    base *= base;
  }
  return y;
}
KL_PLAIN_BINARY(power_i32, int32_t, int32_t, (uint32_t)power_integer((uint64_t)a, (uint64_t)b))
KL_PLAIN_BINARY(power_i64, int64_t, int64_t, power_integer((uint64_t)a, (uint64_t)b))
KL_PLAIN_BINARY(power_u8, uint8_t, uint8_t, power_integer(a, b))

/* Small whole exponents and the square root are exact or correctly rounded and need no logarithm; the case is decided
 * per element, so a tile of equal exponents and a mixed one agree. */
static inline double power_number(double a, double b) {
  if (b == 2) {
    return a * a;
  }
  if (b == 1) {
    return a;
  }
  return b == 0.5 ? (a == (double)-INFINITY ? (double)INFINITY : sqrt(a) + 0.0) : pow(a, b);
}
static void power_f32(int64_t n, void *const *out, const void *const *in) {
  const float *x1 = in[0], *x2 = in[1];
  float *y = out[0];
  int32_t others = 0; /* as wide as a float, so that the loop becomes one of vectors */
  for (int64_t i = 0; i < n; i++) {
    others |= x2[i] != 2;
  }
  if (others == 0) {
    for (int64_t i = 0; i < n; i++) {
      y[i] = x1[i] * x1[i];
    }
    return;
  }
  for (int64_t i = 0; i < n; i++) {
    y[i] = (float)power_number((double)x1[i], (double)x2[i]);
  }
}
KL_PLAIN_BINARY(power_f64, double, double, power_number(a, b))

/* Integer division by zero and negative integer powers are refused before anything is computed. */
static kl_status check_elements(const kl_call *c, bool (*bad)(int64_t), const char *message) {
  const kl_view *v = &c->in[1];
  int64_t n = kl_shape_numel(&v->shape), index[KL_MAX_NDIM] = {0};
  for (int64_t i = 0; i < n; i++) {
    int64_t at = 0;
    for (int axis = 0; axis < v->shape.ndim; axis++) {
      at += index[axis] * v->strides[axis];
    }
    int64_t value = v->dtype == KL_INT32   ? ((const int32_t *)v->data)[at]
                    : v->dtype == KL_INT64 ? ((const int64_t *)v->data)[at]
                                           : ((const uint8_t *)v->data)[at];
    if (bad(value)) {
      return kl_fail(KL_EVALUE, "kl.%s: %s (element %lld)", c->name, message, (long long)i);
    }
    for (int axis = v->shape.ndim - 1; axis >= 0 && ++index[axis] == v->shape.dim[axis]; axis--) {
      index[axis] = 0;
    }
  }
  return KL_OK;
}
static bool is_zero(int64_t value) { return value == 0; }
static bool is_negative(int64_t value) { return value < 0; }

static kl_status run_division(const kl_call *c) {
  if (!kl_dtype_is_float(c->in[1].dtype)) {
    KL_TRY(check_elements(c, is_zero, "integer division by zero"));
  }
  return kl_tiles_run_elementwise(c);
}
static kl_status run_power(const kl_call *c) {
  if (!kl_dtype_is_float(c->in[1].dtype)) {
    KL_TRY(check_elements(c, is_negative, "an integer to a negative power: cast to a float type first"));
  }
  return kl_tiles_run_elementwise(c);
}

static const kl_tile floor_divide_tiles[KL_DTYPE_COUNT] = {SIGNED_TABLE(floor_divide)};
static const kl_tile mod_tiles[KL_DTYPE_COUNT] = {SIGNED_TABLE(mod)};
static const kl_tile power_tiles[KL_DTYPE_COUNT] = {SIGNED_TABLE(power)};
const kl_kernel KL_K(floor_divide) = {.run = run_division, .tiles = floor_divide_tiles};
const kl_kernel KL_K(mod) = {.run = run_division, .tiles = mod_tiles};
const kl_kernel KL_K(power) = {.run = run_power, .tiles = power_tiles};

/* Conversions.  A float outside the integer's range has no right answer: it is clamped and NaN gives 0, so that the
 * result does not depend on the instruction the compiler chose. */
#define CLAMP(low, high) (a >= (low) ? a <= (high) ? a : (high) : a < (low) ? (low) : 0)
/* For integers whose largest is no float: `high` is the last float before it, `end` the first one behind.  The
 * conversion is unconditional, so that the loop vectorises. */
#define SATURATING(name, from, to, low, high, end, most) \
  static inline to name(from a) {                        \
    const to y = (to)CLAMP(low, high);                   \
    return a >= (end) ? (most) : y;                      \
  }
SATURATING(f32_as_i32, float, int32_t, -0x1p31f, 2147483520.0f, 0x1p31f, INT32_MAX)
SATURATING(f32_as_i64, float, int64_t, -0x1p63f, 9223371487098961920.0f, 0x1p63f, INT64_MAX)
SATURATING(f64_as_i64, double, int64_t, -0x1p63, 9223372036854774784.0, 0x1p63, INT64_MAX)

#define CONVERSIONS(from_name, from)                  \
  KL_PLAIN_UNARY(from_name##_to_f32, from, float, a)  \
  KL_PLAIN_UNARY(from_name##_to_f64, from, double, a) \
  KL_PLAIN_UNARY(from_name##_to_bool, from, uint8_t, a != 0)
#define INTEGER_CONVERSIONS(from_name, from)           \
  CONVERSIONS(from_name, from)                         \
  KL_PLAIN_UNARY(from_name##_to_i32, from, int32_t, a) \
  KL_PLAIN_UNARY(from_name##_to_i64, from, int64_t, a) \
  KL_PLAIN_UNARY(from_name##_to_u8, from, uint8_t, a)

INTEGER_CONVERSIONS(u8, uint8_t) /* bool too */
INTEGER_CONVERSIONS(i32, int32_t)
INTEGER_CONVERSIONS(i64, int64_t)
CONVERSIONS(f32, float)
KL_PLAIN_UNARY(f32_to_i32, float, int32_t, f32_as_i32(a))
KL_PLAIN_UNARY(f32_to_i64, float, int64_t, f32_as_i64(a))
KL_PLAIN_UNARY(f32_to_u8, float, uint8_t, CLAMP(0.0f, 255.0f))
CONVERSIONS(f64, double)
KL_PLAIN_UNARY(f64_to_i32, double, int32_t, CLAMP(-2147483648.0, 2147483647.0))
KL_PLAIN_UNARY(f64_to_i64, double, int64_t, f64_as_i64(a))
KL_PLAIN_UNARY(f64_to_u8, double, uint8_t, CLAMP(0.0, 255.0))

#define CONVERSION_ROW(from)                                                                \
  {                                                                                         \
    [KL_FLOAT32] = from##_to_f32, [KL_FLOAT64] = from##_to_f64, [KL_INT32] = from##_to_i32, \
    [KL_INT64] = from##_to_i64, [KL_UINT8] = from##_to_u8, [KL_BOOL] = from##_to_bool,      \
  }

static const kl_tile conversions[KL_DTYPE_COUNT][KL_DTYPE_COUNT] = {
    [KL_FLOAT32] = CONVERSION_ROW(f32), [KL_FLOAT64] = CONVERSION_ROW(f64), [KL_INT32] = CONVERSION_ROW(i32),
    [KL_INT64] = CONVERSION_ROW(i64),   [KL_UINT8] = CONVERSION_ROW(u8),    [KL_BOOL] = CONVERSION_ROW(u8),
};

static kl_tile cast_tile(const kl_call *c) { return conversions[c->in[0].dtype][c->out[0].dtype]; }
static kl_status run_cast(const kl_call *c) { return kl_tiles_run(c, cast_tile(c)); }

const kl_kernel KL_K(cast) = {.run = run_cast, .tile = cast_tile};
