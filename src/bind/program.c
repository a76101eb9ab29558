/* Running Lua for main and the prompt. */
#include "bind/program.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "bind/interrupt.h"

void kl_program_mark(lua_State *L) {
  lua_pushboolean(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "kl.program");
}

/* One line about a frame of the user's; nothing for others.  Returns whether one was added. */
static int add_frame(lua_State *L, lua_Debug *frame, luaL_Buffer *b) {
  lua_getinfo(L, "Sln", frame);
  if (frame->currentline <= 0 || strncmp(frame->source, "=kl/", 4) == 0) {
    return 0;
  }
  lua_pushfstring(L, "\n  %s:%d: ", frame->short_src, frame->currentline);
  luaL_addvalue(b);
  if (strcmp(frame->what, "main") == 0) {
    luaL_addstring(b, "in the main chunk");
  } else if (frame->name != NULL) {
    lua_pushfstring(L, "in '%s'", frame->name);
    luaL_addvalue(b);
  } else {
    lua_pushfstring(L, "in the function at line %d", frame->linedefined);
    luaL_addvalue(b);
  }
  return 1;
}

int kl_program_traceback(lua_State *L) {
  if (lua_type(L, 1) != LUA_TSTRING) {
    if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING) {
      return 1;
    }
    lua_pushfstring(L, "(an error object of type %s)", luaL_typename(L, 1));
    return 1;
  }
  if (strstr(lua_tostring(L, 1), "\nstack:") != NULL) {
    lua_settop(L, 1);
    return 1;
  }
  luaL_Buffer b;
  lua_Debug frame;
  int frames = 0;
  luaL_buffinit(L, &b);
  for (int level = 1; level < 200 && frames < 20 && lua_getstack(L, level, &frame); level++) {
    frames += add_frame(L, &frame, &b);
  }
  luaL_pushresult(&b);
  if (frames > 0) {
    lua_pushvalue(L, 1);
    lua_pushliteral(L, "\nstack:");
    lua_pushvalue(L, -3);
    lua_concat(L, 3);
  } else {
    lua_pushvalue(L, 1);
  }
  return 1;
}

int kl_program_call(lua_State *L, int nargs, int nresults) {
  int base = lua_gettop(L) - nargs;
  lua_pushcfunction(L, kl_program_traceback);
  lua_insert(L, base);
  int status = lua_pcall(L, nargs, nresults, base);
  lua_remove(L, base);
  if (status != LUA_OK) {
    const char *message = lua_tostring(L, -1);
    fflush(stdout);
    fprintf(stderr, "kl: %s\n", message == NULL ? "(no message)" : message);
    lua_pop(L, 1);
    return 1;
  }
  return 0;
}

/* require("kl.run")[name](options) */
static int call_run(lua_State *L, const char *name, const kl_run_options *options) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "kl.run");
  if (kl_program_call(L, 1, 1) != 0) {
    return 1;
  }
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
  lua_createtable(L, 0, 3);
  lua_pushboolean(L, options->profile);
  lua_setfield(L, -2, "profile");
  lua_pushstring(L, options->trace);
  lua_setfield(L, -2, "trace");
  if (options->steps > 0) {
    lua_pushinteger(L, (lua_Integer)options->steps);
    lua_setfield(L, -2, "steps");
  }
  return kl_program_call(L, 1, 0);
}

int kl_program_run_file(lua_State *L, const char *file, int argc, char **argv, const kl_run_options *options) {
  lua_createtable(L, argc, 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i);
  }
  lua_setglobal(L, "arg");
  FILE *f = fopen(file, "rb");
  if (f == NULL) {
    fprintf(stderr, "kl: cannot open %s: %s\n", file, strerror(errno));
    return 1;
  }
  fclose(f);
  if (luaL_loadfilex(L, file, "t") != LUA_OK) {
    fprintf(stderr, "kl: %s\n", lua_tostring(L, -1));
    return 1;
  }
  bool around = options->profile || options->trace != NULL || options->steps > 0;
  if (around && call_run(L, "begin", options) != 0) {
    return 1;
  }
  luaL_checkstack(L, argc, "too many arguments");
  for (int i = 1; i < argc; i++) {
    lua_pushstring(L, argv[i]);
  }
  kl_interrupt_catch(L);
  int status = kl_program_call(L, argc - 1, 0);
  if (status != 0 && kl_interrupt_received() != 0) {
    status = 128 + kl_interrupt_received(); /* as a shell tells it */
  }
  int after = around ? call_run(L, "finish", options) : 0;
  kl_interrupt_let_go();
  return status != 0 ? status : after;
}

static int call_module(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "print");
  lua_call(L, 0, 0);
  return 0;
}

int kl_program_call_module(lua_State *L, const char *module) {
  lua_pushcfunction(L, call_module);
  lua_pushstring(L, module);
  return kl_program_call(L, 1, 0);
}
