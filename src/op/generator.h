/* Random generators: a key and a counter.  Handing out a key for a draw of n elements advances the counter by n, at the
 * moment the op passes the door and not when it runs, so that no pass over a recorded step can change a draw.  A
 * recorder hears of every draw: a step that is replayed makes it again. */
#ifndef KL_OP_GENERATOR_H
#define KL_OP_GENERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "tensor/tensor.h"

typedef struct kl_generator {
  int32_t refs;
  uint64_t key, counter;
  bool transient; /* made for one draw from a given seed: a replay does not draw from it again */
} kl_generator;

kl_status kl_generator_new(uint64_t key, uint64_t counter, bool transient, kl_generator **out);
kl_generator *kl_generator_retain(kl_generator *g);
void kl_generator_release(kl_generator *g); /* NULL is allowed */

/* The key of (seed, path, n): a 64-bit hash (FNV-1a, mixed by splitmix64's finaliser). */
uint64_t kl_generator_key(uint64_t seed, const char *path, uint64_t n);

/* A new int64 tensor {key, counter} for a draw of n elements, and the advance.  While a functional graph is built
 * nothing advances. */
kl_status kl_generator_next(kl_generator *g, int64_t n, kl_tensor **key);

/* The same into a key that nobody reads any more. */
kl_status kl_generator_draw(kl_generator *g, int64_t n, kl_tensor *key);

#endif
