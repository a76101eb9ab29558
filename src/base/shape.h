/* Shapes: up to KL_MAX_NDIM axes, each a length >= 0 or KL_UNKNOWN.
 *
 * A shape is a value: copied, compared, kept on the stack.  Lengths are counts of elements.  KL_UNKNOWN occurs only in
 * tensors without a value (functional graphs); a tensor that has a value never has one.  Axes are 0-based here; the
 * 1-based axes of Lua are converted in src/bind only. */
#ifndef KL_BASE_SHAPE_H
#define KL_BASE_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define KL_MAX_NDIM 8
#define KL_UNKNOWN ((int64_t)-1)

typedef struct kl_shape {
  int ndim;
  int64_t dim[KL_MAX_NDIM];
} kl_shape;

static inline kl_shape kl_shape_scalar(void) { return (kl_shape){0}; }

/* Rank and lengths equal; an unknown axis equals only an unknown axis. */
bool kl_shape_equal(const kl_shape *a, const kl_shape *b);

/* False if an axis is unknown. */
bool kl_shape_known(const kl_shape *shape);

/* Number of elements, or KL_UNKNOWN.  The caller has made sure that it fits (kl_shape_check_size). */
int64_t kl_shape_numel(const kl_shape *shape);

/* KL_ESHAPE naming `what` if numel * element_size does not fit in an int64_t, or an axis is negative. */
kl_status kl_shape_check_size(const char *what, const kl_shape *shape, size_t element_size);

/* Strides of a C-contiguous tensor of that shape, in elements. */
void kl_shape_contiguous(const kl_shape *shape, int64_t strides[KL_MAX_NDIM]);

/* Joins two shapes by numpy's rule, into *out, which may be a or b.  An unknown axis meets 1 as unknown, and a known
 * length n > 1 as n.  False if they do not fit. */
bool kl_shape_broadcast(const kl_shape *a, const kl_shape *b, kl_shape *out);

/* "(2, 3)", "(3,)", "()"; unknown axes as "?".  Returns buffer. */
#define KL_SHAPE_TEXT 192
const char *kl_shape_text(const kl_shape *shape, char buffer[KL_SHAPE_TEXT]);

#endif
