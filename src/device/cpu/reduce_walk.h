/* Walking the elements of a reduction in an order that depends on shape and axes only.
 *
 * Axes of length 1 do not count.  If the last remaining axis is reduced ("rows"), the elements of one result, in C
 * order of the reduced axes, are cut into chunks of KL_REDUCE_CHUNK; if it is kept ("columns"), whole rows of results
 * are folded element by element, KL_REDUCE_ROWS rows a chunk.  A chunk gives one partial result per result, kept as an
 * 8-byte cell (double, or int64_t); cells are merged in chunk order.  Strided input is copied into a buffer first, so
 * strides, threads and modes do not change a bit. */
#ifndef KL_DEVICE_CPU_REDUCE_WALK_H
#define KL_DEVICE_CPU_REDUCE_WALK_H

#include "device/device.h"

#define KL_REDUCE_CHUNK 4096
#define KL_REDUCE_ROWS 256
#define KL_REDUCE_COLUMNS 256

typedef union kl_cell {
  double number;
  int64_t integer;
} kl_cell;

typedef struct kl_reducer {
  kl_cell identity;
  /* n >= 1 contiguous elements to a cell. */
  kl_cell (*row)(int64_t n, const void *x);
  /* Columns: n <= KL_REDUCE_COLUMNS accumulators of at most 8 bytes each start with a row, take further rows, and
   * accumulator i becomes a cell. */
  void (*begin)(int64_t n, const void *x, void *accumulators);
  void (*fold)(int64_t n, const void *x, void *accumulators);
  kl_cell (*cell)(const void *accumulators, int64_t i);
  kl_cell (*merge)(kl_cell a, kl_cell b);
  /* A cell over `count` elements as output element. */
  void (*finish)(kl_cell cell, int64_t count, void *out);
} kl_reducer;

/* Reduces input 0, or what `from` gives in its place, over the axes in attribute 0 to output 0. */
kl_status kl_reduce_run(const kl_call *c, const kl_reducer *reducer, const kl_elements *from);

/* The `takes` of its reductions: the input is dense, and each result's elements lie side by side. */
bool kl_reduce_takes(const kl_call *c);

/* The `scratch` of kernels that call kl_reduce_run. */
size_t kl_reduce_scratch(const kl_call *c);

#endif
