/* Guards of fit's steps: core.guard() makes one, guard:open(immediate) begins a guarded step and gives the guard, to be
 * closed by `<close>`, guard:undo() takes back what the step has changed, guard:is_open() tells.
 *
 * A guard can be opened again and again, and then keeps its memory. */
#include "bind/bind.h"
#include "op/journal.h"

#define GUARD_TYPE "kl.guard"

typedef struct guard {
  kl_context *context; /* whose journal ours is, or NULL; kept alive by the user value */
  kl_journal *outer;
  kl_journal journal;
} guard;

static guard *check_guard(lua_State *L) { return luaL_checkudata(L, 1, GUARD_TYPE); }

static void close_guard(guard *g) {
  if (g->context != NULL) {
    g->context->journal = g->outer;
    g->context = NULL;
  }
  kl_journal_clear(&g->journal);
}

static int close(lua_State *L) {
  close_guard(check_guard(L));
  lua_pushnil(L);
  lua_setiuservalue(L, 1, 1);
  return 0;
}

static int gc(lua_State *L) {
  guard *g = check_guard(L);
  close_guard(g);
  kl_journal_free(&g->journal);
  return 0;
}

static int new_guard(lua_State *L) {
  guard *g = lua_newuserdatauv(L, sizeof *g, 1);
  *g = (guard){0};
  luaL_setmetatable(L, GUARD_TYPE);
  return 1;
}

static int open(lua_State *L) {
  guard *g = check_guard(L);
  kl_bind_enter(L);
  close_guard(g);
  kl_bind_push_context(L);
  lua_setiuservalue(L, 1, 1);
  g->context = kl_context_now;
  g->outer = kl_context_now->journal;
  g->journal.immediate = lua_toboolean(L, 2);
  kl_context_now->journal = &g->journal;
  lua_settop(L, 1);
  return 1;
}

static int undo(lua_State *L) {
  kl_journal_undo(&check_guard(L)->journal);
  return 0;
}

static int is_open(lua_State *L) {
  lua_pushboolean(L, check_guard(L)->context != NULL);
  return 1;
}

void kl_bind_open_guard(lua_State *L, int core) {
  static const luaL_Reg meta[] = {{"__gc", gc}, {"__close", close}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"open", open}, {"undo", undo}, {"is_open", is_open}, {NULL, NULL}};
  kl_bind_new_type(L, GUARD_TYPE, meta, methods);
  lua_pushcfunction(L, new_guard);
  lua_setfield(L, core, "guard");
}
