/* The thread pool: fixed blocks of work, each owned by one thread by its index.
 *
 * kl_pool_run(n, f, context) calls f(context, b) for b = 0 .. n-1.  Each thread owns one run of neighbouring blocks,
 * the caller being thread 0 and owning the first ones: passes that cut the same memory into other blocks still find
 * most of it in the caches of the core that met it before (kernels.md 1).  A thread that has finished takes over blocks
 * that others have not begun, so that a thread the system does not run holds nobody up.  How work is cut into blocks
 * never depends on the number of threads, so results do not.  Waiting threads spin for a while, then sleep.  Workers
 * have FTZ and DAZ set and all signals blocked. */
#ifndef KL_DEVICE_CPU_POOL_H
#define KL_DEVICE_CPU_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef void (*kl_block)(void *context, int64_t block);

/* Runs all blocks and returns when they are done.  Not reentrant: a block must not call it. */
void kl_pool_run(int64_t blocks, kl_block f, void *context);

/* How many threads a region that this thread asks for has. */
int kl_pool_threads(void);

/* n >= 1, including the caller; KL_EVALUE if n is out of range. */
kl_status kl_pool_set_threads(int n);

/* While it is set, regions that this thread asks for are run by it alone: it may then ask for one while another
 * thread's is running.  Returns what it was before. */
bool kl_pool_set_alone(bool alone);

/* Sets flush-to-zero and denormals-are-zero for this thread and returns the previous state for kl_pool_restore_float.
 */
unsigned kl_pool_set_float(void);
void kl_pool_restore_float(unsigned state);

#endif
