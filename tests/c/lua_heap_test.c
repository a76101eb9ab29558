/* The heap of the program's Lua state: blocks keep what is written to them through any sequence of calls. */
#include "bind/lua_heap.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 500
#define ROUNDS 200000

static struct {
  unsigned char *data;
  size_t size;
} blocks[BLOCKS];

static unsigned next_random(void) {
  static unsigned state = 1;
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}

/* Mostly small, as Lua's objects are, around the borders of sizes too. */
static size_t random_size(void) { return next_random() % 8 == 0 ? next_random() % 3000 : next_random() % 530; }

static bool holds(int i, size_t bytes) {
  for (size_t k = 0; k < bytes; k++) {
    if (blocks[i].data[k] != (unsigned char)i) {
      return false;
    }
  }
  return true;
}

int main(void) {
  int passed = 0, failed = 0;
  kl_lua_heap *heap = kl_lua_heap_new();
  if (heap == NULL) {
    return 1;
  }
  for (int round = 0; round < ROUNDS; round++) {
    int i = (int)(next_random() % BLOCKS);
    size_t size = next_random() % 3 == 0 ? 0 : random_size(), old = blocks[i].size;
    unsigned char *moved = kl_lua_heap_allocate(heap, blocks[i].data, blocks[i].data == NULL ? 5 : old, size);
    blocks[i].data = moved;
    blocks[i].size = size;
    bool fine = size == 0 ? moved == NULL : (moved != NULL && holds(i, old < size ? old : size));
    if (size > 0 && moved != NULL) {
      fine = fine && (size_t)moved % 16 == 0;
      memset(moved, i, size);
    }
    passed += fine;
    failed += !fine;
  }
  for (int i = 0; i < BLOCKS; i++) {
    kl_lua_heap_allocate(heap, blocks[i].data, blocks[i].size, 0);
  }
  kl_lua_heap_free(heap);
  printf("%d passed, %d failed\n", passed > 0, failed);
  return failed > 0;
}
