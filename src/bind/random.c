/* Generators as Lua userdata; see lua/kl/random.lua. */
#include "bind/bind.h"
#include "op/generator.h"

#define GENERATOR_TYPE "kl.Generator"

/* NULL once it was collected: a finalizer of the same cycle may still reach it. */
static kl_generator *check_generator(lua_State *L) { return *(kl_generator **)luaL_checkudata(L, 1, GENERATOR_TYPE); }

static int close_generator(lua_State *L) {
  kl_generator **slot = lua_touserdata(L, 1);
  kl_generator *g = *slot;
  *slot = NULL;
  kl_generator_release(g);
  return 0;
}

/* core.generator(key, counter, transient) */
static int new_generator(lua_State *L) {
  uint64_t key = (uint64_t)luaL_checkinteger(L, 1), counter = (uint64_t)luaL_optinteger(L, 2, 0);
  bool transient = lua_toboolean(L, 3);
  kl_bind_enter(L);
  kl_generator **slot = lua_newuserdatauv(L, sizeof *slot, 0);
  *slot = NULL;
  luaL_setmetatable(L, GENERATOR_TYPE);
  kl_status status = kl_generator_new(key, counter, transient, slot);
  if (kl_bind_retry(L, status)) {
    status = kl_generator_new(key, counter, transient, slot);
  }
  return status == KL_OK ? 1 : kl_bind_raise(L);
}

/* core.generator_key(seed, path, n) */
static int generator_key(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)kl_generator_key((uint64_t)luaL_checkinteger(L, 1), luaL_checkstring(L, 2),
                                                   (uint64_t)luaL_checkinteger(L, 3)));
  return 1;
}

/* g:next(n): the key tensor of a draw of n elements. */
static int next_key(lua_State *L) {
  kl_generator *g = check_generator(L);
  lua_Integer n = luaL_checkinteger(L, 2);
  if (g == NULL) {
    return kl_bind_error(L, "this generator was collected");
  }
  kl_bind_enter(L);
  kl_tensor **slot = kl_bind_new_tensor(L);
  kl_status status = kl_generator_next(g, n, slot);
  if (kl_bind_retry(L, status)) {
    status = kl_generator_next(g, n, slot);
  }
  return status == KL_OK ? 1 : kl_bind_raise(L);
}

/* g:state() -> key, counter, or nothing once it was collected; g:set_state(key, counter) */
static int get_state(lua_State *L) {
  kl_generator *g = check_generator(L);
  if (g == NULL) {
    return 0;
  }
  lua_pushinteger(L, (lua_Integer)g->key);
  lua_pushinteger(L, (lua_Integer)g->counter);
  return 2;
}
static int set_state(lua_State *L) {
  kl_generator *g = check_generator(L);
  if (g != NULL) {
    g->key = (uint64_t)luaL_checkinteger(L, 2);
    g->counter = (uint64_t)luaL_checkinteger(L, 3);
  }
  return 0;
}

void kl_bind_open_random(lua_State *L, int core) {
  static const luaL_Reg methods[] = {
      {"next", next_key},
      {"state", get_state},
      {"set_state", set_state},
      {NULL, NULL},
  };
  static const luaL_Reg meta[] = {{"__gc", close_generator}, {NULL, NULL}};
  kl_bind_new_type(L, GENERATOR_TYPE, meta, methods);
  lua_pushcfunction(L, new_generator);
  lua_setfield(L, core, "generator");
  lua_pushcfunction(L, generator_key);
  lua_setfield(L, core, "generator_key");
}
