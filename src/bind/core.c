/* require "kl.core": what C gives to lua/kl.  Users see it through the kl module only. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/philox.h"
#include "bind/bind.h"
#include "bind/program.h"
#include "device/device.h"
#include "graph/debug.h"

static int set_threads(lua_State *L) {
  int is_integer;
  lua_Integer n = lua_tointegerx(L, 1, &is_integer);
  if (!is_integer || lua_type(L, 1) != LUA_TNUMBER) {
    lua_settop(L, 1);
    return kl_bind_error(L, "kl.set_threads: a number of threads expected, got %s", luaL_tolstring(L, 1, NULL));
  }
  if (kl_device_set_threads(n > INT_MAX ? INT_MAX : n < 0 ? 0 : (int)n) != KL_OK) {
    return kl_bind_raise(L);
  }
  return 0;
}

static int get_threads(lua_State *L) {
  lua_pushinteger(L, kl_device_threads());
  return 1;
}

static int set_memory_limit(lua_State *L) {
  int is_integer = 1;
  lua_Integer bytes = lua_isnoneornil(L, 1) ? 0 : lua_tointegerx(L, 1, &is_integer);
  if (!is_integer || bytes < 0) {
    return kl_bind_error(L, "kl.set_memory_limit: bytes >= 0 expected (0: the default), got %s",
                         luaL_tolstring(L, 1, NULL));
  }
  kl_set_memory_limit((uint64_t)bytes);
  return 0;
}

static int memory_stats(lua_State *L) {
  kl_alloc_stats s = kl_alloc_get_stats();
  lua_createtable(L, 0, 8);
  const struct {
    const char *name;
    uint64_t value;
  } fields[] = {
      {"live_bytes", s.live_bytes},   {"peak_bytes", s.peak_bytes},
      {"live_blocks", s.live_blocks}, {"cached_bytes", s.cached_bytes},
      {"allocations", s.allocations}, {"taken_blocks", s.taken_blocks},
      {"limit_bytes", s.limit_bytes}, {"live_tensors", (uint64_t)kl_tensor_live()},
  };
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
    kl_bind_set_count(L, fields[i].name, fields[i].value);
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

/* core.program_folder(): the folder of the program, or of kl.so; nil if the system does not tell. */
static int program_folder(lua_State *L) {
  Dl_info info;
  char path[PATH_MAX];
  if (dladdr((void *)(size_t)luaopen_kl_core, &info) == 0 || info.dli_fname == NULL) {
    return 0;
  }
  const char *file = strchr(info.dli_fname, '/') == NULL ? "/proc/self/exe" : info.dli_fname;
  if (realpath(file, path) == NULL && realpath("/proc/self/exe", path) == NULL) {
    return 0;
  }
  *strrchr(path, '/') = '\0';
  lua_pushstring(L, path);
  return 1;
}

/* core.is_program(): the state is the kl program's own, not that of a Lua that loaded kl.so. */
static int is_program(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, "kl.program");
  lua_pushboolean(L, lua_toboolean(L, -1));
  return 1;
}

/* core.warn(text): a line on standard error. */
static int warn(lua_State *L) {
  fflush(stdout);
  fprintf(stderr, "kl: warning: %s\n", luaL_checkstring(L, 1));
  return 0;
}

/* core.is_terminal(): standard output is one. */
static int is_terminal(lua_State *L) {
  lua_pushboolean(L, isatty(STDOUT_FILENO));
  return 1;
}

/* core.terminal_size(): columns and rows of the terminal on standard output; nothing if it is none. */
static int terminal_size(lua_State *L) {
  struct winsize size;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
    return 0;
  }
  lua_pushinteger(L, size.ws_col);
  lua_pushinteger(L, size.ws_row);
  return 2;
}

/* core.id(variable): variables count in the order they are made. */
static int id(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)kl_bind_check_variable(L, 1)->id);
  return 1;
}

/* core.set_error_context(f): f() gives what is put behind every error message. */
static int set_error_context(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "kl.error_context");
  return 0;
}

static const kl_shape *shape_of(lua_State *L, int index) {
  const kl_tensor *t = kl_bind_to_either(L, index);
  return t != NULL ? &t->shape : &kl_bind_check_tensor(L, index)->shape;
}

/* core.shape_text(t): "(2, 3)". */
static int shape_text(lua_State *L) {
  char text[KL_SHAPE_TEXT];
  kl_bind_enter(L);
  lua_pushstring(L, kl_shape_text(shape_of(L, 1), text));
  return 1;
}

/* core.same_shape(a, b): of tensors or variables; an unknown axis is the same as an unknown one only. */
static int same_shape(lua_State *L) {
  kl_bind_enter(L);
  lua_pushboolean(L, kl_shape_equal(shape_of(L, 1), shape_of(L, 2)));
  return 1;
}

/* core.length(t, axis): the length along an axis, from 1 or from -1; false if it is unknown, nil if there is none. */
static int axis_length(lua_State *L) {
  kl_bind_enter(L);
  const kl_shape *shape = shape_of(L, 1);
  lua_Integer axis = luaL_checkinteger(L, 2);
  axis = axis < 0 ? shape->ndim + axis : axis - 1;
  if (axis < 0 || axis >= shape->ndim) {
    lua_pushnil(L);
  } else if (shape->dim[axis] == KL_UNKNOWN) {
    lua_pushboolean(L, 0);
  } else {
    lua_pushinteger(L, shape->dim[axis]);
  }
  return 1;
}

/* core.clock(): monotonic seconds. */
static int wall_clock(lua_State *L) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  lua_pushnumber(L, (lua_Number)t.tv_sec + (lua_Number)t.tv_nsec * 1e-9);
  return 1;
}

/* core.philox(key, counter_low, counter_high): the four words of one block, for tests against the authors' values. */
static int philox(lua_State *L) {
  kl_philox block = kl_philox_block((uint64_t)luaL_checkinteger(L, 1), (uint64_t)luaL_checkinteger(L, 2),
                                    (uint64_t)luaL_checkinteger(L, 3));
  for (int i = 0; i < 4; i++) {
    lua_pushinteger(L, (lua_Integer)block.word[i]);
  }
  return 4;
}

static int device_info(lua_State *L) {
  lua_createtable(L, 0, 3);
  lua_pushstring(L, kl_device_cpu_name());
  lua_setfield(L, -2, "processor");
  lua_pushstring(L, kl_device_cpu_level());
  lua_setfield(L, -2, "cpu");
  lua_pushstring(L, kl_device_blas_name());
  lua_setfield(L, -2, "blas");
  lua_pushinteger(L, kl_device_threads());
  lua_setfield(L, -2, "threads");
  return 1;
}

/* A line of what KL_DEBUG=2 shows: among the output of the program, where it came. */
static void write_line(const char *line) {
  fflush(stdout);
  fprintf(stderr, "%s\n", line);
}

/* KL_DEBUG, KL_CPU and KL_THREADS: a value that cannot be is an error, not a guess. */
static void read_environment(lua_State *L) {
  const char *debug = getenv("KL_DEBUG");
  if (debug != NULL && *debug != '\0') {
    if (strlen(debug) != 1 || *debug < '0' || *debug > '2') {
      kl_bind_error(L, "KL_DEBUG=%s: 0, 1 (steps are checked between passes) or 2 (and printed) expected", debug);
    }
    kl_debug_set(*debug - '0', write_line);
  }
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
      {"philox", philox},
      {"clock", wall_clock},
      {"fail", fail},
      {"nearest", nearest},
      {"kind", kind},
      {"shape_text", shape_text},
      {"same_shape", same_shape},
      {"length", axis_length},
      {"program_folder", program_folder},
      {"is_program", is_program},
      {"traceback", kl_program_traceback},
      {"warn", warn},
      {"is_terminal", is_terminal},
      {"terminal_size", terminal_size},
      {"id", id},
      {"set_error_context", set_error_context},
      {NULL, NULL},
  };
  kl_bind_open_state(L);
  read_environment(L);
  luaL_newlib(L, functions);
  int core = lua_gettop(L);
  kl_bind_open_source(L, core);
  kl_bind_open_handle(L, core);
  kl_bind_open_tensor(L, core);
  kl_bind_open_variable(L, core);
  kl_bind_open_ops(L, core);
  kl_bind_open_op_info(L, core);
  kl_bind_open_tape(L, core);
  kl_bind_open_gradient(L, core);
  kl_bind_open_custom_gradient(L, core);
  kl_bind_open_record(L, core);
  kl_bind_open_guard(L, core);
  kl_bind_open_finite_watch(L, core);
  kl_bind_open_step(L, core);
  kl_bind_open_replay(L, core);
  kl_bind_open_profile(L, core);
  kl_bind_open_watch(L, core);
  kl_bind_open_query(L, core);
  kl_bind_open_json(L, core);
  kl_bind_open_io(L, core);
  kl_bind_open_process(L, core);
  kl_bind_open_summary(L, core);
  kl_bind_open_graph(L, core);
  kl_bind_open_random(L, core);
  kl_bind_open_prefetch(L, core);
  kl_bind_open_interrupt(L, core);
  return 1;
}
