/* Experiment 2: can a plan that splits K over threads and updates weights on the gradient tile give the bits of
 * immediate kernels, and does immediate mode pay for it?
 *
 * The mlp step (784-512-10, relu, dropout 0.5, softmax cross-entropy, RMSprop) twice: as immediate kernels, one pass
 * per op, and as three parallel regions.  Both follow one rule for products: K is cut into ceil(K/256) equal blocks, a
 * block is one chain of FMAs, blocks are added in order.  Prints times and compares all weights after STEPS steps.
 *
 * make experiments && build/fused_step.avx512 [BATCH] [STEPS] [THREADS]   (also .avx2, .baseline) */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "device/cpu/pool.h"
#include "device/cpu/simd.h"

#define L KL_LANES
#define K1 784
#define N1 512
#define N2 10
#define MAX_BATCH 512
#define ROWS (KL_LANES > 8 ? 8 : 4)
#define BLOCK_K 256

static int64_t batch = 32;

typedef struct model {
  float w1[K1 * N1], b1[N1], w2[N1 * N2], b2[N2];
  float v1[K1 * N1], vb1[N1], v2[N1 * N2], vb2[N2];
} model;

static struct {
  float x[MAX_BATCH * K1], mask[MAX_BATCH * N1];
  int label[MAX_BATCH];
  float h[MAX_BATCH * N1], a[MAX_BATCH * N1], z[MAX_BATCH * N2], dz[MAX_BATCH * N2], dh[MAX_BATCH * N1];
  float g1[K1 * N1], gb1[N1], g2[N1 * N2], gb2[N2], t1[K1 * N1], t2[K1 * N1], w2t[N2 * N1];
  float part[4 * MAX_BATCH * N1];
} d;

/* ---- the shared primitives ---- */

static int64_t k_blocks(int64_t k) { return (k + BLOCK_K - 1) / BLOCK_K; }
static int64_t k_length(int64_t k) { return (k + k_blocks(k) - 1) / k_blocks(k); }

/* c (rows x 2L or the `last` of it) = or += a b over k steps: one chain of FMAs from 0, added to c if `add`. */
KL_INLINE void tile(const int rows, const int vectors, const int64_t last, const int add, int64_t k, const float *a,
                    int64_t rsa, int64_t csa, const float *b, int64_t rsb, float *c, int64_t rsc) {
  kl_vf s[8][2];
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      s[i][v] = (kl_vf){0};
    }
  }
  for (int64_t p = 0; p < k; p++) {
    kl_vf y[2];
    __builtin_prefetch(b + 8 * rsb);
    __builtin_prefetch(b + 8 * rsb + L);
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      y[v] = v == vectors - 1 && last < L ? vf_load_part(b + v * L, last) : vf_load(b + v * L);
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
      const kl_vf x = vf_set(a[i * rsa]);
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) {
        s[i][v] = vf_fma(x, y[v], s[i][v]);
      }
    }
    a += csa;
    b += rsb;
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      float *to = c + i * rsc + v * L;
      if (v == vectors - 1 && last < L) {
        vf_store_part(to, add ? vf_load_part(to, last) + s[i][v] : s[i][v], last);
      } else {
        vf_store(to, add ? vf_load(to) + s[i][v] : s[i][v]);
      }
    }
  }
}

static void any_tile(int rows, int64_t columns, int add, int64_t k, const float *a, int64_t rsa, int64_t csa,
                     const float *b, int64_t rsb, float *c, int64_t rsc) {
#define CASE(r)                                                     \
  case r:                                                           \
    if (columns == 2 * L) {                                         \
      if (add) {                                                    \
        tile(r, 2, L, 1, k, a, rsa, csa, b, rsb, c, rsc);           \
      } else {                                                      \
        tile(r, 2, L, 0, k, a, rsa, csa, b, rsb, c, rsc);           \
      }                                                             \
    } else if (columns > L) {                                       \
      tile(r, 2, columns - L, add, k, a, rsa, csa, b, rsb, c, rsc); \
    } else {                                                        \
      tile(r, 1, columns, add, k, a, rsa, csa, b, rsb, c, rsc);     \
    }                                                               \
    break;
  /* clang-format off */
  switch (rows) {
    CASE(1) CASE(2) CASE(3) CASE(4)
#if KL_LANES > 8
    CASE(5) CASE(6) CASE(7) CASE(8)
#endif
  }
  /* clang-format on */
}

/* c = or += a b, one chain of k per element. */
static void chain(int64_t m, int64_t n, int64_t k, int add, const float *a, int64_t rsa, int64_t csa, const float *b,
                  int64_t rsb, float *c, int64_t rsc) {
  for (int64_t j = 0; j < n; j += 2 * L) {
    for (int64_t i = 0; i < m; i += ROWS) {
      any_tile((int)(m - i < ROWS ? m - i : ROWS), n - j < 2 * L ? n - j : 2 * L, add, k, a + i * rsa, rsa, csa, b + j,
               rsb, c + i * rsc + j, rsc);
    }
  }
}

/* The product by the rule. */
static void product(int64_t m, int64_t n, int64_t k, const float *a, int64_t rsa, int64_t csa, const float *b,
                    int64_t rsb, float *c, int64_t rsc) {
  int64_t len = k_length(k);
  for (int64_t p = 0; p < k; p += len) {
    int64_t kk = k - p < len ? k - p : len;
    chain(m, n, kk, p > 0, a + p * csa, rsa, csa, b + p * rsb, rsb, c, rsc);
  }
}

#define EPS 1e-7f
#define RATE 1e-3f
#define RHO 0.9f
/* The update direction: rate * g / sqrt(v + eps), one primitive. */
KL_INLINE kl_vf direction(kl_vf g, kl_vf v) { return (g * RATE) * vf_rsqrt(v + EPS); }
KL_INLINE kl_vf new_slot(kl_vf v, kl_vf g) { return v * RHO + (g * g) * (1.0f - RHO); }

static void softmax_gradient(const float *z, int label, float *out) {
  float max = z[0], sum = 0, e[N2];
  for (int j = 1; j < N2; j++) {
    max = z[j] > max ? z[j] : max;
  }
  for (int j = 0; j < N2; j++) { /* a stand-in for exp with few roundings: the experiment is about products */
    float t = 1.0f + (z[j] - max) * (1.0f / 64);
    t = t < 0 ? 0 : t;
    t *= t;
    t *= t;
    t *= t;
    e[j] = t * t;
    sum += e[j];
  }
  for (int j = 0; j < N2; j++) {
    out[j] = (e[j] / sum - (j == label ? 1.0f : 0.0f)) * (1.0f / (float)batch);
  }
}

/* ---- immediate: one pass per op ---- */

typedef struct job {
  int kind;
  int64_t n;
  float *out;
  const float *a, *b;
  int64_t m, k, rsa, csa, rsb;
} job;

#define GRAIN 16384

static void elementwise_block(void *context, int64_t block) {
  const job *j = context;
  int64_t from = block * GRAIN, to = from + GRAIN < j->n ? from + GRAIN : j->n;
  for (int64_t i = from; i < to; i += L) {
    kl_vf a = vf_load(j->a + i), b = j->b == NULL ? a : vf_load(j->b + i), y = a;
    switch (j->kind) {
      case 0:
        y = vf_maximum(a, vf_set(0));
        break;
      case 1:
        y = a * b;
        break;
      case 2:
        y = a * a;
        break;
      case 3:
        y = a * (1.0f - RHO);
        break;
      case 4:
        y = a * RHO;
        break;
      case 5:
        y = a + b;
        break;
      case 6:
        y = direction(a, b);
        break;
      case 7:
        y = a - b;
        break;
      case 8:
        y = vf_select(b > 0.0f, a, vf_set(0));
        break;
    }
    if (to - i < L) {
      vf_store_part(j->out + i, y, to - i);
    } else {
      vf_store(j->out + i, y);
    }
  }
}

static void elementwise(int kind, int64_t n, const float *a, const float *b, float *out) {
  job j = {.kind = kind, .n = n, .a = a, .b = b, .out = out};
  kl_pool_run((n + GRAIN - 1) / GRAIN, elementwise_block, &j);
}

static void matmul_block(void *context, int64_t block) {
  const job *j = context;
  int64_t from = block * 128, n = j->n - from < 128 ? j->n - from : 128;
  product(j->m, n, j->k, j->a, j->rsa, j->csa, j->b + from, j->rsb, j->out + from, j->n);
}

static void row_block(void *context, int64_t block) {
  const job *j = context;
  int64_t from = block * 112, m = j->m - from < 112 ? j->m - from : 112;
  product(m, j->n, j->k, j->a + from * j->rsa, j->rsa, j->csa, j->b, j->rsb, j->out + from * j->n, j->n);
}

/* Cut by rows where there are many, else by columns: no bit depends on it. */
static void matmul(int64_t m, int64_t n, int64_t k, const float *a, int64_t rsa, int64_t csa, const float *b,
                   int64_t rsb, float *out) {
  job j = {.m = m, .n = n, .k = k, .a = a, .rsa = rsa, .csa = csa, .b = b, .rsb = rsb, .out = out};
  if (m > 256) {
    kl_pool_run((m + 111) / 112, row_block, &j);
  } else {
    kl_pool_run((n + 127) / 128, matmul_block, &j);
  }
}

static void column_sum(const float *x, int64_t n, float *out) {
  memcpy(out, x, (size_t)n * sizeof *x);
  for (int64_t i = 1; i < batch; i++) {
    for (int64_t j = 0; j < n; j++) {
      out[j] += x[i * n + j];
    }
  }
}

static void add_bias(float *x, const float *b, int64_t n) {
  for (int64_t i = 0; i < batch; i++) {
    for (int64_t j = 0; j < n; j++) {
      x[i * n + j] += b[j];
    }
  }
}

static void rmsprop(int64_t n, float *w, float *v, const float *g) {
  elementwise(2, n, g, NULL, d.t1);
  elementwise(3, n, d.t1, NULL, d.t1);
  elementwise(4, n, v, NULL, d.t2);
  elementwise(5, n, d.t2, d.t1, v);
  elementwise(6, n, g, v, d.t1);
  elementwise(7, n, w, d.t1, w);
}

static void transpose_w2(const model *m) {
  for (int i = 0; i < N1; i++) {
    for (int j = 0; j < N2; j++) {
      d.w2t[j * N1 + i] = m->w2[i * N2 + j];
    }
  }
}

static void immediate_step(model *m) {
  matmul(batch, N1, K1, d.x, K1, 1, m->w1, N1, d.h);
  add_bias(d.h, m->b1, N1);
  elementwise(0, batch * N1, d.h, NULL, d.a);
  elementwise(1, batch * N1, d.a, d.mask, d.a);
  matmul(batch, N2, N1, d.a, N1, 1, m->w2, N2, d.z);
  add_bias(d.z, m->b2, N2);
  for (int64_t i = 0; i < batch; i++) {
    softmax_gradient(d.z + i * N2, d.label[i], d.dz + i * N2);
  }
  transpose_w2(m);
  matmul(N1, N2, batch, d.a, 1, N1, d.dz, N2, d.g2);
  column_sum(d.dz, N2, d.gb2);
  matmul(batch, N1, N2, d.dz, N2, 1, d.w2t, N1, d.dh);
  elementwise(1, batch * N1, d.dh, d.mask, d.dh);
  elementwise(8, batch * N1, d.dh, d.h, d.dh);
  matmul(K1, N1, batch, d.x, 1, K1, d.dh, N1, d.g1);
  column_sum(d.dh, N1, d.gb1);
  rmsprop(K1 * N1, m->w1, m->v1, d.g1);
  rmsprop(N1, m->b1, m->vb1, d.gb1);
  rmsprop(N1 * N2, m->w2, m->v2, d.g2);
  rmsprop(N2, m->b2, m->vb2, d.gb2);
}

/* ---- fused: three regions ---- */

static void forward_block(void *context, int64_t b) { /* rows b of W1, a block of K */
  const model *m = context;
  int64_t len = k_length(K1), from = b * len, k = K1 - from < len ? K1 - from : len;
  chain(batch, N1, k, 0, d.x + from, K1, 1, m->w1 + from * N1, N1, d.part + b * batch * N1, N1);
}

static void head_block(void *context, int64_t b) { /* 8 rows of the batch */
  const model *m = context;
  int64_t from = b * 8, to = from + 8 < batch ? from + 8 : batch, blocks = k_blocks(K1);
  for (int64_t i = from * N1; i < to * N1; i += L) {
    kl_vf s = vf_load(d.part + i);
    for (int64_t p = 1; p < blocks; p++) {
      s += vf_load(d.part + p * batch * N1 + i);
    }
    s += vf_load(m->b1 + i % N1);
    vf_store(d.h + i, s);
    vf_store(d.a + i, vf_maximum(s, vf_set(0)) * vf_load(d.mask + i));
  }
  product(to - from, N2, N1, d.a + from * N1, N1, 1, m->w2, N2, d.z + from * N2, N2);
  for (int64_t i = from; i < to; i++) {
    for (int j = 0; j < N2; j++) {
      d.z[i * N2 + j] += m->b2[j];
    }
    softmax_gradient(d.z + i * N2, d.label[i], d.dz + i * N2);
  }
  product(to - from, N1, N2, d.dz + from * N2, N2, 1, d.w2t, N1, d.dh + from * N1, N1);
  for (int64_t i = from * N1; i < to * N1; i += L) {
    kl_vf g = vf_load(d.dh + i) * vf_load(d.mask + i);
    vf_store(d.dh + i, vf_select(vf_load(d.h + i) > 0.0f, g, vf_set(0)));
  }
}

static void update(int64_t n, float *w, float *v, const float *g) {
  for (int64_t i = 0; i < n; i += L) {
    int64_t part = n - i < L ? n - i : L;
    kl_vf grad = vf_load_part(g + i, part), slot = new_slot(vf_load_part(v + i, part), grad);
    vf_store_part(v + i, slot, part);
    vf_store_part(w + i, vf_load_part(w + i, part) - direction(grad, slot), part);
  }
}

static void backward_block(void *context, int64_t b) { /* the same rows of W1: gradient tile and update */
  model *m = context;
  int64_t len = k_length(K1), from = b * len, to = from + len < K1 ? from + len : K1;
  float strip[8 * N1];
  for (int64_t i = from; i < to; i += ROWS) {
    int64_t rows = to - i < ROWS ? to - i : ROWS;
    product(rows, N1, batch, d.x + i, 1, K1, d.dh, N1, strip, N1);
    update(rows * N1, m->w1 + i * N1, m->v1 + i * N1, strip);
  }
  if (b == 0) {
    product(N1, N2, batch, d.a, 1, N1, d.dz, N2, d.g2, N2);
    column_sum(d.dz, N2, d.gb2);
    update(N1 * N2, m->w2, m->v2, d.g2);
    update(N2, m->b2, m->vb2, d.gb2);
  }
  if (b == 1) {
    column_sum(d.dh, N1, d.gb1);
    update(N1, m->b1, m->vb1, d.gb1);
  }
}

static void fused_step(model *m) {
  transpose_w2(m);
  kl_pool_run(k_blocks(K1), forward_block, m);
  kl_pool_run((batch + 7) / 8, head_block, m);
  kl_pool_run(k_blocks(K1), backward_block, m);
}

/* ---- the comparison ---- */

static uint64_t state = 12345;
static float uniform(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (float)(state >> 40) * (1.0f / 16777216);
}

static double microseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void fill(model *m) {
  memset(m, 0, sizeof *m);
  for (int i = 0; i < K1 * N1; i++) {
    m->w1[i] = (uniform() - 0.5f) * 0.13f;
  }
  for (int i = 0; i < N1 * N2; i++) {
    m->w2[i] = (uniform() - 0.5f) * 0.2f;
  }
}

static void next_labels(void) {
  for (int64_t i = 0; i < batch; i++) {
    d.label[i] = (int)(uniform() * 10);
  }
}

static void run(const char *name, void (*step)(model *), model *m, int64_t steps) {
  static double times[100000];
  state = 99;
  for (int64_t i = 0; i < steps; i++) {
    next_labels();
    double start = microseconds();
    step(m);
    times[i] = microseconds() - start;
  }
  for (int64_t i = 1; i < steps; i++) { /* insertion sort of a few thousand figures */
    double t = times[i];
    int64_t j = i;
    for (; j > 0 && times[j - 1] > t; j--) {
      times[j] = times[j - 1];
    }
    times[j] = t;
  }
  printf("%s %.0f / %.0f us   ", name, times[0], times[steps / 2]);
}

int main(int argc, char **argv) {
  batch = argc > 1 ? atoi(argv[1]) : 32;
  int64_t steps = argc > 2 ? atoi(argv[2]) : 1000;
  int threads = argc > 3 ? atoi(argv[3]) : 2;
  model *one = malloc(sizeof *one), *two = malloc(sizeof *two);
  if (one == NULL || two == NULL || batch < 1 || batch > MAX_BATCH || steps > 100000 ||
      kl_pool_set_threads(threads) != KL_OK) {
    return 2;
  }
  kl_pool_set_float();
  fill(one);
  memcpy(two, one, sizeof *one);
  for (int64_t i = 0; i < batch * K1; i++) {
    float u = uniform();
    d.x[i] = u < 0.8f ? 0 : u;
  }
  for (int64_t i = 0; i < batch * N1; i++) {
    d.mask[i] = uniform() < 0.5f ? 0 : 2;
  }
  printf("batch %d, %d threads: ", (int)batch, threads);
  run("immediate", immediate_step, one, steps);
  run("fused", fused_step, two, steps);
  uint64_t hash = 14695981039346656037u; /* FNV-1a of the weights, to compare thread counts */
  for (size_t i = 0; i < sizeof *one; i++) {
    hash = (hash ^ ((const unsigned char *)one)[i]) * 1099511628211u;
  }
  printf("weights %s, hash %016llx\n", memcmp(one, two, sizeof *one) == 0 ? "equal" : "DIFFER",
         (unsigned long long)hash);
  return memcmp(one, two, sizeof *one) != 0;
}
