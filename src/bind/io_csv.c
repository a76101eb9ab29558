/* core.io.csv: a parsed table of text, whose columns become tensors or lists of strings. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bind/io.h"
#include "io/csv.h"
#include "io/file.h"
#include "op/apply.h"

#define CSV_TYPE "kl.io.Csv"

static int close_csv(lua_State *L) {
  kl_csv_release(luaL_checkudata(L, 1, CSV_TYPE));
  return 0;
}

/* core.io.csv(path, separator) */
static int open_csv(lua_State *L) {
  char name[KL_PATH_TEXT];
  const char *path = kl_bind_check_text(L, 1, "csv: a path"), *separator = kl_bind_check_text(L, 2, "csv: separator");
  if (strlen(separator) != 1 || strchr("\"\n\r", *separator) != NULL) {
    return kl_bind_error(L, "csv: separator: one byte that is no quote and ends no line expected, got '%.20s'",
                         separator);
  }
  kl_csv *csv = lua_newuserdatauv(L, sizeof *csv, 1);
  *csv = (kl_csv){0};
  luaL_setmetatable(L, CSV_TYPE);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  kl_buffer *b = kl_bind_new_buffer(L);
  kl_status status = kl_bind_read_file(L, path, SIZE_MAX, b);
  if (status == KL_OK) {
    status = kl_csv_parse(kl_path_text(path, name), b, *separator, csv);
  }
  kl_buffer_release(b);
  lua_pop(L, 1);
  return status == KL_OK ? 1 : kl_bind_raise(L);
}

/* csv:size(): rows, columns */
static int size(lua_State *L) {
  const kl_csv *csv = luaL_checkudata(L, 1, CSV_TYPE);
  lua_pushinteger(L, csv->rows);
  lua_pushinteger(L, csv->columns);
  return 2;
}

/* A column, from 1 in Lua. */
static int64_t check_column(lua_State *L, const kl_csv *csv, int index) {
  lua_Integer column = luaL_checkinteger(L, index);
  luaL_argcheck(L, column >= 1 && column <= csv->columns, index, "no such column");
  return column - 1;
}

/* The row from which on data begins, from 0 */
static int64_t check_first(lua_State *L, const kl_csv *csv, int index) {
  lua_Integer first = luaL_checkinteger(L, index);
  luaL_argcheck(L, first >= 0 && first <= csv->rows, index, "no such row");
  return first;
}

/* csv:kind(column, first): "integers", "numbers" or "text" */
static int kind(lua_State *L) {
  static const char *const names[] = {"integers", "numbers", "text"};
  const kl_csv *csv = luaL_checkudata(L, 1, CSV_TYPE);
  int64_t column = check_column(L, csv, 2);
  lua_pushstring(L, names[kl_csv_column_kind(csv, column, check_first(L, csv, 3))]);
  return 1;
}

/* csv:strings(column, first, count): a list */
static int strings(lua_State *L) {
  const kl_csv *csv = luaL_checkudata(L, 1, CSV_TYPE);
  int64_t column = check_column(L, csv, 2), first = check_first(L, csv, 3);
  int64_t count = luaL_optinteger(L, 4, csv->rows - first);
  lua_createtable(L, count > 0 && count < 1 << 24 ? (int)count : 0, 0);
  for (int64_t i = 0; i < count && first + i < csv->rows; i++) {
    const kl_csv_field *f = kl_csv_at(csv, first + i, column);
    lua_pushlstring(L, csv->text.data + f->at, f->size);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static kl_status make_tensor(const char *name, const kl_csv *csv, const int64_t *columns, int64_t count, bool matrix,
                             int64_t first, kl_dtype dtype, bool nan, kl_tensor **out) {
  kl_shape shape = {matrix ? 2 : 1, {csv->rows - first, count}};
  KL_TRY(kl_tensor_new(dtype, &shape, out));
  kl_status status = KL_OK;
  for (int64_t i = 0; i < count && status == KL_OK; i++) {
    char *to = (char *)kl_tensor_data(*out) + i * (int64_t)kl_dtype_size(dtype);
    status = kl_csv_read_column(name, csv, columns[i], first, dtype, nan, to, count);
  }
  if (status != KL_OK) {
    kl_tensor_release(*out);
    *out = NULL;
  }
  return status;
}

/* csv:tensor(column or list of columns, first, dtype, empty_is_nan): (rows) or (rows, columns) */
static int tensor(lua_State *L) {
  char text[KL_PATH_TEXT];
  const kl_csv *csv = luaL_checkudata(L, 1, CSV_TYPE);
  kl_dtype dtype;
  int64_t first = check_first(L, csv, 3);
  bool matrix = lua_type(L, 2) == LUA_TTABLE, nan = lua_toboolean(L, 5);
  if (!kl_dtype_parse(luaL_checkstring(L, 4), &dtype)) {
    return kl_bind_error(L, "csv: unknown dtype '%.40s'", lua_tostring(L, 4));
  }
  int64_t count = matrix ? (int64_t)lua_rawlen(L, 2) : 1;
  int64_t *columns = lua_newuserdatauv(L, (size_t)count * sizeof *columns + 1, 0);
  for (int64_t i = 0; i < count; i++) {
    if (matrix) {
      lua_rawgeti(L, 2, i + 1);
    } else {
      lua_pushvalue(L, 2);
    }
    columns[i] = check_column(L, csv, -1);
    lua_pop(L, 1);
  }
  lua_getiuservalue(L, 1, 1);
  const char *name = kl_path_text(lua_tostring(L, -1), text);
  kl_tensor **slot = kl_bind_new_tensor(L);
  kl_status status = make_tensor(name, csv, columns, count, matrix, first, dtype, nan, slot);
  if (kl_bind_retry(L, status)) {
    status = make_tensor(name, csv, columns, count, matrix, first, dtype, nan, slot);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_bind_add_debt(L, *slot);
  return 1;
}

/* core.io.number_texts(tensor): its elements in C order, with the fewest digits of 9 or 17 that give floats back. */
static int number_texts(lua_State *L) {
  kl_bind_enter(L);
  kl_tensor *t = kl_bind_to_either(L, 1);
  if (t == NULL) {
    return kl_bind_error(L, "number_texts: a tensor expected, got %s", luaL_typename(L, 1));
  }
  if (kl_tensor_read(t) != KL_OK) {
    return kl_bind_raise(L);
  }
  int64_t n = kl_tensor_numel(t);
  lua_createtable(L, n < 1 << 24 ? (int)n : 0, 0);
  for (int64_t i = 0; i < n; i++) {
    char text[40];
    if (kl_dtype_is_float((kl_dtype)t->dtype)) {
      double value = kl_tensor_get_double(t, i);
      snprintf(text, sizeof text, "%.*g", t->dtype == KL_FLOAT32 ? 9 : 17, value);
      lua_pushstring(L, isnan(value) ? "nan" : text);
    } else {
      snprintf(text, sizeof text, "%lld", (long long)kl_tensor_get_int(t, i));
      lua_pushstring(L, text);
    }
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

void kl_bind_open_csv(lua_State *L, int io) {
  static const luaL_Reg methods[] = {{"size", size},     {"kind", kind},       {"strings", strings},
                                     {"tensor", tensor}, {"close", close_csv}, {NULL, NULL}};
  static const luaL_Reg ends[] = {{"__gc", close_csv}, {"__close", close_csv}, {NULL, NULL}};
  kl_bind_new_type(L, CSV_TYPE, ends, methods);
  lua_pushcfunction(L, open_csv);
  lua_setfield(L, io, "csv");
  lua_pushcfunction(L, number_texts);
  lua_setfield(L, io, "number_texts");
}
