/* Steps: calling a function whose operations are recorded and run together when it returns.
 *
 * core.call_step(handler, f, ...) -> true, results of f; or false and what handler made of the error.  What f returns,
 * keeps or reads outlives the step; every other handle made in it is dead afterwards.  After a Lua error what was
 * recorded before it is run as immediate mode would have done. */
#include <stdlib.h>
#include <string.h>

#include "bind/bind.h"
#include "graph/plan.h"
#include "graph/trace.h"

#define MAX_DEPTH 16 /* of structures that a step returns */

static kl_trace *spare; /* kept for the next step, so that recording makes nothing new */

/* True if every step is to be run operation by operation (KL_EAGER=1). */
static bool is_eager(void) {
  static int eager = -1;
  if (eager < 0) {
    const char *value = getenv("KL_EAGER");
    eager = value != NULL && *value != '\0' && strcmp(value, "0") != 0;
  }
  return eager != 0;
}

/* Calls visit for every tensor handle in the value on top of the stack, through tables.  [-0, +0] */
typedef void visitor(lua_State *L, kl_bind_handle *handle, void *context);

static void walk(lua_State *L, int depth, visitor *visit, void *context) {
  kl_bind_kind kind = kl_bind_kind_of(L, -1);
  if (kind == KL_BIND_TENSOR || kind == KL_BIND_RECORDED) {
    visit(L, lua_touserdata(L, -1), context);
  } else if (lua_type(L, -1) == LUA_TTABLE && depth < MAX_DEPTH) {
    luaL_checkstack(L, 4, "results of a step");
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
      walk(L, depth + 1, visit, context);
    }
  }
}

static void walk_all(lua_State *L, int first, int last, visitor *visit, void *context) {
  for (int i = first; i <= last; i++) {
    lua_pushvalue(L, i);
    walk(L, 0, visit, context);
    lua_pop(L, 1);
  }
}

typedef struct results {
  int n;
  kl_tensor **list; /* NULL while they are counted */
} results;

static void collect(lua_State *L, kl_bind_handle *handle, void *context) {
  results *r = context;
  (void)L;
  if (handle->t != NULL && handle->t->storage == NULL && handle->t->weak == KL_STRONG) {
    if (r->list != NULL) {
      r->list[r->n] = handle->t;
    }
    r->n++;
  }
}

/* A handle that leaves the step owns its tensor. */
static void promote(lua_State *L, kl_bind_handle *handle, void *context) {
  (void)context;
  kl_bind_promote(L, -1);
  if (handle->t != NULL) {
    kl_bind_add_debt(L, handle->t);
  }
}

/* The end of a step that returned: results are at [first, top]. */
static kl_status finish(lua_State *L, kl_trace *trace, int first) {
  int last = lua_gettop(L);
  results r = {0, NULL};
  walk_all(L, first, last, collect, &r);
  int kept = (int)kl_trace_kept_count(trace);
  kl_tensor **list = lua_newuserdatauv(L, sizeof *list * (size_t)(r.n + kept + 1), 0);
  r = (results){0, list};
  walk_all(L, first, last, collect, &r);
  for (int i = 0; i < kept; i++) {
    list[r.n++] = kl_trace_kept(trace, i);
  }
  kl_status status = kl_plan_execute(trace, r.n, list);
  if (kl_bind_retry(L, status)) {
    status = kl_plan_execute(trace, r.n, list);
  }
  lua_settop(L, last);
  if (status == KL_OK) {
    walk_all(L, first, last, promote, NULL);
  }
  return status;
}

static void give_back(kl_trace *trace) {
  kl_trace_clear(trace);
  if (spare == NULL) {
    spare = trace;
  } else {
    kl_trace_release(trace);
  }
}

static int call_step(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  kl_bind_enter(L);
  int nargs = lua_gettop(L) - 2;
  kl_trace *trace = NULL;
  /* Inside a step the function is part of it; under a tape that is recording already it runs at once, so that the tape
   * sees values. */
  if (kl_context_now->recorder == NULL && kl_context_now->watchers == NULL && !is_eager()) {
    trace = spare;
    spare = NULL;
    if (trace == NULL && kl_trace_new(&trace) != KL_OK) {
      return kl_bind_raise(L);
    }
    kl_trace_begin(trace);
  }
  int status = lua_pcall(L, nargs, LUA_MULTRET, 1);
  kl_bind_enter(L);
  if (trace == NULL) {
    lua_pushboolean(L, status == LUA_OK);
    lua_replace(L, 1);
    return lua_gettop(L);
  }
  kl_trace_end(trace);
  kl_status done = status == LUA_OK ? finish(L, trace, 2) : kl_trace_run(trace);
  give_back(trace);
  if (status == LUA_OK && done != KL_OK) {
    return kl_bind_raise(L);
  }
  lua_pushboolean(L, status == LUA_OK);
  lua_replace(L, 1);
  return lua_gettop(L);
}

/* t:keep(): this tensor outlives the step that is being recorded; gives the tensor. */
static int keep(lua_State *L) {
  kl_bind_enter(L);
  kl_tensor *t = kl_bind_check_tensor(L, 1);
  if (kl_bind_kind_of(L, 1) == KL_BIND_RECORDED) {
    if (kl_trace_keep((kl_trace *)kl_context_now->recorder, t) != KL_OK) {
      return kl_bind_raise(L);
    }
    kl_bind_promote(L, 1);
  }
  lua_settop(L, 1);
  return 1;
}

/* kl.plans(): what the cache of plans has done. */
static int plans(lua_State *L) {
  kl_plan_stats s = kl_plan_get_stats();
  lua_createtable(L, 0, 4);
  const struct {
    const char *name;
    uint64_t value;
  } fields[] = {{"hits", s.hits}, {"misses", s.misses}, {"plans", (uint64_t)s.plans}, {"arena_bytes", s.arena_bytes}};
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
    lua_pushinteger(L, (lua_Integer)fields[i].value);
    lua_setfield(L, -2, fields[i].name);
  }
  return 1;
}

/* At the end of the state: nothing is left. */
static int forget(lua_State *L) {
  (void)L;
  kl_trace_release(spare);
  spare = NULL;
  kl_plan_clear();
  return 0;
}

void kl_bind_open_step(lua_State *L, int core) {
  lua_pushcfunction(L, call_step);
  lua_setfield(L, core, "call_step");
  lua_pushcfunction(L, plans);
  lua_setfield(L, core, "plans");
  lua_pushcfunction(L, forget);
  lua_setfield(L, core, "forget_plans");
  lua_getfield(L, core, "tensor_methods");
  lua_pushcfunction(L, keep);
  lua_setfield(L, -2, "keep");
  lua_pop(L, 1);
  lua_newuserdatauv(L, 0, 0);
  lua_newtable(L);
  lua_pushcfunction(L, forget);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_setfield(L, LUA_REGISTRYINDEX, "kl.plans");
}
