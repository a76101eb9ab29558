/* Accuracy, special values and lane independence of device/cpu/vmath.h, for the instruction set this is compiled for.
 *
 *   vmath_test        a sample of all floats, a second or two
 *   vmath_test all    all 2^32 floats
 *   vmath_test time   nanoseconds and cycles for each element of 4096 floats
 *
 * The reference is libm in double, whose error is far below a thousandth of a float's ulp.  Everything is run with FTZ
 * and DAZ set, as kernels are, and without; both are held to the bounds. */
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "device/cpu/vmath.h"

#if defined(KL_ISA_AVX512)
#define ISA "avx512"
#elif defined(KL_ISA_AVX2)
#define ISA "avx2"
#else
#define ISA "baseline"
#endif

/* Without FMA a few more roundings show. */
#define BOUND (KL_FUSED ? 1.5 : 2.0)
#define BLOCK 4096
#define SAMPLE_STRIDE 997

typedef void run_function(int64_t n, float *y, const float *x);

#define RUN(name)                                                         \
  static void run_##name(int64_t n, float *y, const float *x) {           \
    int64_t i = 0;                                                        \
    for (; i + KL_LANES <= n; i += KL_LANES) {                            \
      vf_store(y + i, vf_##name(vf_load(x + i)));                         \
    }                                                                     \
    if (i < n) {                                                          \
      vf_store_part(y + i, vf_##name(vf_load_part(x + i, n - i)), n - i); \
    }                                                                     \
  }

#define EACH(X) \
  X(exp) X(expm1) X(log) X(log1p) X(log2) X(tanh) X(sigmoid) X(erf) X(softplus) X(sin) X(cos) X(rsqrt) X(reciprocal)
EACH(RUN)

static double ref_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double ref_softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
static double ref_rsqrt(double x) { return 1 / sqrt(x); }
static double ref_reciprocal(double x) { return 1 / x; }

typedef struct {
  const char *name;
  run_function *run;
  double (*reference)(double);
  float low, high; /* of the timing */
  float limit;     /* if not 0, only normal x > 0 up to this are promised */
} function;

#define FUNCTION(name, reference, low, high) \
  { #name, run_##name, reference, low, high, 0 }
static const function functions[] = {
    FUNCTION(exp, exp, -8, 8),
    FUNCTION(expm1, expm1, -4, 4),
    FUNCTION(log, log, 0.01f, 100),
    FUNCTION(log1p, log1p, -0.9f, 10),
    FUNCTION(log2, log2, 0.01f, 100),
    FUNCTION(tanh, tanh, -3, 3),
    FUNCTION(sigmoid, ref_sigmoid, -8, 8),
    FUNCTION(erf, erf, -3, 3),
    FUNCTION(softplus, ref_softplus, -8, 8),
    FUNCTION(sin, sin, -10, 10),
    FUNCTION(cos, cos, -10, 10),
    {"rsqrt", run_rsqrt, ref_rsqrt, 0.01f, 100, FLT_MAX},
    {"reciprocal", run_reciprocal, ref_reciprocal, 0.01f, 100, 0x1p125f},
};
#define FUNCTIONS (int)(sizeof functions / sizeof *functions)

static int checks, failures;

static int check(int good) {
  checks++;
  failures += !good;
  return good;
}

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static uint32_t to_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

#if defined(__x86_64__)
static unsigned flush_subnormals(int on) {
  unsigned before = _mm_getcsr();
  _mm_setcsr(on ? before | 0x8040u : before & ~0x8040u);
  return before;
}
#else
static unsigned flush_subnormals(int on) { return (unsigned)on; }
#endif

static void run_flushed(const function *f, int flush, int64_t n, float *y, const float *x) {
  flush_subnormals(flush);
  f->run(n, y, x);
  flush_subnormals(0);
}

/* The error of y in ulps of the exact result.  Infinity counts as 2^128; 0 is right where the result is subnormal. */
static double ulps(float y, double exact) {
  if (isnan(exact) || isnan(y)) {
    return isnan(exact) && isnan(y) ? 0 : INFINITY;
  }
  double size = fabs(exact), got = isinf(y) ? copysign(0x1p128, (double)y) : (double)y;
  if (size < 0x1p-126) {
    return y == 0 ? 0 : fabs(got - exact) / 0x1p-149;
  }
  if (size >= 0x1p128 - 0x1p103) {
    exact = copysign(0x1p128, exact);
  }
  uint64_t bits;
  memcpy(&bits, &exact, sizeof bits);
  int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
  return fabs(got - exact) / ldexp(1.0, (exponent > 127 ? 127 : exponent) - 23);
}

typedef struct {
  double error;
  float x, y;
} worst;

typedef struct {
  const function *f;
  uint64_t blocks;
  uint32_t stride;
  atomic_ullong next, points;
  pthread_mutex_t lock;
  worst worst[2];
} sweep;

/* The i-th of BLOCK inputs next to where methods change or results leave the finite or the normal range. */
static float edge(uint32_t i) {
  static const float edges[] = {0x1p-126f,    0x1p-25f, 0.414213562f, 0.707106781f, 0.75f,       0.875f,
                                0.881373587f, 1,        1.414213562f, 87.3365402f,  88.7228394f, 17.3286795f,
                                10000.0f,     0x1p126f, 0x1p127f,     INFINITY};
  uint32_t each = BLOCK / (sizeof edges / sizeof *edges) / 2, k = i / 2;
  return from_bits((to_bits(edges[k / each]) + k % each - each / 2) ^ (i & 1) << 31);
}

static void *sweep_thread(void *argument) {
  sweep *s = argument;
  static _Thread_local float x[BLOCK], y[BLOCK];
  static _Thread_local double exact[BLOCK];
  worst w[2] = {{0}};
  uint64_t points = 0;
  for (uint64_t block; (block = atomic_fetch_add(&s->next, 1)) <= s->blocks;) {
    int64_t n = 0;
    for (uint64_t i = block * BLOCK; i < (block + 1) * BLOCK; i++) {
      uint64_t bits = i * s->stride;
      if (block < s->blocks && bits > UINT32_MAX) {
        break;
      }
      float v = block < s->blocks ? from_bits((uint32_t)bits) : edge((uint32_t)(i % BLOCK));
      if (s->f->limit > 0 && !(v >= 0x1p-126f && v <= s->f->limit)) {
        continue;
      }
      exact[n] = s->f->reference((double)v);
      x[n++] = v;
    }
    points += (uint64_t)n;
    for (int flush = 0; flush < 2; flush++) {
      run_flushed(s->f, flush, n, y, x);
      for (int64_t i = 0; i < n; i++) {
        /* Read as 0: erf, 1.13 x there, would be normal for some of them. */
        int read_as_0 = flush && fabsf(x[i]) < 0x1p-126f && y[i] == 0 && fabs(exact[i]) < 0x1.3p-126;
        double e = read_as_0 ? 0 : ulps(y[i], exact[i]);
        if (e > w[flush].error) {
          w[flush] = (worst){e, x[i], y[i]};
        }
      }
    }
  }
  atomic_fetch_add(&s->points, points);
  pthread_mutex_lock(&s->lock);
  for (int flush = 0; flush < 2; flush++) {
    if (w[flush].error > s->worst[flush].error) {
      s->worst[flush] = w[flush];
    }
  }
  pthread_mutex_unlock(&s->lock);
  return NULL;
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check_accuracy(const function *f, uint32_t stride) {
  sweep s = {.f = f,
             .stride = stride,
             .blocks = (UINT32_MAX / (uint64_t)stride + BLOCK) / BLOCK,
             .lock = PTHREAD_MUTEX_INITIALIZER};
  double start = seconds();
  pthread_t other;
  int threads = pthread_create(&other, NULL, sweep_thread, &s) == 0;
  sweep_thread(&s);
  if (threads) {
    pthread_join(other, NULL);
  }
  worst w = s.worst[s.worst[1].error > s.worst[0].error];
  uint64_t points = atomic_load(&s.points);
  int good = check(w.error <= BOUND && (f->limit > 0 || points == UINT32_MAX / stride + UINT64_C(1) + BLOCK));
  printf("%-10s %.4f ulp at %.9g (%a): %.9g, exact %.10g; %llu inputs, %.1f s%s\n", f->name, w.error, (double)w.x,
         (double)w.x, (double)w.y, f->reference((double)w.x), (unsigned long long)points, seconds() - start,
         good ? "" : "  FAILED");
  fflush(stdout);
}

/* Values whose result is fixed to the bit (NaN: to being one). */
static void check_specials(void) {
  static const struct {
    const char *name;
    float x, y;
  } cases[] = {
      {"exp", INFINITY, INFINITY},
      {"exp", -INFINITY, 0},
      {"exp", 0, 1},
      {"exp", -0.0f, 1},
      {"exp", 88.7228394f, INFINITY},
      {"exp", -1000, 0},
      {"exp", 3e38f, INFINITY},
      {"exp", -3e38f, 0},
      {"expm1", INFINITY, INFINITY},
      {"expm1", -INFINITY, -1},
      {"expm1", 0, 0},
      {"expm1", -0.0f, -0.0f},
      {"expm1", 3e38f, INFINITY},
      {"expm1", -3e38f, -1},
      {"log", 0, -INFINITY},
      {"log", -0.0f, -INFINITY},
      {"log", INFINITY, INFINITY},
      {"log", -INFINITY, NAN},
      {"log", -1, NAN},
      {"log", -1e-40f, NAN},
      {"log", 1, 0},
      {"log1p", -1, -INFINITY},
      {"log1p", INFINITY, INFINITY},
      {"log1p", -INFINITY, NAN},
      {"log1p", -1.0000001f, NAN},
      {"log1p", 0, 0},
      {"log1p", -0.0f, -0.0f},
      {"log2", 0, -INFINITY},
      {"log2", -0.0f, -INFINITY},
      {"log2", INFINITY, INFINITY},
      {"log2", -INFINITY, NAN},
      {"log2", -1, NAN},
      {"log2", 1, 0},
      {"log2", 8, 3},
      {"log2", 0x1p-126f, -126},
      {"log2", 0x1p-149f, -149},
      {"tanh", INFINITY, 1},
      {"tanh", -INFINITY, -1},
      {"tanh", 0, 0},
      {"tanh", -0.0f, -0.0f},
      {"tanh", 3e38f, 1},
      {"sigmoid", INFINITY, 1},
      {"sigmoid", -INFINITY, 0},
      {"sigmoid", 0, 0.5f},
      {"sigmoid", -0.0f, 0.5f},
      {"sigmoid", -3e38f, 0},
      {"sigmoid", 3e38f, 1},
      {"erf", INFINITY, 1},
      {"erf", -INFINITY, -1},
      {"erf", 0, 0},
      {"erf", -0.0f, -0.0f},
      {"softplus", INFINITY, INFINITY},
      {"softplus", -INFINITY, 0},
      {"softplus", 3e38f, 3e38f},
      {"softplus", -3e38f, 0},
      {"sin", 0, 0},
      {"sin", -0.0f, -0.0f},
      {"sin", INFINITY, NAN},
      {"sin", -INFINITY, NAN},
      {"cos", 0, 1},
      {"cos", -0.0f, 1},
      {"cos", INFINITY, NAN},
      {"cos", -INFINITY, NAN},
      {"rsqrt", INFINITY, 0},
      {"rsqrt", 1, 1},
      {"reciprocal", INFINITY, 0},
      {"reciprocal", -INFINITY, -0.0f},
      {"reciprocal", 1, 1},
      {"reciprocal", -2, -0.5f},
  };
  static const uint32_t nans[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff, 0x7fa00155};
  for (int k = 0; k < FUNCTIONS; k++) {
    for (int flush = 0; flush < 2; flush++) {
      for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(cases[i].name, functions[k].name) == 0) {
          float y, x = cases[i].x;
          run_flushed(&functions[k], flush, 1, &y, &x);
          if (!check(isnan(cases[i].y) ? isnan(y) : to_bits(y) == to_bits(cases[i].y))) {
            printf("%s(%g) is %.9g, not %g; flush %d  FAILED\n", cases[i].name, (double)x, (double)y,
                   (double)cases[i].y, flush);
          }
        }
      }
      for (size_t i = 0; i < sizeof nans / sizeof *nans; i++) {
        float y, x = from_bits(nans[i]);
        run_flushed(&functions[k], flush, 1, &y, &x);
        if (!check(isnan(y))) {
          printf("%s(NaN %08x) is %g; flush %d  FAILED\n", functions[k].name, nans[i], (double)y, flush);
        }
      }
    }
  }
}

/* The same values, ordinary and special ones mixed, moved through every lane and through vectors of every length: each
 * must give the same bits, NaN too. */
static void check_lanes(const function *f) {
  enum { N = 1024 };
  static float x[N + KL_LANES], expected[N], moved[N + KL_LANES], y[N + KL_LANES];
  uint32_t state = 12345;
  for (int i = 0; i < N; i++) {
    state = state * 1664525u + 1013904223u;
    float unit = (float)(state >> 8) * 0x1p-24f;
    x[i] = i % 7 == 0 ? from_bits(state) : f->low + unit * (f->high - f->low);
  }
  static const float special[] = {0, -0.0f, INFINITY, -INFINITY, NAN, 1e-40f, -1e-40f, 3e38f, -3e38f, -1, 1, 20000};
  for (int i = 0; i < (int)(sizeof special / sizeof *special); i++) {
    x[17 * i + 3] = special[i];
  }
  for (int i = 0; i < N; i++) {
    float same[KL_LANES], out[KL_LANES];
    for (int lane = 0; lane < KL_LANES; lane++) {
      same[lane] = x[i];
    }
    run_flushed(f, 1, KL_LANES, out, same);
    expected[i] = out[0];
  }
  int good = 1;
  for (int shift = 0; shift < KL_LANES; shift++) {
    /* 5 and N have no common factor: a permutation.  Through an array, as clang 14 at -O3 miscompiles the direct form.
     */
    static int place[N];
    for (int i = 0; i < N; i++) {
      place[i] = (i * 5 + shift) % N;
    }
    for (int i = 0; i < N; i++) {
      moved[place[i]] = x[i];
    }
    run_flushed(f, 1, N, y, moved);
    for (int i = 0; i < N; i++) {
      good &= to_bits(y[place[i]]) == to_bits(expected[i]);
    }
  }
  for (int start = 0; start < N; start++) {
    int length = 1 + start % (2 * KL_LANES);
    length = length < N - start ? length : N - start;
    run_flushed(f, 1, length, y, x + start);
    for (int i = 0; i < length; i++) {
      good &= to_bits(y[i]) == to_bits(expected[start + i]);
    }
  }
  if (!check(good)) {
    printf("%s: bits depend on the lane or the neighbours  FAILED\n", f->name);
  }
}

/* The core's clock from a chain of dependent additions, one cycle each, in GHz. */
static double clock_ghz(void) {
  double best = 0;
  for (int round = 0; round < 20; round++) {
    uint64_t a = 1;
    double start = seconds();
    for (int i = 0; i < 1000000; i++) {
      a += (uint64_t)i;
      __asm__ volatile("" : "+r"(a));
    }
    double ghz = 1e6 / (seconds() - start) * 1e-9;
    best = ghz > best ? ghz : best;
  }
  return best;
}

static void time_functions(void) {
  static float x[BLOCK], y[BLOCK];
  double ghz = clock_ghz();
  printf("%s, %.2f GHz\n", ISA, ghz);
  flush_subnormals(1);
  for (int k = 0; k < FUNCTIONS; k++) {
    const function *f = &functions[k];
    uint32_t state = 1;
    for (int i = 0; i < BLOCK; i++) {
      state = state * 1664525u + 1013904223u;
      x[i] = f->low + (float)(state >> 8) * 0x1p-24f * (f->high - f->low);
    }
    double best = INFINITY;
    for (int round = 0; round < 300; round++) {
      double start = seconds();
      for (int i = 0; i < 20; i++) {
        f->run(BLOCK, y, x);
        __asm__ volatile("" ::"r"(y) : "memory");
      }
      double t = (seconds() - start) / 20 / BLOCK * 1e9;
      best = t < best ? t : best;
    }
    printf("%-10s %.3f ns, %.2f cycles\n", f->name, best, best * ghz);
  }
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "time") == 0) {
    time_functions();
    return 0;
  }
  uint32_t stride = argc > 1 && strcmp(argv[1], "all") == 0 ? 1 : SAMPLE_STRIDE;
  check_specials();
  for (int k = 0; k < FUNCTIONS; k++) {
    check_lanes(&functions[k]);
  }
  for (int k = 0; k < FUNCTIONS; k++) {
    if (argc < 3 || strcmp(argv[2], functions[k].name) == 0) {
      check_accuracy(&functions[k], stride);
    }
  }
  printf("vmath %s: %d passed, %d failed\n", ISA, checks - failures, failures);
  return failures != 0;
}
