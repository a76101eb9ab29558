/* Steps: calling a function whose operations are recorded and run together when it returns.
 *
 * core.call_step(handler, f, ...) -> true, results of f; or false and what handler made of the error.  What f returns,
 * keeps or reads outlives the step; every other handle made in it is dead afterwards.  After a Lua error what was
 * recorded before it is run as immediate mode would have done. */
#include <stdlib.h>
#include <string.h>

#include "bind/bind.h"
#include "bind/plans.h"
#include "bind/step.h"
#include "graph/plan.h"
#include "op/journal.h"
#include "op/profile.h"

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

bool kl_bind_may_record(void) {
  const kl_context *c = kl_context_now;
  return c->recorder == NULL && c->watchers == NULL && !(c->journal != NULL && c->journal->immediate) && !is_eager();
}

/* The trace whose step is being ended, and how. */
static kl_trace *ending;
static kl_bind_step_end *ending_by;

/* Visits the handles in the value on top of the stack.  [-0, +0] */
static void walk(lua_State *L, int depth, kl_bind_visitor *visit, void *context) {
  kl_bind_kind kind = kl_bind_kind_of(L, -1);
  if (kind == KL_BIND_TENSOR || kind == KL_BIND_RECORDED) {
    kl_bind_handle *handle = lua_touserdata(L, -1);
    bool dead = handle->t == NULL || (kind == KL_BIND_RECORDED && handle->scope != kl_trace_serial(ending));
    visit(L, dead ? NULL : handle, context);
  } else if (lua_type(L, -1) == LUA_TTABLE && depth < MAX_DEPTH) {
    luaL_checkstack(L, 4, "results of a step");
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
      walk(L, depth + 1, visit, context);
    }
  }
}

void kl_bind_walk_handles(lua_State *L, int first, int last, kl_bind_visitor *visit, void *context) {
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

static void add_result(results *r, kl_tensor *t) {
  if (r->list != NULL) {
    r->list[r->n] = t;
  }
  r->n++;
}

/* Tensors without a value, and what losses outside the step will read of them: the logits behind probabilities. */
static void collect(lua_State *L, kl_bind_handle *handle, void *context) {
  (void)L;
  if (handle != NULL && handle->t->storage == NULL && handle->t->weak == KL_STRONG) {
    add_result(context, handle->t);
    if (handle->t->logits != NULL && handle->t->logits->storage == NULL) {
      add_result(context, handle->t->logits);
    }
  }
}

static void promote(lua_State *L, kl_bind_handle *handle, void *context) {
  (void)context;
  if (handle != NULL) {
    kl_bind_promote(L, -1);
    kl_bind_add_debt(L, handle->t);
  }
}

void kl_bind_promote_handles(lua_State *L, int first, int last) { kl_bind_walk_handles(L, first, last, promote, NULL); }

/* The end of a step that returned: results are all that is on the stack. */
static kl_status finish(lua_State *L, kl_trace *trace) {
  int last = lua_gettop(L);
  results r = {0, NULL};
  kl_bind_walk_handles(L, 1, last, collect, &r);
  int kept = (int)kl_trace_kept_count(trace);
  kl_tensor **list = lua_newuserdatauv(L, sizeof *list * (size_t)(r.n + kept + 1), 0);
  r = (results){0, list};
  kl_bind_walk_handles(L, 1, last, collect, &r);
  for (int i = 0; i < kept; i++) {
    list[r.n++] = kl_trace_kept(trace, i);
  }
  kl_status status = kl_plan_execute(trace, r.n, list);
  if (kl_bind_retry(L, status)) {
    status = kl_plan_execute(trace, r.n, list);
  }
  lua_settop(L, last);
  if (status == KL_OK) {
    kl_bind_promote_handles(L, 1, last);
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

void kl_bind_fail_step(kl_trace *trace) {
  kl_trace_fail(trace);
  give_back(trace);
}

static int protected_end(lua_State *L) { return ending_by(L, ending) == KL_OK ? lua_gettop(L) : kl_bind_raise(L); }

int kl_bind_end_step(lua_State *L, kl_trace *trace, int first, int function, kl_bind_step_end *end, bool *known) {
  int status = LUA_ERRMEM;
  uint64_t plans_made = kl_plan_get_stats().misses;
  if (lua_checkstack(L, 4)) {
    lua_pushcfunction(L, protected_end);
    lua_insert(L, first);
    ending = trace;
    ending_by = end;
    status = lua_pcall(L, lua_gettop(L) - first, LUA_MULTRET, 0);
  } else {
    lua_settop(L, first);
    lua_pushliteral(L, "not enough memory");
  }
  *known = kl_trace_sources_known(trace);
  if (status != LUA_OK) {
    kl_trace_abandon(trace);
  }
  give_back(trace);
  if (status == LUA_OK && kl_plan_get_stats().misses > plans_made) {
    kl_bind_note_plan(L, function);
  }
  return status;
}

kl_trace *kl_bind_begin_step(lua_State *L, const void *function) {
  kl_trace *trace = spare;
  spare = NULL;
  if (trace == NULL && kl_trace_new(&trace) != KL_OK) {
    kl_bind_raise(L);
  }
  kl_trace_begin(trace, function);
  return trace;
}

int kl_bind_call_step(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  kl_bind_enter(L);
  int nargs = lua_gettop(L) - 2;
  bool recorded = kl_bind_may_record();
  kl_profile_span span = kl_profile_begin_step();
  lua_pushvalue(L, 2);
  lua_insert(L, 2); /* handler, function, function, arguments */
  uint64_t shapes = recorded ? kl_bind_begin_sources(L, 3) : 0;
  kl_trace *trace = recorded ? kl_bind_begin_step(L, lua_topointer(L, 2)) : NULL;
  int status = lua_pcall(L, nargs, LUA_MULTRET, 1);
  if (recorded) {
    kl_bind_end_sources();
  }
  kl_bind_enter(L);
  if (recorded) {
    kl_trace_end(trace);
    bool known = false;
    if (status != LUA_OK) {
      kl_bind_fail_step(trace);
    } else if (kl_bind_end_step(L, trace, 3, 2, finish, &known) != LUA_OK) {
      kl_profile_end_step(&span, KL_SPAN_RECORDED);
      return lua_error(L);
    }
    kl_bind_note_sources(L, 2, known, shapes);
  }
  kl_profile_end_step(&span, recorded ? KL_SPAN_RECORDED : KL_SPAN_IMMEDIATE);
  lua_pushboolean(L, status == LUA_OK);
  lua_replace(L, 2);
  return lua_gettop(L) - 1;
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

/* At the end of the state: nothing is left. */
static int forget(lua_State *L) {
  (void)L;
  kl_trace_release(spare);
  spare = NULL;
  kl_plan_clear();
  return 0;
}

/* The box whose end forgets the plans, once per state. */
static void open_box(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, "kl.plans") == LUA_TNIL) {
    lua_newuserdatauv(L, 0, 0);
    lua_newtable(L);
    lua_pushcfunction(L, forget);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_setfield(L, LUA_REGISTRYINDEX, "kl.plans");
  }
  lua_pop(L, 1);
}

void kl_bind_open_step(lua_State *L, int core) {
  lua_pushcfunction(L, kl_bind_call_step);
  lua_setfield(L, core, "call_step");
  kl_bind_open_plans(L, core);
  lua_pushcfunction(L, forget);
  lua_setfield(L, core, "forget_plans");
  lua_getfield(L, core, "tensor_methods");
  lua_pushcfunction(L, keep);
  lua_setfield(L, -2, "keep");
  lua_pop(L, 1);
  open_box(L);
}
