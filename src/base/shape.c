/* Shape arithmetic. */
#include "base/shape.h"

#include <stdio.h>
#include <string.h>

bool kl_shape_equal(const kl_shape *a, const kl_shape *b) {
  if (a->ndim != b->ndim) {
    return false;
  }
  for (int i = 0; i < a->ndim; i++) {
    if (a->dim[i] != b->dim[i]) {
      return false;
    }
  }
  return true;
}

bool kl_shape_known(const kl_shape *shape) {
  for (int i = 0; i < shape->ndim; i++) {
    if (shape->dim[i] < 0) {
      return false;
    }
  }
  return true;
}

int64_t kl_shape_numel(const kl_shape *shape) {
  int64_t n = 1;
  for (int i = 0; i < shape->ndim; i++) {
    if (shape->dim[i] < 0) {
      return KL_UNKNOWN;
    }
    n *= shape->dim[i];
  }
  return n;
}

kl_status kl_shape_check_size(const char *what, const kl_shape *shape, size_t element_size) {
  char text[KL_SHAPE_TEXT];
  int64_t bytes = (int64_t)element_size;
  bool fits = true;
  for (int i = 0; i < shape->ndim; i++) {
    int64_t d = shape->dim[i];
    if (d < 0) {
      return kl_fail(KL_ESHAPE, "%s: shape %s has a negative or unknown axis", what, kl_shape_text(shape, text));
    }
    /* Zero-length axes do not excuse the others: every product of a prefix must fit, so that no kernel meets one that
     * does not. */
    int64_t factor = d == 0 ? 1 : d;
    if (bytes > INT64_MAX / 2 / factor) {
      fits = false;
    } else {
      bytes *= factor;
    }
  }
  if (!fits) {
    return kl_fail(KL_ESHAPE, "%s: shape %s is too large: its bytes do not fit in 63 bits", what,
                   kl_shape_text(shape, text));
  }
  return KL_OK;
}

void kl_shape_contiguous(const kl_shape *shape, int64_t strides[KL_MAX_NDIM]) {
  int64_t stride = 1;
  for (int i = shape->ndim - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape->dim[i];
  }
}

bool kl_shape_broadcast(const kl_shape *a, const kl_shape *b, kl_shape *out) {
  const kl_shape *longer = a->ndim >= b->ndim ? a : b;
  const kl_shape *shorter = a->ndim >= b->ndim ? b : a;
  kl_shape joined = *longer;
  int offset = longer->ndim - shorter->ndim;
  for (int i = 0; i < shorter->ndim; i++) {
    int64_t x = longer->dim[i + offset];
    int64_t y = shorter->dim[i];
    if (x == y) {
      continue;
    }
    if (x == 1) {
      joined.dim[i + offset] = y;
    } else if (y == 1) {
      joined.dim[i + offset] = x;
    } else if (x == KL_UNKNOWN) {
      joined.dim[i + offset] = y;
    } else if (y != KL_UNKNOWN) {
      return false;
    }
  }
  *out = joined;
  return true;
}

const char *kl_shape_text(const kl_shape *shape, char buffer[KL_SHAPE_TEXT]) {
  size_t used = 0;
  buffer[used++] = '(';
  for (int i = 0; i < shape->ndim; i++) {
    const char *comma = i + 1 < shape->ndim ? ", " : shape->ndim == 1 ? "," : "";
    int n = shape->dim[i] < 0
                ? snprintf(buffer + used, KL_SHAPE_TEXT - used, "?%s", comma)
                : snprintf(buffer + used, KL_SHAPE_TEXT - used, "%lld%s", (long long)shape->dim[i], comma);
    used += (size_t)n;
  }
  buffer[used++] = ')';
  buffer[used] = '\0';
  return buffer;
}
