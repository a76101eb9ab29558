/* Watching for the first op of a program whose result is not finite: how a bad loss is traced to where it came from.
 *
 * While a watch is set every op that runs in immediate mode has its results looked through.  When none is, an op looks
 * at one pointer and does nothing else.  For one thread: the one that applies ops. */
#ifndef KL_OP_FINITE_WATCH_H
#define KL_OP_FINITE_WATCH_H

#include "op/op.h"

/* The first op that gave such a value. */
typedef struct kl_finite_found {
  const kl_op *op; /* NULL: none did */
  uint32_t source; /* op/record.h */
} kl_finite_found;

/* Infinities are apart from NaN: the one may be meant (a mask), and mostly leads to the other. */
typedef struct kl_finite_watch {
  kl_finite_found nan, infinity;
} kl_finite_watch;

extern kl_finite_watch *kl_finite_watching; /* NULL: nobody looks */

/* The op has just given these results. */
void kl_finite_watch_see(const kl_op *op, uint32_t source, int nout, kl_tensor *const *out);

#endif
