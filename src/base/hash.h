/* Hashing words, for tables in memory: nothing that is written to a file may depend on it. */
#ifndef KL_BASE_HASH_H
#define KL_BASE_HASH_H

#include <stdint.h>

#define KL_HASH_BEGIN 14695981039346656037u

/* FNV-1a over words; the shift brings the high bits, where its product mixes well, down to where tables look. */
static inline uint64_t kl_hash_mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 1099511628211u;
  return hash ^ hash >> 29;
}

#endif
