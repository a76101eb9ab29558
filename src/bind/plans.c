/* What is told of plans: kl.plans(), and the note on a step that needs a new plan again and again. */
#include "bind/plans.h"

#include <stdio.h>
#include <string.h>

#include "bind/bind.h"
#include "graph/plan.h"

#define MANY_PLANS 8 /* of one step: from here on a note is due */

static const char counts_key; /* in the registry: a table from step functions (weak) to how many plans they needed */

/* core.plans(): what the cache of plans has done, and each plan in it, the one used last first. */
static int plans(lua_State *L) {
  kl_plan_stats s = kl_plan_get_stats();
  kl_plan_info info;
  lua_createtable(L, 0, 6);
  kl_bind_set_count(L, "hits", s.hits);
  kl_bind_set_count(L, "misses", s.misses);
  kl_bind_set_count(L, "evicted", s.evicted);
  kl_bind_set_count(L, "plans", (uint64_t)s.plans);
  kl_bind_set_count(L, "arena_bytes", s.arena_bytes);
  lua_createtable(L, s.plans, 0);
  for (int i = 0; kl_plan_describe(i, &info); i++) {
    lua_createtable(L, 0, 8);
    lua_pushstring(L, info.reason);
    lua_setfield(L, -2, "reason");
    kl_bind_set_count(L, "hits", info.found);
    kl_bind_set_count(L, "runs", info.runs);
    kl_bind_set_count(L, "operations", (uint64_t)info.operations);
    kl_bind_set_count(L, "calls", (uint64_t)info.calls);
    kl_bind_set_count(L, "arena_bytes", info.arena_bytes);
    kl_bind_set_count(L, "result_bytes", info.result_bytes);
    kl_bind_set_count(L, "plan_bytes", info.plan_bytes);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "list");
  return 1;
}

/* "file:line" of the function at `index` if it is not kl's own, else of the first frame outside kl. */
static void find_place(lua_State *L, int index, char *text, size_t size) {
  lua_Debug d;
  lua_pushvalue(L, index);
  lua_getinfo(L, ">S", &d);
  int line = d.linedefined;
  for (int level = 0; strncmp(d.source, "=kl/", 4) == 0 || line <= 0; level++) {
    if (!lua_getstack(L, level, &d)) {
      snprintf(text, size, "a step");
      return;
    }
    lua_getinfo(L, "Sl", &d);
    line = d.currentline;
  }
  snprintf(text, size, "the step of %s:%d", d.short_src, line);
}

void kl_bind_note_plan(lua_State *L, int index) {
  kl_plan_info info;
  char place[160];
  index = lua_absindex(L, index);
  if (!lua_checkstack(L, 6)) {
    return;
  }
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &counts_key) == LUA_TTABLE) {
    lua_pushvalue(L, index);
    lua_rawget(L, -2);
    lua_Integer n = lua_tointeger(L, -1) + 1;
    lua_pushvalue(L, index);
    lua_pushinteger(L, n);
    lua_rawset(L, -4);
    lua_pop(L, 1);
    if (n == MANY_PLANS && kl_plan_describe(0, &info)) {
      find_place(L, index, place, sizeof place);
      fflush(stdout);
      fprintf(stderr,
              "kl: note: %s has needed %d plans, the last because: %s.  Each costs as much as some steps; where shapes "
              "change all the time, pad them or round them up (kl.plans() lists the plans)\n",
              place, MANY_PLANS, info.reason);
    }
  }
  lua_pop(L, 1);
}

void kl_bind_open_plans(lua_State *L, int core) {
  lua_pushcfunction(L, plans);
  lua_setfield(L, core, "plans");
  kl_bind_new_weak_table(L, "k");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &counts_key);
}
