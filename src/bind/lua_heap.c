#include "bind/lua_heap.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define GRAIN 16             /* sizes of small blocks are its multiples */
#define SMALL 512            /* larger blocks are the C library's */
#define SLAB_BYTES (1 << 16) /* small blocks are cut from slabs of that size */

/* Under a sanitizer each block is the C library's, so that what is read after its end or its time is found. */
#if defined(__SANITIZE_ADDRESS__)
#define IS_SMALL(size) false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SMALL(size) false
#endif
#endif
#ifndef IS_SMALL
#define IS_SMALL(size) ((size) <= SMALL)
#endif

typedef struct link {
  struct link *next;
} link;

struct kl_lua_heap {
  link *free[SMALL / GRAIN + 1]; /* blocks by size */
  char *next, *end;              /* what is left of the newest slab */
  link *slabs;
};

kl_lua_heap *kl_lua_heap_new(void) { return calloc(1, sizeof(kl_lua_heap)); }

void kl_lua_heap_free(kl_lua_heap *heap) {
  while (heap != NULL && heap->slabs != NULL) {
    link *slab = heap->slabs;
    heap->slabs = slab->next;
    free(slab);
  }
  free(heap);
}

static size_t size_class(size_t size) { return (size + GRAIN - 1) / GRAIN; }

static void *cut(kl_lua_heap *heap, size_t class) {
  size_t size = class * GRAIN;
  if ((size_t)(heap->end - heap->next) < size) { /* what is left of the slab stays unused */
    link *slab = malloc(SLAB_BYTES);
    if (slab == NULL) {
      return NULL;
    }
    slab->next = heap->slabs;
    heap->slabs = slab;
    heap->next = (char *)slab + GRAIN;
    heap->end = (char *)slab + SLAB_BYTES;
  }
  void *block = heap->next;
  heap->next += size;
  return block;
}

static void *take(kl_lua_heap *heap, size_t size) {
  size_t class = size_class(size);
  link *block = heap->free[class];
  if (block == NULL) {
    return cut(heap, class);
  }
  heap->free[class] = block->next;
  __builtin_prefetch(block->next, 1); /* the next to be given out has been out of the caches for long */
  return block;
}

static void give_back(kl_lua_heap *heap, void *block, size_t size) {
  link *freed = block;
  size_t class = size_class(size);
  freed->next = heap->free[class];
  heap->free[class] = freed;
}

void *kl_lua_heap_allocate(void *data, void *block, size_t old, size_t size) {
  kl_lua_heap *heap = data;
  if (block == NULL) { /* `old` is the kind of object then */
    return size == 0 ? NULL : IS_SMALL(size) ? take(heap, size) : malloc(size);
  }
  bool was_small = IS_SMALL(old), is_small = IS_SMALL(size);
  if (size == 0) {
    if (was_small) {
      give_back(heap, block, old);
    } else {
      free(block);
    }
    return NULL;
  }
  if (!was_small && !is_small) {
    return realloc(block, size);
  }
  if (was_small && is_small && size_class(old) == size_class(size)) {
    return block;
  }
  void *moved = is_small ? take(heap, size) : malloc(size);
  if (moved == NULL) {
    return size <= old ? block : NULL; /* Lua relies on it that making smaller succeeds; the block is of a smaller size
                                        * from now on */
  }
  memcpy(moved, block, old < size ? old : size);
  if (was_small) {
    give_back(heap, block, old);
  } else {
    free(block);
  }
  return moved;
}
