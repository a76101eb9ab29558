/* The walk of reductions. */
#include "device/cpu/reduce_walk.h"

#include "base/size.h"
#include "device/cpu/pool.h"
#include "device/cpu/tiles.h"

#define SERIAL 32768 /* elements: below it the pool does not pay */

/* Axes of one class (kept or reduced) in order; neighbours that strides allow are joined. */
typedef struct axis_list {
  int n;
  int64_t length[KL_MAX_NDIM];
  int64_t stride[KL_MAX_NDIM]; /* elements */
  int64_t total;
} axis_list;

typedef struct plan {
  const kl_reducer *reducer;
  const char *x;
  const kl_elements *from; /* or NULL: the elements are at x */
  size_t size, out_size;
  char *out;
  kl_cell *cells;                 /* [kept][chunks], where there is more than one chunk */
  axis_list reduced, kept, inner; /* inner: the last kept axis, in the column form; kept: the others */
  bool columns;
  int64_t chunks, chunk; /* number, and elements (rows, in the column form) of each */
  int64_t items;
} plan;

static void append(axis_list *list, int64_t length, int64_t stride, bool may_join) {
  if (may_join && list->n > 0 && list->stride[list->n - 1] == stride * length) {
    list->length[list->n - 1] *= length;
    list->stride[list->n - 1] = stride;
  } else {
    list->length[list->n] = length;
    list->stride[list->n] = stride;
    list->n++;
  }
  list->total *= length;
}

/* Offset, in elements, of position i of a list of axes. */
static int64_t offset_of(const axis_list *list, int64_t i) {
  int64_t offset = 0;
  for (int axis = list->n - 1; axis >= 0; axis--) {
    offset += i % list->length[axis] * list->stride[axis];
    i /= list->length[axis];
  }
  return offset;
}

static void make_plan(const kl_call *c, plan *p) {
  const kl_view *in = &c->in[0];
  const kl_attr *axes = &c->attrs[0];
  *p = (plan){.x = in->data, .size = kl_dtype_size(in->dtype), .out_size = kl_dtype_size(c->out[0].dtype)};
  p->out = c->out[0].data;
  p->reduced.total = p->kept.total = p->inner.total = 1;
  unsigned mask = 0;
  for (int i = 0; i < axes->n; i++) {
    mask |= 1u << axes->v[i];
  }
  int last = in->shape.ndim - 1;
  while (last >= 0 && in->shape.dim[last] == 1) {
    last--;
  }
  p->columns = last >= 0 && !(mask >> last & 1) && mask != 0;
  int inner_from = last;
  while (p->columns && inner_from > 0) { /* trailing kept axes that form one run */
    int64_t length = in->shape.dim[inner_from - 1];
    if (mask >> (inner_from - 1) & 1) {
      break;
    }
    if (length != 1 && in->strides[inner_from - 1] != in->strides[inner_from] * in->shape.dim[inner_from]) {
      break;
    }
    if (length == 1) {
      break;
    }
    inner_from--;
  }
  for (int i = 0; i <= last; i++) {
    int64_t length = in->shape.dim[i];
    if (length == 1) {
      continue;
    }
    if (mask >> i & 1) {
      append(&p->reduced, length, in->strides[i], true);
    } else {
      append(p->columns && i >= inner_from ? &p->inner : &p->kept, length, in->strides[i], true);
    }
  }
  p->chunk = p->columns ? KL_REDUCE_ROWS : KL_REDUCE_CHUNK;
  p->chunks = p->reduced.total == 0 ? 0 : kl_div_up(p->reduced.total, p->chunk);
}

/* Elements [from, from + n) of the reduced axes at `base`, contiguous: in place or in `buffer`. */
static const char *row_elements(const plan *p, const char *base, int64_t from, int64_t n, char *buffer) {
  const axis_list *r = &p->reduced;
  if (r->n == 0) {
    return base;
  }
  if (r->n == 1 && r->stride[0] == 1) {
    return base + from * (int64_t)p->size;
  }
  int inner = r->n - 1;
  char *to = buffer;
  while (n > 0) {
    int64_t at = from % r->length[inner];
    int64_t run = kl_min_i64(n, r->length[inner] - at);
    const char *source = base + offset_of(r, from) * (int64_t)p->size;
    kl_view piece = {.data = (void *)source, .shape = {1, {run}}, .strides = {r->stride[inner]}};
    piece.dtype = p->size == 8 ? KL_FLOAT64 : p->size == 4 ? KL_FLOAT32 : KL_UINT8;
    kl_tiles_gather(&piece, to);
    to += run * (int64_t)p->size;
    from += run;
    n -= run;
  }
  return buffer;
}

/* One chunk of one result. */
static void row_item(const plan *p, int64_t item) {
  _Alignas(64) char buffer[KL_REDUCE_CHUNK * 8];
  int64_t k = item / p->chunks;
  int64_t from = item % p->chunks * p->chunk;
  int64_t n = kl_min_i64(p->chunk, p->reduced.total - from);
  int64_t at = offset_of(&p->kept, k);
  const void *elements = p->from != NULL ? p->from->get(p->from, at + from, n, buffer)
                                         : row_elements(p, p->x + at * (int64_t)p->size, from, n, buffer);
  kl_cell cell = p->reducer->row(n, elements);
  if (p->chunks == 1) {
    p->reducer->finish(cell, p->reduced.total, p->out + k * (int64_t)p->out_size);
  } else {
    p->cells[item] = cell;
  }
}

/* One chunk of rows of one tile of columns. */
static void column_item(const plan *p, int64_t item) {
  _Alignas(64) char accumulators[KL_REDUCE_COLUMNS * 8];
  _Alignas(64) char buffer[KL_REDUCE_COLUMNS * 8];
  int64_t tiles = kl_div_up(p->inner.total, KL_REDUCE_COLUMNS);
  int64_t tile = item % tiles;
  int64_t chunk = item / tiles % p->chunks;
  int64_t k = item / tiles / p->chunks;
  int64_t column = tile * KL_REDUCE_COLUMNS;
  int64_t n = kl_min_i64(KL_REDUCE_COLUMNS, p->inner.total - column);
  int64_t from = chunk * p->chunk;
  int64_t to = kl_min_i64(p->reduced.total, from + p->chunk);
  int64_t stride = p->inner.stride[0];
  const char *base = p->x + (offset_of(&p->kept, k) + column * stride) * (int64_t)p->size;
  for (int64_t r = from; r < to; r++) {
    const char *row = base + offset_of(&p->reduced, r) * (int64_t)p->size;
    if (stride != 1) {
      kl_view piece = {.data = (void *)row, .shape = {1, {n}}, .strides = {stride}};
      piece.dtype = p->size == 8 ? KL_FLOAT64 : p->size == 4 ? KL_FLOAT32 : KL_UINT8;
      kl_tiles_gather(&piece, buffer);
      row = buffer;
    }
    if (r == from) {
      p->reducer->begin(n, row, accumulators);
    } else {
      p->reducer->fold(n, row, accumulators);
    }
  }
  for (int64_t i = 0; i < n; i++) {
    kl_cell cell = p->reducer->cell(accumulators, i);
    int64_t result = k * p->inner.total + column + i;
    if (p->chunks == 1) {
      p->reducer->finish(cell, p->reduced.total, p->out + result * (int64_t)p->out_size);
    } else {
      p->cells[result * p->chunks + chunk] = cell;
    }
  }
}

/* Items are grouped into blocks of about this many elements. */
#define BLOCK 16384

static int64_t items_per_block(const plan *p) {
  int64_t elements = p->columns ? kl_min_i64(p->chunk, p->reduced.total) * kl_min_i64(KL_REDUCE_COLUMNS, p->inner.total)
                                : kl_min_i64(p->chunk, p->reduced.total);
  return elements >= BLOCK ? 1 : BLOCK / kl_max_i64(elements, 1);
}

static void run_block(void *context, int64_t block) {
  const plan *p = context;
  int64_t per_block = items_per_block(p);
  int64_t end = kl_min_i64(p->items, (block + 1) * per_block);
  for (int64_t item = block * per_block; item < end; item++) {
    if (p->columns) {
      column_item(p, item);
    } else {
      row_item(p, item);
    }
  }
}

#define LEAST_PIECE 256 /* elements: asking for them costs as much as some tens of them */

bool kl_reduce_takes(const kl_call *c) {
  plan p;
  make_plan(c, &p);
  return !p.columns && p.reduced.n == 1 && p.reduced.stride[0] == 1 && p.reduced.total >= LEAST_PIECE;
}

kl_status kl_reduce_run(const kl_call *c, const kl_reducer *reducer, const kl_elements *from) {
  plan p;
  make_plan(c, &p);
  p.from = from;
  p.reducer = reducer;
  p.cells = c->scratch;
  int64_t results = p.kept.total * p.inner.total;
  if (p.chunks == 0) {
    for (int64_t i = 0; i < results; i++) {
      reducer->finish(reducer->identity, 0, p.out + i * (int64_t)p.out_size);
    }
    return KL_OK;
  }
  p.items = p.kept.total * p.chunks * (p.columns ? kl_div_up(p.inner.total, KL_REDUCE_COLUMNS) : 1);
  int64_t blocks = kl_div_up(p.items, items_per_block(&p));
  if (results * p.reduced.total < SERIAL) {
    for (int64_t b = 0; b < blocks; b++) {
      run_block(&p, b);
    }
  } else {
    kl_pool_run(blocks, run_block, &p);
  }
  for (int64_t i = 0; i < results && p.chunks > 1; i++) {
    kl_cell cell = p.cells[i * p.chunks];
    for (int64_t chunk = 1; chunk < p.chunks; chunk++) {
      cell = reducer->merge(cell, p.cells[i * p.chunks + chunk]);
    }
    reducer->finish(cell, p.reduced.total, p.out + i * (int64_t)p.out_size);
  }
  return KL_OK;
}

size_t kl_reduce_scratch(const kl_call *c) {
  plan p;
  make_plan(c, &p);
  return p.chunks > 1 ? (size_t)(p.kept.total * p.inner.total * p.chunks) * sizeof(kl_cell) : 0;
}
