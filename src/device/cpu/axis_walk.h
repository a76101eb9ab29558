/* Walking the lines of a tensor along one axis: for kernels that need a whole axis at a time (softmax, cumsum, argmax).
 *
 * A line is handed over contiguous: in place where it lies so, else copied to a buffer and back.  Lines are shared out
 * to the pool in fixed blocks, so a line's bits depend on its elements only. */
#ifndef KL_DEVICE_CPU_AXIS_WALK_H
#define KL_DEVICE_CPU_AXIS_WALK_H

#include "device/device.h"

/* in: n contiguous input elements; out: room for the line's n_out output elements. */
typedef void (*kl_line)(int64_t n, const void *in, void *out, const kl_call *c);

/* Calls `line` for every line of input 0 along `axis`; output 0 has the same shape but for `axis`, whose length may
 * differ (1, or absent: then `absent_axis` is true). */
kl_status kl_axis_walk(const kl_call *c, int axis, bool absent_axis, kl_line line);

/* The `scratch` of kernels that walk: buffers of the lines, one pair per block of the pool. */
size_t kl_axis_walk_scratch(const kl_call *c, int axis, bool absent_axis);

#endif
