/* Normalising axes. */
#include "op/axes.h"

kl_status kl_axis_normalize(int64_t *axis, int ndim) {
  int64_t a = *axis < 0 ? *axis + ndim : *axis;
  if (a < 0 || a >= ndim) {
    long long shown = *axis < 0 ? (long long)*axis : (long long)*axis + 1;
    if (ndim == 0) {
      return kl_fail(KL_ESHAPE, "axis %lld of a scalar, which has no axes", shown);
    }
    return kl_fail(KL_ESHAPE, "axis %lld is out of range: the tensor has %d ax%s (1 to %d, or -1 to -%d)", shown, ndim,
                   ndim == 1 ? "is" : "es", ndim, ndim);
  }
  *axis = a;
  return KL_OK;
}

kl_status kl_axes_normalize(kl_attr *axes, int ndim) {
  unsigned seen = 0;
  if (!axes->given) {
    seen = (1u << ndim) - 1;
  } else {
    for (int i = 0; i < axes->n; i++) {
      KL_TRY(kl_axis_normalize(&axes->v[i], ndim));
      unsigned bit = 1u << axes->v[i];
      if (seen & bit) {
        return kl_fail(KL_ESHAPE, "axis %d is named twice", (int)axes->v[i] + 1);
      }
      seen |= bit;
    }
  }
  axes->n = 0;
  axes->given = 1;
  for (int i = 0; i < ndim; i++) {
    if (seen >> i & 1) {
      axes->v[axes->n++] = i;
    }
  }
  return KL_OK;
}

bool kl_axes_contain(const kl_attr *axes, int axis) {
  for (int i = 0; i < axes->n; i++) {
    if (axes->v[i] == axis) {
      return true;
    }
  }
  return false;
}

void kl_axes_reduce_shape(const kl_shape *shape, const kl_attr *axes, bool keepdims, kl_shape *out) {
  kl_shape reduced = {0};
  for (int i = 0; i < shape->ndim; i++) {
    if (!kl_axes_contain(axes, i)) {
      reduced.dim[reduced.ndim++] = shape->dim[i];
    } else if (keepdims) {
      reduced.dim[reduced.ndim++] = 1;
    }
  }
  *out = reduced;
}

bool kl_shapes_agree(const kl_shape *a, const kl_shape *b) {
  bool agree = a->ndim == b->ndim;
  for (int i = 0; i < a->ndim && agree; i++) {
    agree = a->dim[i] == b->dim[i] || a->dim[i] == KL_UNKNOWN || b->dim[i] == KL_UNKNOWN;
  }
  return agree;
}
