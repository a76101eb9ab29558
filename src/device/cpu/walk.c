/* Joining axes. */
#include "device/cpu/walk.h"

/* In place: the joined axes are never more than those that were. */
void kl_walk_join(kl_walk *w, const kl_shape *shape) {
  w->numel = kl_shape_numel(shape);
  w->ndim = 0;
  for (int axis = 0; axis < shape->ndim; axis++) {
    int64_t length = shape->dim[axis];
    if (length == 1) {
      continue;
    }
    bool join = w->ndim > 0;
    for (int v = 0; v < w->nviews && join; v++) {
      join = w->strides[v][w->ndim - 1] == w->strides[v][axis] * length;
    }
    if (join) {
      w->shape[w->ndim - 1] *= length;
    } else {
      w->shape[w->ndim++] = length;
    }
    for (int v = 0; v < w->nviews; v++) {
      w->strides[v][w->ndim - 1] = w->strides[v][axis];
    }
  }
  if (w->ndim == 0) {
    w->ndim = 1;
    w->shape[0] = 1;
    for (int v = 0; v < w->nviews; v++) {
      w->strides[v][0] = (int64_t)w->size[v];
    }
  }
}
