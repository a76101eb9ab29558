/* Running tile functions over strided operands. */
#include "device/cpu/tiles.h"

#include <string.h>

#include "base/size.h"
#include "device/cpu/pool.h"
#include "device/cpu/walk.h"

#define BLOCK 16384 /* elements per block of the pool */
#define OPERANDS (KL_TILE_MAX_INPUTS + KL_TILE_MAX_OUTPUTS)

/* The first `nout` views are the outputs. */
typedef struct tiles {
  kl_walk walk;
  kl_tile tile;
  int nout;
} tiles;

/* Elements [from, to) of the flattened space. */
static void run_range(const tiles *t, int64_t from, int64_t to) {
  _Alignas(64) char buffers[OPERANDS][KL_TILE * 8];
  const kl_walk *w = &t->walk;
  const int inner = w->ndim - 1;
  const char *filled[OPERANDS] = {NULL};
  bool buffered = false;
  for (int v = 0; v < w->nviews; v++) {
    buffered = buffered || w->strides[v][inner] != (int64_t)w->size[v];
  }
  int64_t index[KL_MAX_NDIM];
  kl_walk_find(w, from, index);
  while (from < to) {
    int64_t n = kl_min_i64(w->shape[inner] - index[inner], to - from);
    if (buffered) {
      n = kl_min_i64(n, KL_TILE);
    }
    const void *in[KL_TILE_MAX_INPUTS];
    void *out[KL_TILE_MAX_OUTPUTS];
    for (int v = t->nout; v < w->nviews; v++) {
      in[v - t->nout] = kl_walk_gather(w, v, kl_walk_address(w, v, index), n, buffers[v], KL_TILE, &filled[v]);
    }
    for (int v = 0; v < t->nout; v++) {
      out[v] = w->strides[v][inner] == (int64_t)w->size[v] ? kl_walk_address(w, v, index) : buffers[v];
    }
    t->tile(n, out, in);
    for (int v = 0; v < t->nout; v++) {
      if (out[v] == buffers[v]) {
        kl_walk_copy(kl_walk_address(w, v, index), w->strides[v][inner], buffers[v], (int64_t)w->size[v], n,
                     w->size[v]);
      }
    }
    from += n;
    kl_walk_advance(w, n, index);
  }
}

static void run_block(void *context, int64_t block) {
  const tiles *t = context;
  run_range(t, block * BLOCK, kl_min_i64(t->walk.numel, (block + 1) * BLOCK));
}

kl_status kl_tiles_run(const kl_call *c, kl_tile tile) {
  tiles t;
  t.tile = tile;
  t.nout = c->nout;
  kl_walk_begin(&t.walk);
  for (int i = 0; i < c->nout; i++) {
    kl_walk_add(&t.walk, &c->out[i]);
  }
  for (int i = 0; i < c->nin; i++) {
    kl_walk_add(&t.walk, &c->in[i]);
  }
  kl_walk_join(&t.walk, &c->out[0].shape);
  if (t.walk.numel == 0) {
    return KL_OK;
  }
  if (t.walk.numel <= 2 * BLOCK) {
    run_range(&t, 0, t.walk.numel);
  } else {
    kl_pool_run(kl_div_up(t.walk.numel, BLOCK), run_block, &t);
  }
  return KL_OK;
}

kl_status kl_tiles_run_elementwise(const kl_call *c) {
  kl_tile tile = c->kernel->tiles[c->in[c->nin - 1].dtype];
  if (tile == NULL) {
    return kl_fail(KL_EDTYPE, "kl.%s is not defined for %s", c->name, kl_dtype_name(c->in[c->nin - 1].dtype));
  }
  return kl_tiles_run(c, tile);
}

static void tile_copy1(int64_t n, void *const *out, const void *const *in) { memcpy(out[0], in[0], (size_t)n); }
static void tile_copy4(int64_t n, void *const *out, const void *const *in) { memcpy(out[0], in[0], (size_t)n * 4); }
static void tile_copy8(int64_t n, void *const *out, const void *const *in) { memcpy(out[0], in[0], (size_t)n * 8); }

void kl_tiles_copy(const kl_view *from, const kl_view *to) {
  size_t size = kl_dtype_size(from->dtype);
  kl_call c = {.nin = 1, .nout = 1, .in = from, .out = to};
  kl_tiles_run(&c, size == 1 ? tile_copy1 : size == 4 ? tile_copy4 : tile_copy8);
}

void kl_tiles_gather(const kl_view *view, void *out) {
  kl_view to = {.data = out, .dtype = view->dtype, .shape = view->shape};
  kl_shape_contiguous(&view->shape, to.strides);
  kl_tiles_copy(view, &to);
}
