/* Lines along an axis. */
#include "device/cpu/axis_walk.h"

#include <string.h>

#include "base/size.h"
#include "device/cpu/pool.h"
#include "device/cpu/tiles.h"

#define BLOCK 16384 /* elements per block of the pool */
#define MAX_BLOCKS 64

typedef struct walk {
  const kl_call *c;
  kl_line line;
  int axis;
  int64_t n, n_out;          /* elements of a line */
  int64_t in_step, out_step; /* strides along it, elements */
  int64_t lines, per_block;
  kl_shape shape; /* of the lines: the input's without the axis */
  int64_t in_strides[KL_MAX_NDIM], out_strides[KL_MAX_NDIM];
  size_t size, out_size;
  size_t buffer; /* bytes of scratch per block */
} walk;

static void walk_begin(walk *w, const kl_call *c, int axis, bool absent_axis) {
  const kl_view *in = &c->in[0], *out = &c->out[0];
  *w = (walk){.c = c, .axis = axis, .size = kl_dtype_size(in->dtype), .out_size = kl_dtype_size(out->dtype)};
  w->n = in->shape.dim[axis];
  w->n_out = absent_axis ? 1 : out->shape.dim[axis];
  w->in_step = in->strides[axis];
  w->out_step = absent_axis ? 1 : out->strides[axis];
  w->lines = 1;
  for (int i = 0, k = 0; i < in->shape.ndim; i++) {
    if (i == axis) {
      k += !absent_axis;
      continue;
    }
    w->in_strides[w->shape.ndim] = in->strides[i];
    w->out_strides[w->shape.ndim] = out->strides[k++];
    w->shape.dim[w->shape.ndim++] = in->shape.dim[i];
    w->lines *= in->shape.dim[i];
  }
  w->per_block = kl_max_i64(BLOCK / kl_max_i64(w->n, 1), 1);
  w->per_block = kl_max_i64(w->per_block, kl_div_up(w->lines, MAX_BLOCKS));
  size_t in_bytes = ((size_t)w->n * w->size + 63) & ~(size_t)63;
  size_t out_bytes = ((size_t)w->n_out * w->out_size + 63) & ~(size_t)63;
  w->buffer = (w->in_step == 1 ? 0 : in_bytes) + (w->out_step == 1 ? 0 : out_bytes);
}

static void copy_line(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n, size_t size) {
  for (int64_t i = 0; i < n; i++) {
    memcpy(to + i * to_step * (int64_t)size, from + i * from_step * (int64_t)size, size);
  }
}

static void run_block(void *context, int64_t block) {
  const walk *w = context;
  char *buffer = (char *)w->c->scratch + (size_t)block * w->buffer;
  char *out_buffer = buffer + (w->in_step == 1 ? 0 : ((size_t)w->n * w->size + 63) & ~(size_t)63);
  int64_t end = kl_min_i64(w->lines, (block + 1) * w->per_block);
  for (int64_t i = block * w->per_block; i < end; i++) {
    int64_t in_at = 0, out_at = 0, rest = i;
    for (int axis = w->shape.ndim - 1; axis >= 0; axis--) {
      int64_t k = rest % w->shape.dim[axis];
      rest /= w->shape.dim[axis];
      in_at += k * w->in_strides[axis];
      out_at += k * w->out_strides[axis];
    }
    const char *in = (const char *)w->c->in[0].data + in_at * (int64_t)w->size;
    char *out = (char *)w->c->out[0].data + out_at * (int64_t)w->out_size;
    char *to = w->out_step == 1 ? out : out_buffer;
    if (w->in_step != 1) {
      copy_line(buffer, 1, in, w->in_step, w->n, w->size);
      in = buffer;
    }
    w->line(w->n, in, to, w->c);
    if (to != out) {
      copy_line(out, w->out_step, to, 1, w->n_out, w->out_size);
    }
  }
}

kl_status kl_axis_walk(const kl_call *c, int axis, bool absent_axis, kl_line line) {
  walk w;
  walk_begin(&w, c, axis, absent_axis);
  w.line = line;
  int64_t blocks = kl_div_up(w.lines, w.per_block);
  if (w.lines * w.n <= 2 * BLOCK) {
    for (int64_t b = 0; b < blocks; b++) {
      run_block(&w, b);
    }
  } else {
    kl_pool_run(blocks, run_block, &w);
  }
  return KL_OK;
}

size_t kl_axis_walk_scratch(const kl_call *c, int axis, bool absent_axis) {
  walk w;
  walk_begin(&w, c, axis, absent_axis);
  return (size_t)kl_div_up(w.lines, w.per_block) * w.buffer;
}
