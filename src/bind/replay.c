/* Capturing a step, and running it again without its Lua. */
#include "bind/replay.h"

#include "bind/step.h"
#include "op/profile.h"

#define REPLAY_TYPE "kl.replay"

static int gc_replay(lua_State *L) {
  kl_bind_replay *captured = lua_touserdata(L, 1);
  kl_replay_release(captured->replay);
  kl_ahead_release(captured->ahead);
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
  if (handle == NULL) {
    kl_bind_error(L, "a step that is replayed returned a tensor that was closed, freed or left from a finished step");
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
  kl_bind_walk_handles(L, 6, last, collect_all, &c);
  kl_tensor **list = lua_newuserdatauv(L, sizeof *list * (size_t)(2 * c.n + 1), 0); /* and their logits */
  c = (capture){0, list, 5};
  kl_bind_walk_handles(L, 6, last, collect_all, &c);
  int linked = c.n;
  for (int i = 0; i < c.n; i++) {
    if (list[i]->storage == NULL && list[i]->logits != NULL) {
      list[linked++] = list[i]->logits;
    }
  }
  kl_tensor **args = read_tensors(L, 3, &nargs);
  kl_bind_replay *captured = lua_touserdata(L, 4);
  kl_status status = captured->wants_ahead ? kl_ahead_new(trace, nargs, args, c.n, list, &captured->ahead) : KL_OK;
  if (kl_bind_retry(L, status)) {
    status = kl_ahead_new(trace, nargs, args, c.n, list, &captured->ahead);
  }
  if (status == KL_OK) {
    status = kl_replay_new(trace, nargs, args, c.n, linked - c.n, list, &captured->replay);
    if (kl_bind_retry(L, status)) {
      status = kl_replay_new(trace, nargs, args, c.n, linked - c.n, list, &captured->replay);
    }
  }
  lua_settop(L, last);
  if (status == KL_OK) {
    kl_bind_promote_handles(L, 6, last);
  }
  return status;
}

/* core.capture_step(handler, f, tensors, ahead, ...): calls f(...) as call_step does and captures it for replays;
 * `tensors` is the list of the tensors among its arguments; ahead: another thread is to run it too, if that can be.
 * -> true, replay, list of the tensors in the results, results; or false, error. */
int kl_bind_capture_step(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  luaL_checktype(L, 3, LUA_TTABLE);
  luaL_checkany(L, 4);
  kl_bind_enter(L);
  if (!kl_bind_may_record()) {
    return kl_bind_error(L, "a step cannot be captured inside another step or under a tape");
  }
  kl_bind_replay *captured = lua_newuserdatauv(L, sizeof *captured, 0);
  *captured = (kl_bind_replay){.wants_ahead = lua_toboolean(L, 4)};
  luaL_setmetatable(L, REPLAY_TYPE);
  lua_replace(L, 4);
  lua_newtable(L);
  lua_insert(L, 5);
  lua_pushvalue(L, 2);
  lua_insert(L, 6);
  kl_profile_span span = kl_profile_begin_step();
  kl_trace *trace = kl_bind_begin_step(L, lua_topointer(L, 2));
  kl_trace_refuse_reads(trace);
  kl_bind_capture_sources(); /* a recording to be replayed is new by definition */
  int status = lua_pcall(L, lua_gettop(L) - 6, LUA_MULTRET, 1);
  kl_bind_end_sources();
  kl_bind_enter(L);
  kl_trace_end(trace);
  if (status != LUA_OK) {
    kl_bind_fail_step(trace);
    kl_profile_end_step(&span, KL_SPAN_RECORDED);
    lua_pushboolean(L, false);
    lua_insert(L, -2);
    return 2;
  }
  bool known;
  status = kl_bind_end_step(L, trace, 1, 2, finish_capture, &known);
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
  const kl_ahead *ahead = kl_bind_check_replay(L, 1)->ahead;
  lua_pushboolean(L, ahead != NULL && kl_ahead_takes_rows(ahead));
  return 1;
}

/* core.may_capture(): a step would be recorded if it began now. */
static int may_capture(lua_State *L) {
  kl_bind_enter(L);
  lua_pushboolean(L, kl_bind_may_record());
  return 1;
}

void kl_bind_open_replay(lua_State *L, int core) {
  static const luaL_Reg meta[] = {{"__gc", gc_replay}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"run", run_replay}, {"takes_rows", takes_rows}, {NULL, NULL}};
  lua_pushcfunction(L, kl_bind_capture_step);
  lua_setfield(L, core, "capture_step");
  lua_pushcfunction(L, may_capture);
  lua_setfield(L, core, "may_capture");
  kl_bind_new_type(L, REPLAY_TYPE, meta, methods);
}
