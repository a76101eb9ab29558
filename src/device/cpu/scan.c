/* Kernels over the lines of one axis: running sums and positions of extrema.  Compiled once per instruction set. */
#include "device/cpu/axis_walk.h"
#include "device/cpu/simd.h"
#include "device/cpu/tiles.h"

/* Attributes: axis, reverse.  float32 accumulates in double, so a long line does not drift. */
#define CUMSUM(name, type, wide)                                             \
  static void name(int64_t n, const void *in, void *out, const kl_call *c) { \
    const type *x = in;                                                      \
    type *y = out;                                                           \
    wide s = 0;                                                              \
    bool reverse = c->attrs[1].v[0] != 0;                                    \
    for (int64_t k = 0; k < n; k++) {                                        \
      int64_t i = reverse ? n - 1 - k : k;                                   \
      s += (wide)x[i];                                                       \
      y[i] = (type)s;                                                        \
    }                                                                        \
  }
CUMSUM(cumsum_f32, float, double)
CUMSUM(cumsum_f64, double, double)
CUMSUM(cumsum_i32, int32_t, uint32_t)
CUMSUM(cumsum_i64, int64_t, uint64_t)
CUMSUM(cumsum_u8, uint8_t, uint32_t)

static kl_line cumsum_line(kl_dtype dtype) {
  switch (dtype) {
    case KL_FLOAT32:
      return cumsum_f32;
    case KL_FLOAT64:
      return cumsum_f64;
    case KL_INT32:
      return cumsum_i32;
    case KL_INT64:
      return cumsum_i64;
    default:
      return cumsum_u8;
  }
}

/* Of all elements in C order: one line, copied to where the result goes and summed in place. */
static kl_status run_cumsum(const kl_call *c) {
  if (c->attrs[0].given) {
    return kl_axis_walk(c, (int)c->attrs[0].v[0], false, cumsum_line(c->in[0].dtype));
  }
  kl_tiles_gather(&c->in[0], c->out[0].data);
  cumsum_line(c->in[0].dtype)(c->out[0].shape.dim[0], c->out[0].data, c->out[0].data, c);
  return KL_OK;
}

static size_t cumsum_scratch(const kl_call *c) {
  return c->attrs[0].given ? kl_axis_walk_scratch(c, (int)c->attrs[0].v[0], false) : 0;
}

const kl_kernel KL_K(cumsum) = {.run = run_cumsum, .scratch = cumsum_scratch};

/* The first of equal extrema; the first NaN beats everything (numpy). */
#define POSITION(name, type, better)                                         \
  static void name(int64_t n, const void *in, void *out, const kl_call *c) { \
    (void)c;                                                                 \
    const type *x = in;                                                      \
    int64_t best = 0;                                                        \
    for (int64_t i = 1; i < n; i++) {                                        \
      const type a = x[i], b = x[best];                                      \
      best = (better) ? i : best;                                            \
    }                                                                        \
    *(int32_t *)out = (int32_t)best;                                         \
  }
#define POSITIONS(op, compare)                                                                        \
  POSITION(op##_f32, float, (a compare b || a != a) && b == b)                                        \
  POSITION(op##_f64, double, (a compare b || a != a) && b == b)                                       \
  POSITION(op##_i32, int32_t, a compare b)                                                            \
  POSITION(op##_i64, int64_t, a compare b)                                                            \
  POSITION(op##_u8, uint8_t, a compare b)                                                             \
  static const kl_line op##_lines[KL_DTYPE_COUNT] = {                                                 \
      [KL_FLOAT32] = op##_f32, [KL_FLOAT64] = op##_f64, [KL_INT32] = op##_i32,                        \
      [KL_INT64] = op##_i64,   [KL_UINT8] = op##_u8,    [KL_BOOL] = op##_u8};                         \
  static kl_status run_##op(const kl_call *c) { return run_position(c, op##_lines[c->in[0].dtype]); } \
  const kl_kernel KL_K(op) = {.run = run_##op, .scratch = position_scratch};

/* Over all axes: the elements in C order are one line. */
static kl_status run_position(const kl_call *c, kl_line line) {
  if (c->attrs[0].n == 1 && c->in[0].shape.ndim > 0) {
    return kl_axis_walk(c, (int)c->attrs[0].v[0], c->attrs[1].v[0] == 0, line);
  }
  kl_tiles_gather(&c->in[0], c->scratch);
  line(kl_shape_numel(&c->in[0].shape), c->scratch, c->out[0].data, c);
  return KL_OK;
}

static size_t position_scratch(const kl_call *c) {
  if (c->attrs[0].n == 1 && c->in[0].shape.ndim > 0) {
    return kl_axis_walk_scratch(c, (int)c->attrs[0].v[0], c->attrs[1].v[0] == 0);
  }
  return (size_t)kl_shape_numel(&c->in[0].shape) * kl_dtype_size(c->in[0].dtype);
}

POSITIONS(argmax, >)
POSITIONS(argmin, <)
