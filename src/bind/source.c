/* Where in the user's program an op is applied: its line, the layers it runs in, the phase of training.
 *
 * Finding out walks the Lua stack, so it is done only while kl_bind_capturing is set: in a step whose plan is not known
 * yet, and in immediate mode under a profile.  Lines and paths are kept once, by number; a number fits into the source
 * of a node (op/record.h) and is never used for another line. */
#include <string.h>

#include "base/hash.h"
#include "bind/bind.h"
#include "op/profile.h"

bool kl_bind_capturing;

/* Keys in the registry: number -> "line\npath", and back; the function that gives the path of the running layers. */
static const char lines_key = 0, numbers_key = 0, path_key = 0;

/* The table step function -> hash of its arguments' shapes at its last run by a plan that knows its sources; weak in
 * its keys. */
static const char known_key = 0;

#define MOST_DEPTH 2 /* of tables among a step's arguments that are looked through for tensors */

#define MOST_SOURCES 1000000 /* of programs that make new code as they run */

/* True for a frame of Lua that is not kl's own. */
static bool is_users(const lua_Debug *frame) {
  return frame->currentline > 0 && strncmp(frame->source, "=kl/", 4) != 0;
}

bool kl_bind_push_line(lua_State *L) {
  lua_Debug frame;
  for (int level = 0; lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "Sl", &frame);
    if (is_users(&frame)) {
      lua_pushfstring(L, "%s:%d", frame.short_src, frame.currentline);
      return true;
    }
  }
  return false;
}

/* Pushes the line that applies an op, and tells the phase.  In a step of kl's own (fit's) that is no line: its plan
 * serves every call of fit.  [-0, +1] */
static uint32_t push_line_and_phase(lua_State *L) {
  lua_Debug frame;
  uint32_t phase = 0;
  bool found = false;
  for (int level = 0; lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "Slf", &frame);
    lua_CFunction f = lua_tocfunction(L, -1);
    lua_pop(L, 1);
    if (f == kl_bind_call_step || f == kl_bind_capture_step) {
      break;
    }
    /* What runs inside the sweep is backward, what runs inside an optimizer is its update, whoever wrote it. */
    if (f == kl_bind_gradient) {
      phase = KL_PHASE_BACKWARD;
    } else if (strcmp(frame.source, "=kl/optimizers/optimizer.lua") == 0) {
      phase = KL_PHASE_UPDATE;
    }
    if (!found && is_users(&frame)) {
      lua_pushfstring(L, "%s:%d", frame.short_src, frame.currentline);
      found = true;
    }
  }
  if (!found) {
    lua_pushliteral(L, "");
  }
  return phase;
}

/* -> number and phase of what is running, as one integer. */
static int find(lua_State *L) {
  uint32_t phase = push_line_and_phase(L);
  lua_pushliteral(L, "\n");
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &path_key) != LUA_TFUNCTION) {
    lua_pushliteral(L, "");
    lua_replace(L, -2);
  } else {
    lua_pushboolean(L, phase == KL_PHASE_UPDATE);
    lua_call(L, 1, 1);
  }
  lua_concat(L, 3);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &numbers_key);
  lua_pushvalue(L, -2);
  if (lua_rawget(L, -2) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &lines_key);
    lua_Integer number = (lua_Integer)lua_rawlen(L, -1) + 1;
    if (number > MOST_SOURCES) {
      lua_pushinteger(L, 0);
      return 1;
    }
    lua_pushvalue(L, -3);
    lua_rawseti(L, -2, number);
    lua_pop(L, 1);
    lua_pushvalue(L, -2);
    lua_pushinteger(L, number);
    lua_rawset(L, -3);
    lua_pushinteger(L, number);
  }
  lua_pushinteger(L, lua_tointeger(L, -1) | (lua_Integer)phase);
  return 1;
}

void kl_bind_capture(lua_State *L) {
  int64_t begin = kl_profiling ? kl_profile_clock() : 0;
  kl_bind_capturing = false; /* what finds out must not be found out about */
  kl_context_now->source = 0;
  /* In protected mode: a Lua without memory is no reason why an op should fail. */
  if (lua_checkstack(L, 8)) {
    lua_pushcfunction(L, find);
    if (lua_pcall(L, 0, 1, 0) == LUA_OK) {
      kl_context_now->source = (uint32_t)lua_tointeger(L, -1);
    }
    lua_pop(L, 1);
  }
  kl_bind_capturing = true;
  if (begin != 0) {
    kl_profile_add_own(begin);
  }
}

bool kl_bind_push_source(lua_State *L, uint32_t source) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lines_key);
  if (lua_rawgeti(L, -1, KL_SOURCE_NUMBER(source)) != LUA_TSTRING) {
    lua_pop(L, 2);
    return false;
  }
  lua_remove(L, -2);
  const char *text = lua_tostring(L, -1), *end = strchr(text, '\n');
  lua_pushlstring(L, text, (size_t)(end - text));
  lua_pushstring(L, end + 1);
  lua_remove(L, -3);
  return true;
}

bool kl_bind_push_place(lua_State *L, uint32_t source) {
  if (!kl_bind_push_source(L, source)) {
    return false;
  }
  bool named = lua_rawlen(L, -1) > 0;
  const char *path = lua_tostring(L, -1);
  switch (KL_SOURCE_PHASE(source)) {
    case KL_PHASE_UPDATE:
      lua_pushliteral(L, " (in the optimizer's update)");
      break;
    case KL_PHASE_BACKWARD:
      lua_pushfstring(L, named ? " (in the gradient of layer '%s')" : " (in the gradient)", path);
      break;
    default:
      lua_pushfstring(L, named ? " (in layer '%s')" : "", path);
  }
  lua_remove(L, -2);
  return true;
}

/* Tensors count by dtype and shape, objects (a model) by identity, lists by their elements. */
static uint64_t hash_argument(lua_State *L, int index, uint64_t hash, int depth) {
  if (kl_bind_kind_of(L, index) == KL_BIND_TENSOR) {
    const kl_tensor *t = ((kl_bind_handle *)lua_touserdata(L, index))->t;
    for (int i = 0; t != NULL && i < t->shape.ndim; i++) {
      hash = kl_hash_mix(hash, (uint64_t)t->shape.dim[i]);
    }
    return kl_hash_mix(hash, t == NULL ? 0 : (uint64_t)t->dtype << 8 | (uint64_t)t->shape.ndim);
  }
  if (lua_type(L, index) != LUA_TTABLE) {
    return hash;
  }
  if (lua_getmetatable(L, index)) {
    lua_pop(L, 1);
    return kl_hash_mix(hash, (uint64_t)(uintptr_t)lua_topointer(L, index));
  }
  int n = depth < MOST_DEPTH ? (int)lua_rawlen(L, index) : 0;
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, index, i);
    hash = hash_argument(L, lua_gettop(L), hash, depth + 1);
    lua_pop(L, 1);
  }
  return hash;
}

uint64_t kl_bind_begin_sources(lua_State *L, int index) {
  uint64_t hash = KL_HASH_BEGIN;
  int last = lua_gettop(L);
  luaL_checkstack(L, MOST_DEPTH + 6, "arguments of a step");
  for (int i = index + 1; i <= last; i++) {
    hash = hash_argument(L, i, hash, 0);
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &known_key);
  lua_pushvalue(L, index);
  kl_bind_capturing = lua_rawget(L, -2) != LUA_TNUMBER || lua_tointeger(L, -1) != (lua_Integer)hash;
  kl_context_now->source = 0;
  lua_settop(L, last);
  return hash;
}

void kl_bind_capture_sources(void) { kl_bind_capturing = true; }

void kl_bind_end_sources(void) {
  kl_bind_capturing = kl_profiling; /* what runs at once is seen by a profile only */
  kl_context_now->source = 0;
}

void kl_bind_note_sources(lua_State *L, int index, bool known, uint64_t shapes) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &known_key);
  lua_pushvalue(L, index);
  if (known) {
    lua_pushinteger(L, (lua_Integer)shapes);
  } else {
    lua_pushnil(L);
  }
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* core.set_layer_path(f): f(is_update) gives the path of the layers that are being called, "" outside of any; in an
 * optimizer's update, that of the layer whose variable is updated. */
static int set_layer_path(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &path_key);
  return 0;
}

void kl_bind_open_source(lua_State *L, int core) {
  kl_bind_capturing = false;
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &lines_key);
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &numbers_key);
  kl_bind_new_weak_table(L, "k");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &known_key);
  lua_pushcfunction(L, set_layer_path);
  lua_setfield(L, core, "set_layer_path");
}
