/* Philox 4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw (SC11): four 32-bit words are a pure
 * function of a 64-bit key and a 128-bit counter.  Check values from the authors' distribution are in
 * tests/ops/random_spec.lua. */
#ifndef KL_BASE_PHILOX_H
#define KL_BASE_PHILOX_H

#include <stdint.h>

typedef struct kl_philox {
  uint32_t word[4];
} kl_philox;

static inline kl_philox kl_philox_block(uint64_t key, uint64_t counter_low, uint64_t counter_high) {
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  uint32_t c0 = (uint32_t)counter_low, c1 = (uint32_t)(counter_low >> 32);
  uint32_t c2 = (uint32_t)counter_high, c3 = (uint32_t)(counter_high >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0;
    uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)p1;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return (kl_philox){{c0, c1, c2, c3}};
}

#endif
