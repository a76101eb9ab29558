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

/* Products.  Floats are multiplied in double: no reordering for speed, one rounding to float32 at the end. */
#define NUMBER_ROW(name, type, start, step)          \
  static kl_cell name(int64_t n, const void *data) { \
    const type *x = data;                            \
    double s = (start);                              \
    for (int64_t i = 0; i < n; i++) {                \
      const double a = (double)x[i];                 \
      s = (step);                                    \
    }                                                \
    return (kl_cell){.number = s};                   \
  }
NUMBER_ROW(prod_row_f32, float, 1, s *a)
NUMBER_ROW(prod_row_f64, double, 1, s *a)
INTEGER_ROW(prod_row_i32, int32_t, 1, s *a)
INTEGER_ROW(prod_row_i64, int64_t, 1, s *a)
INTEGER_ROW(prod_row_u8, uint8_t, 1, s *a)
COLUMNS(prod_f32, float, double, number, double, s *a)
COLUMNS(prod_f64, double, double, number, double, s *a)
COLUMNS(prod_i32, int32_t, uint64_t, integer, int64_t, s *a)
COLUMNS(prod_i64, int64_t, uint64_t, integer, int64_t, s *a)
COLUMNS(prod_u8, uint8_t, uint64_t, integer, int64_t, s *a)
static kl_cell multiply_numbers(kl_cell a, kl_cell b) { return (kl_cell){.number = a.number * b.number}; }
static kl_cell multiply_integers(kl_cell a, kl_cell b) {
  return (kl_cell){.integer = (int64_t)((uint64_t)a.integer * (uint64_t)b.integer)};
}

/* Extrema: order does not matter, so lanes are free; a NaN stays. */
#define SIGNED_ROW(name, type, step)                 \
  static kl_cell name(int64_t n, const void *data) { \
    const type *x = data;                            \
    int64_t s = (int64_t)x[0];                       \
    for (int64_t i = 1; i < n; i++) {                \
      const int64_t a = (int64_t)x[i];               \
      s = (step);                                    \
    }                                                \
    return (kl_cell){.integer = s};                  \
  }
#define EXTREMUM(op, vf_op, compare)                                               \
  static kl_cell op##_row_f32(int64_t n, const void *data) {                       \
    const float *x = data;                                                         \
    kl_vf s = vf_set(x[0]);                                                        \
    int64_t i = 0;                                                                 \
    for (; i + KL_LANES <= n; i += KL_LANES) {                                     \
      s = vf_op(s, vf_load(x + i));                                                \
    }                                                                              \
    float y = s[0];                                                                \
    for (int lane = 1; lane < KL_LANES; lane++) {                                  \
      y = y compare s[lane] || y != y ? y : s[lane];                               \
    }                                                                              \
    for (; i < n; i++) {                                                           \
      y = y compare x[i] || y != y ? y : x[i];                                     \
    }                                                                              \
    return (kl_cell){.number = (double)y};                                         \
  }                                                                                \
  NUMBER_ROW(op##_row_f64, double, x[0], s compare a || s != s ? s : a)            \
  SIGNED_ROW(op##_row_i32, int32_t, s compare a ? s : a)                           \
  SIGNED_ROW(op##_row_i64, int64_t, s compare a ? s : a)                           \
  SIGNED_ROW(op##_row_u8, uint8_t, s compare a ? s : a)                            \
  COLUMNS(op##_f32, float, float, number, double, s compare a || s != s ? s : a)   \
  COLUMNS(op##_f64, double, double, number, double, s compare a || s != s ? s : a) \
  COLUMNS(op##_i32, int32_t, int64_t, integer, int64_t, s compare a ? s : a)       \
  COLUMNS(op##_i64, int64_t, int64_t, integer, int64_t, s compare a ? s : a)       \
  COLUMNS(op##_u8, uint8_t, int64_t, integer, int64_t, s compare a ? s : a)        \
  static kl_cell op##_numbers(kl_cell a, kl_cell b) {                              \
    return a.number compare b.number || a.number != a.number ? a : b;              \
  }                                                                                \
  static kl_cell op##_integers(kl_cell a, kl_cell b) { return a.integer compare b.integer ? a : b; }

EXTREMUM(max, vf_maximum, >)
EXTREMUM(min, vf_minimum, <)

INTEGER_ROW(any_row_u8, uint8_t, 0, s | a)
COLUMNS(any_u8, uint8_t, uint8_t, integer, int64_t, s | a)
static kl_cell any_integers(kl_cell a, kl_cell b) { return (kl_cell){.integer = a.integer | b.integer}; }
INTEGER_ROW(all_row_u8, uint8_t, 1, s &a)
COLUMNS(all_u8, uint8_t, uint8_t, integer, int64_t, s &a)
static kl_cell all_integers(kl_cell a, kl_cell b) { return (kl_cell){.integer = a.integer & b.integer}; }

#define FINISH(name, type, formula)                          \
  static void name(kl_cell cell, int64_t count, void *out) { \
    (void)count;                                             \
    *(type *)out = (type)(formula);                          \
  }

FINISH(finish_f32, float, cell.number)
FINISH(finish_f64, double, cell.number)
FINISH(finish_i32, int32_t, cell.integer)
FINISH(finish_i64, int64_t, cell.integer)
FINISH(finish_u8, uint8_t, cell.integer)
FINISH(finish_mean_f32, float, cell.number / (double)count)
FINISH(finish_mean_f64, double, cell.number / (double)count)

#define REDUCER(op, name, start, merger, finisher)                                                       \
  {                                                                                                      \
    .identity = start, .row = op##_row_##name, .begin = op##_##name##_begin, .fold = op##_##name##_fold, \
    .cell = op##_##name##_cell, .merge = merger, .finish = finisher,                                     \
  }
#define NUMBER(x) \
  { .number = (x) }
#define INTEGER(x) \
  { .integer = (x) }

/* The kernel of an op from its run_<op>_from. */
#define REDUCTION(op)                                                                            \
  static kl_status run_##op(const kl_call *c) { return run_##op##_from(c, NULL); }               \
  static const kl_reduction op##_reduction = {.takes = kl_reduce_takes, .run = run_##op##_from}; \
  const kl_kernel KL_K(op) = {.run = run_##op, .scratch = kl_reduce_scratch, .reduction = &op##_reduction};

/* Sums and products: bool and uint8 give int32. */
#define ADDITIVE(op, neutral, numbers, integers)                                \
  static kl_status run_##op##_from(const kl_call *c, const kl_elements *from) { \
    static const kl_reducer reducers[KL_DTYPE_COUNT] = {                        \
        [KL_BOOL] = REDUCER(op, u8, INTEGER(neutral), integers, finish_i32),    \
        [KL_UINT8] = REDUCER(op, u8, INTEGER(neutral), integers, finish_i32),   \
        [KL_INT32] = REDUCER(op, i32, INTEGER(neutral), integers, finish_i32),  \
        [KL_INT64] = REDUCER(op, i64, INTEGER(neutral), integers, finish_i64),  \
        [KL_FLOAT32] = REDUCER(op, f32, NUMBER(neutral), numbers, finish_f32),  \
        [KL_FLOAT64] = REDUCER(op, f64, NUMBER(neutral), numbers, finish_f64),  \
    };                                                                          \
    return kl_reduce_run(c, &reducers[c->in[0].dtype], from);                   \
  }                                                                             \
  REDUCTION(op)

ADDITIVE(sum, 0, add_numbers, add_integers)
ADDITIVE(prod, 1, multiply_numbers, multiply_integers)

/* Extrema keep the type; they are never asked of nothing. */
#define EXTREMAL(op)                                                            \
  static kl_status run_##op##_from(const kl_call *c, const kl_elements *from) { \
    static const kl_reducer reducers[KL_DTYPE_COUNT] = {                        \
        [KL_BOOL] = REDUCER(op, u8, INTEGER(0), op##_integers, finish_u8),      \
        [KL_UINT8] = REDUCER(op, u8, INTEGER(0), op##_integers, finish_u8),     \
        [KL_INT32] = REDUCER(op, i32, INTEGER(0), op##_integers, finish_i32),   \
        [KL_INT64] = REDUCER(op, i64, INTEGER(0), op##_integers, finish_i64),   \
        [KL_FLOAT32] = REDUCER(op, f32, NUMBER(0), op##_numbers, finish_f32),   \
        [KL_FLOAT64] = REDUCER(op, f64, NUMBER(0), op##_numbers, finish_f64),   \
    };                                                                          \
    return kl_reduce_run(c, &reducers[c->in[0].dtype], from);                   \
  }                                                                             \
  REDUCTION(op)

EXTREMAL(max)
EXTREMAL(min)

static kl_status run_mean_from(const kl_call *c, const kl_elements *from) {
  static const kl_reducer f32 = REDUCER(sum, f32, NUMBER(0), add_numbers, finish_mean_f32);
  static const kl_reducer f64 = REDUCER(sum, f64, NUMBER(0), add_numbers, finish_mean_f64);
  return kl_reduce_run(c, c->in[0].dtype == KL_FLOAT32 ? &f32 : &f64, from);
}
REDUCTION(mean)

static kl_status run_any_from(const kl_call *c, const kl_elements *from) {
  static const kl_reducer reducer = REDUCER(any, u8, INTEGER(0), any_integers, finish_u8);
  return kl_reduce_run(c, &reducer, from);
}
REDUCTION(any)

static kl_status run_all_from(const kl_call *c, const kl_elements *from) {
  static const kl_reducer reducer = REDUCER(all, u8, INTEGER(1), all_integers, finish_u8);
  return kl_reduce_run(c, &reducer, from);
}
REDUCTION(all)
