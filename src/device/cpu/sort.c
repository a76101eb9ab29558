/* Sorting lines.  Compiled once per instruction set only because the table is.
 *
 * An element becomes a record of a key, unsigned and in the order of src/op/sort.c, and its position in the line.
 * Records are sorted; values are then fetched by position, so a NaN or a -0 stays what it was.  All records of a line
 * differ and their order is total: the result does not depend on how the work is cut, which is by size. */
#include <string.h>

#include "base/size.h"
#include "device/cpu/pool.h"
#include "device/cpu/simd.h"
#include "device/cpu/tiles.h"

#define CHUNK 32768 /* elements sorted at a time; a longer line is merged of such runs, by all threads */
#define PIECE 8192  /* elements of a merge that are one block of the pool; divides CHUNK */
#define BLOCK 8192  /* elements per block of the pool, of shorter lines */
#define MAX_BLOCKS 64
#define BUFFER 256

typedef struct wide {
  uint64_t key;
  int64_t at;
} wide;

/* A line's elements [first, first + n) as records; flip exchanges ascending and descending. */
typedef void records_of(const char *x, int64_t step, int64_t first, int64_t n, bool flip, void *records);

/* Narrow records are one number: the key above the position. */
#define NARROW(name, type, formula)                                                                   \
  static void name(const char *x, int64_t step, int64_t first, int64_t n, bool flip, void *records) { \
    uint64_t *out = records;                                                                          \
    const uint32_t mask = flip ? ~(uint32_t)0 : 0;                                                    \
    for (int64_t i = 0; i < n; i++) {                                                                 \
      type u;                                                                                         \
      memcpy(&u, x + (first + i) * step, sizeof u);                                                   \
      const uint32_t key = formula;                                                                   \
      out[i] = (uint64_t)(key ^ mask) << 32 | (uint64_t)(first + i);                                  \
    }                                                                                                 \
  }
#define WIDE(name, formula)                                                                           \
  static void name(const char *x, int64_t step, int64_t first, int64_t n, bool flip, void *records) { \
    wide *out = records;                                                                              \
    const uint64_t mask = flip ? ~(uint64_t)0 : 0;                                                    \
    for (int64_t i = 0; i < n; i++) {                                                                 \
      uint64_t u;                                                                                     \
      memcpy(&u, x + (first + i) * step, sizeof u);                                                   \
      const uint64_t key = formula;                                                                   \
      out[i] = (wide){key ^ mask, first + i};                                                         \
    }                                                                                                 \
  }

/* Of floats by their bits, so that subnormals count though kernels flush them: negative ones turned over, positive ones
 * above them, -0 taken for 0 and all NaNs for the last. */
#define SIGN32 0x80000000u
#define SIGN64 0x8000000000000000u
static uint32_t float_key(uint32_t u) {
  if ((u & ~SIGN32) > 0x7f800000u) {
    return ~(uint32_t)0;
  }
  return u > SIGN32 ? ~u : u | SIGN32; /* -0 | the sign is -0, as 0 | the sign is */
}
static uint64_t double_key(uint64_t u) {
  if ((u & ~SIGN64) > 0x7ff0000000000000u) {
    return ~(uint64_t)0;
  }
  return u > SIGN64 ? ~u : u | SIGN64;
}

NARROW(records_f32, uint32_t, float_key(u))
NARROW(records_i32, uint32_t, u ^ SIGN32)
NARROW(records_u8, uint8_t, u)
WIDE(records_f64, double_key(u))
WIDE(records_i64, u ^ SIGN64)

#define REC uint64_t
#define NAME(f) narrow_##f
#define LESS(a, b) ((a) < (b))
#define DIGITS 4
#define DIGIT(r, i) ((r) >> (32 + 8 * (i)) & 0xff)
#include "device/cpu/sort_body.h"
#undef REC
#undef NAME
#undef LESS
#undef DIGITS
#undef DIGIT

#define REC wide
#define NAME(f) wide_##f
#define LESS(a, b) ((a).key < (b).key || ((a).key == (b).key && (a).at < (b).at))
#define DIGITS 8
#define DIGIT(r, i) ((r).key >> (8 * (i)) & 0xff)
#include "device/cpu/sort_body.h"
#undef REC
#undef NAME
#undef LESS
#undef DIGITS
#undef DIGIT

typedef struct methods {
  size_t size; /* of a record */
  void (*sort)(void *records, void *other, int64_t n);
  void (*merge_piece)(const void *from, int64_t n, int64_t width, int64_t at, int64_t count, void *to);
  int64_t (*offer)(void *kept, int64_t k, int64_t held, const void *offered, int64_t n); /* how many are held then */
  void (*order)(void *kept, int64_t k);
} methods;

static const methods narrow_methods = {sizeof(uint64_t), narrow_sort, narrow_merge_piece, narrow_offer, narrow_order};
static const methods wide_methods = {sizeof(wide), wide_sort, wide_merge_piece, wide_offer, wide_order};

/* A call: lines of n elements along an axis, of whose order the first k places are wanted. */
typedef struct job {
  const kl_call *c;
  const methods *m;
  records_of *records;
  bool flip;
  int axis;
  size_t size;                    /* bytes of an element */
  int64_t n, k, lines, per_block; /* per_block: lines */
  int64_t in_step, out_step;      /* along the axis: bytes of x, elements of the results */
  char *values;                   /* a result, or NULL */
  int32_t *positions;             /* likewise */
  /* Of the line that all threads work on: */
  const char *x;
  int64_t out_at, width;
  char *from, *to; /* n records each */
} job;

static records_of *const makers[KL_DTYPE_COUNT] = {
    [KL_FLOAT32] = records_f32, [KL_FLOAT64] = records_f64, [KL_INT32] = records_i32,
    [KL_INT64] = records_i64,   [KL_UINT8] = records_u8,    [KL_BOOL] = records_u8};

static bool is_wide(kl_dtype dtype) { return kl_dtype_size(dtype) == 8; }

static void job_begin(job *j, const kl_call *c, int axis, int64_t k, bool flip) {
  const kl_view *x = &c->in[0], *out = &c->out[0];
  *j = (job){.c = c, .axis = axis, .k = k, .flip = flip, .size = kl_dtype_size(x->dtype), .lines = 1};
  j->records = makers[x->dtype];
  j->m = is_wide(x->dtype) ? &wide_methods : &narrow_methods;
  j->n = x->shape.dim[axis];
  j->in_step = x->strides[axis] * (int64_t)j->size;
  j->out_step = out->strides[axis];
  for (int i = 0; i < x->shape.ndim; i++) {
    j->lines *= i == axis ? 1 : x->shape.dim[i];
  }
  j->per_block = kl_max_i64(BLOCK / kl_max_i64(j->n, 1), 1);
  j->per_block = kl_max_i64(j->per_block, kl_div_up(j->lines, MAX_BLOCKS));
}

/* Few places of many are kept in a heap while the line is read; else it is sorted. */
static bool keeps_few(const job *j, int64_t n) { return j->k <= n / 8; }

static const char *line_begin(const job *j, int64_t line, int64_t *out_at) {
  const kl_view *x = &j->c->in[0], *out = &j->c->out[0];
  int64_t in_at = 0;
  *out_at = 0;
  for (int i = x->shape.ndim - 1; i >= 0; i--) {
    if (i != j->axis) {
      int64_t at = line % x->shape.dim[i];
      line /= x->shape.dim[i];
      in_at += at * x->strides[i];
      *out_at += at * out->strides[i];
    }
  }
  return (const char *)x->data + in_at * (int64_t)j->size;
}

static int64_t position_of(const job *j, const char *records, int64_t i) {
  return j->m == &wide_methods ? ((const wide *)records)[i].at
                               : (int64_t)(((const uint64_t *)records)[i] & 0xffffffffu);
}

#define FETCH(type)                                                                   \
  for (int64_t i = first; i < end; i++) {                                             \
    type v;                                                                           \
    memcpy(&v, x + position_of(j, records, i) * j->in_step, sizeof v);                \
    memcpy(j->values + (out_at + i * j->out_step) * (int64_t)sizeof v, &v, sizeof v); \
  }

/* Places [first, end) of a line to the results. */
static void emit(const job *j, const char *x, const char *records, int64_t first, int64_t end, int64_t out_at) {
  for (int64_t i = first; i < end && j->positions != NULL; i++) {
    j->positions[out_at + i * j->out_step] = (int32_t)position_of(j, records, i);
  }
  if (j->values != NULL) {
    switch (j->size) {
      case 1:
        FETCH(uint8_t)
        break;
      case 4:
        FETCH(uint32_t)
        break;
      default:
        FETCH(uint64_t)
    }
  }
}

/* The k least records of elements [first, first + n), not in order. */
static void keep_few(const job *j, const char *x, int64_t first, int64_t n, char *kept) {
  wide buffer[BUFFER];
  int64_t held = 0;
  for (int64_t i = 0; i < n; i += BUFFER) {
    int64_t count = kl_min_i64(BUFFER, n - i);
    j->records(x, j->in_step, first + i, count, j->flip, buffer);
    held = j->m->offer(kept, j->k, held, buffer, count);
  }
}

static void run_lines(void *context, int64_t block) {
  const job *j = context;
  size_t room = (size_t)j->n * j->m->size;
  char *records = (char *)j->c->scratch + (size_t)block * 2 * room;
  int64_t end = kl_min_i64(j->lines, (block + 1) * j->per_block);
  for (int64_t line = block * j->per_block; line < end; line++) {
    int64_t out_at;
    const char *x = line_begin(j, line, &out_at);
    if (keeps_few(j, j->n)) {
      keep_few(j, x, 0, j->n, records);
      j->m->order(records, j->k);
    } else {
      j->records(x, j->in_step, 0, j->n, j->flip, records);
      j->m->sort(records, records + room, j->n);
    }
    emit(j, x, records, 0, j->k, out_at);
  }
}

static void few_of_chunk(void *context, int64_t chunk) {
  const job *j = context;
  int64_t first = chunk * CHUNK, n = kl_min_i64(CHUNK, j->n - first);
  char *kept = j->from + (size_t)(chunk * j->k) * j->m->size;
  if (n > j->k) {
    keep_few(j, j->x, first, n, kept);
  } else {
    j->records(j->x, j->in_step, first, n, j->flip, kept);
  }
}

static void sort_chunk(void *context, int64_t chunk) {
  const job *j = context;
  int64_t first = chunk * CHUNK, n = kl_min_i64(CHUNK, j->n - first);
  size_t at = (size_t)first * j->m->size;
  j->records(j->x, j->in_step, first, n, j->flip, j->from + at);
  j->m->sort(j->from + at, j->to + at, n);
}

static void merge_block(void *context, int64_t piece) {
  const job *j = context;
  int64_t at = piece * PIECE;
  j->m->merge_piece(j->from, j->n, j->width, at, kl_min_i64(PIECE, j->n - at), j->to);
}

static void emit_block(void *context, int64_t piece) {
  const job *j = context;
  emit(j, j->x, j->from, piece * PIECE, kl_min_i64(j->k, (piece + 1) * PIECE), j->out_at);
}

static void run_long_line(job *j) {
  int64_t chunks = kl_div_up(j->n, CHUNK);
  j->from = j->c->scratch;
  j->to = j->from + (size_t)j->n * j->m->size;
  if (keeps_few(j, CHUNK)) {
    kl_pool_run(chunks, few_of_chunk, j);
    int64_t rest = kl_min_i64(j->k, j->n - (chunks - 1) * CHUNK);
    j->m->offer(j->to, j->k, 0, j->from, (chunks - 1) * j->k + rest);
    j->m->order(j->to, j->k);
    emit(j, j->x, j->to, 0, j->k, j->out_at);
    return;
  }
  kl_pool_run(chunks, sort_chunk, j);
  for (j->width = CHUNK; j->width < j->n; j->width *= 2) {
    kl_pool_run(kl_div_up(j->n, PIECE), merge_block, j);
    char *swap = j->from;
    j->from = j->to;
    j->to = swap;
  }
  kl_pool_run(kl_div_up(j->k, PIECE), emit_block, j);
}

static kl_status run_job(job *j) {
  if (j->lines == 0 || j->k == 0) {
    return KL_OK;
  }
  for (int64_t line = 0; line < j->lines && j->n > CHUNK; line++) {
    j->x = line_begin(j, line, &j->out_at);
    run_long_line(j);
  }
  if (j->n > CHUNK) {
    return KL_OK;
  }
  int64_t blocks = kl_div_up(j->lines, j->per_block);
  if (j->lines * j->n <= BLOCK / 2) {
    for (int64_t block = 0; block < blocks; block++) {
      run_lines(j, block);
    }
  } else {
    kl_pool_run(blocks, run_lines, j);
  }
  return KL_OK;
}

/* Two rooms for the records of a line, for each block that may run at a time. */
static size_t job_scratch(const job *j) {
  size_t blocks = j->n > CHUNK ? 1 : (size_t)kl_div_up(j->lines, j->per_block);
  return blocks * 2 * (size_t)j->n * j->m->size;
}

static void begin_sort(job *j, const kl_call *c) {
  int axis = (int)c->attrs[0].v[0];
  job_begin(j, c, axis, c->in[0].shape.dim[axis], false);
}

static void begin_top_k(job *j, const kl_call *c) { job_begin(j, c, c->in[0].shape.ndim - 1, c->attrs[0].v[0], true); }

static kl_status run_sort(const kl_call *c) {
  job j;
  begin_sort(&j, c);
  j.values = c->out[0].data;
  return run_job(&j);
}

static kl_status run_argsort(const kl_call *c) {
  job j;
  begin_sort(&j, c);
  j.positions = c->out[0].data;
  return run_job(&j);
}

static size_t sort_scratch(const kl_call *c) {
  job j;
  begin_sort(&j, c);
  return job_scratch(&j);
}

const kl_kernel KL_K(sort) = {.run = run_sort, .scratch = sort_scratch};
const kl_kernel KL_K(argsort) = {.run = run_argsort, .scratch = sort_scratch};

static kl_status run_top_k(const kl_call *c) {
  job j;
  begin_top_k(&j, c);
  j.values = c->out[0].data;
  j.positions = c->out[1].data;
  return run_job(&j);
}

static size_t top_k_scratch(const kl_call *c) {
  job j;
  begin_top_k(&j, c);
  return job_scratch(&j);
}

const kl_kernel KL_K(top_k) = {.run = run_top_k, .scratch = top_k_scratch};

/* searchsorted: binary search among the keys of the sequence. */
typedef struct search {
  const kl_call *c;
  const uint64_t *keys; /* of the sequence */
  const char *values;   /* contiguous */
  int64_t n, count;
} search;

/* The keys of n elements of a line, in the place of their records. */
static void keys_of(kl_dtype dtype, const char *x, int64_t step, int64_t first, int64_t n, uint64_t *keys) {
  wide buffer[BUFFER];
  for (int64_t i = 0; i < n; i += BUFFER) {
    int64_t count = kl_min_i64(BUFFER, n - i);
    makers[dtype](x, step, first + i, count, false, buffer);
    for (int64_t k = 0; k < count; k++) {
      keys[i + k] = is_wide(dtype) ? buffer[k].key : ((const uint64_t *)(const void *)buffer)[k] >> 32;
    }
  }
}

static void search_block(void *context, int64_t block) {
  const search *s = context;
  const kl_view *values = &s->c->in[1];
  const bool right = s->c->attrs[0].v[0] != 0;
  int64_t first = block * BLOCK, n = kl_min_i64(BLOCK, s->count - first);
  uint64_t keys[BUFFER];
  for (int64_t i = 0; i < n; i += BUFFER) {
    int64_t count = kl_min_i64(BUFFER, n - i);
    keys_of(values->dtype, s->values, (int64_t)kl_dtype_size(values->dtype), first + i, count, keys);
    for (int64_t k = 0; k < count; k++) {
      int64_t low = 0, high = s->n;
      while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (s->keys[middle] < keys[k] || (right && s->keys[middle] == keys[k])) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      ((int32_t *)s->c->out[0].data)[first + i + k] = (int32_t)low;
    }
  }
}

static kl_status run_searchsorted(const kl_call *c) {
  const kl_view *sequence = &c->in[0], *values = &c->in[1];
  search s = {.c = c, .keys = c->scratch, .n = sequence->shape.dim[0], .count = kl_shape_numel(&values->shape)};
  size_t size = kl_dtype_size(sequence->dtype);
  keys_of(sequence->dtype, sequence->data, sequence->strides[0] * (int64_t)size, 0, s.n, c->scratch);
  char *copy = (char *)c->scratch + (size_t)s.n * sizeof(uint64_t);
  kl_tiles_gather(values, copy);
  s.values = copy;
  kl_pool_run(kl_div_up(s.count, BLOCK), search_block, &s);
  return KL_OK;
}

static size_t searchsorted_scratch(const kl_call *c) {
  return (size_t)c->in[0].shape.dim[0] * sizeof(uint64_t) +
         (size_t)kl_shape_numel(&c->in[1].shape) * kl_dtype_size(c->in[1].dtype);
}

const kl_kernel KL_K(searchsorted) = {.run = run_searchsorted, .scratch = searchsorted_scratch};
