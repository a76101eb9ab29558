/* GradientTape and custom gradients as Lua values.
 *
 * The sweep is C, but a node's gradient may be a Lua function: the sweep then stops, the function is called here with
 * no frame of the core alive, and the sweep goes on with what it returned. */
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "bind/bind.h"
#include "grad/foreign.h"
#include "grad/sweep.h"
#include "op/apply.h"
#include "op/assign.h"

/* Registry table kl_tape * -> tape userdata, weak values. */
static const char tapes_key = 0;

#define SWEEP_TYPE "kl.sweep"
#define PAUSE_TYPE "kl.pause"
#define PAUSE_ALL_TYPE "kl.pause_all"

/* User value 1 keeps the coroutine's context alive as long as the tape may point to it; user value 2 holds the
 * functions of recorded custom gradients, a table or nil. */
static kl_tape *check_tape(lua_State *L, int index) {
  kl_tape **slot = luaL_testudata(L, index, KL_TAPE_TYPE);
  if (slot == NULL || *slot == NULL) {
    kl_bind_error(L, "a kl.GradientTape expected, got %s", slot == NULL ? luaL_typename(L, index) : "a closed one");
  }
  return *slot;
}

static int gc_tape(lua_State *L) {
  kl_tape **slot = lua_touserdata(L, 1);
  kl_tape *tape = *slot;
  *slot = NULL;
  kl_tape_release(tape);
  return 0;
}

/* The end of `local tape <close>`: recording ends, the nodes stay. */
static int close_tape(lua_State *L) {
  kl_tape **slot = lua_touserdata(L, 1);
  if (*slot != NULL) {
    kl_tape_stop(*slot);
  }
  return 0;
}

/* core.tape(persistent, watch_accessed_variables) */
static int new_tape(lua_State *L) {
  bool persistent = lua_toboolean(L, 1);
  bool autowatch = lua_toboolean(L, 2);
  kl_bind_enter(L);
  kl_tape **slot = lua_newuserdatauv(L, sizeof *slot, 2);
  *slot = NULL;
  luaL_setmetatable(L, KL_TAPE_TYPE);
  kl_bind_push_context(L);
  lua_setiuservalue(L, -2, 1);
  kl_status status = kl_tape_new(persistent, autowatch, slot);
  if (kl_bind_retry(L, status)) {
    status = kl_tape_new(persistent, autowatch, slot);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &tapes_key);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, *slot);
  lua_pop(L, 1);
  kl_tape_start(*slot);
  return 1;
}

static int watch(lua_State *L) {
  kl_tape *tape = check_tape(L, 1);
  kl_tensor *t = kl_bind_to_either(L, 2);
  if (t == NULL) {
    return kl_bind_error(L, "watch: a tensor or variable expected, got %s", luaL_typename(L, 2));
  }
  lua_pushboolean(L, kl_dtype_is_float((kl_dtype)t->dtype));
  if (lua_toboolean(L, -1)) {
    kl_status status = kl_tape_watch(tape, t);
    if (kl_bind_retry(L, status)) {
      status = kl_tape_watch(tape, t);
    }
    if (status != KL_OK) {
      return kl_bind_raise(L);
    }
  }
  return 1;
}

/* The nodes are gone, and with them the need for the functions of their custom gradients.  Tape at index 1. */
static void forget_rules(lua_State *L) {
  lua_pushnil(L);
  lua_setiuservalue(L, 1, 2);
}

static int reset(lua_State *L) {
  kl_tape_reset(check_tape(L, 1));
  forget_rules(L);
  return 0;
}

typedef struct pause_guard {
  kl_tape *tape;
  bool open;
} pause_guard;

static int stop_recording(lua_State *L) {
  kl_tape *tape = check_tape(L, 1);
  pause_guard *guard = lua_newuserdatauv(L, sizeof *guard, 1);
  *guard = (pause_guard){tape, false};
  luaL_setmetatable(L, PAUSE_TYPE);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  kl_tape_pause(tape);
  guard->open = true;
  return 1;
}

static int resume_recording(lua_State *L) {
  pause_guard *guard = lua_touserdata(L, 1);
  if (guard->open) {
    guard->open = false;
    lua_getiuservalue(L, 1, 1);
    kl_tape **slot = lua_touserdata(L, -1);
    if (slot != NULL && *slot != NULL) { /* at the end of the state the tape may have gone first */
      kl_tape_resume(*slot);
    }
  }
  return 0;
}

/* tape:is_recording(), tape:is_persistent() */
static int is_recording(lua_State *L) {
  lua_pushboolean(L, kl_tape_is_recording(check_tape(L, 1)));
  return 1;
}
static int is_persistent(lua_State *L) {
  lua_pushboolean(L, kl_tape_is_persistent(check_tape(L, 1)));
  return 1;
}

static int gc_sweep(lua_State *L) {
  kl_sweep **slot = lua_touserdata(L, 1);
  kl_sweep *sweep = *slot;
  *slot = NULL;
  kl_sweep_release(sweep);
  return 0;
}

/* Reads a list of tensors or variables at `index` into a box of borrowed pointers that the collector owns; NULL for a
 * false where that may stand. */
static kl_tensor **read_list(lua_State *L, int index, const char *what, bool may_be_false, int *n) {
  *n = (int)lua_rawlen(L, index);
  kl_tensor **list = lua_newuserdatauv(L, sizeof *list * (size_t)(*n + 1), 0);
  for (int i = 0; i < *n; i++) {
    lua_rawgeti(L, index, i + 1);
    list[i] = kl_bind_to_either(L, -1);
    if (list[i] == NULL && !(may_be_false && lua_type(L, -1) == LUA_TBOOLEAN && !lua_toboolean(L, -1))) {
      kl_bind_error(L, "%s %d must be a tensor or a variable, got %s", what, i + 1, luaL_typename(L, -1));
    }
    lua_pop(L, 1);
  }
  return list;
}

/* A rule of kl.custom_gradient: the number under which its Lua function stands in the tables of the tapes that recorded
 * the node (user value 2).  No reference from C, so tape, function and what it captures may form a cycle the collector
 * sees. */
typedef struct lua_rule {
  kl_foreign foreign;
  lua_Integer number;
} lua_rule;

static void release_rule(kl_foreign *foreign) { kl_free(foreign, sizeof(lua_rule)); }

/* Hands the gradient on top of the stack to the sweep as that of input i. */
static void supply(lua_State *L, kl_sweep *sweep, int i) {
  const kl_shape *expected = &kl_sweep_node(sweep)->in[i].spec.shape;
  kl_tensor *t = kl_bind_to_either(L, -1);
  if (t == NULL) {
    if (lua_toboolean(L, -1)) {
      kl_bind_error(L, "custom_gradient: gradient %d must be a tensor, or false for none, got %s", i + 1,
                    luaL_typename(L, -1));
    }
    return;
  }
  if (!kl_shape_equal(&t->shape, expected)) {
    char wanted[KL_SHAPE_TEXT], got[KL_SHAPE_TEXT];
    kl_bind_error(L, "custom_gradient: gradient %d must have the shape of its argument, %s, got %s", i + 1,
                  kl_shape_text(expected, wanted), kl_shape_text(&t->shape, got));
  }
  kl_status status = kl_sweep_supply(sweep, i, t);
  if (kl_bind_retry(L, status)) {
    status = kl_sweep_supply(sweep, i, t);
  }
  if (status != KL_OK) {
    kl_bind_raise(L);
  }
}

/* Calls the function of the foreign node the sweep has stopped at and supplies what it returns.  The tape is at
 * index 1. */
static void call_foreign(lua_State *L, kl_sweep *sweep) {
  const kl_node *node = kl_sweep_node(sweep);
  luaL_checkstack(L, node->nout + 8, "custom gradient");
  lua_getiuservalue(L, 1, 2);
  lua_rawgeti(L, -1, ((const lua_rule *)node->foreign)->number);
  lua_remove(L, -2);
  for (int i = 0; i < node->nout; i++) {
    kl_tensor *t = kl_sweep_cotangent(sweep, i);
    if (t == NULL) {
      lua_pushboolean(L, false);
    } else {
      kl_tensor **slot = kl_bind_new_result(L);
      kl_bind_fill_result(L, slot, kl_tensor_retain(t));
    }
  }
  lua_call(L, node->nout, 1);
  for (int i = 0; i < node->nin; i++) {
    lua_rawgeti(L, -1, i + 1);
    supply(L, sweep, i);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static kl_status attach(int nvalues, kl_tensor **values, int nargs, kl_tensor **arguments, lua_Integer number,
                        kl_tensor **out) {
  lua_rule *rule = kl_alloc(sizeof *rule);
  if (rule == NULL) {
    return KL_ENOMEM;
  }
  *rule = (lua_rule){{release_rule}, number};
  return kl_foreign_attach(nvalues, values, nargs, arguments, &rule->foreign, out);
}

/* core.custom(values, arguments, rule): lists of tensors (arguments: variables too) -> list of outputs. */
static int custom(lua_State *L) {
  static lua_Integer next_number = 1;
  int nvalues, nargs;
  kl_bind_enter(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  kl_tensor **values = read_list(L, 1, "custom_gradient: value", false, &nvalues);
  kl_tensor **arguments = read_list(L, 2, "custom_gradient: argument", false, &nargs);
  if (nvalues > KL_MAX_OUTPUTS || nargs > KL_MAX_INPUTS) {
    return kl_bind_error(L, "custom_gradient: %d inputs and %d outputs, at most %d and %d are possible", nargs, nvalues,
                         KL_MAX_INPUTS, KL_MAX_OUTPUTS);
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &tapes_key);
  for (kl_watcher *w = kl_context_now->watchers; w != NULL; w = w->outer) {
    if (lua_rawgetp(L, -1, w) == LUA_TUSERDATA) {
      if (lua_getiuservalue(L, -1, 2) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, -3, 2);
      }
      lua_pushvalue(L, 3);
      lua_rawseti(L, -2, next_number);
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  lua_createtable(L, nvalues, 0);
  int results = lua_gettop(L);
  kl_tensor **slots[KL_MAX_OUTPUTS];
  for (int i = 0; i < nvalues; i++) {
    slots[i] = kl_bind_new_result(L);
    lua_rawseti(L, results, i + 1);
  }
  kl_tensor *out[KL_MAX_OUTPUTS];
  kl_status status = attach(nvalues, values, nargs, arguments, next_number, out);
  if (kl_bind_retry(L, status)) {
    status = attach(nvalues, values, nargs, arguments, next_number, out);
  }
  next_number++;
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  for (int i = 0; i < nvalues; i++) {
    *slots[i] = out[i];
  }
  for (int i = 0; i < nvalues; i++) {
    lua_rawgeti(L, results, i + 1);
    luaL_setmetatable(L, KL_TENSOR_TYPE); /* owned in both modes: no recorder knows these aliases */
    lua_pop(L, 1);
  }
  return 1;
}

/* core.pause_tapes() -> guard: nothing is recorded until it is closed. */
typedef struct pause_all {
  kl_context *context;
  uint64_t mark;
} pause_all;

static int pause_tapes(lua_State *L) {
  kl_bind_enter(L);
  pause_all *guard = lua_newuserdatauv(L, sizeof *guard, 1);
  *guard = (pause_all){0};
  luaL_setmetatable(L, PAUSE_ALL_TYPE);
  kl_bind_push_context(L);
  lua_setiuservalue(L, -2, 1);
  *guard = (pause_all){kl_context_now, kl_tape_pause_all(kl_context_now)};
  return 1;
}

static int resume_tapes(lua_State *L) {
  pause_all *guard = lua_touserdata(L, 1);
  if (guard->context != NULL) {
    kl_tape_resume_all(guard->context, guard->mark);
    guard->context = NULL;
  }
  return 0;
}

/* tape:watched_variables(): in the order of their first reading. */
static int watched_variables(lua_State *L) {
  kl_tape *tape = check_tape(L, 1);
  lua_newtable(L);
  for (int64_t i = 0, n = 0; i < kl_tape_touched_count(tape); i++) {
    if (kl_bind_push_variable_by_id(L, kl_tape_touched(tape, i))) {
      lua_rawseti(L, -2, ++n);
    }
  }
  return 1;
}

/* tape:_count(): the nodes it has.  tape:_use(): after gradients of its first nodes. */
static int count_nodes(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)kl_tape_node_count(check_tape(L, 1)));
  return 1;
}
static int use(lua_State *L) {
  kl_tape *tape = check_tape(L, 1);
  kl_tape_use(tape);
  if (!kl_tape_is_persistent(tape)) {
    kl_tape_stop(tape);
    kl_tape_drop_nodes(tape);
    forget_rules(L);
  }
  return 0;
}

/* core.gradient(tape, targets, sources, seeds, nodes): lists; seeds may hold false.  Returns the list of gradients,
 * false where there is no path.  With `nodes` only the first ones are swept, and the tape is not used up. */
int kl_bind_gradient(lua_State *L) {
  kl_tape *tape = check_tape(L, 1);
  int ntargets, nsources, nseeds;
  lua_settop(L, 5);
  kl_bind_enter(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TTABLE);
  luaL_checktype(L, 4, LUA_TTABLE);
  kl_tensor **targets = read_list(L, 2, "gradient: target", false, &ntargets);
  kl_tensor **sources = read_list(L, 3, "gradient: source", false, &nsources);
  kl_tensor **seeds = read_list(L, 4, "gradient: output gradient", true, &nseeds);
  if (kl_tape_is_spent(tape)) {
    return kl_bind_error(L,
                         "gradient: this tape has given its one gradient; make it with "
                         "kl.GradientTape{persistent = true} to ask more than once");
  }
  kl_sweep **slot = lua_newuserdatauv(L, sizeof *slot, 1);
  *slot = NULL;
  luaL_setmetatable(L, SWEEP_TYPE);
  if (!kl_tape_is_persistent(tape)) {
    kl_tape_stop(tape);
  }
  kl_tensor **weights = nseeds == 0 ? NULL : seeds;
  const bool last = lua_isnoneornil(L, 5);
  int64_t nodes = kl_tape_node_count(tape);
  nodes = last ? nodes : kl_min_i64(nodes, luaL_checkinteger(L, 5));
  kl_status status = kl_sweep_new(tape, nodes, ntargets, targets, weights, nsources, sources, slot);
  if (kl_bind_retry(L, status)) {
    status = kl_sweep_new(tape, nodes, ntargets, targets, weights, nsources, sources, slot);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L); /* nothing is used up yet: the tape can be asked again */
  }
  if (last) {
    kl_tape_use(tape);
    if (!kl_tape_is_persistent(tape)) {
      kl_tape_drop_nodes(tape);
    }
  }
  kl_sweep_state state = KL_SWEEP_FOREIGN;
  while (status == KL_OK && state == KL_SWEEP_FOREIGN) {
    status = kl_sweep_run(*slot, &state);
    if (kl_bind_retry(L, status)) {
      status = kl_sweep_run(*slot, &state);
    }
    if (status == KL_OK && state == KL_SWEEP_FOREIGN) {
      call_foreign(L, *slot);
    }
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  lua_createtable(L, nsources, 0);
  for (int i = 0; i < nsources; i++) {
    kl_tensor *t = kl_sweep_result(*slot, i);
    if (t == NULL) {
      lua_pushboolean(L, false);
    } else {
      kl_tensor **result = kl_bind_new_result(L);
      kl_bind_fill_result(L, result, kl_tensor_retain(t));
    }
    lua_rawseti(L, -2, i + 1);
  }
  kl_sweep *sweep = *slot;
  *slot = NULL;
  kl_sweep_release(sweep);
  if (last && !kl_tape_is_persistent(tape)) {
    forget_rules(L);
  }
  return 1;
}

static int why(lua_State *L) {
  kl_tape *tape = check_tape(L, 1);
  kl_tensor *target = kl_bind_to_either(L, 2), *source = kl_bind_to_either(L, 3);
  if (target == NULL || source == NULL) {
    return kl_bind_error(L, "why: a target and a source expected, tensors or variables");
  }
  if (kl_tape_is_spent(tape)) {
    lua_pushliteral(L,
                    "this tape has given its gradient and forgotten its operations: make it with "
                    "kl.GradientTape{persistent = true} to ask why");
    return 1;
  }
  kl_sweep_explain(tape, target, source);
  lua_pushstring(L, kl_error_message());
  return 1;
}

void kl_bind_open_tape(lua_State *L, int core) {
  static const luaL_Reg meta[] = {{"__gc", gc_tape}, {"__close", close_tape}, {NULL, NULL}};
  static const luaL_Reg sweep_meta[] = {{"__gc", gc_sweep}, {NULL, NULL}};
  static const luaL_Reg pause_meta[] = {{"__gc", resume_recording}, {"__close", resume_recording}, {NULL, NULL}};
  static const luaL_Reg pause_all_meta[] = {{"__gc", resume_tapes}, {"__close", resume_tapes}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"_watch", watch},
      {"reset", reset},
      {"stop_recording", stop_recording},
      {"is_recording", is_recording},
      {"is_persistent", is_persistent},
      {"_gradient", kl_bind_gradient},
      {"_count", count_nodes},
      {"_use", use},
      {"why", why},
      {"watched_variables", watched_variables},
      {NULL, NULL},
  };
  luaL_newmetatable(L, SWEEP_TYPE);
  luaL_setfuncs(L, sweep_meta, 0);
  luaL_newmetatable(L, PAUSE_TYPE);
  luaL_setfuncs(L, pause_meta, 0);
  luaL_newmetatable(L, PAUSE_ALL_TYPE);
  luaL_setfuncs(L, pause_all_meta, 0);
  luaL_newmetatable(L, KL_TAPE_TYPE);
  luaL_setfuncs(L, meta, 0);
  luaL_newlib(L, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, core, "tape_methods"); /* lua/kl/grad.lua adds the public ones */
  lua_setfield(L, -2, "__index");
  lua_pop(L, 4);
  kl_bind_new_weak_table(L, "v");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &tapes_key);
  static const luaL_Reg functions[] = {
      {"tape", new_tape},
      {"custom", custom},
      {"pause_tapes", pause_tapes},
      {NULL, NULL},
  };
  lua_pushvalue(L, core);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
