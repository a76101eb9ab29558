/* Loops that make a tile function from the formula of one element.
 *
 * KL_PLAIN_*: the formula is C on scalars a, b, c; -O3 vectorises it where it can.  KL_VECTOR_*: the formula is written
 * on float vectors of simd.h.  Either way an element's bits do not depend on its place in the tile. */
#ifndef KL_DEVICE_CPU_TILE_LOOPS_H
#define KL_DEVICE_CPU_TILE_LOOPS_H

#include "device/cpu/simd.h"

#define KL_PLAIN_UNARY(name, from, to, formula)                          \
  static void name(int64_t n, void *const *out, const void *const *in) { \
    const from *x = in[0];                                               \
    to *y = out[0];                                                      \
    for (int64_t i = 0; i < n; i++) {                                    \
      const from a = x[i];                                               \
      y[i] = (to)(formula);                                              \
    }                                                                    \
  }

#define KL_PLAIN_BINARY(name, from, to, formula)                         \
  static void name(int64_t n, void *const *out, const void *const *in) { \
    const from *x1 = in[0], *x2 = in[1];                                 \
    to *y = out[0];                                                      \
    for (int64_t i = 0; i < n; i++) {                                    \
      const from a = x1[i], b = x2[i];                                   \
      y[i] = (to)(formula);                                              \
    }                                                                    \
  }

#define KL_PLAIN_TERNARY(name, from, to, formula)                        \
  static void name(int64_t n, void *const *out, const void *const *in) { \
    const from *x1 = in[0], *x2 = in[1], *x3 = in[2];                    \
    to *y = out[0];                                                      \
    for (int64_t i = 0; i < n; i++) {                                    \
      const from a = x1[i], b = x2[i], c = x3[i];                        \
      y[i] = (to)(formula);                                              \
    }                                                                    \
  }

#define KL_VECTOR_UNARY(name, formula)                                   \
  static void name(int64_t n, void *const *out, const void *const *in) { \
    const float *x = in[0];                                              \
    float *y = out[0];                                                   \
    int64_t i = 0;                                                       \
    for (; i + KL_LANES <= n; i += KL_LANES) {                           \
      const kl_vf a = vf_load(x + i);                                    \
      vf_store(y + i, (formula));                                        \
    }                                                                    \
    if (i < n) {                                                         \
      const kl_vf a = vf_load_part(x + i, n - i);                        \
      vf_store_part(y + i, (formula), n - i);                            \
    }                                                                    \
  }

#define KL_VECTOR_BINARY(name, formula)                                             \
  static void name(int64_t n, void *const *out, const void *const *in) {            \
    const float *x1 = in[0], *x2 = in[1];                                           \
    float *y = out[0];                                                              \
    int64_t i = 0;                                                                  \
    for (; i + KL_LANES <= n; i += KL_LANES) {                                      \
      const kl_vf a = vf_load(x1 + i), b = vf_load(x2 + i);                         \
      vf_store(y + i, (formula));                                                   \
    }                                                                               \
    if (i < n) {                                                                    \
      const kl_vf a = vf_load_part(x1 + i, n - i), b = vf_load_part(x2 + i, n - i); \
      vf_store_part(y + i, (formula), n - i);                                       \
    }                                                                               \
  }

/* The table of an op's tiles and its kernel. */
#define KL_ELEMENTWISE_KERNEL(op, ...)                             \
  static const kl_tile op##_tiles[KL_DTYPE_COUNT] = {__VA_ARGS__}; \
  const kl_kernel KL_K(op) = {.run = kl_tiles_run_elementwise, .tiles = op##_tiles};

/* The same formula for float32, float64 and the integer types.  Integers are computed as unsigned: they wrap. */
#define KL_ARITHMETIC_TILES(op, loop, formula, bool_formula)                                  \
  loop(op##_f32, float, float, formula) loop(op##_f64, double, double, formula)               \
      loop(op##_i32, uint32_t, uint32_t, formula) loop(op##_i64, uint64_t, uint64_t, formula) \
          loop(op##_u8, uint8_t, uint8_t, formula) loop(op##_bool, uint8_t, uint8_t, bool_formula)

#define KL_ARITHMETIC_TABLE(op)                                                                   \
  [KL_FLOAT32] = op##_f32, [KL_FLOAT64] = op##_f64, [KL_INT32] = op##_i32, [KL_INT64] = op##_i64, \
  [KL_UINT8] = op##_u8, [KL_BOOL] = op##_bool

#endif
