/* Updates of optimizers.  Compiled once per instruction set.
 *
 * Every difference, product and sum rounds by itself, as it would in an operation of its own.
 *
 * float32 divides by a square root through an estimate and Newton steps (simd.h, vf_rsqrt: 1 ulp) where the instruction
 * set has one: the divider would be the limit when the update runs on the gradient tile (kernels.md 3). */
#include <math.h>

#include "device/cpu/tile_loops.h"
#include "device/cpu/tiles.h"

/* The elements from i on: KL_LANES of them, or the `n - i` that are left. */
#define LOAD_FULL(p) vf_load((p) + i)
#define LOAD_PART(p) vf_load_part((p) + i, n - i)
#define STORE_FULL(p, x) vf_store((p) + i, x)
#define STORE_PART(p, x) vf_store_part((p) + i, x, n - i)
#define IN_FULL_OR_PART(step)   \
  if (n - i >= KL_LANES) {      \
    step(LOAD_FULL, STORE_FULL) \
  } else {                      \
    step(LOAD_PART, STORE_PART) \
  }

#define VECTOR_QUATERNARY(name, formula)                                          \
  static void name(int64_t n, void *const *out, const void *const *in) {          \
    const float *x1 = in[0], *x2 = in[1], *x3 = in[2], *x4 = in[3];               \
    float *y = out[0];                                                            \
    for (int64_t i = 0; i < n; i += KL_LANES) {                                   \
      const int64_t part = n - i < KL_LANES ? n - i : KL_LANES;                   \
      const kl_vf a = vf_load_part(x1 + i, part), b = vf_load_part(x2 + i, part); \
      const kl_vf c = vf_load_part(x3 + i, part), d = vf_load_part(x4 + i, part); \
      vf_store_part(y + i, (formula), part);                                      \
    }                                                                             \
  }
#define PLAIN_QUATERNARY(name, formula)                                  \
  static void name(int64_t n, void *const *out, const void *const *in) { \
    const double *x1 = in[0], *x2 = in[1], *x3 = in[2], *x4 = in[3];     \
    double *y = out[0];                                                  \
    for (int64_t i = 0; i < n; i++) {                                    \
      const double a = x1[i], b = x2[i], c = x3[i], d = x4[i];           \
      y[i] = (formula);                                                  \
    }                                                                    \
  }

/* gradient, velocity, rate, epsilon */
VECTOR_QUATERNARY(rmsprop_f32, (a * c) * vf_rsqrt(b + d))
PLAIN_QUATERNARY(rmsprop_f64, a *c / sqrt(b + d))
KL_ELEMENTWISE_KERNEL(rmsprop_direction, [KL_FLOAT32] = rmsprop_f32, [KL_FLOAT64] = rmsprop_f64)

/* gradient, variable, velocity, rate, rho, 1 - rho, epsilon -> variable, velocity.  Operands are read from `in` before
 * the loop: a store might change them for all the compiler knows, and reading them each time halves the speed. */
static void rmsprop_update_f32(int64_t n, void *const *out, const void *const *in) {
  const float *g = in[0], *w = in[1], *v = in[2], *rate = in[3], *rho = in[4], *rest = in[5], *epsilon = in[6];
  float *new_w = out[0], *new_v = out[1];
  for (int64_t i = 0; i < n; i += KL_LANES) {
#define STEP(LOAD, STORE)                                                               \
  const kl_vf gradient = LOAD(g), variable = LOAD(w);                                   \
  const kl_vf velocity = LOAD(v) * LOAD(rho) + (gradient * gradient) * LOAD(rest);      \
  const kl_vf direction = (gradient * LOAD(rate)) * vf_rsqrt(velocity + LOAD(epsilon)); \
  STORE(new_w, variable - direction);                                                   \
  STORE(new_v, velocity);
    IN_FULL_OR_PART(STEP)
#undef STEP
  }
}
static void rmsprop_update_f64(int64_t n, void *const *out, const void *const *in) {
  const double *g = in[0], *w = in[1], *v = in[2], *rate = in[3], *rho = in[4], *rest = in[5], *epsilon = in[6];
  double *new_w = out[0], *new_v = out[1];
  for (int64_t i = 0; i < n; i++) {
    const double gradient = g[i], variable = w[i];
    const double velocity = v[i] * rho[i] + gradient * gradient * rest[i];
    new_v[i] = velocity;
    new_w[i] = variable - gradient * rate[i] / sqrt(velocity + epsilon[i]);
  }
}
KL_ELEMENTWISE_KERNEL(rmsprop_update, [KL_FLOAT32] = rmsprop_update_f32, [KL_FLOAT64] = rmsprop_update_f64)

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

/* gradient, variable, momentum, velocity, alpha, 1 - beta_1, 1 - beta_2, epsilon -> variable, momentum, velocity */
static void adam_update_f32(int64_t n, void *const *out, const void *const *in) {
  const float *g = in[0], *w = in[1], *m = in[2], *v = in[3], *alpha = in[4], *rest1 = in[5], *rest2 = in[6],
              *epsilon = in[7];
  float *new_w = out[0], *new_m = out[1], *new_v = out[2];
  for (int64_t i = 0; i < n; i += KL_LANES) {
#define STEP(LOAD, STORE)                                                                           \
  const kl_vf gradient = LOAD(g), variable = LOAD(w), m0 = LOAD(m), v0 = LOAD(v);                   \
  const kl_vf momentum = m0 + (gradient - m0) * LOAD(rest1);                                        \
  const kl_vf velocity = v0 + (gradient * gradient - v0) * LOAD(rest2);                             \
  const kl_vf direction = (momentum * LOAD(alpha)) * vf_reciprocal(root(velocity) + LOAD(epsilon)); \
  STORE(new_w, variable - direction);                                                               \
  STORE(new_m, momentum);                                                                           \
  STORE(new_v, velocity);
    IN_FULL_OR_PART(STEP)
#undef STEP
  }
}
static void adam_update_f64(int64_t n, void *const *out, const void *const *in) {
  const double *g = in[0], *w = in[1], *m = in[2], *v = in[3], *alpha = in[4], *rest1 = in[5], *rest2 = in[6],
               *epsilon = in[7];
  double *new_w = out[0], *new_m = out[1], *new_v = out[2];
  for (int64_t i = 0; i < n; i++) {
    const double gradient = g[i], variable = w[i];
    const double momentum = m[i] + (gradient - m[i]) * rest1[i];
    const double velocity = v[i] + (gradient * gradient - v[i]) * rest2[i];
    new_m[i] = momentum;
    new_v[i] = velocity;
    new_w[i] = variable - momentum * alpha[i] / (sqrt(velocity) + epsilon[i]);
  }
}
KL_ELEMENTWISE_KERNEL(adam_update, [KL_FLOAT32] = adam_update_f32, [KL_FLOAT64] = adam_update_f64)
