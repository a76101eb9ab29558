/* A region: many small blocks that are freed together.  Blocks are zeroed and 16-byte aligned. */
#ifndef KL_BASE_REGION_H
#define KL_BASE_REGION_H

#include <stddef.h>

typedef struct kl_region {
  struct kl_region_chunk *chunks;
  size_t used;  /* of the newest chunk */
  size_t bytes; /* of all chunks */
} kl_region;

/* NULL after kl_fail(KL_ENOMEM). */
void *kl_region_alloc(kl_region *region, size_t bytes);

void kl_region_free(kl_region *region);

#endif
