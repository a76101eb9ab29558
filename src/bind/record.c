/* Recording for tests and, later, for steps: core.trace() and its methods. */
#include "bind/bind.h"
#include "graph/trace.h"

#define TRACE_TYPE "kl.trace"

static kl_trace *check_trace(lua_State *L) { return *(kl_trace **)luaL_checkudata(L, 1, TRACE_TYPE); }

static int gc_trace(lua_State *L) {
  kl_trace **slot = lua_touserdata(L, 1);
  kl_trace *trace = *slot;
  *slot = NULL;
  kl_trace_release(trace);
  return 0;
}

static int new_trace(lua_State *L) {
  kl_trace **slot = lua_newuserdatauv(L, sizeof *slot, 0);
  *slot = NULL;
  luaL_setmetatable(L, TRACE_TYPE);
  return kl_trace_new(slot) == KL_OK ? 1 : kl_bind_raise(L);
}

/* trace:begin(), trace:finish() */
static int begin(lua_State *L) {
  kl_trace *trace = check_trace(L);
  kl_bind_enter(L);
  if (kl_context_now->recorder != NULL) {
    return kl_bind_error(L, "a step is being recorded already");
  }
  kl_trace_begin(trace, NULL);
  return 0;
}

static int finish(lua_State *L) {
  kl_trace_end(check_trace(L));
  return 0;
}

/* trace:run(): executes what was recorded. */
static int run(lua_State *L) {
  kl_bind_enter(L);
  return kl_trace_run(check_trace(L)) == KL_OK ? 0 : kl_bind_raise(L);
}

static int clear(lua_State *L) {
  kl_trace_clear(check_trace(L));
  return 0;
}

/* trace:stats(): steps recorded, values read. */
static int stats(lua_State *L) {
  lua_pushinteger(L, kl_trace_count(check_trace(L)));
  lua_pushinteger(L, kl_trace_reads(check_trace(L)));
  return 2;
}

/* core.promote(t): a handle that outlives its step. */
static int promote(lua_State *L) {
  kl_bind_promote(L, 1);
  lua_settop(L, 1);
  return 1;
}

void kl_bind_open_record(lua_State *L, int core) {
  static const luaL_Reg methods[] = {
      {"begin", begin}, {"finish", finish}, {"run", run}, {"clear", clear}, {"stats", stats}, {NULL, NULL},
  };
  static const luaL_Reg meta[] = {{"__gc", gc_trace}, {NULL, NULL}};
  kl_bind_new_type(L, TRACE_TYPE, meta, methods);
  lua_pushcfunction(L, new_trace);
  lua_setfield(L, core, "trace");
  lua_pushcfunction(L, promote);
  lua_setfield(L, core, "promote");
}
