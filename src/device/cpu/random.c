/* Random kernels.  Compiled once per instruction set only because the table is; the numbers are the same on all.
 *
 * Input `key` is {key, counter}.  Element i of a draw is a pure function of key, counter and i, so blocks of the pool
 * may be cut anywhere.  A draw of n elements uses at most the n Philox blocks from `counter` on. */
#include <math.h>

#include "base/philox.h"
#include "base/size.h"
#include "device/cpu/pool.h"
#include "device/cpu/scalar.h"
#include "device/cpu/simd.h"
#include "device/cpu/tiles.h"

#define BLOCK 8192  /* elements per block of the pool; a multiple of 4 */
#define SERIAL 8192 /* elements: below it the pool does not pay */

typedef struct draw {
  const kl_call *c;
  uint64_t key, counter;
  double a, b; /* parameters as numbers */
  int64_t low; /* of randint */
  uint64_t range;
  void (*fill)(const struct draw *d, int64_t from, int64_t to); /* elements [from, to) of output 0 */
} draw;

static draw make_draw(const kl_call *c, int key_input) {
  const kl_view *key = &c->in[key_input];
  const int64_t *words = key->data;
  return (draw){.c = c, .key = (uint64_t)words[0], .counter = (uint64_t)words[key->strides[0]]};
}

static void run_block(void *context, int64_t block) {
  const draw *d = context;
  int64_t n = kl_shape_numel(&d->c->out[0].shape);
  d->fill(d, block * BLOCK, kl_min_i64(n, (block + 1) * BLOCK));
}

static kl_status run_draw(draw *d) {
  int64_t n = kl_shape_numel(&d->c->out[0].shape);
  if (n <= SERIAL) {
    if (n > 0) {
      d->fill(d, 0, n);
    }
  } else {
    kl_pool_run(kl_div_up(n, BLOCK), run_block, d);
  }
  return KL_OK;
}

/* 53 bits of two words in [0, 1). */
static double unit_double(uint32_t high, uint32_t low) {
  return (double)(((uint64_t)high << 32 | low) >> 11) * 0x1p-53;
}

/* The words of BLOCKS blocks of Philox from `counter` on, in order: the same function of key and counter as
 * kl_philox_block. A block is a 64-bit lane, whose upper half may hold anything; GROUPS vectors of them hide the
 * multiplication's latency. */
#define GROUPS 4
#define BLOCKS (GROUPS * KL_DLANES)
#define WORDS (4 * BLOCKS)
static void philox_words(uint64_t key, uint64_t counter, uint32_t out[WORDS]) {
  kl_vul c0[GROUPS], c1[GROUPS], c2[GROUPS], c3[GROUPS];
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
#pragma GCC unroll 4
  for (int g = 0; g < GROUPS; g++) {
    for (int l = 0; l < KL_DLANES; l++) {
      c0[g][l] = counter + (uint64_t)(g * KL_DLANES + l);
    }
    c1[g] = c0[g] >> 32;
    c2[g] = c3[g] = (kl_vul){0};
  }
  for (int round = 0; round < 10; round++) {
#pragma GCC unroll 4
    for (int g = 0; g < GROUPS; g++) {
      const kl_vul p0 = vul_mul32(c0[g], (kl_vul){0} + 0xD2511F53u), p1 = vul_mul32(c2[g], (kl_vul){0} + 0xCD9E8D57u);
      c0[g] = (p1 >> 32) ^ c1[g] ^ k0;
      c2[g] = (p0 >> 32) ^ c3[g] ^ k1;
      c1[g] = p1;
      c3[g] = p0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
#pragma GCC unroll 4
  for (int g = 0; g < GROUPS; g++) {
    const kl_vul low = (c0[g] & 0xffffffffu) | c1[g] << 32, high = (c2[g] & 0xffffffffu) | c3[g] << 32;
    for (int l = 0; l < KL_DLANES; l++) {
      const uint64_t pair[2] = {low[l], high[l]};
      for (int w = 0; w < 4; w++) {
        out[(g * KL_DLANES + l) * 4 + w] = (uint32_t)(pair[w / 2] >> (32 * (w % 2)));
      }
    }
  }
}

/* Calls EACH(i, word) for elements [from, to), from a multiple of 4: one 32-bit word each. */
#define FOR_WORDS(d, from, to, EACH)                                    \
  for (int64_t base = (from); base < (to); base += WORDS) {             \
    uint32_t words[WORDS];                                              \
    philox_words((d)->key, (d)->counter + (uint64_t)(base / 4), words); \
    const int64_t n = kl_min_i64(WORDS, (to)-base);                     \
    for (int64_t k = 0; k < n; k++) {                                   \
      const int64_t i = base + k;                                       \
      const uint32_t word = words[k];                                   \
      EACH                                                              \
    }                                                                   \
  }

/* The same with 64 bits an element: two words. */
#define FOR_DOUBLE_WORDS(d, from, to, EACH)                                                    \
  for (int64_t base = (from); base < (to); base += 2) {                                        \
    const kl_philox block = kl_philox_block((d)->key, (d)->counter + (uint64_t)(base / 2), 0); \
    for (int64_t i = base; i < base + 2 && i < (to); i++) {                                    \
      const uint32_t high = block.word[2 * (i - base)], low = block.word[2 * (i - base) + 1];  \
      EACH                                                                                     \
    }                                                                                          \
  }

static void uniform_f32(const draw *d, int64_t from, int64_t to) {
  float *y = d->c->out[0].data, a = (float)d->a, b = (float)d->b;
  FOR_WORDS(d, from, to, {
    float v = fmaf((float)(word >> 8) * 0x1p-24f, b - a, a);
    y[i] = v < b ? v : a; /* rounding must not reach the open end */
  })
}

static void uniform_f64(const draw *d, int64_t from, int64_t to) {
  double *y = d->c->out[0].data;
  FOR_DOUBLE_WORDS(d, from, to, {
    double v = fma(unit_double(high, low), d->b - d->a, d->a);
    y[i] = v < d->b ? v : d->a;
  })
}

static void read_parameters(draw *d) {
  d->a = kl_scalar_number(&d->c->in[1]);
  d->b = kl_scalar_number(&d->c->in[2]);
}

static kl_status run_uniform(const kl_call *c) {
  draw d = make_draw(c, 0);
  read_parameters(&d);
  d.fill = c->out[0].dtype == KL_FLOAT32 ? uniform_f32 : uniform_f64;
  return run_draw(&d);
}
const kl_kernel KL_K(random_uniform) = {.run = run_uniform};

/* Box and Muller: two uniform numbers, the first in (0, 1], give two normal ones. */
static void normal_pair(double u, double v, double *x, double *y) {
  double radius = sqrt(-2 * log(u)), angle = 6.283185307179586 * v;
  *x = radius * cos(angle);
  *y = radius * sin(angle);
}

static void normal_f32(const draw *d, int64_t from, int64_t to) {
  float *out = d->c->out[0].data;
  for (int64_t base = from; base < to; base += 4) {
    const kl_philox block = kl_philox_block(d->key, d->counter + (uint64_t)(base / 4), 0);
    double z[4];
    for (int k = 0; k < 4; k += 2) {
      normal_pair(((double)block.word[k] + 1) * 0x1p-32, (double)block.word[k + 1] * 0x1p-32, &z[k], &z[k + 1]);
    }
    for (int64_t i = base; i < base + 4 && i < to; i++) {
      out[i] = (float)(d->a + d->b * z[i - base]);
    }
  }
}

static void normal_f64(const draw *d, int64_t from, int64_t to) {
  double *out = d->c->out[0].data;
  for (int64_t base = from; base < to; base += 2) {
    const kl_philox block = kl_philox_block(d->key, d->counter + (uint64_t)(base / 2), 0);
    double z[2];
    normal_pair(1.0 - unit_double(block.word[0], block.word[1]), unit_double(block.word[2], block.word[3]), &z[0],
                &z[1]);
    for (int64_t i = base; i < base + 2 && i < to; i++) {
      out[i] = d->a + d->b * z[i - base];
    }
  }
}

static kl_status run_normal(const kl_call *c) {
  draw d = make_draw(c, 0);
  read_parameters(&d);
  d.fill = c->out[0].dtype == KL_FLOAT32 ? normal_f32 : normal_f64;
  return run_draw(&d);
}
const kl_kernel KL_K(random_normal) = {.run = run_normal};

/* Element i draws from its own blocks, one per attempt (the counter's high half), until a value lies within two
 * standard deviations: 4.6 % of attempts fail. */
static void truncated_normal(const draw *d, int64_t from, int64_t to) {
  for (int64_t i = from; i < to; i++) {
    double z[4];
    int k = 4;
    for (uint64_t attempt = 0; k == 4; attempt++) {
      const kl_philox block = kl_philox_block(d->key, d->counter + (uint64_t)i, attempt);
      for (int j = 0; j < 4; j += 2) {
        normal_pair(((double)block.word[j] + 1) * 0x1p-32, (double)block.word[j + 1] * 0x1p-32, &z[j], &z[j + 1]);
      }
      for (k = 0; k < 4 && fabs(z[k]) >= 2; k++) {
      }
    }
    double value = d->a + d->b * z[k];
    if (d->c->out[0].dtype == KL_FLOAT32) {
      ((float *)d->c->out[0].data)[i] = (float)value;
    } else {
      ((double *)d->c->out[0].data)[i] = value;
    }
  }
}

static kl_status run_truncated_normal(const kl_call *c) {
  draw d = make_draw(c, 0);
  read_parameters(&d);
  d.fill = truncated_normal;
  return run_draw(&d);
}
const kl_kernel KL_K(random_truncated_normal) = {.run = run_truncated_normal};

static void store_number(const kl_view *out, int64_t i, int64_t value) {
  kl_dtype_store(out->dtype, false, value, 0, (char *)out->data + i * (int64_t)kl_dtype_size(out->dtype));
}

/* The high half of 64 random bits times the range. */
static uint64_t scale(uint32_t high, uint32_t low, uint64_t range) {
  uint64_t bits = (uint64_t)high << 32 | low;
  uint64_t top = (bits >> 32) * (range >> 32), middle1 = (bits >> 32) * (range & 0xffffffffu);
  uint64_t middle2 = (bits & 0xffffffffu) * (range >> 32), bottom = (bits & 0xffffffffu) * (range & 0xffffffffu);
  uint64_t carry = (middle1 & 0xffffffffu) + (middle2 & 0xffffffffu) + (bottom >> 32);
  return top + (middle1 >> 32) + (middle2 >> 32) + (carry >> 32);
}

static void randint(const draw *d, int64_t from, int64_t to) {
  FOR_DOUBLE_WORDS(d, from, to,
                   { store_number(&d->c->out[0], i, (int64_t)((uint64_t)d->low + scale(high, low, d->range))); })
}

static kl_status run_randint(const kl_call *c) {
  draw d = make_draw(c, 0);
  d.low = kl_scalar_integer(&c->in[1]);
  int64_t end = kl_scalar_integer(&c->in[2]), cell;
  if (end <= d.low || end == INT64_MIN) {
    return kl_fail(KL_EVALUE, "kl.random.randint: minval %lld must be below maxval %lld", (long long)d.low,
                   (long long)end);
  }
  kl_dtype dtype = c->out[0].dtype;
  if (!kl_dtype_store(dtype, false, d.low, 0, &cell) || !kl_dtype_store(dtype, false, end - 1, 0, &cell)) {
    return kl_fail(KL_EVALUE, "kl.random.randint: %lld to %lld does not fit in %s", (long long)d.low,
                   (long long)end - 1, kl_dtype_name(dtype));
  }
  d.range = (uint64_t)end - (uint64_t)d.low;
  d.fill = randint;
  return run_draw(&d);
}
const kl_kernel KL_K(random_randint) = {.run = run_randint};

/* A probability as a bound for 32-bit words: word < bound with that probability. */
static uint64_t bound_of(double p) { return !(p > 0) ? 0 : p >= 1 ? (uint64_t)1 << 32 : (uint64_t)(p * 0x1p32); }

static void bernoulli(const draw *d, int64_t from, int64_t to) {
  uint64_t bound = bound_of(d->a);
  FOR_WORDS(d, from, to, { store_number(&d->c->out[0], i, word < bound); })
}

static kl_status run_bernoulli(const kl_call *c) {
  draw d = make_draw(c, 0);
  d.a = kl_scalar_number(&c->in[1]);
  d.fill = bernoulli;
  return run_draw(&d);
}
const kl_kernel KL_K(random_bernoulli) = {.run = run_bernoulli};

/* Serial: each exchange stands on those before it. */
static kl_status run_permutation(const kl_call *c) {
  draw d = make_draw(c, 0);
  int32_t *y = c->out[0].data;
  int64_t n = c->out[0].shape.dim[0];
  for (int64_t i = 0; i < n; i++) {
    y[i] = (int32_t)i;
  }
  FOR_DOUBLE_WORDS(&d, 0, n - 1, {
    int64_t other = i + (int64_t)scale(high, low, (uint64_t)(n - i));
    int32_t t = y[i];
    y[i] = y[other];
    y[other] = t;
  })
  return KL_OK;
}
const kl_kernel KL_K(random_permutation) = {.run = run_permutation};

/* Inputs: x (here contiguous), key, rate; outputs: y, and what is kept, a byte an element.  The product is computed
 * either way: which elements are dropped no processor can foresee, and a branch would cost more. */
static void dropout_f32(const draw *d, int64_t from, int64_t to) {
  const float *x = d->c->in[0].data;
  float *y = d->c->out[0].data;
  uint8_t *kept = d->c->out[1].data;
  const uint64_t bound = bound_of(d->a);
  const uint32_t last = (uint32_t)(bound - 1); /* bound > 0 */
  const float scale = (float)(1 / (1 - d->a));
  if (bound == 0) {
    for (int64_t i = from; i < to; i++) {
      y[i] = x[i] * scale;
      kept[i] = 1;
    }
    return;
  }
  FOR_WORDS(d, from, to, {
    const float scaled = x[i] * scale;
    kept[i] = word > last;
    y[i] = word > last ? scaled : 0.0f;
  })
}

static void dropout_f64(const draw *d, int64_t from, int64_t to) {
  const double *x = d->c->in[0].data;
  double *y = d->c->out[0].data;
  uint8_t *kept = d->c->out[1].data;
  uint64_t bound = bound_of(d->a);
  double scale = 1 / (1 - d->a);
  FOR_WORDS(d, from, to, {
    kept[i] = word >= bound;
    y[i] = word >= bound ? x[i] * scale : 0.0;
  })
}

static kl_status run_dropout(const kl_call *c) {
  draw d = make_draw(c, 1);
  d.a = kl_scalar_number(&c->in[2]);
  /* x goes to the output first, in C order, and is dropped there: any strides are fine. */
  kl_tiles_copy(&c->in[0], &c->out[0]);
  kl_call here = *c;
  here.in = &c->out[0];
  d.c = &here;
  d.fill = c->out[0].dtype == KL_FLOAT32 ? dropout_f32 : dropout_f64;
  return run_draw(&d);
}
const kl_kernel KL_K(dropout) = {.run = run_dropout};
