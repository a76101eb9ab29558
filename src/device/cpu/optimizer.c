/* Update directions of optimizers.  Compiled once per instruction set.
 *
 * float32 divides by a square root through an estimate and Newton steps (simd.h, vf_rsqrt: 1 ulp) where the instruction
 * set has one: the divider would be the limit when the update runs on the gradient tile (kernels.md 3). */
#include <math.h>

#include "device/cpu/tile_loops.h"
#include "device/cpu/tiles.h"

#define VECTOR_QUATERNARY(name, formula)                                          \
  static void name(int64_t n, void *out, const void *const *in) {                 \
    const float *x1 = in[0], *x2 = in[1], *x3 = in[2], *x4 = in[3];               \
    float *y = out;                                                               \
    for (int64_t i = 0; i < n; i += KL_LANES) {                                   \
      const int64_t part = n - i < KL_LANES ? n - i : KL_LANES;                   \
      const kl_vf a = vf_load_part(x1 + i, part), b = vf_load_part(x2 + i, part); \
      const kl_vf c = vf_load_part(x3 + i, part), d = vf_load_part(x4 + i, part); \
      vf_store_part(y + i, (formula), part);                                      \
    }                                                                             \
  }
#define PLAIN_QUATERNARY(name, formula)                              \
  static void name(int64_t n, void *out, const void *const *in) {    \
    const double *x1 = in[0], *x2 = in[1], *x3 = in[2], *x4 = in[3]; \
    double *y = out;                                                 \
    for (int64_t i = 0; i < n; i++) {                                \
      const double a = x1[i], b = x2[i], c = x3[i], d = x4[i];       \
      y[i] = (formula);                                              \
    }                                                                \
  }

/* gradient, velocity, rate, epsilon */
VECTOR_QUATERNARY(rmsprop_f32, (a * c) * vf_rsqrt(b + d))
PLAIN_QUATERNARY(rmsprop_f64, a *c / sqrt(b + d))
KL_ELEMENTWISE_KERNEL(rmsprop_direction, [KL_FLOAT32] = rmsprop_f32, [KL_FLOAT64] = rmsprop_f64)

/* momentum, velocity, rate, epsilon.  sqrt(v) = v rsqrt(v), and 0 where v is too small for the estimate. */
KL_INLINE kl_vf root(kl_vf v) {
#if KL_LANES > 4
  return vf_select(v > 1e-37f, v * vf_rsqrt(v), vf_set(0.0f));
#else
  return vf_sqrt(v);
#endif
}
VECTOR_QUATERNARY(adam_f32, (a * c) * vf_reciprocal(root(b) + d))
PLAIN_QUATERNARY(adam_f64, a *c / (sqrt(b) + d))
KL_ELEMENTWISE_KERNEL(adam_direction, [KL_FLOAT32] = adam_f32, [KL_FLOAT64] = adam_f64)
