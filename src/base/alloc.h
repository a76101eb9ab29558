/* The only allocator of libkl: counted, limited, cached by size, and able to fail on purpose.
 *
 * Every block is 64-byte aligned and is freed with the size it was asked for, so no header is kept.  Freed blocks wait
 * in a free-list per size class (bounded; never counted as live), because a training step asks for the same sizes again
 * and again and the kernel's page faults cost more than the arithmetic (docs/experiments.md, 3).  Safe to call from any
 * thread. */
#ifndef KL_BASE_ALLOC_H
#define KL_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* A block of at least `bytes` bytes, uninitialised, or NULL after kl_fail(KL_ENOMEM) with requested, live and peak
 * bytes in the message.  bytes may be 0. */
void *kl_alloc(size_t bytes);

/* The same, filled with zeros. */
void *kl_alloc_zero(size_t bytes);

/* Gives a block back.  `bytes` is what was passed to kl_alloc.  NULL is allowed. */
void kl_free(void *block, size_t bytes);

/* Makes room in a list: *list, of *capacity elements (both 0 at first), gets at least `needed`; its content moves
 * along. KL_ENOMEM, with the list as it was. */
kl_status kl_alloc_grow_list(void **list, size_t element, int64_t needed, int64_t *capacity);
static inline kl_status kl_alloc_grow(void **list, size_t element, int64_t needed, int64_t *capacity) {
  return KL_LIKELY(needed <= *capacity) ? KL_OK : kl_alloc_grow_list(list, element, needed, capacity);
}

typedef struct kl_alloc_stats {
  uint64_t live_bytes;   /* in blocks handed out */
  uint64_t peak_bytes;   /* largest live_bytes so far, or since kl_alloc_reset_peak */
  uint64_t live_blocks;  /* number of blocks handed out */
  uint64_t cached_bytes; /* in the free-lists */
  uint64_t allocations;  /* calls that returned a block, ever */
  uint64_t taken_blocks; /* of these, blocks that came from the system and not from a free-list */
  uint64_t limit_bytes;  /* kl_set_memory_limit */
} kl_alloc_stats;

kl_alloc_stats kl_alloc_get_stats(void);
void kl_alloc_reset_peak(void);

/* Live bytes may not pass `bytes`; 0 restores the default, 90 % of the cgroup's or the machine's memory.
 * Linux promises more memory than it has and kills the process later, so kl refuses first (reliability.md V4). */
void kl_set_memory_limit(uint64_t bytes);

/* Gives the cached blocks back to the system. */
void kl_alloc_trim(void);

/* For tests: the n-th allocation from now (n >= 1) and all after it fail, until kl_alloc_fail_after(0). */
void kl_alloc_fail_after(uint64_t n);

#endif
