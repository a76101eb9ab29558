/* core.io.h5_writer: HDF5 files that are written. */
#include <string.h>

#include "bind/io.h"
#include "io/file.h"
#include "io/h5.h"
#include "op/apply.h"

#define WRITER_TYPE "kl.io.H5Writer"

static int close_writer(lua_State *L) {
  kl_h5_writer **slot = luaL_checkudata(L, 1, WRITER_TYPE);
  kl_h5_writer *w = *slot;
  *slot = NULL;
  kl_h5_writer_release(w);
  return 0;
}

static kl_h5_writer *check_writer(lua_State *L) {
  kl_h5_writer **slot = luaL_testudata(L, 1, WRITER_TYPE);
  if (slot == NULL || *slot == NULL) {
    kl_bind_error(L, "%s", slot == NULL ? "an HDF5 writer expected as self" : "this HDF5 writer was closed");
    return NULL;
  }
  return *slot;
}

/* core.io.h5_writer() */
static int new_writer(lua_State *L) {
  kl_h5_writer **slot = lua_newuserdatauv(L, sizeof *slot, 0);
  *slot = NULL;
  luaL_setmetatable(L, WRITER_TYPE);
  kl_status status = kl_h5_writer_new(slot);
  if (kl_bind_retry(L, status)) {
    status = kl_h5_writer_new(slot);
  }
  return status == KL_OK ? 1 : kl_bind_raise(L);
}

/* What a writer's methods end with: the writer itself, or the error. */
static int give_self(lua_State *L, kl_status status) {
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  lua_settop(L, 1);
  return 1;
}

/* w:group(path) */
static int write_group(lua_State *L) {
  kl_h5_writer *w = check_writer(L);
  const char *path = kl_bind_check_text(L, 2, "group: a path");
  kl_status status = kl_h5_writer_group(w, path);
  return give_self(L, kl_bind_retry(L, status) ? kl_h5_writer_group(w, path) : status);
}

static kl_status write_value_of(kl_h5_writer *w, const char *path, kl_tensor *t) {
  KL_TRY(kl_tensor_read(t));
  return kl_h5_writer_dataset(w, path, t);
}

/* w:dataset(path, tensor) */
static int write_dataset(lua_State *L) {
  kl_h5_writer *w = check_writer(L);
  const char *path = kl_bind_check_text(L, 2, "dataset: a path");
  kl_bind_enter(L);
  kl_variable *v = kl_bind_to_variable(L, 3);
  kl_tensor *t = v != NULL ? v->value : kl_bind_to_tensor(L, 3);
  if (t == NULL) {
    return kl_bind_error(L, "dataset %.300s: a tensor or variable expected, got %s", path, luaL_typename(L, 3));
  }
  kl_status status = write_value_of(w, path, t);
  return give_self(L, kl_bind_retry(L, status) ? write_value_of(w, path, t) : status);
}

/* w:bytes(path, string) */
static int write_bytes(lua_State *L) {
  size_t size;
  kl_h5_writer *w = check_writer(L);
  const char *path = kl_bind_check_text(L, 2, "bytes: a path");
  if (lua_type(L, 3) != LUA_TSTRING) {
    return kl_bind_error(L, "bytes %.300s: a string expected, got %s", path, luaL_typename(L, 3));
  }
  const char *data = lua_tolstring(L, 3, &size);
  kl_status status = kl_h5_writer_bytes(w, path, data, size);
  return give_self(L, kl_bind_retry(L, status) ? kl_h5_writer_bytes(w, path, data, size) : status);
}

/* The list of strings at index 4, in a userdata of the collector's.  [-0, +1] */
static kl_h5_string *check_strings(lua_State *L, const char *name, size_t *count) {
  *count = (size_t)lua_rawlen(L, 4);
  kl_h5_string *strings = lua_newuserdatauv(L, *count * sizeof *strings + 1, 0);
  for (size_t i = 0; i < *count; i++) {
    if (lua_rawgeti(L, 4, (lua_Integer)i + 1) != LUA_TSTRING) {
      kl_bind_error(L, "attribute '%.200s': a list of strings expected, got %s as number %d", name,
                    luaL_typename(L, -1), (int)i + 1);
    }
    strings[i].text = lua_tolstring(L, -1, &strings[i].size); /* the list keeps it alive */
    lua_pop(L, 1);
  }
  return strings;
}

typedef struct attribute_value {
  int type; /* of Lua */
  int64_t integer;
  kl_h5_string string;
  const kl_h5_string *strings;
  size_t count;
} attribute_value;

static kl_status write_value(kl_h5_writer *w, const char *path, const char *name, const attribute_value *v) {
  return v->type == LUA_TNUMBER   ? kl_h5_writer_attribute_integer(w, path, name, v->integer)
         : v->type == LUA_TSTRING ? kl_h5_writer_attribute_string(w, path, name, v->string)
                                  : kl_h5_writer_attribute_strings(w, path, name, v->strings, v->count);
}

/* w:attribute(path, name, string or list of strings or integer) */
static int write_attribute(lua_State *L) {
  kl_h5_writer *w = check_writer(L);
  const char *path = kl_bind_check_text(L, 2, "attribute: a path");
  const char *name = kl_bind_check_text(L, 3, "attribute: a name");
  attribute_value v = {.type = lua_type(L, 4)};
  if (v.type == LUA_TSTRING) {
    v.string.text = lua_tolstring(L, 4, &v.string.size);
  } else if (v.type == LUA_TTABLE) {
    v.strings = check_strings(L, name, &v.count);
  } else if (lua_isinteger(L, 4)) {
    v.integer = lua_tointeger(L, 4);
  } else {
    return kl_bind_error(L, "attribute '%.200s' of %.300s: a string, a list of strings or an integer expected, got %s",
                         name, path, luaL_tolstring(L, 4, NULL));
  }
  kl_status status = write_value(w, path, name, &v);
  return give_self(L, kl_bind_retry(L, status) ? write_value(w, path, name, &v) : status);
}

/* The members of options.manifest, a table, as JSON text without its braces; NULL if it is `true`.  Leaves the text on
 * the stack. */
static const char *check_members(lua_State *L) {
  static const char *const ours[] = {"format", "format_version", "kl", "created", "datasets", "manifest_crc32c"};
  if (lua_type(L, -1) != LUA_TTABLE) {
    return NULL;
  }
  for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
    if (lua_getfield(L, -1, ours[i]) != LUA_TNIL) {
      kl_bind_error(L, "finish: manifest: the name '%s' is taken", ours[i]);
    }
    lua_pop(L, 1);
  }
  int table = lua_gettop(L);
  kl_buffer *text = kl_bind_new_buffer(L);
  kl_status status = kl_bind_write_json(L, table, 0, text);
  if (kl_bind_retry(L, status)) {
    text->size = 0;
    status = kl_bind_write_json(L, table, 0, text);
  }
  if (status != KL_OK) {
    kl_bind_raise(L);
  }
  if (text->data[0] != '{') {
    kl_bind_error(L, "finish: manifest: a table with string keys expected, got a list");
  }
  lua_pushlstring(L, text->data + 1, text->size - 2);
  kl_buffer_release(text);
  return lua_tostring(L, -1);
}

/* The options at `index`: manifest = true or a table of further members, checksums and bools = boolean.  Leaves values
 * on the stack. */
static kl_h5_write_options check_options(lua_State *L, int index) {
  static const char *const known[] = {"manifest", "checksums", "bools", NULL};
  kl_h5_write_options options = {0};
  if (lua_type(L, index) == LUA_TTABLE) {
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
      const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
      if (strcmp(name, known[0]) != 0 && strcmp(name, known[1]) != 0 && strcmp(name, known[2]) != 0) {
        kl_bind_push_nearest(L, name, known, 0);
        kl_bind_error(L, "finish: there is no option '%.100s'%s", name, lua_tostring(L, -1));
      }
    }
  }
  kl_bind_push_option(L, index, "finish", "checksums");
  options.checksums = lua_toboolean(L, -1);
  kl_bind_push_option(L, index, "finish", "bools");
  options.bools = lua_toboolean(L, -1);
  kl_bind_push_option(L, index, "finish", "manifest");
  if (lua_type(L, -1) > LUA_TBOOLEAN && lua_type(L, -1) != LUA_TTABLE) {
    kl_bind_error(L, "finish: manifest: true or a table expected, got %s", luaL_typename(L, -1));
  }
  options.manifest = lua_toboolean(L, -1);
  options.members = check_members(L);
  return options;
}

/* The file of the writer at index 1 with the options at `index`.  [-0, +several] */
static kl_status build(lua_State *L, int index, kl_buffer **out) {
  kl_h5_writer *w = check_writer(L);
  luaL_checkstack(L, 10, "finish");
  kl_h5_write_options options = check_options(L, index);
  kl_buffer *b = kl_bind_new_buffer(L);
  *out = b;
  kl_status status = kl_h5_writer_finish(w, &options, b);
  return kl_bind_retry(L, status) ? kl_h5_writer_finish(w, &options, b) : status;
}

/* w:finish(options): the file's bytes */
static int finish(lua_State *L) {
  kl_buffer *b;
  if (build(L, 2, &b) != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_bind_push_buffer(L, b);
  return 1;
}

/* w:save(path, options) */
static int save(lua_State *L) {
  kl_buffer *b;
  const char *path = kl_bind_check_text(L, 2, "save: a path");
  kl_status status = build(L, 3, &b);
  if (status == KL_OK) {
    status = kl_file_write(path, b->data, b->size);
  }
  kl_buffer_release(b);
  return give_self(L, status);
}

void kl_bind_open_h5_write(lua_State *L, int io) {
  static const luaL_Reg methods[] = {
      {"group", write_group},  {"dataset", write_dataset},
      {"bytes", write_bytes},  {"attribute", write_attribute},
      {"finish", finish},      {"save", save},
      {"close", close_writer}, {NULL, NULL},
  };
  static const luaL_Reg ends[] = {{"__gc", close_writer}, {"__close", close_writer}, {NULL, NULL}};
  kl_bind_new_type(L, WRITER_TYPE, ends, methods);
  lua_pushcfunction(L, new_writer);
  lua_setfield(L, io, "h5_writer");
}
