/* Gathering and scattering.  Compiled once per instruction set only because the table is.
 *
 * Indices are checked before anything is written.  Scattering is serial: equal indices add up in their order. */
#include <string.h>

#include "base/size.h"
#include "device/cpu/pool.h"
#include "device/cpu/simd.h"
#include "device/cpu/tiles.h"

/* Walks the positions of a shape in C order with the offsets of several views. */
typedef struct odometer {
  const kl_shape *shape;
  int64_t index[KL_MAX_NDIM];
} odometer;

static int64_t offset_at(const odometer *o, const int64_t *strides) {
  int64_t at = 0;
  for (int i = 0; i < o->shape->ndim; i++) {
    at += o->index[i] * strides[i];
  }
  return at;
}

static void advance(odometer *o) {
  for (int i = o->shape->ndim - 1; i >= 0 && ++o->index[i] == o->shape->dim[i]; i--) {
    o->index[i] = 0;
  }
}

static int64_t integer_at(const kl_view *v, int64_t at) {
  switch (v->dtype) {
    case KL_INT32:
      return ((const int32_t *)v->data)[at];
    case KL_INT64:
      return ((const int64_t *)v->data)[at];
    default:
      return ((const uint8_t *)v->data)[at];
  }
}

/* All indices, made non-negative, to `out`; `lengths` has the axis length for each column of the last axis (or one). */
static kl_status read_indices(const kl_call *c, const kl_view *v, const int64_t *lengths, int columns, int64_t *out) {
  odometer o = {.shape = &v->shape};
  int64_t n = kl_shape_numel(&v->shape);
  for (int64_t i = 0; i < n; i++, advance(&o)) {
    int64_t length = lengths[i % columns];
    int64_t k = integer_at(v, offset_at(&o, v->strides));
    if (k < -length || k >= length) {
      return kl_fail(KL_EVALUE, "kl.%s: index %lld at position %lld is outside an axis of length %lld", c->name,
                     (long long)k, (long long)i, (long long)length);
    }
    out[i] = k < 0 ? k + length : k;
  }
  return KL_OK;
}

static bool is_contiguous(const kl_view *v) {
  int64_t stride = 1;
  for (int i = v->shape.ndim - 1; i >= 0; i--) {
    if (v->shape.dim[i] != 1 && v->strides[i] != stride) {
      return false;
    }
    stride *= v->shape.dim[i];
  }
  return true;
}

static size_t rounded(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

static size_t index_bytes(const kl_view *indices) {
  return rounded((size_t)kl_shape_numel(&indices->shape) * sizeof(int64_t));
}

/* take: x seen as (outer, length, inner). */
typedef struct take {
  const char *x;
  char *out;
  const int64_t *indices;
  int64_t outer, length, count; /* indices per outer */
  size_t inner;                 /* bytes */
} take;

#define TAKE_BLOCK 16384 /* bytes per block of the pool */

static int64_t rows_per_block(const take *t) { return kl_max_i64(TAKE_BLOCK / kl_max_i64((int64_t)t->inner, 1), 1); }

static const char *row_at(const take *t, int64_t r) {
  return t->x + (size_t)(r / t->count * t->length + t->indices[r % t->count]) * t->inner;
}

/* Rows of a batch lie all over a large array: the next ones are on their way from memory while one is copied. */
#define AHEAD 2         /* rows */
#define MOST_AHEAD 4096 /* bytes of a row */

static void take_block(void *context, int64_t block) {
  const take *t = context;
  int64_t per_block = rows_per_block(t), end = kl_min_i64(t->outer * t->count, (block + 1) * per_block);
  for (int64_t r = block * per_block; r < end; r++) {
    if (r + AHEAD < end) {
      const char *next = row_at(t, r + AHEAD);
      for (size_t i = 0; i < t->inner && i < MOST_AHEAD; i += 64) {
        __builtin_prefetch(next + i);
      }
    }
    memcpy(t->out + (size_t)r * t->inner, row_at(t, r), t->inner);
  }
}

static kl_status run_take(const kl_call *c) {
  const kl_view *x = &c->in[0];
  int axis = c->attrs[0].given ? (int)c->attrs[0].v[0] : -1;
  take t = {.out = c->out[0].data, .outer = 1, .count = kl_shape_numel(&c->in[1].shape)};
  int64_t *indices = c->scratch, inner = 1;
  t.length = axis < 0 ? kl_shape_numel(&x->shape) : x->shape.dim[axis];
  KL_TRY(read_indices(c, &c->in[1], &t.length, 1, indices));
  t.indices = indices;
  for (int i = 0; i < x->shape.ndim && axis >= 0; i++) {
    t.outer *= i < axis ? x->shape.dim[i] : 1;
    inner *= i > axis ? x->shape.dim[i] : 1;
  }
  t.inner = (size_t)inner * kl_dtype_size(x->dtype);
  t.x = x->data;
  if (!is_contiguous(x)) {
    char *copy = (char *)c->scratch + index_bytes(&c->in[1]);
    kl_tiles_gather(x, copy);
    t.x = copy;
  }
  if (t.count > 0 && t.outer > 0 && inner > 0) {
    kl_pool_run(kl_div_up(t.outer * t.count, rows_per_block(&t)), take_block, &t);
  }
  return KL_OK;
}

static size_t take_scratch(const kl_call *c) {
  const kl_view *x = &c->in[0];
  size_t copy = is_contiguous(x) ? 0 : (size_t)kl_shape_numel(&x->shape) * kl_dtype_size(x->dtype);
  return index_bytes(&c->in[1]) + copy;
}
const kl_kernel KL_K(take) = {.run = run_take, .scratch = take_scratch};

static kl_status run_take_along(const kl_call *c) {
  const kl_view *x = &c->in[0], *at = &c->in[1];
  int axis = (int)c->attrs[0].v[0];
  size_t size = kl_dtype_size(x->dtype);
  int64_t *indices = c->scratch;
  KL_TRY(read_indices(c, at, &x->shape.dim[axis], 1, indices));
  odometer o = {.shape = &at->shape};
  int64_t n = kl_shape_numel(&at->shape);
  for (int64_t i = 0; i < n; i++, advance(&o)) {
    int64_t from = offset_at(&o, x->strides) + (indices[i] - o.index[axis]) * x->strides[axis];
    memcpy((char *)c->out[0].data + (size_t)i * size, (const char *)x->data + from * (int64_t)size, size);
  }
  return KL_OK;
}

static size_t indices_scratch(const kl_call *c) { return index_bytes(&c->in[1]); }
const kl_kernel KL_K(take_along_axis) = {.run = run_take_along, .scratch = indices_scratch};

/* out[at] += update[from], elements. */
static void add_element(kl_dtype dtype, void *out, int64_t at, const void *update, int64_t from) {
  switch (dtype) {
    case KL_FLOAT32:
      ((float *)out)[at] += ((const float *)update)[from];
      break;
    case KL_FLOAT64:
      ((double *)out)[at] += ((const double *)update)[from];
      break;
    case KL_INT32:
      ((uint32_t *)out)[at] += ((const uint32_t *)update)[from];
      break;
    case KL_INT64:
      ((uint64_t *)out)[at] += ((const uint64_t *)update)[from];
      break;
    default:
      ((uint8_t *)out)[at] = (uint8_t)(((uint8_t *)out)[at] + ((const uint8_t *)update)[from]);
  }
}

static kl_status run_scatter_along(const kl_call *c) {
  const kl_view *at = &c->in[1], *updates = &c->in[2], *out = &c->out[0];
  int axis = (int)c->attrs[0].v[0];
  int64_t *indices = c->scratch;
  KL_TRY(read_indices(c, at, &out->shape.dim[axis], 1, indices));
  kl_tiles_copy(&c->in[0], out);
  odometer o = {.shape = &at->shape};
  int64_t n = kl_shape_numel(&at->shape);
  for (int64_t i = 0; i < n; i++, advance(&o)) {
    int64_t to = offset_at(&o, out->strides) + (indices[i] - o.index[axis]) * out->strides[axis];
    add_element(out->dtype, out->data, to, updates->data, offset_at(&o, updates->strides));
  }
  return KL_OK;
}
const kl_kernel KL_K(scatter_add_along_axis) = {.run = run_scatter_along, .scratch = indices_scratch};

/* Row i of the updates, seen as (n, inner), is added to the part of out that indices[i] names. */
static kl_status run_scatter_add(const kl_call *c) {
  const kl_view *updates = &c->in[2], *out = &c->out[0];
  int64_t n = c->in[1].shape.dim[0], k = c->in[1].shape.dim[1], inner = 1;
  int64_t *indices = c->scratch;
  KL_TRY(read_indices(c, &c->in[1], out->shape.dim, (int)k, indices));
  kl_tiles_copy(&c->in[0], out);
  for (int i = (int)k; i < out->shape.ndim; i++) {
    inner *= out->shape.dim[i];
  }
  odometer o = {.shape = &updates->shape};
  for (int64_t i = 0; i < n; i++) {
    int64_t row = 0;
    for (int64_t axis = 0; axis < k; axis++) {
      row = row * out->shape.dim[axis] + indices[i * k + axis];
    }
    for (int64_t j = 0; j < inner; j++, advance(&o)) {
      add_element(out->dtype, out->data, row * inner + j, updates->data, offset_at(&o, updates->strides));
    }
  }
  return KL_OK;
}
const kl_kernel KL_K(scatter_add) = {.run = run_scatter_add, .scratch = indices_scratch};

static void store_one(const kl_view *out, int64_t at) {
  kl_dtype_store(out->dtype, false, 1, 1.0, (char *)out->data + at * (int64_t)kl_dtype_size(out->dtype));
}

static kl_status run_one_hot(const kl_call *c) {
  const kl_view *x = &c->in[0], *out = &c->out[0];
  int axis = (int)c->attrs[1].v[0];
  int64_t classes = c->attrs[0].v[0], n = kl_shape_numel(&x->shape);
  memset(out->data, 0, (size_t)kl_shape_numel(&out->shape) * kl_dtype_size(out->dtype));
  int64_t strides[KL_MAX_NDIM]; /* of out without the class axis */
  for (int i = 0; i < x->shape.ndim; i++) {
    strides[i] = out->strides[i < axis ? i : i + 1];
  }
  odometer o = {.shape = &x->shape};
  for (int64_t i = 0; i < n; i++, advance(&o)) {
    int64_t k = integer_at(x, offset_at(&o, x->strides));
    if (k >= 0 && k < classes) {
      store_one(out, offset_at(&o, strides) + k * out->strides[axis]);
    }
  }
  return KL_OK;
}
const kl_kernel KL_K(one_hot) = {.run = run_one_hot};

/* nonzero: blocks are counted, then each writes its places behind those before it. */
typedef struct nonzero {
  const uint8_t *x; /* contiguous */
  const kl_shape *shape;
  int64_t n, size;
  int64_t *before; /* by block: how many there are, then how many there are before it */
  int32_t *out;
} nonzero;

#define NONZERO_BLOCK 65536

static void count_block(void *context, int64_t block) {
  const nonzero *z = context;
  int64_t end = kl_min_i64(z->n, (block + 1) * NONZERO_BLOCK), count = 0;
  for (int64_t i = block * NONZERO_BLOCK; i < end; i++) {
    count += z->x[i] != 0;
  }
  z->before[block] = count;
}

static void place_block(void *context, int64_t block) {
  const nonzero *z = context;
  int64_t end = kl_min_i64(z->n, (block + 1) * NONZERO_BLOCK), at = z->before[block];
  for (int64_t i = block * NONZERO_BLOCK; i < end; i++) {
    if (z->x[i] == 0) {
      continue;
    }
    int64_t rest = i;
    for (int axis = z->shape->ndim - 1; axis > 0; axis--) {
      z->out[axis * z->size + at] = (int32_t)(rest % z->shape->dim[axis]);
      rest /= z->shape->dim[axis];
    }
    z->out[at++] = (int32_t)rest;
  }
}

static size_t counts_bytes(const kl_call *c) {
  return rounded((size_t)kl_div_up(kl_shape_numel(&c->in[0].shape), NONZERO_BLOCK) * sizeof(int64_t));
}

static size_t nonzero_scratch(const kl_call *c) {
  return counts_bytes(c) + (is_contiguous(&c->in[0]) ? 0 : (size_t)kl_shape_numel(&c->in[0].shape));
}

static kl_status run_nonzero(const kl_call *c) {
  const kl_view *x = &c->in[0];
  nonzero z = {.x = x->data, .shape = &x->shape, .n = kl_shape_numel(&x->shape), .size = c->attrs[0].v[0]};
  z.before = c->scratch;
  z.out = c->out[0].data;
  if (!is_contiguous(x)) {
    uint8_t *copy = (uint8_t *)c->scratch + counts_bytes(c);
    kl_tiles_gather(x, copy);
    z.x = copy;
  }
  int64_t blocks = kl_div_up(z.n, NONZERO_BLOCK), total = 0;
  kl_pool_run(blocks, count_block, &z);
  for (int64_t block = 0; block < blocks; block++) {
    int64_t here = z.before[block];
    z.before[block] = total;
    total += here;
  }
  if (total != z.size) {
    return kl_fail(KL_EVALUE, "kl.%s: %lld elements are not 0, 'size' is %lld", c->name, (long long)total,
                   (long long)z.size);
  }
  kl_pool_run(blocks, place_block, &z);
  return KL_OK;
}
const kl_kernel KL_K(nonzero) = {.run = run_nonzero, .scratch = nonzero_scratch};
