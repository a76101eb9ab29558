/* Elementwise kernels: arithmetic and conversion.  Compiled once per instruction set. */
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

/* Conversions.  A float outside the integer's range has no right answer: it is clamped and NaN gives 0, so that the
 * result does not depend on the instruction the compiler chose. */
#define CLAMP(low, high) (a >= (low) ? a <= (high) ? a : (high) : a < (low) ? (low) : 0)
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
KL_PLAIN_UNARY(f32_to_i32, float, int32_t, CLAMP(-2147483648.0f, 2147483520.0f))
KL_PLAIN_UNARY(f32_to_i64, float, int64_t, CLAMP(-9223372036854775808.0f, 9223371487098961920.0f))
KL_PLAIN_UNARY(f32_to_u8, float, uint8_t, CLAMP(0.0f, 255.0f))
CONVERSIONS(f64, double)
KL_PLAIN_UNARY(f64_to_i32, double, int32_t, CLAMP(-2147483648.0, 2147483647.0))
KL_PLAIN_UNARY(f64_to_i64, double, int64_t, CLAMP(-9223372036854775808.0, 9223372036854774784.0))
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

static kl_status run_cast(const kl_call *c) { return kl_tiles_run(c, conversions[c->in[0].dtype][c->out[0].dtype]); }

const kl_kernel KL_K(cast) = {.run = run_cast};
