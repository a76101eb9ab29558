/* The walk over strided operands. */
#include "device/cpu/tiles.h"

#include <string.h>

#include "base/size.h"
#include "device/cpu/pool.h"

#define BLOCK 16384 /* elements per block of the pool */
#define OPERANDS (KL_TILE_MAX_INPUTS + 1)

/* The iteration space with axes of length 1 gone and neighbours joined where every operand allows it.
 * Operand 0 is the output. */
typedef struct walk {
  int operands, ndim;
  int64_t shape[KL_MAX_NDIM];
  int64_t strides[OPERANDS][KL_MAX_NDIM]; /* bytes */
  char *data[OPERANDS];
  size_t size[OPERANDS]; /* bytes per element */
  int64_t numel;
  kl_tile tile;
} walk;

static void walk_begin(walk *w, const kl_call *c, kl_tile tile) {
  const kl_view *views[OPERANDS];
  w->operands = c->nin + 1;
  w->tile = tile;
  views[0] = &c->out[0];
  for (int i = 0; i < c->nin; i++) {
    views[i + 1] = &c->in[i];
  }
  const kl_shape *shape = &views[0]->shape;
  w->numel = kl_shape_numel(shape);
  w->ndim = 0;
  for (int o = 0; o < w->operands; o++) {
    w->data[o] = views[o]->data;
    w->size[o] = kl_dtype_size(views[o]->dtype);
  }
  for (int axis = 0; axis < shape->ndim; axis++) {
    int64_t length = shape->dim[axis];
    if (length == 1) {
      continue;
    }
    bool join = w->ndim > 0;
    for (int o = 0; o < w->operands && join; o++) {
      join = w->strides[o][w->ndim - 1] == views[o]->strides[axis] * (int64_t)w->size[o] * length;
    }
    if (join) {
      w->shape[w->ndim - 1] *= length;
    } else {
      w->shape[w->ndim++] = length;
    }
    for (int o = 0; o < w->operands; o++) {
      w->strides[o][w->ndim - 1] = views[o]->strides[axis] * (int64_t)w->size[o];
    }
  }
  if (w->ndim == 0) {
    w->ndim = 1;
    w->shape[0] = 1;
    for (int o = 0; o < w->operands; o++) {
      w->strides[o][0] = (int64_t)w->size[o];
    }
  }
}

static void copy_strided(char *out, int64_t out_step, const char *in, int64_t in_step, int64_t n, size_t size) {
  switch (size) {
    case 1:
      for (int64_t i = 0; i < n; i++) {
        out[i * out_step] = in[i * in_step];
      }
      break;
    case 4:
      for (int64_t i = 0; i < n; i++) {
        memcpy(out + i * out_step, in + i * in_step, 4);
      }
      break;
    default:
      for (int64_t i = 0; i < n; i++) {
        memcpy(out + i * out_step, in + i * in_step, 8);
      }
  }
}

/* Elements [from, to) of the flattened space. */
static void run_range(const walk *w, int64_t from, int64_t to) {
  _Alignas(64) char buffers[OPERANDS][KL_TILE * 8];
  const int inner = w->ndim - 1;
  const char *filled[OPERANDS] = {NULL}; /* the repeated element a buffer is full of */
  bool buffered = false;
  for (int o = 0; o < w->operands; o++) {
    buffered = buffered || w->strides[o][inner] != (int64_t)w->size[o];
  }
  int64_t index[KL_MAX_NDIM];
  for (int64_t axis = inner, rest = from; axis >= 0; axis--) {
    index[axis] = rest % w->shape[axis];
    rest /= w->shape[axis];
  }
  while (from < to) {
    int64_t n = kl_min_i64(w->shape[inner] - index[inner], to - from);
    if (buffered) {
      n = kl_min_i64(n, KL_TILE);
    }
    const void *in[KL_TILE_MAX_INPUTS];
    char *out = NULL;
    char *out_place = NULL;
    for (int o = 0; o < w->operands; o++) {
      char *p = w->data[o];
      for (int axis = 0; axis <= inner; axis++) {
        p += index[axis] * w->strides[o][axis];
      }
      int64_t step = w->strides[o][inner];
      bool direct = step == (int64_t)w->size[o];
      if (o == 0) {
        out_place = p;
        out = direct ? p : buffers[0];
      } else if (direct) {
        in[o - 1] = p;
      } else {
        if (step != 0) {
          copy_strided(buffers[o], (int64_t)w->size[o], p, step, n, w->size[o]);
        } else if (filled[o] != p) {
          copy_strided(buffers[o], (int64_t)w->size[o], p, 0, kl_min_i64(KL_TILE, w->shape[inner]), w->size[o]);
          filled[o] = p;
        }
        in[o - 1] = buffers[o];
      }
    }
    w->tile(n, out, in);
    if (out != out_place) {
      copy_strided(out_place, w->strides[0][inner], out, (int64_t)w->size[0], n, w->size[0]);
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
  run_range(w, block * BLOCK, kl_min_i64(w->numel, (block + 1) * BLOCK));
}

kl_status kl_tiles_run(const kl_call *c, kl_tile tile) {
  walk w;
  walk_begin(&w, c, tile);
  if (w.numel == 0) {
    return KL_OK;
  }
  if (w.numel <= 2 * BLOCK) {
    run_range(&w, 0, w.numel);
  } else {
    kl_pool_run(kl_div_up(w.numel, BLOCK), run_block, &w);
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

static void tile_copy1(int64_t n, void *out, const void *const *in) { memcpy(out, in[0], (size_t)n); }
static void tile_copy4(int64_t n, void *out, const void *const *in) { memcpy(out, in[0], (size_t)n * 4); }
static void tile_copy8(int64_t n, void *out, const void *const *in) { memcpy(out, in[0], (size_t)n * 8); }

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
