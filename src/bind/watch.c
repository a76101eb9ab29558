/* Whether tables still hold what they held.
 *
 * Nothing tells a module of a second assignment to a field or of a list that grew, so what was found by walking it is
 * compared with what it holds now, several times per training step: here, because it is most of such a step's Lua
 * otherwise. No metamethod runs. */
#include "bind/bind.h"

/* Replaces the value on top by false if it is neither a table nor a userdata: a counter or a text may change. */
static void keep_reference(lua_State *L) {
  if (lua_type(L, -1) != LUA_TTABLE && lua_type(L, -1) != LUA_TUSERDATA) {
    lua_pop(L, 1);
    lua_pushboolean(L, 0);
  }
}

/* core.leads_to(t, key): the table or userdata there, or false. */
static int leads_to(lua_State *L) {
  lua_settop(L, 2);
  lua_rawget(L, 1);
  keep_reference(L);
  return 1;
}

static lua_Integer count_keys(lua_State *L, int table) {
  lua_Integer n = 0;
  for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
    n++;
  }
  return n;
}

/* core.leads_hold(list): list of triples {table, key, core.leads_to(table, key)}, flat: true if all are as they were.
 */
static int leads_hold(lua_State *L) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
  bool same = true;
  for (lua_Integer i = 1; i <= n && same; i += 3) {
    lua_rawgeti(L, 1, i);
    lua_rawgeti(L, 1, i + 1);
    lua_rawget(L, -2);
    keep_reference(L);
    lua_rawgeti(L, 1, i + 2);
    same = lua_rawequal(L, -1, -2);
    lua_pop(L, 3);
  }
  lua_pushboolean(L, same);
  return 1;
}

/* core.sizes_hold(list, by_keys): list of pairs {table, size}, flat; the size is the length, or the number of keys. */
static int sizes_hold(lua_State *L) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
  bool by_keys = lua_toboolean(L, 2), same = true;
  lua_settop(L, 1);
  for (lua_Integer i = 1; i <= n && same; i += 2) {
    lua_rawgeti(L, 1, i);
    lua_rawgeti(L, 1, i + 1);
    same = (by_keys ? count_keys(L, 2) : (lua_Integer)lua_rawlen(L, 2)) == lua_tointeger(L, 3);
    lua_settop(L, 1);
  }
  lua_pushboolean(L, same);
  return 1;
}

/* core.fields_hold(t, fields, count, ignored): true if the fields of t but for those whose names are in `ignored` are
 * `count`, and are raw equal to those of the same names in `fields`. */
static int fields_hold(lua_State *L) {
  lua_Integer count = lua_tointeger(L, 3);
  for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    lua_rawget(L, 4);
    bool ignored = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (ignored) {
      continue;
    }
    lua_pushvalue(L, -2);
    lua_rawget(L, 2);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 1);
    if (!same) {
      lua_pushboolean(L, 0);
      return 1;
    }
    count--;
  }
  lua_pushboolean(L, count == 0);
  return 1;
}

void kl_bind_open_watch(lua_State *L, int core) {
  static const luaL_Reg functions[] = {{"leads_to", leads_to},
                                       {"leads_hold", leads_hold},
                                       {"sizes_hold", sizes_hold},
                                       {"fields_hold", fields_hold},
                                       {NULL, NULL}};
  lua_pushvalue(L, core);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
