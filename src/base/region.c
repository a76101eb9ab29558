/* Regions: a chain of chunks, bump allocation in the newest. */
#include "base/region.h"

#include <string.h>

#include "base/alloc.h"

#define CHUNK ((size_t)32 << 10) /* bytes */

struct kl_region_chunk {
  struct kl_region_chunk *next;
  size_t bytes; /* with this header */
};

#define HEADER ((sizeof(struct kl_region_chunk) + 15) & ~(size_t)15)

void *kl_region_alloc(kl_region *region, size_t bytes) {
  bytes = (bytes + 15) & ~(size_t)15;
  struct kl_region_chunk *chunk = region->chunks;
  if (chunk == NULL || chunk->bytes - region->used < bytes) {
    size_t size = HEADER + (bytes > CHUNK ? bytes : CHUNK);
    struct kl_region_chunk *fresh = kl_alloc(size);
    if (fresh == NULL) {
      return NULL;
    }
    fresh->next = chunk;
    fresh->bytes = size;
    region->chunks = chunk = fresh;
    region->used = HEADER;
    region->bytes += size;
  }
  void *block = (char *)chunk + region->used;
  region->used += bytes;
  return memset(block, 0, bytes);
}

void kl_region_free(kl_region *region) {
  while (region->chunks != NULL) {
    struct kl_region_chunk *chunk = region->chunks;
    region->chunks = chunk->next;
    kl_free(chunk, chunk->bytes);
  }
  region->used = region->bytes = 0;
}
