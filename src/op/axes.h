/* Axes as attributes: checked and normalised by `infer`, once, to 0 <= axis < ndim. */
#ifndef KL_OP_AXES_H
#define KL_OP_AXES_H

#include "op/op.h"

/* One axis; negative counts from the end.  `ndim` is the rank it must lie in.  The message counts from 1, as Lua does.
 */
kl_status kl_axis_normalize(int64_t *axis, int ndim);

/* A list of distinct axes, sorted ascending; all axes where none was given. */
kl_status kl_axes_normalize(kl_attr *axes, int ndim);

/* True if `axis` is in the (normalised) list. */
bool kl_axes_contain(const kl_attr *axes, int axis);

/* True if both have the same rank, and the same lengths where both are known. */
bool kl_shapes_agree(const kl_shape *a, const kl_shape *b);

/* The shape after reducing the listed axes. */
void kl_axes_reduce_shape(const kl_shape *shape, const kl_attr *axes, bool keepdims, kl_shape *out);

#endif
