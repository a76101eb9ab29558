/* core.io: arrays in memory and in files: .npy, IDX, raw elements, and rows of files larger than memory. */
#include <string.h>

#include "bind/io.h"
#include "io/file.h"
#include "io/idx.h"
#include "io/npy.h"
#include "io/rows.h"
#include "io/sha256.h"
#include "op/apply.h"

#define ROWS_TYPE "kl.io.RowFile"

/* The bytes at an index; raises for anything but a string. */
static const char *check_bytes(lua_State *L, int index, const char *function, size_t *size) {
  if (lua_type(L, index) != LUA_TSTRING) {
    kl_bind_error(L, "%s: a string expected, got %s", function, luaL_typename(L, index));
  }
  return lua_tolstring(L, index, size);
}

static kl_tensor *check_value(lua_State *L, const char *function) {
  kl_bind_enter(L);
  kl_tensor *t = kl_bind_to_either(L, 1);
  if (t == NULL) {
    kl_bind_error(L, "%s: a tensor expected, got %s", function, luaL_typename(L, 1));
  }
  return t;
}

static int finish_tensor(lua_State *L, kl_tensor *const *slot, kl_status status) {
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_bind_add_debt(L, *slot);
  return 1;
}

/* core.io.read_npy(path) */
static int read_npy(lua_State *L) {
  char name[KL_PATH_TEXT];
  const char *path = kl_bind_check_text(L, 1, "read_npy: a path");
  kl_path_text(path, name);
  kl_buffer *b = kl_bind_new_buffer(L);
  kl_tensor **slot = kl_bind_new_tensor(L);
  kl_status status = kl_bind_read_file(L, path, SIZE_MAX, b);
  if (status == KL_OK) {
    status = kl_npy_decode(name, b->data, b->size, slot);
    if (kl_bind_retry(L, status)) {
      status = kl_npy_decode(name, b->data, b->size, slot);
    }
  }
  kl_buffer_release(b);
  return finish_tensor(L, slot, status);
}

/* core.io.decode_npy(bytes, name) */
static int decode_npy(lua_State *L) {
  size_t size;
  const char *data = check_bytes(L, 1, "decode_npy", &size);
  const char *name = lua_isnoneornil(L, 2) ? ".npy bytes" : kl_bind_check_text(L, 2, "decode_npy: a name");
  kl_tensor **slot = kl_bind_new_tensor(L);
  kl_status status = kl_npy_decode(name, data, size, slot);
  if (kl_bind_retry(L, status)) {
    status = kl_npy_decode(name, data, size, slot);
  }
  return finish_tensor(L, slot, status);
}

typedef kl_status encoder(kl_tensor *t, kl_buffer *out);

static kl_status as_npy(kl_tensor *t, kl_buffer *out) { return kl_npy_encode(t, out); }
static kl_status as_idx(kl_tensor *t, kl_buffer *out) { return kl_idx_encode(t, false, out); }
static kl_status as_idx_gzip(kl_tensor *t, kl_buffer *out) { return kl_idx_encode(t, true, out); }

static kl_status as_raw(kl_tensor *t, kl_buffer *out) {
  size_t bytes = (size_t)kl_tensor_numel(t) * kl_dtype_size((kl_dtype)t->dtype);
  KL_TRY(kl_buffer_reserve(out, bytes));
  kl_tensor_copy_out(t, out->data);
  out->size = bytes;
  return KL_OK;
}

static kl_status run(encoder *f, kl_tensor *t, kl_buffer *out) {
  KL_TRY(kl_tensor_read(t));
  return f(t, out);
}

static int encode(lua_State *L, const char *function, encoder *f) {
  kl_tensor *t = check_value(L, function);
  kl_buffer *b = kl_bind_new_buffer(L);
  kl_status status = run(f, t, b);
  if (kl_bind_retry(L, status)) {
    status = run(f, t, b);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_bind_push_buffer(L, b);
  return 1;
}

/* core.io.encode_npy(tensor), encode_idx(tensor, gzip), raw_bytes(tensor) (little-endian, C order): strings */
static int encode_npy(lua_State *L) { return encode(L, "encode_npy", as_npy); }
static int encode_idx(lua_State *L) { return encode(L, "encode_idx", lua_toboolean(L, 2) ? as_idx_gzip : as_idx); }
static int raw_bytes(lua_State *L) { return encode(L, "raw_bytes", as_raw); }

/* core.io.sha256(bytes): 64 hexadecimal digits */
static int sha256(lua_State *L) {
  char text[65];
  size_t size;
  const char *data = check_bytes(L, 1, "sha256", &size);
  kl_sha256(data, size, text);
  lua_pushstring(L, text);
  return 1;
}

/* Element types by the names of safetensors. */
static bool parse_code(const char *code, kl_element *e) {
  static const struct {
    const char *code;
    kl_element element;
  } types[] = {
      {"BOOL", {KL_ELEMENT_BOOL, 1, false}},    {"U8", {KL_ELEMENT_UNSIGNED, 1, false}},
      {"I8", {KL_ELEMENT_SIGNED, 1, false}},    {"I16", {KL_ELEMENT_SIGNED, 2, false}},
      {"U16", {KL_ELEMENT_UNSIGNED, 2, false}}, {"F16", {KL_ELEMENT_FLOAT, 2, false}},
      {"BF16", {KL_ELEMENT_BFLOAT, 2, false}},  {"I32", {KL_ELEMENT_SIGNED, 4, false}},
      {"U32", {KL_ELEMENT_UNSIGNED, 4, false}}, {"F32", {KL_ELEMENT_FLOAT, 4, false}},
      {"F64", {KL_ELEMENT_FLOAT, 8, false}},    {"I64", {KL_ELEMENT_SIGNED, 8, false}},
      {"U64", {KL_ELEMENT_UNSIGNED, 8, false}},
  };
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (strcmp(types[i].code, code) == 0) {
      *e = types[i].element;
      return true;
    }
  }
  return false;
}

/* The list of lengths at an index. */
static kl_shape check_shape(lua_State *L, int index, const char *name) {
  kl_shape shape = {0};
  lua_Integer n = lua_type(L, index) == LUA_TTABLE ? (lua_Integer)lua_rawlen(L, index) : KL_MAX_NDIM + 1;
  if (n > KL_MAX_NDIM) {
    kl_bind_error(L, "%s: a shape of at most %d axes expected", name, KL_MAX_NDIM);
  }
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, index, i);
    if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 0) {
      kl_bind_error(L, "%s: a shape of integers >= 0 expected", name);
    }
    shape.dim[shape.ndim++] = lua_tointeger(L, -1);
    lua_pop(L, 1);
  }
  return shape;
}

static kl_status make_raw(const char *name, kl_element e, const kl_shape *shape, const char *data, size_t size,
                          kl_tensor **out) {
  KL_TRY(kl_shape_check_size(name, shape, 8));
  size_t bytes = (size_t)kl_shape_numel(shape) * (size_t)e.size;
  if (bytes != size) {
    return kl_fail(KL_EIO, "%s: its shape needs %zu bytes, %zu are there", name, bytes, size);
  }
  KL_TRY(kl_tensor_new(kl_element_dtype(e), shape, out));
  return kl_elements_convert_block(name, e, data, kl_shape_numel(shape), kl_tensor_data(*out));
}

/* core.io.raw_tensor(bytes, from, to, code, shape, name): elements of the type "F32" and so on, little-endian, in the
 * bytes [from, to) counted from 0. */
static int raw_tensor(lua_State *L) {
  size_t size;
  kl_element e;
  const char *data = check_bytes(L, 1, "raw_tensor", &size);
  const char *name = kl_bind_check_text(L, 6, "raw_tensor: a name");
  const char *code = kl_bind_check_text(L, 4, "raw_tensor: a type");
  if (!lua_isinteger(L, 2) || !lua_isinteger(L, 3) || lua_tointeger(L, 2) < 0 ||
      lua_tointeger(L, 3) < lua_tointeger(L, 2) || (lua_Unsigned)lua_tointeger(L, 3) > size) {
    return kl_bind_error(L, "%s: offsets inside the %d bytes expected", name, (int)size);
  }
  size_t from = (size_t)lua_tointeger(L, 2), to = (size_t)lua_tointeger(L, 3);
  if (!parse_code(code, &e)) {
    return kl_bind_error(L, "%s: one of the dtypes BOOL, U8 to U64, I8 to I64, F16, BF16, F32, F64 expected, found %s",
                         name, code);
  }
  kl_shape shape = check_shape(L, 5, name);
  kl_tensor **slot = kl_bind_new_tensor(L);
  kl_status status = make_raw(name, e, &shape, data + from, to - from, slot);
  if (kl_bind_retry(L, status)) {
    status = make_raw(name, e, &shape, data + from, to - from, slot);
  }
  return finish_tensor(L, slot, status);
}

/* Rows */

static int close_rows(lua_State *L) {
  kl_row_file **slot = luaL_checkudata(L, 1, ROWS_TYPE);
  kl_row_file *f = *slot;
  *slot = NULL;
  kl_row_file_release(f);
  return 0;
}

kl_row_file *kl_bind_to_rows(lua_State *L, int index) {
  kl_row_file **slot = luaL_testudata(L, index, ROWS_TYPE);
  return slot != NULL ? *slot : NULL;
}

/* The open file at an index; raises for anything else. */
static kl_row_file *check_rows(lua_State *L, int index) {
  kl_row_file *f = kl_bind_to_rows(L, index);
  if (f == NULL) {
    bool closed = luaL_testudata(L, index, ROWS_TYPE) != NULL;
    kl_bind_error(L, "%s", closed ? "this file of rows was closed" : "a file of rows expected as self");
  }
  return f;
}

/* core.io.rows_open(path, dataset) */
static int rows_open(lua_State *L) {
  const char *path = kl_bind_check_text(L, 1, "open: a path");
  const char *dataset = lua_isnoneornil(L, 2) ? NULL : kl_bind_check_text(L, 2, "open: dataset");
  kl_row_file **slot = lua_newuserdatauv(L, sizeof *slot, 0);
  *slot = NULL;
  luaL_setmetatable(L, ROWS_TYPE);
  kl_status status = kl_row_file_open(path, dataset, slot);
  if (kl_bind_retry(L, status)) {
    status = kl_row_file_open(path, dataset, slot);
  }
  return status == KL_OK ? 1 : kl_bind_raise(L);
}

/* f:info(): shape, dtype */
static int rows_info(lua_State *L) {
  kl_row_file *f = check_rows(L, 1);
  kl_bind_push_shape(L, kl_row_file_shape(f));
  lua_pushstring(L, kl_dtype_name(kl_row_file_dtype(f)));
  return 2;
}

static kl_status new_batch(const kl_row_file *f, int64_t count, kl_tensor **out) {
  kl_shape shape = *kl_row_file_shape(f);
  shape.dim[0] = count;
  return kl_tensor_new(kl_row_file_dtype(f), &shape, out);
}

static kl_status read_range(kl_row_file *f, int64_t first, int64_t count, kl_tensor **out) {
  if (count > kl_row_file_shape(f)->dim[0]) { /* for its words, before memory is asked for */
    return kl_row_file_read_range(f, first, count, NULL);
  }
  KL_TRY(new_batch(f, count, out));
  return kl_row_file_read_range(f, first, count, kl_tensor_data(*out));
}

/* f:range(first from 0, count) */
static int rows_range(lua_State *L) {
  kl_row_file *f = check_rows(L, 1);
  if (!lua_isinteger(L, 2) || !lua_isinteger(L, 3) || lua_tointeger(L, 3) < 0) {
    return kl_bind_error(L, "rows: two integers, the first row and the number of rows, expected");
  }
  int64_t first = lua_tointeger(L, 2), count = lua_tointeger(L, 3);
  kl_tensor **slot = kl_bind_new_tensor(L);
  kl_status status = read_range(f, first, count, slot);
  if (kl_bind_retry(L, status)) {
    kl_tensor_release(*slot);
    *slot = NULL;
    status = read_range(f, first, count, slot);
  }
  return finish_tensor(L, slot, status);
}

static kl_status gather(kl_row_file *f, const int64_t *rows, int64_t count, kl_tensor **out) {
  KL_TRY(new_batch(f, count, out));
  return kl_row_file_read(f, rows, count, kl_tensor_data(*out));
}

/* f:gather(int64 tensor of one axis, or list of integers, from 0) */
static int rows_gather(lua_State *L) {
  kl_row_file *f = check_rows(L, 1);
  kl_bind_enter(L);
  kl_tensor *t = kl_bind_to_either(L, 2);
  if (t == NULL && lua_type(L, 2) != LUA_TTABLE) {
    return kl_bind_error(L, "gather: a list or an int64 tensor of rows, from 0, expected, got %s", luaL_typename(L, 2));
  }
  if (t != NULL && ((t->dtype != KL_INT64 && t->dtype != KL_INT32) || t->shape.ndim != 1)) {
    char text[KL_SHAPE_TEXT];
    return kl_bind_error(L, "gather: an int64 tensor of one axis expected, got %s of shape %s",
                         kl_dtype_name((kl_dtype)t->dtype), kl_shape_text(&t->shape, text));
  }
  if (t != NULL && kl_tensor_read(t) != KL_OK) {
    return kl_bind_raise(L);
  }
  int64_t count = t != NULL ? kl_tensor_numel(t) : (int64_t)lua_rawlen(L, 2);
  int64_t *rows = lua_newuserdatauv(L, (size_t)count * sizeof *rows + 1, 0);
  for (int64_t i = 0; i < count; i++) {
    if (t != NULL) {
      rows[i] = kl_tensor_get_int(t, i);
      continue;
    }
    lua_rawgeti(L, 2, i + 1);
    if (!lua_isinteger(L, -1)) {
      return kl_bind_error(L, "gather: integers from 0 expected, got %s as number %d", luaL_typename(L, -1),
                           (int)i + 1);
    }
    rows[i] = lua_tointeger(L, -1);
    lua_pop(L, 1);
  }
  kl_tensor **slot = kl_bind_new_tensor(L);
  kl_status status = gather(f, rows, count, slot);
  if (kl_bind_retry(L, status)) {
    kl_tensor_release(*slot);
    *slot = NULL;
    status = gather(f, rows, count, slot);
  }
  return finish_tensor(L, slot, status);
}

void kl_bind_open_array(lua_State *L, int io) {
  static const luaL_Reg functions[] = {
      {"read_npy", read_npy},     {"decode_npy", decode_npy}, {"encode_npy", encode_npy},
      {"encode_idx", encode_idx}, {"raw_tensor", raw_tensor}, {"raw_bytes", raw_bytes},
      {"rows_open", rows_open},   {"sha256", sha256},         {NULL, NULL},
  };
  static const luaL_Reg methods[] = {
      {"info", rows_info}, {"range", rows_range}, {"gather", rows_gather}, {"close", close_rows}, {NULL, NULL},
  };
  static const luaL_Reg ends[] = {{"__gc", close_rows}, {"__close", close_rows}, {NULL, NULL}};
  kl_bind_new_type(L, ROWS_TYPE, ends, methods);
  lua_pushvalue(L, io);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
