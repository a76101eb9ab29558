/* Whether tables still hold what they held.
 *
 * Nothing tells a module of a second assignment to a field or of a list that grew, so what was found by walking it is
 * compared with what it holds now, several times per training step: here, because it is most of such a step's Lua
 * otherwise, and with as few calls of Lua's API as will do. No metamethod runs. */
#include "bind/bind.h"

#define WATCH_TYPE "kl.watch"

/* A table that is watched, or one of its entries. Only tables and userdata in entries count: a counter or a text may
 * change. */
typedef enum mark_kind { FIELDS, LENGTH, ALL, ENTRY } mark_kind;
typedef struct mark {
  mark_kind kind;
  lua_Integer number; /* of a table: entries marked behind it, or its length; of an entry of ALL: its key */
  const void *key;    /* the same if the key is a text or an object */
  const void *held;   /* of an entry: the table or userdata there, or NULL */
} mark;

/* User value 1: a list of the watched tables, those of FIELDS with the names of their fields behind them.  User value
 * 2: a list of the keys and values that marks point to, so that nothing else gets their addresses. */
typedef struct watch {
  int count;
  mark marks[];
} watch;

/* The value on top, of that type, if it is a table or a userdata. */
static const void *reference(lua_State *L, int type) {
  return type == LUA_TTABLE || type == LUA_TUSERDATA ? lua_topointer(L, -1) : NULL;
}

static lua_Integer count_keys(lua_State *L, int table) {
  lua_Integer n = 0;
  for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
    n++;
  }
  return n;
}

/* Pops a value and appends it to the list at an index. */
static void append(lua_State *L, int list) { lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1); }

/* Stack of new_watch. */
enum { GIVEN = 1, WATCH, PLACES, KEPT, PART, TABLE };

/* Marks the entries of the table at TABLE from `m` on: those named in PART, or all; gives how many. */
static int mark_fields(lua_State *L, mark *m) {
  int n = (int)lua_rawlen(L, PART) - 2;
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, PART, i + 3);
    lua_pushvalue(L, -1);
    append(L, PLACES);
    lua_rawget(L, TABLE);
    m[i] = (mark){.kind = ENTRY, .held = reference(L, lua_type(L, -1))};
    append(L, KEPT);
  }
  return n;
}

/* The key at an index if it has no address: texts must not be read as numbers. */
static lua_Integer number_of(lua_State *L, const void *address, int index) {
  return address == NULL ? lua_tointeger(L, index) : 0;
}

static int mark_all(lua_State *L, mark *m) {
  int n = 0;
  for (lua_pushnil(L); lua_next(L, TABLE) != 0; n++) {
    const void *key = lua_topointer(L, -2);
    m[n] = (mark){ENTRY, number_of(L, key, -2), key, reference(L, lua_type(L, -1))};
    append(L, KEPT);
    lua_pushvalue(L, -1);
    append(L, KEPT);
  }
  return n;
}

static mark_kind kind_of(lua_State *L) {
  static const char *const kinds[] = {[FIELDS] = "fields", [LENGTH] = "length", [ALL] = "all", NULL};
  lua_rawgeti(L, PART, 2);
  int kind = luaL_checkoption(L, -1, NULL, kinds);
  lua_pop(L, 1);
  return (mark_kind)kind;
}

/* Pushes the parts of what is given, one after the other, and their tables. */
static bool next_part(lua_State *L, lua_Integer i) {
  lua_settop(L, PART - 1);
  if (lua_rawgeti(L, GIVEN, i) != LUA_TTABLE) {
    return false;
  }
  lua_rawgeti(L, PART, 1);
  luaL_checktype(L, TABLE, LUA_TTABLE);
  return true;
}

/* core.watch(list) -> a watch of the tables in the list's parts: {table, "fields", names...}, {table, "length"} or
 * {table, "all"}. */
static int new_watch(lua_State *L) {
  luaL_checktype(L, GIVEN, LUA_TTABLE);
  lua_settop(L, PART - 1);
  size_t room = 0;
  for (lua_Integer i = 1; next_part(L, i); i++) {
    room += 1 + (kind_of(L) == ALL ? (size_t)count_keys(L, TABLE) : (size_t)lua_rawlen(L, PART));
  }
  lua_settop(L, GIVEN);
  watch *w = lua_newuserdatauv(L, sizeof *w + room * sizeof w->marks[0], 2);
  w->count = 0;
  luaL_setmetatable(L, WATCH_TYPE);
  for (int value = 1; value <= 2; value++) {
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, WATCH, value);
  }
  int count = 0;
  for (lua_Integer i = 1; next_part(L, i); i++) {
    lua_pushvalue(L, TABLE);
    append(L, PLACES);
    mark *m = &w->marks[count++];
    *m = (mark){.kind = kind_of(L)};
    if (m->kind == LENGTH) {
      m->number = (lua_Integer)lua_rawlen(L, TABLE);
    } else {
      m->number = m->kind == ALL ? mark_all(L, m + 1) : mark_fields(L, m + 1);
      count += (int)m->number;
    }
  }
  w->count = count;
  lua_settop(L, WATCH);
  return 1;
}

/* The fields of the table at 3, named in the list at 2 from `at` on. */
static bool fields_are_held(lua_State *L, const mark *m, lua_Integer n, lua_Integer at) {
  luaL_checkstack(L, (int)n + 1, "fields"); /* all at once are popped in one call */
  for (lua_Integer i = 0; i < n; i++) {
    lua_rawgeti(L, 2, at + i);
    int type = lua_rawget(L, 3);
    if (reference(L, type) != m[i].held) {
      return false;
    }
  }
  return true;
}

/* All entries of the table at 3, which come in the same order as long as none has come or gone. */
static bool all_are_held(lua_State *L, const mark *m, lua_Integer n) {
  lua_Integer i = 0;
  for (lua_pushnil(L); lua_next(L, 3) != 0; lua_settop(L, 4), i++) {
    const void *key = lua_topointer(L, 4);
    if (i == n || key != m[i].key || number_of(L, key, 4) != m[i].number || reference(L, lua_type(L, 5)) != m[i].held) {
      return false;
    }
  }
  return i == n;
}

static bool is_held(lua_State *L, const watch *w) {
  lua_Integer place = 1;
  for (int i = 0; i < w->count;) {
    const mark *m = &w->marks[i++];
    lua_rawgeti(L, 2, place++);
    bool held = true;
    switch (m->kind) {
      case FIELDS:
        held = fields_are_held(L, m + 1, m->number, place);
        place += m->number;
        i += (int)m->number;
        break;
      case LENGTH:
        held = (lua_Integer)lua_rawlen(L, 3) == m->number;
        break;
      default:
        held = all_are_held(L, m + 1, m->number);
        i += (int)m->number;
    }
    if (!held) {
      return false;
    }
    lua_settop(L, 2);
  }
  return true;
}

/* watch:holds(): true if all is as it was when the watch was made. */
static int holds(lua_State *L) {
  const watch *w = luaL_checkudata(L, 1, WATCH_TYPE);
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 1);
  lua_pushboolean(L, is_held(L, w));
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
  static const luaL_Reg functions[] = {{"watch", new_watch}, {"fields_hold", fields_hold}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"holds", holds}, {NULL, NULL}};
  kl_bind_new_type(L, WATCH_TYPE, NULL, methods);
  lua_pushvalue(L, core);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
