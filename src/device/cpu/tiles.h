/* Running a tile function over strided operands.
 *
 * Elementwise kernels compute contiguous tiles; this walks any strides and feeds them: operands that already lie
 * contiguously are passed in place, repeated or strided ones are copied into a small buffer first.  Therefore strided
 * input gives the bits of contiguous input.  Large outputs are cut into fixed blocks for the pool. */
#ifndef KL_DEVICE_CPU_TILES_H
#define KL_DEVICE_CPU_TILES_H

#include "device/device.h"

#define KL_TILE 256 /* elements per buffered tile */

/* Applies `tile` to the inputs of `c`, all of the outputs' shape, and writes the outputs. */
kl_status kl_tiles_run(const kl_call *c, kl_tile tile);

/* The `run` of an elementwise kernel: the tile for the dtype of the last input. */
kl_status kl_tiles_run_elementwise(const kl_call *c);

/* Runs joined elementwise kernels (device.h). */
void kl_tiles_run_fused(const kl_fused *f);

/* Copies between views of one shape and dtype, whatever their strides. */
void kl_tiles_copy(const kl_view *from, const kl_view *to);

/* Copies any strided view into contiguous memory. */
void kl_tiles_gather(const kl_view *view, void *out);

#endif
