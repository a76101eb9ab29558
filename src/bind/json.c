/* core.json: Lua values as JSON and back.
 *
 * An object is a table with string keys, an array one with the mark of core.json.array, which keeps an empty array
 * apart from an empty object; null is the value core.json.null.  Integers are Lua integers, everything else with digits
 * is a float.  Keys are written sorted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind/io.h"
#include "io/json.h"

#define ARRAY_TYPE "kl.json.array"
#define JSON_TYPE "kl.json.tree"

static const char null_key = 0; /* registry: the null value */

/* Decoding */

static int close_tree(lua_State *L) {
  kl_json_release(lua_touserdata(L, 1));
  return 0;
}

static kl_json *new_tree(lua_State *L) {
  kl_json *json = lua_newuserdatauv(L, sizeof *json, 0);
  memset(json, 0, sizeof *json);
  luaL_setmetatable(L, JSON_TYPE);
  return json;
}

/* [-0, +1]  As deep as the text: KL_JSON_DEPTH. */
static void push_item(lua_State *L, const cJSON *item) {
  kl_json_number number;
  luaL_checkstack(L, 4, "JSON");
  if (kl_json_read_number(item, &number)) {
    if (number.is_integer) {
      lua_pushinteger(L, number.integer);
    } else {
      lua_pushnumber(L, number.number);
    }
  } else if (cJSON_IsString(item)) {
    lua_pushstring(L, item->valuestring);
  } else if (cJSON_IsBool(item)) {
    lua_pushboolean(L, cJSON_IsTrue(item));
  } else if (cJSON_IsArray(item)) {
    lua_createtable(L, cJSON_GetArraySize(item), 0);
    luaL_setmetatable(L, ARRAY_TYPE);
    lua_Integer i = 1;
    for (const cJSON *child = item->child; child != NULL; child = child->next) {
      push_item(L, child);
      lua_rawseti(L, -2, i++);
    }
  } else if (cJSON_IsObject(item)) {
    lua_createtable(L, 0, cJSON_GetArraySize(item));
    for (const cJSON *child = item->child; child != NULL; child = child->next) {
      lua_pushstring(L, child->string);
      push_item(L, child);
      lua_rawset(L, -3);
    }
  } else {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &null_key);
  }
}

/* core.json.decode(text) */
static int decode(lua_State *L) {
  size_t size;
  if (lua_type(L, 1) != LUA_TSTRING) {
    return kl_bind_error(L, "kl.json.decode: a string expected, got %s", luaL_typename(L, 1));
  }
  const char *text = lua_tolstring(L, 1, &size);
  kl_json *json = new_tree(L);
  kl_status status = kl_json_parse("kl.json.decode", text, size, json);
  if (kl_bind_retry(L, status)) {
    status = kl_json_parse("kl.json.decode", text, size, json);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  push_item(L, json->root);
  kl_json_release(json);
  return 1;
}

/* Encoding */

/* Where the encoder is, for messages: the innermost first. */
typedef struct place {
  const struct place *outer;
  const char *key; /* NULL: index */
  lua_Integer index;
} place;

typedef struct encoder {
  lua_State *L;
  kl_buffer *out;
  int indent; /* spaces per level; 0: one line */
} encoder;

typedef struct key {
  const char *text;
  size_t size;
} key;

static kl_status encode_value(encoder *e, const place *at, int depth);

static size_t show_place(const place *at, char *text, size_t size) {
  if (at == NULL) {
    return 0;
  }
  size_t used = show_place(at->outer, text, size);
  int n = at->key != NULL ? snprintf(text + used, size - used, ".%.60s", at->key)
                          : snprintf(text + used, size - used, "[%lld]", (long long)at->index);
  return n < 0 || used + (size_t)n >= size ? size - 1 : used + (size_t)n;
}

static kl_status fail(const place *at, const char *problem, const char *found) {
  char text[400] = "the value", words[300];
  show_place(at, text, sizeof text);
  snprintf(words, sizeof words, "%s%s", problem, found); /* they may lie in the message slot itself */
  return kl_fail(KL_EVALUE, "kl.json.encode: %s: %s", text, words);
}

static kl_status new_line(encoder *e, int depth) {
  if (e->indent == 0) {
    return KL_OK;
  }
  KL_TRY(kl_buffer_append(e->out, "\n", 1));
  for (int i = 0; i < depth; i++) {
    KL_TRY(kl_buffer_format(e->out, "%*s", e->indent, ""));
  }
  return KL_OK;
}

static int compare_keys(const void *a, const void *b) {
  const key *x = a, *y = b;
  int order = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);
  return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

static kl_status encode_array(encoder *e, const place *outer, int depth) {
  lua_State *L = e->L;
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  KL_TRY(kl_buffer_append(e->out, "[", 1));
  for (lua_Integer i = 1; i <= n; i++) {
    place at = {outer, NULL, i};
    KL_TRY(i > 1 ? kl_buffer_append(e->out, ",", 1) : KL_OK);
    KL_TRY(new_line(e, depth + 1));
    lua_rawgeti(L, -1, i);
    KL_TRY(encode_value(e, &at, depth + 1));
    lua_pop(L, 1);
  }
  KL_TRY(n > 0 ? new_line(e, depth) : KL_OK);
  return kl_buffer_append(e->out, "]", 1);
}

static kl_status encode_object(encoder *e, const place *outer, int depth, size_t count) {
  lua_State *L = e->L;
  int table = lua_absindex(L, -1);
  key *keys = lua_newuserdatauv(L, count * sizeof *keys + 1, 0); /* the table keeps the strings alive */
  size_t n = 0;
  for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
    keys[n].text = lua_tolstring(L, -2, &keys[n].size);
    n++;
  }
  qsort(keys, n, sizeof *keys, compare_keys);
  KL_TRY(kl_buffer_append(e->out, "{", 1));
  for (size_t i = 0; i < n; i++) {
    place at = {outer, keys[i].text, 0};
    KL_TRY(i > 0 ? kl_buffer_append(e->out, ",", 1) : KL_OK);
    KL_TRY(new_line(e, depth + 1));
    kl_status status = kl_json_write_string(e->out, keys[i].text, keys[i].size);
    if (status != KL_OK) {
      return status == KL_ENOMEM ? status : fail(outer, "a key: ", kl_error_message());
    }
    KL_TRY(e->indent == 0 ? kl_buffer_append(e->out, ":", 1) : kl_buffer_append(e->out, ": ", 2));
    lua_pushlstring(L, keys[i].text, keys[i].size);
    lua_rawget(L, table);
    KL_TRY(encode_value(e, &at, depth + 1));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  KL_TRY(n > 0 ? new_line(e, depth) : KL_OK);
  return kl_buffer_append(e->out, "}", 1);
}

static bool has_mark(lua_State *L) {
  if (!lua_getmetatable(L, -1)) {
    return false;
  }
  luaL_getmetatable(L, ARRAY_TYPE);
  bool equal = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return equal;
}

/* A table: an array if it has the mark or is a sequence, an object if all its keys are strings. */
static kl_status encode_table(encoder *e, const place *at, int depth) {
  lua_State *L = e->L;
  if (depth == KL_JSON_DEPTH) {
    return fail(at, "nested deeper than 64 levels (a table that contains itself?)", "");
  }
  size_t strings = 0, indices = 0, others = 0;
  lua_Unsigned n = lua_rawlen(L, -1);
  for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
    bool is_string = lua_type(L, -2) == LUA_TSTRING;
    bool is_index = lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 && (lua_Unsigned)lua_tointeger(L, -2) <= n;
    strings += is_string;
    indices += is_index;
    others += !is_string && !is_index;
  }
  bool marked = has_mark(L);
  if (others > 0 || indices != n || (strings > 0 && (indices > 0 || marked))) {
    return fail(at, "a table with string keys only, or with keys from 1 to n only, expected", "");
  }
  return marked || indices > 0 ? encode_array(e, at, depth) : encode_object(e, at, depth, strings);
}

/* The value on top of the stack, left there. */
static kl_status encode_value(encoder *e, const place *at, int depth) {
  lua_State *L = e->L;
  if (!lua_checkstack(L, 8)) {
    return kl_fail(KL_ENOMEM, "kl.json.encode: no room on the Lua stack");
  }
  switch (lua_type(L, -1)) {
    case LUA_TBOOLEAN:
      return kl_buffer_format(e->out, "%s", lua_toboolean(L, -1) ? "true" : "false");
    case LUA_TNUMBER:
      return lua_isinteger(L, -1) ? kl_json_write_integer(e->out, lua_tointeger(L, -1))
                                  : kl_json_write_number(e->out, lua_tonumber(L, -1));
    case LUA_TSTRING: {
      size_t size;
      const char *text = lua_tolstring(L, -1, &size);
      kl_status status = kl_json_write_string(e->out, text, size);
      return status == KL_OK || status == KL_ENOMEM ? status : fail(at, kl_error_message(), "");
    }
    case LUA_TTABLE:
      return encode_table(e, at, depth);
    default:
      lua_rawgetp(L, LUA_REGISTRYINDEX, &null_key);
      bool is_null = lua_rawequal(L, -1, -2);
      lua_pop(L, 1);
      return is_null
                 ? kl_buffer_append(e->out, "null", 4)
                 : fail(at, "a boolean, number, string, table or kl.json.null expected, got ", luaL_typename(L, -1));
  }
}

kl_status kl_bind_write_json(lua_State *L, int index, int indent, kl_buffer *out) {
  encoder e = {L, out, indent};
  int top = lua_gettop(L);
  if (!lua_checkstack(L, 2)) {
    return kl_fail(KL_ENOMEM, "kl.json.encode: no room on the Lua stack");
  }
  lua_pushvalue(L, index);
  kl_status status = encode_value(&e, NULL, 0);
  lua_settop(L, top);
  return status;
}

/* core.json.encode(value, {indent = spaces}) */
static int encode(lua_State *L) {
  if (lua_gettop(L) == 0) {
    return kl_bind_error(L, "kl.json.encode: a value expected, got none");
  }
  kl_bind_push_option(L, 2, "kl.json.encode", "indent");
  lua_Integer indent = lua_isnil(L, -1) ? 0 : lua_isinteger(L, -1) ? lua_tointeger(L, -1) : -1;
  if (indent < 0 || indent > 16) {
    return kl_bind_error(L, "kl.json.encode: indent: an integer from 0 to 16 expected, got %s",
                         luaL_tolstring(L, -1, NULL));
  }
  kl_buffer *out = kl_bind_new_buffer(L);
  kl_status status = kl_bind_write_json(L, 1, (int)indent, out);
  if (kl_bind_retry(L, status)) {
    out->size = 0;
    status = kl_bind_write_json(L, 1, (int)indent, out);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_bind_push_buffer(L, out);
  return 1;
}

/* core.json.array(t): marks t (by default a new table) as an array, and returns it. */
static int array(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  } else if (lua_type(L, 1) != LUA_TTABLE) {
    return kl_bind_error(L, "kl.json.array: a table expected, got %s", luaL_typename(L, 1));
  }
  lua_settop(L, 1);
  luaL_setmetatable(L, ARRAY_TYPE);
  return 1;
}

/* core.json.is_array(value): has it the mark? */
static int is_array(lua_State *L) {
  lua_settop(L, 1);
  lua_pushboolean(L, lua_type(L, 1) == LUA_TTABLE && has_mark(L));
  return 1;
}

static int show_null(lua_State *L) {
  lua_pushliteral(L, "null");
  return 1;
}

void kl_bind_open_json(lua_State *L, int core) {
  static const luaL_Reg functions[] = {
      {"decode", decode}, {"encode", encode}, {"array", array}, {"is_array", is_array}, {NULL, NULL},
  };
  kl_bind_new_type(L, ARRAY_TYPE, NULL, NULL);
  static const luaL_Reg tree_ends[] = {{"__gc", close_tree}, {NULL, NULL}};
  kl_bind_new_type(L, JSON_TYPE, tree_ends, NULL);
  luaL_newlib(L, functions);
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, show_null);
  lua_setfield(L, -2, "__tostring");
  lua_pushliteral(L, "null");
  lua_setfield(L, -2, "__name");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &null_key);
  lua_setfield(L, -2, "null");
  lua_setfield(L, core, "json");
}
