/* Counted allocation with free-lists by size class.
 *
 * Classes: multiples of 64 bytes up to 1 KiB, then four per doubling up to KL_CACHED_BLOCK.  A block is always as large
 * as its class, so any block of a class serves any request of it.  Larger blocks go to the system each time.  Under a
 * sanitizer nothing is cached: a use after free must stay visible. */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALIGNMENT ((size_t)64)
#define HUGE ((size_t)16 << 20) /* from here on memory is taken in pages of 2 MiB, where the system has them */
#define HUGE_PAGE ((size_t)2 << 20)
#define SMALL_CLASSES 16                         /* 64, 128, ... 1024 bytes */
#define CACHED_BLOCK ((size_t)32 << 20)          /* largest block kept, bytes */
#define CACHE_LIMIT ((uint64_t)96 << 20)         /* all free-lists together, bytes */
#define CLASS_COUNT (SMALL_CLASSES + 4 * 15 + 1) /* 1 KiB ... 32 MiB */

typedef struct free_block {
  struct free_block *next;
} free_block;

static struct {
  atomic_flag lock;
  free_block *lists[CLASS_COUNT];
  kl_alloc_stats stats;
  uint64_t fail_countdown; /* 0: off; 1: fail now and until switched off */
} heap = {.lock = ATOMIC_FLAG_INIT};

static void lock_heap(void) {
  while (atomic_flag_test_and_set_explicit(&heap.lock, memory_order_acquire)) {
  }
}

static void unlock_heap(void) { atomic_flag_clear_explicit(&heap.lock, memory_order_release); }

/* The class of a request, or -1 where it is not cached; *rounded is the block's real size. */
static int size_class(size_t bytes, size_t *rounded) {
  if (bytes <= 1024) {
    size_t units = bytes == 0 ? 1 : (bytes + ALIGNMENT - 1) / ALIGNMENT;
    *rounded = units * ALIGNMENT;
    return (int)units - 1;
  }
  if (bytes > CACHED_BLOCK) {
    *rounded = (bytes + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    return -1;
  }
  /* Between 2^k and 2^(k+1) the classes end at 2^k * 5/4, 6/4, 7/4, 8/4. */
  int k = 63 - __builtin_clzll((unsigned long long)(bytes - 1));
  size_t quarter = (size_t)1 << (k - 2);
  size_t steps = (bytes - ((size_t)1 << k) + quarter - 1) / quarter;
  *rounded = ((size_t)1 << k) + steps * quarter;
  return SMALL_CLASSES + (k - 10) * 4 + (int)steps - 1;
}

static uint64_t read_limit_file(const char *path) {
  char text[64] = {0};
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    return 0;
  }
  size_t n = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  return n == 0 ? 0 : strtoull(text, NULL, 10); /* "max" reads as 0: no limit */
}

static uint64_t default_limit(void) {
  uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES);
  uint64_t memory = pages * (uint64_t)sysconf(_SC_PAGESIZE);
  static const char *const files[] = {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    uint64_t limit = read_limit_file(files[i]);
    if (limit != 0 && limit < memory) {
      memory = limit;
    }
  }
  return memory / 10 * 9;
}

void kl_set_memory_limit(uint64_t bytes) {
  uint64_t limit = bytes != 0 ? bytes : default_limit();
  lock_heap();
  heap.stats.limit_bytes = limit;
  unlock_heap();
}

static void *refuse(size_t bytes, const char *why) {
  kl_alloc_stats s = heap.stats;
  unlock_heap();
  kl_fail(KL_ENOMEM, "out of memory (%s): %llu bytes requested, %llu live, %llu at the peak, limit %llu", why,
          (unsigned long long)bytes, (unsigned long long)s.live_bytes, (unsigned long long)s.peak_bytes,
          (unsigned long long)s.limit_bytes);
  return NULL;
}

/* Arrays of data are read at places all over: with small pages every row would wait for a page's address too. */
static void *from_system(size_t bytes) {
  void *block;
  if (posix_memalign(&block, bytes >= HUGE ? HUGE_PAGE : ALIGNMENT, bytes) != 0) {
    return NULL;
  }
  if (bytes >= HUGE) {
    madvise(block, bytes & ~(HUGE_PAGE - 1), MADV_HUGEPAGE);
  }
  return block;
}

void *kl_alloc(size_t bytes) {
  size_t rounded;
  int class = size_class(bytes, &rounded);
  if (KL_UNLIKELY(heap.stats.limit_bytes == 0)) {
    kl_set_memory_limit(0);
  }
  lock_heap();
  if (KL_UNLIKELY(heap.fail_countdown != 0)) {
    if (heap.fail_countdown == 1) {
      return refuse(bytes, "asked for by a test");
    }
    heap.fail_countdown--;
  }
  if (KL_UNLIKELY(bytes > heap.stats.limit_bytes || heap.stats.live_bytes > heap.stats.limit_bytes - bytes)) {
    return refuse(bytes, "memory limit");
  }
  void *block = NULL;
  uint64_t taken = 0;
  if (class >= 0 && heap.lists[class] != NULL) {
    free_block *head = heap.lists[class];
    heap.lists[class] = head->next;
    __builtin_prefetch(head->next, 1); /* what is asked for next: kernels may have put it out of the caches */
    heap.stats.cached_bytes -= rounded;
    block = head;
  } else {
    unlock_heap();
    block = from_system(rounded);
    if (block == NULL) {
      kl_alloc_trim();
      block = from_system(rounded);
    }
    lock_heap();
    if (block == NULL) {
      return refuse(bytes, "the system refused");
    }
    taken = 1;
  }
  heap.stats.live_bytes += bytes;
  heap.stats.live_blocks++;
  heap.stats.allocations++;
  heap.stats.taken_blocks += taken;
  if (heap.stats.live_bytes > heap.stats.peak_bytes) {
    heap.stats.peak_bytes = heap.stats.live_bytes;
  }
  unlock_heap();
  return block;
}

void *kl_alloc_zero(size_t bytes) {
  void *block = kl_alloc(bytes);
  if (block != NULL) {
    memset(block, 0, bytes);
  }
  return block;
}

kl_status kl_alloc_grow_list(void **list, size_t element, int64_t needed, int64_t *capacity) {
  int64_t larger = *capacity == 0 ? 64 : *capacity;
  while (larger < needed) {
    larger *= 2;
  }
  void *moved = kl_alloc((size_t)larger * element);
  if (moved == NULL) {
    return KL_ENOMEM;
  }
  if (*capacity > 0) {
    memcpy(moved, *list, (size_t)*capacity * element);
  }
  kl_free(*list, (size_t)*capacity * element);
  *list = moved;
  *capacity = larger;
  return KL_OK;
}

#if defined(__SANITIZE_ADDRESS__)
#define CACHING false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CACHING false
#endif
#endif
#ifndef CACHING
#define CACHING true
#endif

void kl_free(void *block, size_t bytes) {
  if (block == NULL) {
    return;
  }
  size_t rounded;
  int class = size_class(bytes, &rounded);
  lock_heap();
  heap.stats.live_bytes -= bytes;
  heap.stats.live_blocks--;
  bool keep = CACHING && class >= 0 && heap.stats.cached_bytes + rounded <= CACHE_LIMIT;
  if (keep) {
    free_block *head = block;
    head->next = heap.lists[class];
    heap.lists[class] = head;
    heap.stats.cached_bytes += rounded;
  }
  unlock_heap();
  if (!keep) {
    free(block);
  }
}

void kl_alloc_trim(void) {
  for (int class = 0; class < CLASS_COUNT; class ++) {
    lock_heap();
    free_block *head = heap.lists[class];
    heap.lists[class] = NULL;
    for (free_block *b = head; b != NULL; b = b->next) {
      size_t bytes;
      if (class < SMALL_CLASSES) {
        bytes = (size_t)(class + 1) * ALIGNMENT;
      } else {
        int k = (class - SMALL_CLASSES) / 4 + 10;
        size_t steps = (size_t)((class - SMALL_CLASSES) % 4) + 1;
        bytes = ((size_t)1 << k) + steps * ((size_t)1 << (k - 2));
      }
      heap.stats.cached_bytes -= bytes;
    }
    unlock_heap();
    while (head != NULL) {
      free_block *next = head->next;
      free(head);
      head = next;
    }
  }
}

kl_alloc_stats kl_alloc_get_stats(void) {
  if (heap.stats.limit_bytes == 0) {
    kl_set_memory_limit(0);
  }
  lock_heap();
  kl_alloc_stats stats = heap.stats;
  unlock_heap();
  return stats;
}

void kl_alloc_reset_peak(void) {
  lock_heap();
  heap.stats.peak_bytes = heap.stats.live_bytes;
  unlock_heap();
}

void kl_alloc_fail_after(uint64_t n) {
  lock_heap();
  heap.fail_countdown = n;
  unlock_heap();
}
