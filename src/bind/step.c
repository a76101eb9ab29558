/* Steps: calling a function whose operations are recorded and run together when it returns.
 *
 * core.call_step(handler, f, ...) -> true, results of f; or false and what handler made of the error.  What f returns,
 * keeps or reads outlives the step; every other handle made in it is dead afterwards.  After a Lua error what was
 * recorded before it is run as immediate mode would have done. */
#include <stdlib.h>
#include <string.h>

#include "bind/bind.h"
#include "bind/plans.h"
#include "bind/replay.h"
#include "graph/plan.h"
#include "graph/trace.h"
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

/* Inside a step a function is part of it; under a tape that is recording already it runs at once, so that the tape sees
 * values. */
static bool may_record(void) {
  const kl_context *c = kl_context_now;
  return c->recorder == NULL && c->watchers == NULL && !(c->journal != NULL && c->journal->immediate) && !is_eager();
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

static void add_result(results *r, kl_tensor *t) {
  if (r->list != NULL) {
    r->list[r->n] = t;
  }
  r->n++;
}

/* Tensors without a value, and what losses outside the step will read of them: the logits behind probabilities. */
static void collect(lua_State *L, kl_bind_handle *handle, void *context) {
  (void)L;
  if (handle->t != NULL && handle->t->storage == NULL && handle->t->weak == KL_STRONG) {
    add_result(context, handle->t);
    if (handle->t->logits != NULL && handle->t->logits->storage == NULL) {
      add_result(context, handle->t->logits);
    }
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

/* The trace whose step is being ended; the end runs in protected mode, so that a Lua without memory leaves no trace
 * behind. */
static kl_trace *ending;

static int protected_finish(lua_State *L) { return finish(L, ending, 1) == KL_OK ? lua_gettop(L) : kl_bind_raise(L); }

/* Calls `f` on the values at [first, top], which it replaces by its results, and gives the trace back; `function` is
 * the index of the step's.  A status of Lua's.  *known: the plan that ran knows its sources. */
static int end_step(lua_State *L, kl_trace *trace, int first, int function, lua_CFunction f, bool *known) {
  int status = LUA_ERRMEM;
  uint64_t plans_made = kl_plan_get_stats().misses;
  if (lua_checkstack(L, 4)) {
    lua_pushcfunction(L, f);
    lua_insert(L, first);
    ending = trace;
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

static kl_trace *begin_step(lua_State *L, const void *function) {
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
  bool recorded = may_record();
  kl_profile_span span = kl_profile_begin_step();
  lua_pushvalue(L, 2);
  lua_insert(L, 2); /* handler, function, function, arguments */
  uint64_t shapes = recorded ? kl_bind_begin_sources(L, 3) : 0;
  kl_trace *trace = recorded ? begin_step(L, lua_topointer(L, 2)) : NULL;
  int status = lua_pcall(L, nargs, LUA_MULTRET, 1);
  if (recorded) {
    kl_bind_end_sources();
  }
  kl_bind_enter(L);
  if (recorded) {
    kl_trace_end(trace);
    bool known = false;
    if (status != LUA_OK) {
      kl_trace_fail(trace);
      give_back(trace);
    } else if (end_step(L, trace, 3, 2, protected_finish, &known) != LUA_OK) {
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

/* core.capture_step(handler, f, tensors, apart, ...): calls f(...) as call_step does and captures it for replays;
 * `tensors` is the list of the tensors among its arguments; apart: another thread is to run it too, if that can be.
 * -> true, replay, list of the tensors in the results, results; or false, error. */
#define REPLAY_TYPE "kl.replay"

static int gc_replay(lua_State *L) {
  kl_bind_replay *captured = lua_touserdata(L, 1);
  kl_replay_release(captured->replay);
  kl_apart_release(captured->apart);
  *captured = (kl_bind_replay){0};
  return 0;
}

const kl_bind_replay *kl_bind_check_replay(lua_State *L, int index) { return luaL_checkudata(L, index, REPLAY_TYPE); }

typedef struct capture {
  int n;
  kl_tensor **list; /* NULL while they are counted */
  int table;        /* stack index of the list of handles */
} capture;

static void collect_all(lua_State *L, kl_bind_handle *handle, void *context) {
  capture *c = context;
  if (handle->t == NULL) {
    kl_bind_error(L, "a step returned a tensor that was closed or freed");
  }
  if (c->list != NULL) {
    c->list[c->n] = handle->t;
    lua_pushvalue(L, -1);
    lua_rawseti(L, c->table, c->n + 1);
  }
  c->n++;
}

/* A list of tensors as a box of borrowed pointers on the stack.  [-0, +1] */
static kl_tensor **read_tensors(lua_State *L, int index, int *n) {
  *n = (int)lua_rawlen(L, index);
  kl_tensor **list = lua_newuserdatauv(L, sizeof *list * (size_t)(*n + 1), 0);
  for (int i = 0; i < *n; i++) {
    lua_rawgeti(L, index, i + 1);
    list[i] = kl_bind_check_tensor(L, -1);
    lua_pop(L, 1);
  }
  return list;
}

/* Results are at [6, top]; 3: the list of arguments, 4: the replay, 5: the list of handles. */
static kl_status finish_capture(lua_State *L, kl_trace *trace) {
  int last = lua_gettop(L), nargs;
  capture c = {0, NULL, 5};
  walk_all(L, 6, last, collect_all, &c);
  kl_tensor **list = lua_newuserdatauv(L, sizeof *list * (size_t)(2 * c.n + 1), 0); /* and their logits */
  c = (capture){0, list, 5};
  walk_all(L, 6, last, collect_all, &c);
  int linked = c.n;
  for (int i = 0; i < c.n; i++) {
    if (list[i]->storage == NULL && list[i]->logits != NULL) {
      list[linked++] = list[i]->logits;
    }
  }
  kl_tensor **args = read_tensors(L, 3, &nargs);
  kl_bind_replay *captured = lua_touserdata(L, 4);
  kl_status status = captured->wants_apart ? kl_apart_new(trace, nargs, args, c.n, list, &captured->apart) : KL_OK;
  if (kl_bind_retry(L, status)) {
    status = kl_apart_new(trace, nargs, args, c.n, list, &captured->apart);
  }
  if (status == KL_OK) {
    status = kl_replay_new(trace, nargs, args, c.n, linked - c.n, list, &captured->replay);
    if (kl_bind_retry(L, status)) {
      status = kl_replay_new(trace, nargs, args, c.n, linked - c.n, list, &captured->replay);
    }
  }
  lua_settop(L, last);
  if (status == KL_OK) {
    walk_all(L, 6, last, promote, NULL);
  }
  return status;
}

static int protected_capture(lua_State *L) {
  return finish_capture(L, ending) == KL_OK ? lua_gettop(L) : kl_bind_raise(L);
}

int kl_bind_capture_step(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  luaL_checktype(L, 3, LUA_TTABLE);
  luaL_checkany(L, 4);
  kl_bind_enter(L);
  if (!may_record()) {
    return kl_bind_error(L, "a step cannot be captured inside another step or under a tape");
  }
  kl_bind_replay *captured = lua_newuserdatauv(L, sizeof *captured, 0);
  *captured = (kl_bind_replay){.wants_apart = lua_toboolean(L, 4)};
  luaL_setmetatable(L, REPLAY_TYPE);
  lua_replace(L, 4);
  lua_newtable(L);
  lua_insert(L, 5);
  lua_pushvalue(L, 2);
  lua_insert(L, 6);
  kl_profile_span span = kl_profile_begin_step();
  kl_trace *trace = begin_step(L, lua_topointer(L, 2));
  kl_trace_refuse_reads(trace);
  kl_bind_capture_sources(); /* a recording to be replayed is new by definition */
  int status = lua_pcall(L, lua_gettop(L) - 6, LUA_MULTRET, 1);
  kl_bind_end_sources();
  kl_bind_enter(L);
  kl_trace_end(trace);
  if (status != LUA_OK) {
    kl_trace_fail(trace);
    give_back(trace);
    kl_profile_end_step(&span, KL_SPAN_RECORDED);
    lua_pushboolean(L, false);
    lua_insert(L, -2);
    return 2;
  }
  bool known;
  status = end_step(L, trace, 1, 2, protected_capture, &known);
  kl_profile_end_step(&span, KL_SPAN_RECORDED);
  if (status != LUA_OK) {
    return lua_error(L);
  }
  lua_pushboolean(L, true);
  lua_replace(L, 3); /* true, replay, handles, results */
  return lua_gettop(L) - 2;
}

/* replay:run(tensors) -> list of results, or nil if the tensors do not fit. */
static int run_replay(lua_State *L) {
  kl_replay *replay = kl_bind_check_replay(L, 1)->replay;
  int nargs;
  kl_bind_enter(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  kl_tensor **args = read_tensors(L, 2, &nargs);
  if (!kl_replay_fits(replay, false, nargs, args)) {
    return 0;
  }
  int n = kl_replay_result_count(replay);
  kl_tensor **out = lua_newuserdatauv(L, sizeof *out * (size_t)(kl_replay_room(replay) + 1), 0);
  lua_createtable(L, n, 0);
  int table = lua_gettop(L);
  luaL_checkstack(L, n + 4, "results of a step");
  for (int i = 0; i < n; i++) {
    kl_bind_new_tensor(L);
  }
  kl_profile_span span = kl_profile_begin_step();
  kl_status status = kl_replay_run(replay, args, out);
  if (kl_bind_retry(L, status)) {
    status = kl_replay_run(replay, args, out);
  }
  kl_profile_end_step(&span, KL_SPAN_REPLAYED);
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  for (int i = 0; i < n; i++) {
    ((kl_bind_handle *)lua_touserdata(L, table + 1 + i))->t = out[i];
  }
  for (int i = n; i > 0; i--) {
    lua_rawseti(L, table, i);
  }
  for (int i = 0; i < n; i++) {
    kl_bind_add_debt(L, out[i]);
  }
  return 1;
}

/* replay:takes_rows(): another thread can run it on the rows of batches. */
static int takes_rows(lua_State *L) {
  const kl_apart *apart = kl_bind_check_replay(L, 1)->apart;
  lua_pushboolean(L, apart != NULL && kl_apart_takes_rows(apart));
  return 1;
}

/* core.may_capture(): a step would be recorded if it began now. */
static int may_capture(lua_State *L) {
  kl_bind_enter(L);
  lua_pushboolean(L, may_record());
  return 1;
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
  lua_pushcfunction(L, kl_bind_capture_step);
  lua_setfield(L, core, "capture_step");
  lua_pushcfunction(L, may_capture);
  lua_setfield(L, core, "may_capture");
  luaL_newmetatable(L, REPLAY_TYPE);
  lua_pushcfunction(L, gc_replay);
  lua_setfield(L, -2, "__gc");
  lua_newtable(L);
  lua_pushcfunction(L, run_replay);
  lua_setfield(L, -2, "run");
  lua_pushcfunction(L, takes_rows);
  lua_setfield(L, -2, "takes_rows");
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  kl_bind_open_plans(L, core);
  lua_pushcfunction(L, forget);
  lua_setfield(L, core, "forget_plans");
  lua_getfield(L, core, "tensor_methods");
  lua_pushcfunction(L, keep);
  lua_setfield(L, -2, "keep");
  lua_pop(L, 1);
  open_box(L);
}
