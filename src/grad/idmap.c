/* Open addressing with linear probing; ids are consecutive numbers, so a multiplicative hash spreads them. */
#include "grad/idmap.h"

#include <string.h>

#include "base/alloc.h"

static uint32_t start(const kl_idmap *map, uint64_t id) {
  return (uint32_t)((id * 0x9e3779b97f4a7c15u) >> 32) & (map->capacity - 1);
}

static size_t bytes(const kl_idmap *map) { return sizeof(kl_idmap_slot) * map->capacity; }

void kl_idmap_clear(kl_idmap *map) {
  if (map->used > 0) {
    memset(map->slots, 0, bytes(map));
    map->used = 0;
  }
}

void kl_idmap_free(kl_idmap *map) {
  kl_free(map->slots, bytes(map));
  *map = (kl_idmap){0};
}

kl_idmap_slot *kl_idmap_find(const kl_idmap *map, uint64_t id) {
  if (map->used == 0) {
    return NULL;
  }
  for (uint32_t i = start(map, id);; i = (i + 1) & (map->capacity - 1)) {
    if (map->slots[i].id == id) {
      return &map->slots[i];
    }
    if (map->slots[i].id == 0) {
      return NULL;
    }
  }
}

static kl_status grow(kl_idmap *map) {
  kl_idmap larger = {.capacity = map->capacity == 0 ? 64 : map->capacity * 2, .used = map->used};
  larger.slots = kl_alloc_zero(bytes(&larger));
  if (larger.slots == NULL) {
    return KL_ENOMEM;
  }
  for (uint32_t i = 0; i < map->capacity; i++) {
    if (map->slots[i].id != 0) {
      uint32_t at = start(&larger, map->slots[i].id);
      while (larger.slots[at].id != 0) {
        at = (at + 1) & (larger.capacity - 1);
      }
      larger.slots[at] = map->slots[i];
    }
  }
  kl_free(map->slots, bytes(map));
  *map = larger;
  return KL_OK;
}

kl_idmap_slot *kl_idmap_put(kl_idmap *map, uint64_t id) {
  if (map->used * 2 >= map->capacity && grow(map) != KL_OK) {
    return NULL;
  }
  uint32_t i = start(map, id);
  while (map->slots[i].id != 0 && map->slots[i].id != id) {
    i = (i + 1) & (map->capacity - 1);
  }
  if (map->slots[i].id == 0) {
    map->slots[i].id = id;
    map->used++;
  }
  return &map->slots[i];
}
