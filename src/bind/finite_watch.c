/* core.find_not_finite(f, ...): calls f and tells which op first gave a NaN, and which an infinity.
 *
 * -> {nan = {op, line, layer, phase} or nil, infinity = the same}, nil or the error that ended f.  Ops are seen in
 * immediate mode only: the caller sees to it that nothing is recorded. */
#include "op/finite_watch.h"
#include "bind/bind.h"

static void set_found(lua_State *L, const char *name, const kl_finite_found *found) {
  if (found->op == NULL) {
    return;
  }
  lua_createtable(L, 0, 4);
  lua_pushstring(L, found->op->name);
  lua_setfield(L, -2, "op");
  if (kl_bind_push_source(L, found->source)) {
    lua_setfield(L, -3, "layer");
    lua_setfield(L, -2, "line");
  }
  uint32_t phase = KL_SOURCE_PHASE(found->source);
  lua_pushstring(L, phase == KL_PHASE_BACKWARD ? "backward" : phase == KL_PHASE_UPDATE ? "update" : "forward");
  lua_setfield(L, -2, "phase");
  lua_setfield(L, -2, name);
}

static int find_not_finite(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  kl_bind_enter(L);
  kl_finite_watch watch = {{0}, {0}}, *outer = kl_finite_watching;
  bool capturing = kl_bind_capturing;
  kl_finite_watching = &watch;
  kl_bind_capturing = true;
  int status = lua_pcall(L, lua_gettop(L) - 1, 0, 0); /* pcall: the pointer to this frame never outlives it */
  kl_finite_watching = outer;
  kl_bind_capturing = capturing;
  kl_bind_enter(L);
  if (!capturing) {
    kl_context_now->source = 0;
  }
  if (status == LUA_OK) {
    lua_pushnil(L);
  }
  lua_createtable(L, 0, 2);
  set_found(L, "nan", &watch.nan);
  set_found(L, "infinity", &watch.infinity);
  lua_insert(L, -2);
  return 2;
}

void kl_bind_open_finite_watch(lua_State *L, int core) {
  kl_finite_watching = NULL;
  lua_pushcfunction(L, find_not_finite);
  lua_setfield(L, core, "find_not_finite");
}
