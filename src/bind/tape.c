/* Tapes as Lua values: making, starting, watching, pausing.  What their gradients are is in gradient.c. */
#include "bind/tape.h"

#include "bind/bind.h"

const char kl_bind_tapes_key = 0;

#define PAUSE_TYPE "kl.pause"
#define PAUSE_ALL_TYPE "kl.pause_all"

kl_tape *kl_bind_check_tape(lua_State *L, int index) {
  kl_tape **slot = luaL_testudata(L, index, KL_TAPE_TYPE);
  if (slot == NULL || *slot == NULL) {
    kl_bind_error(L, "a kl.GradientTape expected, got %s", slot == NULL ? luaL_typename(L, index) : "a closed one");
  }
  return *slot;
}

kl_tensor **kl_bind_read_values(lua_State *L, int index, const char *what, bool may_be_false, int *n) {
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

void kl_bind_forget_rules(lua_State *L) {
  lua_pushnil(L);
  lua_setiuservalue(L, 1, 2);
}

static int gc_tape(lua_State *L) {
  kl_tape **slot = lua_touserdata(L, 1);
  kl_tape *tape = *slot;
  *slot = NULL;
  kl_tape_release(tape);
  return 0;
}

/* The end of `local tape <close>`, or tape:close(): recording ends, the nodes stay. */
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
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kl_bind_tapes_key);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, *slot);
  lua_pop(L, 1);
  kl_tape_start(*slot);
  return 1;
}

static int watch(lua_State *L) {
  kl_tape *tape = kl_bind_check_tape(L, 1);
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

static int reset(lua_State *L) {
  kl_tape_reset(kl_bind_check_tape(L, 1));
  kl_bind_forget_rules(L);
  return 0;
}

typedef struct pause_guard {
  kl_tape *tape;
  bool open;
} pause_guard;

static int stop_recording(lua_State *L) {
  kl_tape *tape = kl_bind_check_tape(L, 1);
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
  lua_pushboolean(L, kl_tape_is_recording(kl_bind_check_tape(L, 1)));
  return 1;
}
static int is_persistent(lua_State *L) {
  lua_pushboolean(L, kl_tape_is_persistent(kl_bind_check_tape(L, 1)));
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
  kl_tape *tape = kl_bind_check_tape(L, 1);
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
  lua_pushinteger(L, (lua_Integer)kl_tape_node_count(kl_bind_check_tape(L, 1)));
  return 1;
}
static int use(lua_State *L) {
  kl_tape *tape = kl_bind_check_tape(L, 1);
  kl_tape_use(tape);
  if (!kl_tape_is_persistent(tape)) {
    kl_tape_stop(tape);
    kl_tape_drop_nodes(tape);
    kl_bind_forget_rules(L);
  }
  return 0;
}

void kl_bind_open_tape(lua_State *L, int core) {
  static const luaL_Reg ends[] = {{"__gc", gc_tape}, {"__close", close_tape}, {NULL, NULL}};
  static const luaL_Reg pause_ends[] = {{"__gc", resume_recording}, {"__close", resume_recording}, {NULL, NULL}};
  static const luaL_Reg pause_all_ends[] = {{"__gc", resume_tapes}, {"__close", resume_tapes}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"_watch", watch},
      {"reset", reset},
      {"close", close_tape},
      {"stop_recording", stop_recording},
      {"is_recording", is_recording},
      {"is_persistent", is_persistent},
      {"_count", count_nodes},
      {"_use", use},
      {"watched_variables", watched_variables},
      {NULL, NULL},
  };
  kl_bind_new_type(L, PAUSE_TYPE, pause_ends, NULL);
  kl_bind_new_type(L, PAUSE_ALL_TYPE, pause_all_ends, NULL);
  kl_bind_new_type(L, KL_TAPE_TYPE, ends, methods);
  luaL_getmetatable(L, KL_TAPE_TYPE);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, core, "tape_methods"); /* lua/kl/grad.lua adds the public ones */
  lua_pop(L, 1);
  kl_bind_new_weak_table(L, "v");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kl_bind_tapes_key);
  static const luaL_Reg functions[] = {
      {"tape", new_tape},
      {"pause_tapes", pause_tapes},
      {NULL, NULL},
  };
  lua_pushvalue(L, core);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
