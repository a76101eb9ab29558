/* Measuring the machine's peaks on all threads.  Each figure is the best of a few passes: what is wanted is what the
 * machine can do, not what other programs leave of it. */
#include <time.h>

#include "base/alloc.h"
#include "device/cpu/peak.h"
#include "device/cpu/pool.h"

#define PASSES 4
#define BLOCKS_PER_THREAD 8           /* so that a thread that is held up holds nobody up */
#define ROUNDS 100000                 /* per block: some tenths of a millisecond */
#define READ_BYTES ((size_t)64 << 20) /* more than a core's share of the caches */
#define READ_BLOCK ((int64_t)1 << 18) /* elements per block: 1 MiB */

typedef struct measure {
  const kl_peak_kernels *kernels;
  const float *data;
  volatile float sink; /* results go somewhere, or the compiler leaves the work out */
} measure;

static void multiply_add(void *context, int64_t block) {
  measure *m = context;
  (void)block;
  m->sink = m->kernels->multiply_add(ROUNDS);
}

static void read_block(void *context, int64_t block) {
  measure *m = context;
  m->sink = m->kernels->read(m->data + block * READ_BLOCK, READ_BLOCK);
}

/* Seconds of the fastest pass. */
static double best_of(int64_t blocks, kl_block f, measure *m) {
  double best = 0;
  for (int pass = 0; pass < PASSES; pass++) {
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    kl_pool_run(blocks, f, m);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
    best = pass == 0 || seconds < best ? seconds : best;
  }
  return best;
}

kl_peak kl_peak_measure(const kl_peak_kernels *kernels) {
  measure m = {.kernels = kernels};
  kl_peak peak = {0, 0};
  unsigned state = kl_pool_set_float();
  int64_t blocks = (int64_t)kl_pool_threads() * BLOCKS_PER_THREAD;
  double seconds = best_of(blocks, multiply_add, &m);
  peak.flops = seconds > 0 ? kernels->flops_per_round * ROUNDS * (double)blocks / seconds : 0;
  float *data = kl_alloc_zero(READ_BYTES);
  if (data != NULL) {
    m.data = data;
    seconds = best_of((int64_t)(READ_BYTES / sizeof *data) / READ_BLOCK, read_block, &m);
    peak.bandwidth = seconds > 0 ? (double)READ_BYTES / seconds : 0;
    kl_free(data, READ_BYTES);
  }
  kl_pool_restore_float(state);
  return peak;
}
