/* require "kl.core": what C gives to lua/kl.  Users see it through the kl module only. */
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "bind/bind.h"
#include "device/device.h"

static int set_threads(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  if (kl_device_set_threads(n > 10000 || n < 1 ? 0 : (int)n) != KL_OK) {
    return kl_bind_raise(L);
  }
  return 0;
}

static int get_threads(lua_State *L) {
  lua_pushinteger(L, kl_device_threads());
  return 1;
}

static int set_memory_limit(lua_State *L) {
  lua_Integer bytes = luaL_optinteger(L, 1, 0);
  if (bytes < 0) {
    return kl_bind_error(L, "kl.set_memory_limit: bytes >= 0 expected, got %lld", (long long)bytes);
  }
  kl_set_memory_limit((uint64_t)bytes);
  return 0;
}

static int memory_stats(lua_State *L) {
  kl_alloc_stats s = kl_alloc_get_stats();
  lua_createtable(L, 0, 7);
  const struct {
    const char *name;
    uint64_t value;
  } fields[] = {
      {"live_bytes", s.live_bytes},
      {"peak_bytes", s.peak_bytes},
      {"live_blocks", s.live_blocks},
      {"cached_bytes", s.cached_bytes},
      {"allocations", s.allocations},
      {"limit_bytes", s.limit_bytes},
      {"live_tensors", (uint64_t)kl_tensor_live()},
  };
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
    lua_pushinteger(L, (lua_Integer)fields[i].value);
    lua_setfield(L, -2, fields[i].name);
  }
  return 1;
}

static int fail_after(lua_State *L) {
  kl_alloc_fail_after((uint64_t)luaL_checkinteger(L, 1));
  return 0;
}

/* core.fail(message): raises it with the user's line in front. */
static int fail(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  return kl_bind_raise_top(L);
}

/* core.nearest(wrong, names): "; did you mean 'x'?" or "". */
static int nearest(lua_State *L) {
  luaL_checktype(L, 2, LUA_TTABLE);
  kl_bind_push_nearest(L, luaL_checkstring(L, 1), NULL, 2);
  return 1;
}

/* core.kind(value): "tensor", "variable" or nil. */
static int kind(lua_State *L) {
  switch (kl_bind_kind_of(L, 1)) {
    case KL_BIND_TENSOR:
    case KL_BIND_RECORDED:
      lua_pushliteral(L, "tensor");
      break;
    case KL_BIND_VARIABLE:
      lua_pushliteral(L, "variable");
      break;
    default:
      lua_pushnil(L);
  }
  return 1;
}

/* core.shape_text(t): "(2, 3)". */
static int shape_text(lua_State *L) {
  char text[KL_SHAPE_TEXT];
  kl_bind_enter(L);
  kl_variable *v = kl_bind_to_variable(L, 1);
  kl_tensor *t = v != NULL ? v->value : kl_bind_check_tensor(L, 1);
  lua_pushstring(L, kl_shape_text(&t->shape, text));
  return 1;
}

/* core.clock(): monotonic seconds. */
static int wall_clock(lua_State *L) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  lua_pushnumber(L, (lua_Number)t.tv_sec + (lua_Number)t.tv_nsec * 1e-9);
  return 1;
}

static int device_info(lua_State *L) {
  lua_createtable(L, 0, 3);
  lua_pushstring(L, kl_device_cpu_level());
  lua_setfield(L, -2, "cpu");
  lua_pushstring(L, kl_device_blas_name());
  lua_setfield(L, -2, "blas");
  lua_pushinteger(L, kl_device_threads());
  lua_setfield(L, -2, "threads");
  return 1;
}

/* KL_CPU and KL_THREADS: a value that cannot be is an error, not a guess. */
static void read_environment(lua_State *L) {
  if (kl_device_cpu_choose(getenv("KL_CPU")) != KL_OK) {
    kl_bind_raise(L);
  }
  const char *threads = getenv("KL_THREADS");
  if (threads != NULL && *threads != '\0') {
    char *end;
    long n = strtol(threads, &end, 10);
    if (*end != '\0' || n < 1 || n > 100000) {
      kl_bind_error(L, "KL_THREADS=%s: a number of threads expected", threads);
    }
    if (kl_device_set_threads((int)n) != KL_OK) {
      kl_bind_raise(L);
    }
  }
}

int luaopen_kl_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"set_threads", set_threads},
      {"get_threads", get_threads},
      {"set_memory_limit", set_memory_limit},
      {"memory_stats", memory_stats},
      {"fail_after", fail_after},
      {"device_info", device_info},
      {"clock", wall_clock},
      {"fail", fail},
      {"nearest", nearest},
      {"kind", kind},
      {"shape_text", shape_text},
      {NULL, NULL},
  };
  kl_bind_open_state(L);
  read_environment(L);
  luaL_newlib(L, functions);
  int core = lua_gettop(L);
  kl_bind_open_tensor(L, core);
  kl_bind_open_variable(L, core);
  kl_bind_open_ops(L, core);
  kl_bind_open_tape(L, core);
  kl_bind_open_record(L, core);
  return 1;
}
