/* Joined elementwise kernels.
 *
 * The walk goes over the output's shape in tiles of TILE elements along the last joined axis.  An input that lies
 * contiguously there is read in place, another is copied into a small buffer first; outputs are written in place; what
 * only later ops of the same tile read never leaves the buffers.  An output may lie on an input of the same layout: the
 * caller has made sure that no op reads the old value after it was written. */
#include <string.h>

#include "base/size.h"
#include "device/cpu/pool.h"
#include "device/cpu/tiles.h"

#define TILE 256    /* elements: 4 KiB of doubles for every two temporaries, so that they stay in L1 (kernels.md 6) */
#define BLOCK 16384 /* elements per block of the pool, as for single kernels */

typedef struct walk {
  const kl_fused *f;
  int64_t rows; /* of a product that are made at a time */
  int ndim;
  int64_t shape[KL_MAX_NDIM];
  int64_t strides[KL_FUSED_MAX_VIEWS][KL_MAX_NDIM]; /* bytes */
  size_t size[KL_FUSED_MAX_VIEWS];
  int64_t numel;
} walk;

/* Axes of length 1 go, neighbours are joined where every view allows it. */
static void walk_begin(walk *w, const kl_fused *f) {
  w->f = f;
  w->rows = 0;
  w->ndim = 0;
  w->numel = kl_shape_numel(&f->shape);
  for (int v = 0; v < f->nviews; v++) {
    w->size[v] = kl_dtype_size(f->views[v].dtype);
  }
  for (int axis = 0; axis < f->shape.ndim; axis++) {
    int64_t length = f->shape.dim[axis];
    if (length == 1) {
      continue;
    }
    bool join = w->ndim > 0;
    for (int v = 0; v < f->nviews && join; v++) {
      join = w->strides[v][w->ndim - 1] == f->views[v].strides[axis] * (int64_t)w->size[v] * length;
    }
    if (join) {
      w->shape[w->ndim - 1] *= length;
    } else {
      w->shape[w->ndim++] = length;
    }
    for (int v = 0; v < f->nviews; v++) {
      w->strides[v][w->ndim - 1] = f->views[v].strides[axis] * (int64_t)w->size[v];
    }
  }
  if (w->ndim == 0) {
    w->ndim = 1;
    w->shape[0] = 1;
    for (int v = 0; v < f->nviews; v++) {
      w->strides[v][0] = (int64_t)w->size[v];
    }
  }
}

static void copy_elements(char *out, const char *in, int64_t step, int64_t n, size_t size) {
  switch (size) {
    case 1:
      for (int64_t i = 0; i < n; i++) {
        out[i] = in[i * step];
      }
      break;
    case 4:
      for (int64_t i = 0; i < n; i++) {
        memcpy(out + i * 4, in + i * step, 4);
      }
      break;
    default:
      for (int64_t i = 0; i < n; i++) {
        memcpy(out + i * 8, in + i * step, 8);
      }
  }
}

/* Elements [from, to) of the flattened space; `product`: where those of the product lie, if there is one. */
static void run_range(const walk *w, int64_t from, int64_t to, char *product) {
  const int64_t begin = from;
  _Alignas(64) char buffers[KL_FUSED_MAX_TEMPS + KL_FUSED_MAX_VIEWS][TILE * 8];
  const kl_fused *f = w->f;
  void *operand[KL_FUSED_MAX_VIEWS + KL_FUSED_MAX_TEMPS];
  const char *filled[KL_FUSED_MAX_VIEWS] = {NULL}; /* the repeated element a buffer is full of */
  const int inner = w->ndim - 1;
  int64_t index[KL_MAX_NDIM];
  for (int64_t axis = inner, rest = from; axis >= 0; axis--) {
    index[axis] = rest % w->shape[axis];
    rest /= w->shape[axis];
  }
  for (int t = 0; t < f->ntemps; t++) {
    operand[f->nviews + t] = buffers[t];
  }
  const int64_t most = kl_min_i64(TILE, w->shape[inner]);
  while (from < to) {
    int64_t n = kl_min_i64(kl_min_i64(w->shape[inner] - index[inner], to - from), TILE);
    for (int v = 0; v < f->nviews; v++) {
      if (product != NULL && v == f->product_view) {
        operand[v] = product + (from - begin) * (int64_t)w->size[v];
        continue;
      }
      char *p = f->views[v].data;
      for (int axis = 0; axis <= inner; axis++) {
        p += index[axis] * w->strides[v][axis];
      }
      const int64_t step = w->strides[v][inner];
      if (step == (int64_t)w->size[v]) {
        operand[v] = p;
        continue;
      }
      char *buffer = buffers[KL_FUSED_MAX_TEMPS + v];
      if (step != 0) {
        copy_elements(buffer, p, step, n, w->size[v]);
      } else if (filled[v] != p) {
        copy_elements(buffer, p, 0, most, w->size[v]);
        filled[v] = p;
      }
      operand[v] = buffer;
    }
    for (int i = 0; i < f->nops; i++) {
      const kl_fused_op *op = &f->ops[i];
      const void *in[KL_TILE_MAX_INPUTS];
      for (int k = 0; k < op->nin; k++) {
        in[k] = operand[op->in[k]];
      }
      op->tile(n, operand[op->out], in);
    }
    from += n;
    index[inner] += n;
    for (int axis = inner; axis > 0 && index[axis] == w->shape[axis]; axis--) {
      index[axis] = 0;
      index[axis - 1]++;
    }
  }
}

static void run_block(void *context, int64_t block) {
  const walk *w = context;
  run_range(w, block * BLOCK, kl_min_i64(w->numel, (block + 1) * BLOCK), NULL);
}

/* Some rows of the product, and what follows them. */
static void run_rows(void *context, int64_t block) {
  _Alignas(64) char product[KL_PRODUCT_BLOCK * 8];
  const walk *w = context;
  const kl_call *c = w->f->product;
  int64_t n = w->f->shape.dim[1], first = block * w->rows;
  int64_t count = kl_min_i64(w->rows, w->f->shape.dim[0] - first);
  c->kernel->rows->run(c, w->f->packed, first, count, product);
  run_range(w, first * n, (first + count) * n, product);
}

void kl_tiles_run_fused(const kl_fused *f) {
  walk w;
  walk_begin(&w, f);
  if (w.numel == 0) {
    return;
  }
  if (f->product != NULL) {
    w.rows = KL_PRODUCT_BLOCK / f->shape.dim[1];
    f->product->kernel->rows->pack(f->product, f->packed);
    kl_pool_run(kl_div_up(f->shape.dim[0], w.rows), run_rows, &w);
  } else if (w.numel * f->nops <= 2 * BLOCK) {
    run_range(&w, 0, w.numel, NULL);
  } else {
    kl_pool_run(kl_div_up(w.numel, BLOCK), run_block, &w);
  }
}
