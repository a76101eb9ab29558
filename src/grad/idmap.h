/* A hash table from tensor ids to small values, open addressing, for tapes and the sweep.  Ids are never 0. */
#ifndef KL_GRAD_IDMAP_H
#define KL_GRAD_IDMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef struct kl_idmap_slot {
  uint64_t id; /* 0: empty */
  void *value;
} kl_idmap_slot;

typedef struct kl_idmap {
  kl_idmap_slot *slots;
  uint32_t capacity; /* a power of two, or 0 */
  uint32_t used;
} kl_idmap;

void kl_idmap_clear(kl_idmap *map);
void kl_idmap_free(kl_idmap *map);

/* The slot of that id, or NULL. */
kl_idmap_slot *kl_idmap_find(const kl_idmap *map, uint64_t id);

/* The slot of that id, made with value NULL if it is new; NULL after kl_fail(KL_ENOMEM).  Slots move when the map
 * grows. */
kl_idmap_slot *kl_idmap_put(kl_idmap *map, uint64_t id);

#endif
