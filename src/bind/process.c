/* core.run_program: other programs (gnuplot, dot), run without a shell. */
#include "io/process.h"
#include "bind/io.h"

/* core.run_program(argv, input, seconds): argv is a list of strings, the program first; input a string for its standard
 * input, or nil; seconds how long it may run (nil: for ever), after which it is killed, an error.  Returns its exit
 * status (minus the signal's number if one killed it), what it wrote to standard output, and to standard error; or
 * false if there is no such program. */
static int run_program(lua_State *L) {
  size_t size = 0, count = lua_type(L, 1) == LUA_TTABLE ? (size_t)lua_rawlen(L, 1) : 0;
  if (count == 0) {
    return kl_bind_error(L, "run_program: a list of a program and its arguments expected, got %s",
                         lua_type(L, 1) == LUA_TTABLE ? "an empty table" : luaL_typename(L, 1));
  }
  lua_settop(L, 3);
  if (!lua_isnil(L, 2) && lua_type(L, 2) != LUA_TSTRING) {
    return kl_bind_error(L, "run_program: a string as the program's input expected, got %s", luaL_typename(L, 2));
  }
  const char *input = lua_isnil(L, 2) ? "" : lua_tolstring(L, 2, &size);
  double seconds = luaL_optnumber(L, 3, 0);
  const char **argv = lua_newuserdatauv(L, (count + 1) * sizeof *argv, 0);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 1, (lua_Integer)i + 1); /* the list keeps the string alive */
    argv[i] = kl_bind_check_text(L, -1, "run_program: an argument");
    lua_pop(L, 1);
  }
  argv[count] = NULL;
  kl_process_result result = {.out = kl_bind_new_buffer(L), .errs = kl_bind_new_buffer(L)};
  if (kl_process_run(argv, input, size, seconds, &result) != KL_OK) {
    kl_buffer_release(result.out);
    kl_buffer_release(result.errs);
    return kl_bind_raise(L);
  }
  if (result.missing) {
    lua_pushboolean(L, false);
    return 1;
  }
  lua_pushinteger(L, result.status);
  kl_bind_push_buffer(L, result.out);
  kl_bind_push_buffer(L, result.errs);
  return 3;
}

void kl_bind_open_process(lua_State *L, int core) {
  lua_pushcfunction(L, run_program);
  lua_setfield(L, core, "run_program");
}
