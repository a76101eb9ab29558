/* The searcher of kl's own modules.  Only text is ever loaded, and every chunk is named "=kl/...": that is how errors
 * tell the user's frames from ours. */
#include "bind/modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind/bind.h"

static int load_text(lua_State *L, const char *text, size_t size, const char *file) {
  lua_pushfstring(L, "=%s", file);
  if (luaL_loadbufferx(L, text, size, lua_tostring(L, -1), "t") != LUA_OK) {
    return lua_error(L);
  }
  lua_pushstring(L, file);
  return 2;
}

/* The module's file below KL_LUA_PATH: <path>/kl/x.lua or <path>/kl/x/init.lua. */
static int load_from_path(lua_State *L, const char *path, const char *name) {
  static const char *const forms[] = {"%s/%s.lua", "%s/%s/init.lua"};
  const char *base = luaL_gsub(L, name, ".", "/");
  for (int i = 0; i < 2; i++) {
    char file[4096];
    snprintf(file, sizeof file, forms[i], path, base);
    FILE *f = fopen(file, "rb");
    if (f != NULL) {
      luaL_Buffer b;
      luaL_buffinit(L, &b);
      size_t n;
      do {
        char *piece = luaL_prepbuffer(&b);
        n = fread(piece, 1, LUAL_BUFFERSIZE, f);
        luaL_addsize(&b, n);
      } while (n == LUAL_BUFFERSIZE);
      fclose(f);
      luaL_pushresult(&b);
      size_t size;
      const char *text = lua_tolstring(L, -1, &size);
      return load_text(L, text, size, file + strlen(path) + 1);
    }
  }
  lua_pushfstring(L, "no file for %s below KL_LUA_PATH=%s", name, path);
  return 1;
}

static int search(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  if (strcmp(name, "kl") != 0 && strncmp(name, "kl.", 3) != 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  const char *path = getenv("KL_LUA_PATH");
  if (path != NULL && *path != '\0') {
    return load_from_path(L, path, name);
  }
  for (const kl_module *m = kl_modules; m->name != NULL; m++) {
    if (strcmp(m->name, name) == 0) {
      return load_text(L, m->text, m->size, m->file);
    }
  }
  lua_pushfstring(L, "no module '%s' in kl", name);
  return 1;
}

void kl_bind_open_modules(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_kl_core);
  lua_setfield(L, -2, "kl.core");
  lua_pop(L, 1);
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i >= 2; i--) {
    lua_rawgeti(L, -1, i);
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushcfunction(L, search);
  lua_rawseti(L, -2, 2);
  lua_pop(L, 2);
}

int luaopen_kl(lua_State *L) {
  kl_bind_open_modules(L);
  /* `require "kl"` has found this library; what it returns is the module kl/init.lua. */
  lua_pushcfunction(L, search);
  lua_pushliteral(L, "kl");
  lua_call(L, 1, 2);
  if (!lua_isfunction(L, -2)) {
    return luaL_error(L, "%s", lua_tostring(L, -2));
  }
  lua_pushliteral(L, "kl");
  lua_insert(L, -2);
  lua_call(L, 2, 1);
  return 1;
}
