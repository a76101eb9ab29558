/* The iteration space of elementwise kernels, single or joined: any strides, with axes of length 1 gone and neighbours
 * joined where every view allows it. */
#ifndef KL_DEVICE_CPU_WALK_H
#define KL_DEVICE_CPU_WALK_H

#include <string.h>

#include "device/device.h"

typedef struct kl_walk {
  int nviews, ndim; /* ndim >= 1 */
  int64_t shape[KL_MAX_NDIM];
  int64_t strides[KL_FUSED_MAX_VIEWS][KL_MAX_NDIM]; /* bytes */
  char *data[KL_FUSED_MAX_VIEWS];
  size_t size[KL_FUSED_MAX_VIEWS]; /* bytes per element */
  int64_t numel;
} kl_walk;

/* An empty walk over a shape; then its views, each of that shape (repeated axes have stride 0); then kl_walk_join. */
static inline void kl_walk_begin(kl_walk *w) { w->nviews = 0; }
static inline void kl_walk_add(kl_walk *w, const kl_view *view) {
  w->data[w->nviews] = view->data;
  w->size[w->nviews] = kl_dtype_size(view->dtype);
  for (int axis = 0; axis < view->shape.ndim; axis++) {
    w->strides[w->nviews][axis] = view->strides[axis] * (int64_t)w->size[w->nviews];
  }
  w->nviews++;
}
void kl_walk_join(kl_walk *w, const kl_shape *shape);

/* The position of element `at` of the flattened space. */
static inline void kl_walk_find(const kl_walk *w, int64_t at, int64_t index[KL_MAX_NDIM]) {
  for (int axis = w->ndim - 1; axis >= 0; axis--) {
    index[axis] = at % w->shape[axis];
    at /= w->shape[axis];
  }
}

/* n elements further, not beyond the end of the innermost axis. */
static inline void kl_walk_advance(const kl_walk *w, int64_t n, int64_t index[KL_MAX_NDIM]) {
  index[w->ndim - 1] += n;
  for (int axis = w->ndim - 1; axis > 0 && index[axis] == w->shape[axis]; axis--) {
    index[axis] = 0;
    index[axis - 1]++;
  }
}

static inline char *kl_walk_address(const kl_walk *w, int view, const int64_t index[KL_MAX_NDIM]) {
  char *p = w->data[view];
  for (int axis = 0; axis < w->ndim; axis++) {
    p += index[axis] * w->strides[view][axis];
  }
  return p;
}

/* Copies n elements of `size` bytes (1, 4 or 8); steps in bytes.  Here, so that a step that is the size is a constant.
 */
static inline void kl_walk_copy(char *out, int64_t out_step, const char *in, int64_t in_step, int64_t n, size_t size) {
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

/* n elements of a view at `p`, one after the other: in place where they lie so, else in `buffer` (of `room` elements).
 * *filled is the repeated element the buffer is full of, so that it is not filled again; NULL at first. */
static inline char *kl_walk_gather(const kl_walk *w, int view, char *p, int64_t n, char *buffer, int64_t room,
                                   const char **filled) {
  const int64_t step = w->strides[view][w->ndim - 1], size = (int64_t)w->size[view];
  if (step == size) {
    return p;
  }
  if (step != 0) {
    kl_walk_copy(buffer, size, p, step, n, w->size[view]);
  } else if (*filled != p) {
    kl_walk_copy(buffer, size, p, 0, room < w->shape[w->ndim - 1] ? room : w->shape[w->ndim - 1], w->size[view]);
    *filled = p;
  }
  return buffer;
}

#endif
