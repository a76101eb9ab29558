/* core.io: files, IDX, zip archives, CRC-32C.  HDF5 is in io_h5.c and io_h5_write.c, images in io_image.c,
 * tables of text in io_csv.c, other arrays in io_array.c. */
#include "bind/io.h"

#include <string.h>

#include "io/apart.h"
#include "io/crc32c.h"
#include "io/file.h"
#include "io/idx.h"
#include "io/zip.h"

#define BUFFER_TYPE "kl.io.buffer"
#define ZIP_TYPE "kl.io.Zip"

static int close_buffer(lua_State *L) {
  kl_buffer_release(lua_touserdata(L, 1));
  return 0;
}

kl_buffer *kl_bind_new_buffer(lua_State *L) {
  kl_buffer *b = lua_newuserdatauv(L, sizeof *b, 0);
  *b = (kl_buffer){0};
  luaL_setmetatable(L, BUFFER_TYPE);
  return b;
}

void kl_bind_push_buffer(lua_State *L, kl_buffer *b) {
  lua_pushlstring(L, b->size > 0 ? b->data : "", b->size);
  kl_buffer_release(b);
}

const char *kl_bind_check_text(lua_State *L, int index, const char *what) {
  size_t size = 0;
  const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &size) : NULL;
  if (text == NULL) {
    kl_bind_error(L, "%s (a string) expected, got %s", what, luaL_typename(L, index));
  } else if (strlen(text) != size) {
    kl_bind_error(L, "%s without the byte 0 expected, got one", what);
  }
  return text;
}

void kl_bind_push_option(lua_State *L, int index, const char *function, const char *name) {
  if (lua_isnoneornil(L, index)) {
    lua_pushnil(L);
  } else if (lua_type(L, index) != LUA_TTABLE) {
    kl_bind_error(L, "%s: a table of options expected, got %s", function, luaL_typename(L, index));
  } else {
    lua_getfield(L, index, name);
  }
}

size_t kl_bind_opt_bytes(lua_State *L, int index, const char *what, size_t otherwise) {
  if (lua_isnoneornil(L, index)) {
    return otherwise;
  }
  if (!lua_isinteger(L, index) || lua_tointeger(L, index) < 1) {
    kl_bind_error(L, "%s: a number of bytes > 0 expected, got %s", what, luaL_tolstring(L, index, NULL));
  }
  return (size_t)lua_tointeger(L, index);
}

kl_status kl_bind_read_file(lua_State *L, const char *path, size_t limit, kl_buffer *out) {
  kl_status status = kl_file_read(path, limit, out);
  return kl_bind_retry(L, status) ? kl_file_read(path, limit, out) : status;
}

/* core.io.read_file(path, max_bytes) */
static int read_file(lua_State *L) {
  const char *path = kl_bind_check_text(L, 1, "read_file: a path");
  size_t limit = kl_bind_opt_bytes(L, 2, "read_file", SIZE_MAX);
  kl_buffer *b = kl_bind_new_buffer(L);
  if (kl_bind_read_file(L, path, limit, b) != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_bind_push_buffer(L, b);
  return 1;
}

/* core.io.write_file(path, bytes) */
static int write_file(lua_State *L) {
  size_t size;
  const char *path = kl_bind_check_text(L, 1, "write_file: a path");
  if (lua_type(L, 2) != LUA_TSTRING) {
    return kl_bind_error(L, "write_file: a string expected, got %s", luaL_typename(L, 2));
  }
  const char *data = lua_tolstring(L, 2, &size);
  if (kl_file_write(path, data, size) != KL_OK) {
    return kl_bind_raise(L);
  }
  return 0;
}

/* core.io.read_idx(path, max_bytes) */
static int read_idx(lua_State *L) {
  const char *path = kl_bind_check_text(L, 1, "read_idx: a path");
  size_t limit = kl_bind_opt_bytes(L, 2, "read_idx", 0);
  kl_tensor **slot = kl_bind_new_tensor(L);
  kl_status status = kl_idx_read(path, limit, slot);
  if (kl_bind_retry(L, status)) {
    status = kl_idx_read(path, limit, slot);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_bind_add_debt(L, *slot);
  return 1;
}

/* core.io.crc32c(bytes, how): how = "table" or "instruction", for tests. */
static int crc32c(lua_State *L) {
  static const char *const ways[] = {"auto", "table", "instruction", NULL};
  size_t size;
  const char *data = luaL_checklstring(L, 1, &size);
  int way = luaL_checkoption(L, 2, "auto", ways);
  if (way == 2 && !kl_crc32c_has_instruction()) {
    return kl_bind_error(L, "crc32c: this processor has no instruction for it");
  }
  uint32_t crc = way == 1   ? kl_crc32c_by_table(0, data, size)
                 : way == 2 ? kl_crc32c_by_instruction(0, data, size)
                            : kl_crc32c(0, data, size);
  lua_pushinteger(L, crc);
  lua_pushinteger(L, kl_crc32c_mask(crc));
  return 2;
}

/* Zip archives */

static int close_zip(lua_State *L) {
  kl_zip **slot = luaL_checkudata(L, 1, ZIP_TYPE);
  kl_zip *z = *slot;
  *slot = NULL;
  kl_zip_release(z);
  return 0;
}

static kl_zip *check_zip(lua_State *L) {
  kl_zip **slot = luaL_testudata(L, 1, ZIP_TYPE);
  if (slot == NULL || *slot == NULL) {
    kl_bind_error(L, "%s", slot == NULL ? "a zip archive expected as self" : "this zip archive was closed");
    return NULL;
  }
  return *slot;
}

/* core.io.zip_open(path or bytes, max_bytes): bytes begin with "PK" and two small numbers, as no path does. */
static int zip_open_(lua_State *L) {
  size_t size = 0, limit = kl_bind_opt_bytes(L, 2, "zip_open", 0);
  const char *given = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &size) : "";
  bool is_bytes = size >= 4 && memcmp(given, "PK", 2) == 0 && given[2] < 8 && given[3] < 9;
  const char *name = is_bytes ? "zip archive" : kl_bind_check_text(L, 1, "zip_open: a path or an archive's bytes");
  kl_zip **slot = lua_newuserdatauv(L, sizeof *slot, 0);
  *slot = NULL;
  luaL_setmetatable(L, ZIP_TYPE);
  kl_buffer *b = kl_bind_new_buffer(L);
  kl_status status = is_bytes ? kl_buffer_append(b, given, size) : kl_bind_read_file(L, name, SIZE_MAX, b);
  if (status == KL_OK) {
    status = kl_zip_open(name, b, limit, slot);
    if (kl_bind_retry(L, status)) {
      status = kl_zip_open(name, b, limit, slot);
    }
  }
  kl_buffer_release(b);
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  lua_pop(L, 1);
  return 1;
}

static int zip_names(lua_State *L) {
  kl_zip *z = check_zip(L);
  size_t count = kl_zip_count(z);
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    lua_pushstring(L, kl_zip_name(z, i));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static size_t check_entry(lua_State *L, kl_zip *z, const char *what) {
  size_t i;
  const char *name = kl_bind_check_text(L, 2, what);
  if (!kl_zip_find(z, name, &i)) {
    kl_bind_error(L, "the zip archive has no entry '%.200s'", name);
  }
  return i;
}

static int zip_size(lua_State *L) {
  kl_zip *z = check_zip(L);
  lua_pushinteger(L, (lua_Integer)kl_zip_size(z, check_entry(L, z, "size: the name of an entry")));
  return 1;
}

static int zip_read(lua_State *L) {
  kl_zip *z = check_zip(L);
  size_t i = check_entry(L, z, "read: the name of an entry");
  kl_buffer *b = kl_bind_new_buffer(L);
  kl_status status = kl_zip_read(z, i, b);
  if (kl_bind_retry(L, status)) {
    status = kl_zip_read(z, i, b);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_bind_push_buffer(L, b);
  return 1;
}

/* The list {name, bytes}, ... at index `list` as entries in a userdata of the collector's.  [-0, +1] */
static kl_zip_entry *check_entries(lua_State *L, int list, size_t *count) {
  luaL_checkstack(L, 4, "zip_write");
  if (lua_type(L, list) != LUA_TTABLE) {
    kl_bind_error(L, "zip_write: a list of {name, string} expected, got %s", luaL_typename(L, list));
  }
  *count = (size_t)lua_rawlen(L, list);
  kl_zip_entry *entries = lua_newuserdatauv(L, *count * sizeof *entries + 1, 0);
  for (size_t i = 0; i < *count; i++) {
    bool good = lua_rawgeti(L, list, (lua_Integer)i + 1) == LUA_TTABLE && lua_rawgeti(L, -1, 1) == LUA_TSTRING &&
                lua_rawgeti(L, -2, 2) == LUA_TSTRING;
    if (!good) {
      kl_bind_error(L, "zip_write: {name, string} expected as entry %d", (int)i + 1);
    }
    /* the tables in the list keep the strings alive */
    entries[i].name = kl_bind_check_text(L, -2, "zip_write: a name");
    entries[i].data = lua_tolstring(L, -1, &entries[i].size);
    lua_pop(L, 3);
  }
  return entries;
}

static kl_status build_zip(lua_State *L, const kl_zip_entry *entries, size_t count, kl_buffer *b) {
  kl_status status = kl_zip_write(entries, count, b);
  return kl_bind_retry(L, status) ? kl_zip_write(entries, count, b) : status;
}

/* core.io.zip_bytes(list of {name, string}): the archive as a string. */
static int zip_bytes(lua_State *L) {
  size_t count;
  kl_zip_entry *entries = check_entries(L, 1, &count);
  kl_buffer *b = kl_bind_new_buffer(L);
  if (build_zip(L, entries, count, b) != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_bind_push_buffer(L, b);
  return 1;
}

/* core.io.zip_write(path, list of {name, string}) */
static int zip_write(lua_State *L) {
  size_t count;
  const char *path = kl_bind_check_text(L, 1, "zip_write: a path");
  kl_zip_entry *entries = check_entries(L, 2, &count);
  kl_buffer *b = kl_bind_new_buffer(L);
  kl_status status = build_zip(L, entries, count, b);
  if (status == KL_OK) {
    status = kl_file_write(path, b->data, b->size);
  }
  kl_buffer_release(b);
  return status == KL_OK ? 0 : kl_bind_raise(L);
}

/* core.fail_apart(fault, value): for tests, what goes wrong in the helper processes from now on; nothing: nothing.
 */
static int fail_apart(lua_State *L) {
  static const char *const faults[] = {"well", "killed", "hangs", "spins", "hogs", "silent", "changes", "cuts", NULL};
  int fault = luaL_checkoption(L, 1, "well", faults);
  kl_apart_set_fault((kl_apart_fault)fault, (long)luaL_optinteger(L, 2, 0));
  return 0;
}

void kl_bind_open_io(lua_State *L, int core) {
  static const luaL_Reg functions[] = {
      {"read_file", read_file}, {"write_file", write_file}, {"read_idx", read_idx},   {"crc32c", crc32c},
      {"zip_open", zip_open_},  {"zip_bytes", zip_bytes},   {"zip_write", zip_write}, {NULL, NULL},
  };
  static const luaL_Reg zip_methods[] = {
      {"names", zip_names}, {"size", zip_size}, {"read", zip_read}, {"close", close_zip}, {NULL, NULL},
  };
  static const luaL_Reg buffer_ends[] = {{"__gc", close_buffer}, {NULL, NULL}};
  static const luaL_Reg zip_ends[] = {{"__gc", close_zip}, {"__close", close_zip}, {NULL, NULL}};
  kl_bind_new_type(L, BUFFER_TYPE, buffer_ends, NULL);
  kl_bind_new_type(L, ZIP_TYPE, zip_ends, zip_methods);
  luaL_newlib(L, functions);
  kl_bind_open_h5(L, lua_gettop(L));
  kl_bind_open_h5_write(L, lua_gettop(L));
  kl_bind_open_image(L, lua_gettop(L));
  kl_bind_open_folder(L, lua_gettop(L));
  kl_bind_open_array(L, lua_gettop(L));
  kl_bind_open_csv(L, lua_gettop(L));
  kl_bind_open_npy_writer(L, lua_gettop(L));
  lua_setfield(L, core, "io");
  lua_pushcfunction(L, fail_apart);
  lua_setfield(L, core, "fail_apart");
}
