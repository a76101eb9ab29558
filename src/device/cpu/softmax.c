/* Softmax and what belongs to it: lines along an axis.  Compiled once per instruction set.
 *
 * A line is shifted by its maximum, so nothing overflows.  The sum of a float32 line is taken in four vectors of
 * accumulators like a reduction's chunk (reduce.c), whatever its length. */
#include <math.h>

#include "base/alloc.h"
#include "base/size.h"
#include "device/cpu/axis_walk.h"
#include "device/cpu/pool.h"
#include "device/cpu/tiles.h"
#include "device/cpu/vmath.h"

static float line_max_f32(int64_t n, const float *x) {
  kl_vf s = vf_set(x[0]);
  int64_t i = 0;
  for (; i + KL_LANES <= n; i += KL_LANES) {
    s = vf_maximum(s, vf_load(x + i));
  }
  float y = s[0];
  for (int lane = 1; lane < KL_LANES; lane++) {
    y = y > s[lane] || y != y ? y : s[lane];
  }
  for (; i < n; i++) {
    y = y > x[i] || y != y ? y : x[i];
  }
  return y;
}

/* e[i] = exp(x[i] - max); returns the sum.  Lanes beyond the end add exact zeros. */
static float line_exp_f32(int64_t n, const float *x, float max, float *e) {
  kl_vf s[4] = {{0}, {0}, {0}, {0}};
  int64_t i = 0;
  int k = 0;
  for (; i + KL_LANES <= n; i += KL_LANES, k = (k + 1) & 3) {
    kl_vf v = vf_exp(vf_load(x + i) - max);
    vf_store(e + i, v);
    s[k] += v;
  }
  if (i < n) {
    kl_vf v = vf_exp(vf_load_part(x + i, n - i) - max);
    vf_store_part(e + i, v, n - i);
    s[k] += vf_load_part(e + i, n - i);
  }
  return vf_sum((s[0] + s[1]) + (s[2] + s[3]));
}

static void softmax_f32(int64_t n, const void *in, void *out, const kl_call *c) {
  (void)c;
  float *y = out;
  if (n == 0) {
    return;
  }
  float sum = line_exp_f32(n, in, line_max_f32(n, in), y);
  for (int64_t i = 0; i < n; i++) {
    y[i] /= sum;
  }
}

static double line_max_f64(int64_t n, const double *x) {
  double y = x[0];
  for (int64_t i = 1; i < n; i++) {
    y = y > x[i] || y != y ? y : x[i];
  }
  return y;
}

static double line_exp_f64(int64_t n, const double *x, double max, double *e) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) {
    e[i] = exp(x[i] - max);
    sum += e[i];
  }
  return sum;
}

static void softmax_f64(int64_t n, const void *in, void *out, const kl_call *c) {
  (void)c;
  double *y = out;
  if (n == 0) {
    return;
  }
  double sum = line_exp_f64(n, in, line_max_f64(n, in), y);
  for (int64_t i = 0; i < n; i++) {
    y[i] /= sum;
  }
}

/* x - max - log(sum); `out` holds the exponentials meanwhile, so it must not be `in`. */
static void log_softmax_f32(int64_t n, const void *in, void *out, const kl_call *c) {
  (void)c;
  const float *x = in;
  float *y = out;
  if (n == 0) {
    return;
  }
  float max = line_max_f32(n, x), logarithm = vf_log(vf_set(line_exp_f32(n, x, max, y)))[0];
  for (int64_t i = 0; i < n; i++) {
    y[i] = (x[i] - max) - logarithm;
  }
}

static void log_softmax_f64(int64_t n, const void *in, void *out, const kl_call *c) {
  (void)c;
  const double *x = in;
  double *y = out;
  if (n == 0) {
    return;
  }
  double max = line_max_f64(n, x), logarithm = log(line_exp_f64(n, x, max, y));
  for (int64_t i = 0; i < n; i++) {
    y[i] = (x[i] - max) - logarithm;
  }
}

static kl_status run_softmax(const kl_call *c) {
  return kl_axis_walk(c, (int)c->attrs[0].v[0], false, c->in[0].dtype == KL_FLOAT32 ? softmax_f32 : softmax_f64);
}
static kl_status run_log_softmax(const kl_call *c) {
  return kl_axis_walk(c, (int)c->attrs[0].v[0], false,
                      c->in[0].dtype == KL_FLOAT32 ? log_softmax_f32 : log_softmax_f64);
}
static size_t axis_scratch(const kl_call *c) { return kl_axis_walk_scratch(c, (int)c->attrs[0].v[0], false); }
const kl_kernel KL_K(softmax) = {.run = run_softmax, .scratch = axis_scratch};
const kl_kernel KL_K(log_softmax) = {.run = run_log_softmax, .scratch = axis_scratch};

/* The label of row i as a number; rows are counted in C order. */
static double label_at(const kl_view *v, int64_t i) {
  int64_t at = 0;
  for (int axis = v->shape.ndim - 1; axis >= 0; axis--) {
    at += i % v->shape.dim[axis] * v->strides[axis];
    i /= v->shape.dim[axis];
  }
  switch (v->dtype) {
    case KL_FLOAT32:
      return (double)((const float *)v->data)[at];
    case KL_FLOAT64:
      return ((const double *)v->data)[at];
    case KL_INT32:
      return (double)((const int32_t *)v->data)[at];
    case KL_INT64:
      return (double)((const int64_t *)v->data)[at];
    default:
      return (double)((const uint8_t *)v->data)[at];
  }
}

typedef struct entropy {
  const kl_call *c;
  const int64_t *labels;
  int64_t rows, classes, per_block;
} entropy;

/* loss = log(sum) - (z[label] - max), p = e / sum; p holds a copy of the logits when it begins. */
static void entropy_block(void *context, int64_t block) {
  const entropy *w = context;
  int64_t end = kl_min_i64(w->rows, (block + 1) * w->per_block), n = w->classes;
  for (int64_t r = block * w->per_block; r < end; r++) {
    if (w->c->out[1].dtype == KL_FLOAT32) {
      float *p = (float *)w->c->out[1].data + r * n;
      float max = line_max_f32(n, p), hit = p[w->labels[r]] - max, sum = line_exp_f32(n, p, max, p);
      ((float *)w->c->out[0].data)[r] = vf_log(vf_set(sum))[0] - hit;
      for (int64_t i = 0; i < n; i++) {
        p[i] /= sum;
      }
    } else {
      double *p = (double *)w->c->out[1].data + r * n;
      double max = line_max_f64(n, p), hit = p[w->labels[r]] - max, sum = line_exp_f64(n, p, max, p);
      ((double *)w->c->out[0].data)[r] = log(sum) - hit;
      for (int64_t i = 0; i < n; i++) {
        p[i] /= sum;
      }
    }
  }
}

/* The labels, input 0, as positions in rows of input 1, to the call's scratch; `w` gets them and the sizes. */
static kl_status read_labels(const kl_call *c, entropy *w) {
  const kl_view *labels = &c->in[0], *logits = &c->in[1];
  int64_t *checked = c->scratch;
  *w = (entropy){.c = c, .labels = checked, .rows = kl_shape_numel(&labels->shape)};
  w->classes = logits->shape.dim[logits->shape.ndim - 1];
  for (int64_t r = 0; r < w->rows; r++) {
    double label = label_at(labels, r);
    if (!(label >= 0 && label < (double)w->classes) || label != floor(label)) {
      return kl_fail(KL_EVALUE, "label %g of sample %lld is not one of the %lld classes 0 to %lld", label,
                     (long long)r + 1, (long long)w->classes, (long long)w->classes - 1);
    }
    checked[r] = (int64_t)label;
  }
  return KL_OK;
}

static kl_status run_cross_entropy(const kl_call *c) {
  const kl_view *logits = &c->in[1];
  entropy w;
  KL_TRY(read_labels(c, &w));
  kl_tiles_copy(logits, &c->out[1]);
  w.per_block = kl_max_i64(4096 / kl_max_i64(w.classes, 1), 1);
  if (w.rows > 0) {
    kl_pool_run(kl_div_up(w.rows, w.per_block), entropy_block, &w);
  }
  return KL_OK;
}

static size_t entropy_scratch(const kl_call *c) { return (size_t)kl_shape_numel(&c->in[0].shape) * sizeof(int64_t); }

const kl_kernel KL_K(sparse_softmax_cross_entropy) = {.run = run_cross_entropy, .scratch = entropy_scratch};

static kl_status run_subtract_one_hot(const kl_call *c) {
  entropy w;
  KL_TRY(read_labels(c, &w));
  kl_tiles_copy(&c->in[1], &c->out[0]);
  for (int64_t r = 0; r < w.rows; r++) {
    int64_t at = r * w.classes + w.labels[r];
    if (c->out[0].dtype == KL_FLOAT32) {
      ((float *)c->out[0].data)[at] -= 1;
    } else {
      ((double *)c->out[0].data)[at] -= 1;
    }
  }
  return KL_OK;
}
const kl_kernel KL_K(subtract_one_hot) = {.run = run_subtract_one_hot, .scratch = entropy_scratch};
