/* Kernels of ops that only refuse.  The message names the first bad element in C order. */
#include <math.h>

#include "device/cpu/simd.h"
#include "device/cpu/tiles.h"
#include "device/cpu/walk.h"
#include "op/op.h"

#define FIRST_BAD(name, type, largest, magnitude)                              \
  static int64_t name(const char *p, int64_t step, int64_t n, double *value) { \
    for (int64_t i = 0; i < n; i++) {                                          \
      const type x = *(const type *)(const void *)(p + i * step);              \
      if (!(magnitude(x) <= (largest))) {                                      \
        *value = (double)x;                                                    \
        return i;                                                              \
      }                                                                        \
    }                                                                          \
    return -1;                                                                 \
  }

FIRST_BAD(first_bad_f32, float, __FLT_MAX__, __builtin_fabsf)
FIRST_BAD(first_bad_f64, double, __DBL_MAX__, __builtin_fabs)

static kl_status refuse(const kl_call *c, int64_t at, double value) {
  const kl_view *x = &c->in[0];
  const char *number = value != value ? "nan" : value > 0 ? "inf" : "-inf";
  if (c->attrs[0].v[0] == 1) {
    return kl_fail(KL_EVALUE, "kl.check_finite: the target of tape:gradient is %s", number);
  }
  if (x->shape.ndim == 0) {
    return kl_fail(KL_EVALUE, "kl.check_finite: x is %s", number);
  }
  char shape[KL_SHAPE_TEXT];
  return kl_fail(KL_EVALUE, "kl.check_finite: element %lld of x, of shape %s, is %s", (long long)(at + 1),
                 kl_shape_text(&x->shape, shape), number);
}

static kl_status run_check(const kl_call *c) {
  const kl_view *x = &c->in[0];
  kl_walk w;
  kl_walk_begin(&w);
  kl_walk_add(&w, x);
  kl_walk_join(&w, &x->shape);
  int64_t index[KL_MAX_NDIM] = {0}, line = w.shape[w.ndim - 1];
  for (int64_t at = 0; at < w.numel; at += line) {
    const char *p = kl_walk_address(&w, 0, index);
    int64_t step = w.strides[0][w.ndim - 1];
    double value;
    int64_t bad = (x->dtype == KL_FLOAT32 ? first_bad_f32 : first_bad_f64)(p, step, line, &value);
    if (bad >= 0) {
      return refuse(c, at + bad, value);
    }
    kl_walk_advance(&w, line, index);
  }
  *(uint8_t *)c->out[0].data = 1;
  return KL_OK;
}

const kl_kernel KL_K(check_finite) = {.run = run_check};
