/* Memory of the program's Lua state.
 *
 * A step whose Lua runs makes about a hundred small objects and soon lets go of them.  The C library's allocator spends
 * more on one than Lua does (headers, bins, joining of neighbours), and its lists are far apart in memory when the
 * kernels have filled the caches in between: so small blocks are kept here, by size, and given out again as they are.
 * What blocks of one size once took stays theirs until the state is closed. */
#ifndef KL_BIND_LUA_HEAP_H
#define KL_BIND_LUA_HEAP_H

#include <stddef.h>

typedef struct kl_lua_heap kl_lua_heap;

kl_lua_heap *kl_lua_heap_new(void); /* NULL if there is no memory */
void kl_lua_heap_free(kl_lua_heap *heap);

/* A lua_Alloc; its data is the heap. */
void *kl_lua_heap_allocate(void *heap, void *block, size_t old, size_t size);

#endif
