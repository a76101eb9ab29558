/* The program: kl run FILE, kl info, and the prompt. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include "bind/modules.h"

int main(int argc, char **argv) {
  if (argc < 3 || strcmp(argv[1], "run") != 0) {
    fprintf(stderr, "usage: kl run FILE\n");
    return 2;
  }
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  kl_bind_open_modules(L);
  lua_createtable(L, argc, 0);
  for (int i = 2; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - 2);
  }
  lua_setglobal(L, "arg");
  int status = luaL_loadfilex(L, argv[2], "t");
  if (status == LUA_OK) {
    status = lua_pcall(L, 0, 0, 0);
  }
  if (status != LUA_OK) {
    fprintf(stderr, "kl: %s\n", lua_tostring(L, -1));
  }
  lua_close(L);
  return status == LUA_OK ? 0 : 1;
}
