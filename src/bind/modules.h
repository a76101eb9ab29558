/* Where `require "kl"` and `require "kl.x"` come from: the Lua files embedded in the program, or the folder that
 * KL_LUA_PATH names (a tree that contains kl/init.lua), for development. */
#ifndef KL_BIND_MODULES_H
#define KL_BIND_MODULES_H

#include <lua.h>
#include <stddef.h>

typedef struct kl_module {
  const char *name; /* "kl.layers.dense" */
  const char *file; /* "kl/layers/dense.lua" */
  const char *text;
  size_t size; /* bytes */
} kl_module;

/* Made by scripts/dev/embed.c; ends with {0}. */
extern const kl_module kl_modules[];

/* Puts kl.core into package.preload and a searcher for kl's modules before the others. */
void kl_bind_open_modules(lua_State *L);

/* Entry of kl.so: require "kl" from a stock Lua. */
int luaopen_kl(lua_State *L);

#endif
