/* Reduction kernels: how a chunk of contiguous elements becomes one cell.  Compiled once per instruction set.
 *
 * A chunk of floats is summed in four vectors of accumulators that take vectors in turn, joined as (0+1)+(2+3) and then
 * by halves: the worst error is that of about chunk / (4 lanes) + log2 additions.  Chunks are added in double. */
#include <math.h>

#include "device/cpu/reduce_walk.h"
#include "device/cpu/simd.h"

static kl_cell sum_row_f32(int64_t n, const void *data) {
  const float *x = data;
  kl_vf s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
  int64_t i = 0;
  for (; i + 4 * KL_LANES <= n; i += 4 * KL_LANES) {
    s0 += vf_load(x + i);
    s1 += vf_load(x + i + KL_LANES);
    s2 += vf_load(x + i + 2 * KL_LANES);
    s3 += vf_load(x + i + 3 * KL_LANES);
  }
  kl_vf rest[4] = {{0}, {0}, {0}, {0}};
  memcpy(rest, x + i, (size_t)(n - i) * sizeof *x);
  s0 += rest[0];
  s1 += rest[1];
  s2 += rest[2];
  s3 += rest[3];
  return (kl_cell){.number = (double)vf_sum((s0 + s1) + (s2 + s3))};
}

static kl_cell sum_row_f64(int64_t n, const void *data) {
  const double *x = data;
  kl_vd s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
  int64_t i = 0;
  for (; i + 4 * KL_DLANES <= n; i += 4 * KL_DLANES) {
    s0 += vd_load(x + i);
    s1 += vd_load(x + i + KL_DLANES);
    s2 += vd_load(x + i + 2 * KL_DLANES);
    s3 += vd_load(x + i + 3 * KL_DLANES);
  }
  kl_vd rest[4] = {{0}, {0}, {0}, {0}};
  memcpy(rest, x + i, (size_t)(n - i) * sizeof *x);
  s0 += rest[0];
  s1 += rest[1];
  s2 += rest[2];
  s3 += rest[3];
  return (kl_cell){.number = vd_sum((s0 + s1) + (s2 + s3))};
}

/* Integers wrap as unsigned 64-bit and are cut to the output's width at the end. */
#define INTEGER_ROW(name, type, start, step)         \
  static kl_cell name(int64_t n, const void *data) { \
    const type *x = data;                            \
    uint64_t s = (start);                            \
    for (int64_t i = 0; i < n; i++) {                \
      const uint64_t a = (uint64_t)x[i];             \
      s = (step);                                    \
    }                                                \
    return (kl_cell){.integer = (int64_t)s};         \
  }

INTEGER_ROW(sum_row_i32, int32_t, 0, s + a)
INTEGER_ROW(sum_row_i64, int64_t, 0, s + a)
INTEGER_ROW(sum_row_u8, uint8_t, 0, s + a)

/* Columns: accumulators of type `acc` take elements of type `type`. */
#define COLUMNS(name, type, acc, field, cast, step)                           \
  static void name##_begin(int64_t n, const void *data, void *accumulators) { \
    const type *x = data;                                                     \
    acc *y = accumulators;                                                    \
    for (int64_t i = 0; i < n; i++) {                                         \
      y[i] = (acc)x[i];                                                       \
    }                                                                         \
  }                                                                           \
  static void name##_fold(int64_t n, const void *data, void *accumulators) {  \
    const type *x = data;                                                     \
    acc *y = accumulators;                                                    \
    for (int64_t i = 0; i < n; i++) {                                         \
      const acc s = y[i], a = (acc)x[i];                                      \
      y[i] = (step);                                                          \
    }                                                                         \
  }                                                                           \
  static kl_cell name##_cell(const void *accumulators, int64_t i) {           \
    return (kl_cell){.field = (cast)((const acc *)accumulators)[i]};          \
  }

COLUMNS(sum_f32, float, float, number, double, s + a)
COLUMNS(sum_f64, double, double, number, double, s + a)
COLUMNS(sum_i32, int32_t, uint64_t, integer, int64_t, s + a)
COLUMNS(sum_i64, int64_t, uint64_t, integer, int64_t, s + a)
COLUMNS(sum_u8, uint8_t, uint64_t, integer, int64_t, s + a)

static kl_cell add_numbers(kl_cell a, kl_cell b) { return (kl_cell){.number = a.number + b.number}; }
static kl_cell add_integers(kl_cell a, kl_cell b) {
  return (kl_cell){.integer = (int64_t)((uint64_t)a.integer + (uint64_t)b.integer)};
}

#define FINISH(name, type, formula)                          \
  static void name(kl_cell cell, int64_t count, void *out) { \
    (void)count;                                             \
    *(type *)out = (type)(formula);                          \
  }

FINISH(finish_f32, float, cell.number)
FINISH(finish_f64, double, cell.number)
FINISH(finish_i32, int32_t, cell.integer)
FINISH(finish_i64, int64_t, cell.integer)
FINISH(finish_mean_f32, float, cell.number / (double)count)
FINISH(finish_mean_f64, double, cell.number / (double)count)

#define REDUCER(name, start, adder, finisher)                                                         \
  {                                                                                                   \
    .identity = start, .row = sum_row_##name, .begin = sum_##name##_begin, .fold = sum_##name##_fold, \
    .cell = sum_##name##_cell, .merge = adder, .finish = finisher,                                    \
  }
#define ZERO \
  { .number = 0 }
#define ZERO_INTEGER \
  { .integer = 0 }

static kl_status run_sum(const kl_call *c) {
  static const kl_reducer reducers[KL_DTYPE_COUNT] = {
      [KL_BOOL] = REDUCER(u8, ZERO_INTEGER, add_integers, finish_i32),
      [KL_UINT8] = REDUCER(u8, ZERO_INTEGER, add_integers, finish_i32),
      [KL_INT32] = REDUCER(i32, ZERO_INTEGER, add_integers, finish_i32),
      [KL_INT64] = REDUCER(i64, ZERO_INTEGER, add_integers, finish_i64),
      [KL_FLOAT32] = REDUCER(f32, ZERO, add_numbers, finish_f32),
      [KL_FLOAT64] = REDUCER(f64, ZERO, add_numbers, finish_f64),
  };
  return kl_reduce_run(c, &reducers[c->in[0].dtype]);
}

static kl_status run_mean(const kl_call *c) {
  static const kl_reducer f32 = REDUCER(f32, ZERO, add_numbers, finish_mean_f32);
  static const kl_reducer f64 = REDUCER(f64, ZERO, add_numbers, finish_mean_f64);
  return kl_reduce_run(c, c->in[0].dtype == KL_FLOAT32 ? &f32 : &f64);
}

const kl_kernel KL_K(sum) = {.run = run_sum, .scratch = kl_reduce_scratch};
const kl_kernel KL_K(mean) = {.run = run_mean, .scratch = kl_reduce_scratch};
