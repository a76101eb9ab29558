/* core.io.h5_open: HDF5 files that are read. */
#include <string.h>

#include "bind/io.h"
#include "io/h5.h"

#define FILE_TYPE "kl.io.H5File"
#define LIST_TYPE "kl.io.h5list"
#define ATTRIBUTE_TYPE "kl.io.h5attribute"

static int close_file(lua_State *L) {
  kl_h5_file **slot = luaL_checkudata(L, 1, FILE_TYPE);
  kl_h5_file *f = *slot;
  *slot = NULL;
  kl_h5_release(f);
  return 0;
}

static kl_h5_file *check_file(lua_State *L) {
  kl_h5_file **slot = luaL_testudata(L, 1, FILE_TYPE);
  if (slot == NULL || *slot == NULL) {
    kl_bind_error(L, "%s", slot == NULL ? "an HDF5 file expected as self" : "this HDF5 file was closed");
    return NULL;
  }
  return *slot;
}

/* core.io.h5_open(path or bytes, name, only): bytes begin with HDF5's signature, as no path does; `name` is for
 * messages; `only` is the path of the one dataset that will be asked for. */
static int open_file(lua_State *L) {
  size_t size = 0;
  const char *given = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &size) : "";
  bool is_bytes = size >= 4 && memcmp(given, "\x89HDF", 4) == 0;
  const char *path = is_bytes ? NULL : kl_bind_check_text(L, 1, "h5_open: a path or a file's bytes");
  const char *name = !lua_isnoneornil(L, 2) ? kl_bind_check_text(L, 2, "h5_open: a name")
                     : is_bytes             ? "HDF5 bytes"
                                            : path;
  const char *only = lua_isnoneornil(L, 3) ? NULL : kl_bind_check_text(L, 3, "h5_open: a path in the file");
  kl_h5_file **slot = lua_newuserdatauv(L, sizeof *slot, 0);
  *slot = NULL;
  luaL_setmetatable(L, FILE_TYPE);
  kl_buffer *b = kl_bind_new_buffer(L);
  kl_status status = is_bytes ? kl_buffer_append(b, given, size) : kl_bind_read_file(L, path, SIZE_MAX, b);
  if (is_bytes && kl_bind_retry(L, status)) {
    status = kl_buffer_append(b, given, size);
  }
  if (status == KL_OK) {
    status = kl_h5_open(name, b, only, slot);
    if (kl_bind_retry(L, status)) {
      status = kl_h5_open(name, b, only, slot);
    }
  }
  kl_buffer_release(b);
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  lua_pop(L, 1);
  return 1;
}

/* Lists and attributes live in userdata while Lua makes values of them. */

static int close_list(lua_State *L) {
  kl_h5_list_release(lua_touserdata(L, 1));
  return 0;
}

static int close_attribute(lua_State *L) {
  kl_buffer_release(&((kl_h5_attribute *)lua_touserdata(L, 1))->text);
  return 0;
}

static void *new_scratch(lua_State *L, size_t size, const char *type) {
  void *block = lua_newuserdatauv(L, size, 0);
  memset(block, 0, size);
  luaL_setmetatable(L, type);
  return block;
}

/* f:accept_compressed(): deflate and shuffle from now on */
static int accept_compressed(lua_State *L) {
  kl_h5_accept_compressed(check_file(L));
  return 0;
}

/* f:datasets(): list of {path, dtype, shape}, or {path, problem} for what kl does not read */
static int datasets(lua_State *L) {
  kl_h5_file *f = check_file(L);
  kl_h5_list *list = new_scratch(L, sizeof *list, LIST_TYPE);
  kl_status status = kl_h5_list_datasets(f, list);
  if (kl_bind_retry(L, status)) {
    status = kl_h5_list_datasets(f, list);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  lua_createtable(L, (int)list->count, 0);
  for (size_t i = 0; i < list->count; i++) {
    const kl_h5_item *item = &list->items[i];
    lua_createtable(L, 0, 3);
    lua_pushstring(L, item->path);
    lua_setfield(L, -2, "path");
    if (item->problem != NULL) {
      lua_pushstring(L, item->problem);
      lua_setfield(L, -2, "problem");
    } else {
      lua_pushstring(L, kl_dtype_name(item->dtype));
      lua_setfield(L, -2, "dtype");
      kl_bind_push_shape(L, &item->shape);
      lua_setfield(L, -2, "shape");
    }
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  kl_h5_list_release(list);
  return 1;
}

/* f:children(path): names in a group, sorted byte by byte */
static int children(lua_State *L) {
  kl_h5_file *f = check_file(L);
  const char *path = kl_bind_check_text(L, 2, "children: a path");
  kl_h5_list *list = new_scratch(L, sizeof *list, LIST_TYPE);
  kl_status status = kl_h5_list_children(f, path, list);
  if (kl_bind_retry(L, status)) {
    status = kl_h5_list_children(f, path, list);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  lua_createtable(L, (int)list->count, 0);
  for (size_t i = 0; i < list->count; i++) {
    lua_pushstring(L, list->items[i].path);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  kl_h5_list_release(list);
  return 1;
}

static kl_h5_kind find(lua_State *L, const char *what) {
  kl_h5_kind kind;
  kl_h5_file *f = check_file(L);
  const char *path = kl_bind_check_text(L, 2, what);
  kl_status status = kl_h5_find(f, path, &kind);
  if (kl_bind_retry(L, status)) {
    status = kl_h5_find(f, path, &kind);
  }
  if (status != KL_OK) {
    kl_bind_raise(L);
  }
  return kind;
}

/* f:exists(path) */
static int exists(lua_State *L) {
  lua_pushboolean(L, find(L, "exists: a path") != KL_H5_NOTHING);
  return 1;
}

/* f:kind(path): "group", "dataset" or nil */
static int kind(lua_State *L) {
  static const char *const names[] = {NULL, "group", "dataset"};
  lua_pushstring(L, names[find(L, "kind: a path")]);
  return 1;
}

static kl_status read_dataset(lua_State *L, kl_h5_file *f, const char *path, kl_tensor **slot) {
  kl_status status = kl_h5_read(f, path, slot);
  return kl_bind_retry(L, status) ? kl_h5_read(f, path, slot) : status;
}

/* f:read(path): a tensor */
static int read_tensor(lua_State *L) {
  kl_h5_file *f = check_file(L);
  const char *path = kl_bind_check_text(L, 2, "read: a path");
  kl_tensor **slot = kl_bind_new_tensor(L);
  if (read_dataset(L, f, path, slot) != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_bind_add_debt(L, *slot);
  return 1;
}

/* f:bytes(path): a dataset of uint8 with one axis, as a string */
static int read_bytes(lua_State *L) {
  kl_h5_file *f = check_file(L);
  const char *path = kl_bind_check_text(L, 2, "bytes: a path");
  kl_tensor **slot = kl_bind_new_tensor(L);
  if (read_dataset(L, f, path, slot) != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_tensor *t = *slot;
  if (t->dtype != KL_UINT8 || t->shape.ndim != 1) {
    char text[KL_SHAPE_TEXT];
    return kl_bind_error(L, "bytes %.300s: a dataset of uint8 with one axis expected, found %s of shape %s", path,
                         kl_dtype_name((kl_dtype)t->dtype), kl_shape_text(&t->shape, text));
  }
  lua_pushlstring(L, kl_tensor_data(t), (size_t)kl_tensor_numel(t));
  *slot = NULL;
  kl_tensor_release(t);
  return 1;
}

/* f:attribute(path, name): a string, a list of strings, an integer, or nil if there is none */
static int read_attribute(lua_State *L) {
  kl_h5_file *f = check_file(L);
  const char *path = kl_bind_check_text(L, 2, "attribute: a path");
  const char *name = kl_bind_check_text(L, 3, "attribute: a name");
  kl_h5_attribute *a = new_scratch(L, sizeof *a, ATTRIBUTE_TYPE);
  kl_status status = kl_h5_read_attribute(f, path, name, a);
  if (kl_bind_retry(L, status)) {
    status = kl_h5_read_attribute(f, path, name, a);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  if (!a->exists) {
    lua_pushnil(L);
    return 1;
  }
  if (a->is_integer) {
    lua_pushinteger(L, a->integer);
    return 1;
  }
  lua_createtable(L, (int)a->count, 0);
  for (size_t i = 0; i < a->count; i++) {
    kl_h5_string s = kl_h5_attribute_string(a, i);
    lua_pushlstring(L, s.text, s.size);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  if (a->is_scalar) {
    lua_rawgeti(L, -1, 1);
  }
  kl_buffer_release(&a->text);
  return 1;
}

/* f:has_manifest() */
static int has_manifest(lua_State *L) {
  bool has;
  if (kl_h5_has_manifest(check_file(L), &has) != KL_OK) {
    return kl_bind_raise(L);
  }
  lua_pushboolean(L, has);
  return 1;
}

/* f:check_manifest(): true, or the error */
static int check_manifest(lua_State *L) {
  kl_h5_file *f = check_file(L);
  kl_status status = kl_h5_check_manifest(f);
  if (kl_bind_retry(L, status)) {
    status = kl_h5_check_manifest(f);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  lua_pushboolean(L, true);
  return 1;
}

void kl_bind_open_h5(lua_State *L, int io) {
  static const luaL_Reg methods[] = {
      {"accept_compressed", accept_compressed},
      {"datasets", datasets},
      {"children", children},
      {"exists", exists},
      {"kind", kind},
      {"read", read_tensor},
      {"bytes", read_bytes},
      {"attribute", read_attribute},
      {"has_manifest", has_manifest},
      {"check_manifest", check_manifest},
      {"close", close_file},
      {NULL, NULL},
  };
  static const luaL_Reg file_ends[] = {{"__gc", close_file}, {"__close", close_file}, {NULL, NULL}};
  static const luaL_Reg list_ends[] = {{"__gc", close_list}, {NULL, NULL}};
  static const luaL_Reg attribute_ends[] = {{"__gc", close_attribute}, {NULL, NULL}};
  kl_bind_new_type(L, FILE_TYPE, file_ends, methods);
  kl_bind_new_type(L, LIST_TYPE, list_ends, NULL);
  kl_bind_new_type(L, ATTRIBUTE_TYPE, attribute_ends, NULL);
  lua_pushcfunction(L, open_file);
  lua_setfield(L, io, "h5_open");
}
