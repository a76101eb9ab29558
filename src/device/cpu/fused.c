/* Joined elementwise kernels.
 *
 * The walk goes over the output's shape in tiles of TILE elements along the last joined axis.  An input that lies
 * contiguously there is read in place, another is copied into a small buffer first; outputs are written in place; what
 * only later ops of the same tile read never leaves the buffers.  An output may lie on an input of the same layout: the
 * caller has made sure that no op reads the old value after it was written. */
#include "base/size.h"
#include "device/cpu/pool.h"
#include "device/cpu/tiles.h"
#include "device/cpu/walk.h"

#define TILE 256    /* elements: 4 KiB of doubles for every two temporaries, so that they stay in L1 (kernels.md 6) */
#define SHARES 8    /* of few rows */
#define BLOCK 16384 /* elements times ops per block of the pool */

typedef struct fused {
  kl_walk walk;
  const kl_fused *f;
  int64_t rows;  /* of a product that are made at a time */
  int64_t block; /* elements per block of the pool */
} fused;

/* Elements [from, to) of the flattened space.  window: where those of view `windowed` lie, if it is not in memory. */
static void run_range(const fused *u, int64_t from, int64_t to, int windowed, char *window) {
  _Alignas(64) char buffers[KL_FUSED_MAX_TEMPS + KL_FUSED_MAX_VIEWS][TILE * 8];
  const int64_t begin = from;
  const kl_walk *w = &u->walk;
  const kl_fused *f = u->f;
  void *operand[KL_FUSED_MAX_VIEWS + KL_FUSED_MAX_TEMPS];
  const char *filled[KL_FUSED_MAX_VIEWS] = {NULL};
  const int inner = w->ndim - 1;
  int64_t index[KL_MAX_NDIM];
  kl_walk_find(w, from, index);
  for (int t = 0; t < f->ntemps; t++) {
    operand[f->nviews + t] = buffers[t];
  }
  while (from < to) {
    int64_t n = kl_min_i64(kl_min_i64(w->shape[inner] - index[inner], to - from), TILE);
    for (int v = 0; v < f->nviews; v++) {
      operand[v] = v == windowed ? window + (from - begin) * (int64_t)w->size[v]
                                 : kl_walk_gather(w, v, kl_walk_address(w, v, index), n,
                                                  buffers[KL_FUSED_MAX_TEMPS + v], TILE, &filled[v]);
    }
    for (int i = 0; i < f->nops; i++) {
      const kl_fused_op *op = &f->ops[i];
      const void *in[KL_TILE_MAX_INPUTS];
      void *out[KL_TILE_MAX_OUTPUTS];
      for (int k = 0; k < op->nin; k++) {
        in[k] = operand[op->in[k]];
      }
      for (int k = 0; k < op->nout; k++) {
        out[k] = operand[op->out[k]];
      }
      op->tile(n, out, in);
    }
    from += n;
    kl_walk_advance(w, n, index);
  }
}

static void run_block(void *context, int64_t block) {
  const fused *u = context;
  run_range(u, block * u->block, kl_min_i64(u->walk.numel, (block + 1) * u->block), -1, NULL);
}

/* Some rows of the product, and what follows them. */
static void run_rows(void *context, int64_t block) {
  _Alignas(64) char product[KL_PRODUCT_BLOCK * 8];
  const fused *u = context;
  const kl_call *c = u->f->product;
  int64_t n = u->f->shape.dim[1], first = block * u->rows;
  int64_t count = kl_min_i64(u->rows, u->f->shape.dim[0] - first);
  c->kernel->rows->run(c, u->f->packed, first, count, product);
  run_range(u, first * n, (first + count) * n, u->f->product_view, product);
}

typedef struct pieces {
  kl_elements elements; /* first: the reduction's pointer is ours */
  const fused *u;
} pieces;

/* Computes the piece that a reduction asks for. */
static const void *get_piece(const kl_elements *e, int64_t at, int64_t n, void *buffer) {
  const fused *u = ((const pieces *)e)->u;
  int reduced = u->f->reduced_view;
  if (u->f->stored) {
    run_range(u, at, at + n, -1, NULL);
    return u->walk.data[reduced] + at * (int64_t)u->walk.size[reduced];
  }
  run_range(u, at, at + n, reduced, buffer);
  return buffer;
}

void kl_tiles_run_fused(const kl_fused *f) {
  fused u;
  u.f = f;
  kl_walk_begin(&u.walk);
  for (int v = 0; v < f->nviews; v++) {
    kl_walk_add(&u.walk, &f->views[v]);
  }
  kl_walk_join(&u.walk, &f->shape);
  if (f->reduction != NULL) {
    pieces p = {.elements = {.get = get_piece}, .u = &u};
    f->reduction->kernel->reduction->run(f->reduction, &p.elements);
    return;
  }
  if (u.walk.numel == 0) {
    return;
  }
  if (f->product != NULL) {
    u.rows = KL_PRODUCT_BLOCK / f->shape.dim[1];
    if (f->product->kernel->rows->in_parts(f->product)) { /* few rows: enough blocks for all threads */
      u.rows = kl_min_i64(u.rows, kl_div_up(f->shape.dim[0], SHARES));
    }
    f->product->kernel->rows->pack(f->product, f->packed);
    kl_pool_run(kl_div_up(f->shape.dim[0], u.rows), run_rows, &u);
  } else if (u.walk.numel * f->nops <= 2 * BLOCK) {
    run_range(&u, 0, u.walk.numel, -1, NULL);
  } else {
    u.block = kl_max_i64(BLOCK / f->nops / TILE, 1) * TILE;
    kl_pool_run(kl_div_up(u.walk.numel, u.block), run_block, &u);
  }
}
