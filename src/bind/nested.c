/* Nested tables of numbers as tensors, and tensors as nested tables. */
#include "bind/bind.h"

/* What a walk over nested tables has found. */
typedef struct nested {
  kl_shape shape;
  bool has_float, has_integer, has_boolean, wide; /* wide: an integer outside int32 */
  kl_dtype dtype;
  char *next; /* where the next element goes; NULL while measuring */
  size_t size;
} nested;

/* Shape along the first elements. */
static kl_status measure(lua_State *L, int index, kl_shape *shape) {
  int pushed = 0;
  kl_status status = KL_OK;
  lua_pushvalue(L, index);
  pushed++;
  while (lua_type(L, -1) == LUA_TTABLE) {
    if (shape->ndim == KL_MAX_NDIM) {
      status = kl_fail(KL_ESHAPE, "kl.tensor: tables are nested deeper than %d, the largest rank", KL_MAX_NDIM);
      break;
    }
    int64_t n = (int64_t)lua_rawlen(L, -1);
    shape->dim[shape->ndim++] = n;
    if (n == 0) {
      break;
    }
    lua_rawgeti(L, -1, 1);
    pushed++;
  }
  lua_pop(L, pushed);
  return status;
}

static kl_status walk(lua_State *L, nested *w, int axis) {
  int type = lua_type(L, -1);
  if (axis == w->shape.ndim) {
    if (type != LUA_TNUMBER && type != LUA_TBOOLEAN) {
      return type == LUA_TTABLE ? kl_fail(KL_ESHAPE, "kl.tensor: the nested tables do not all have the same depth")
             : kl_bind_kind_of(L, -1) != KL_BIND_OTHER
                 ? kl_fail(KL_EDTYPE,
                           "kl.tensor: numbers or booleans expected, got a tensor: kl.stack makes one of a list")
                 : kl_fail(KL_EDTYPE, "kl.tensor: numbers or booleans expected, got %s", lua_typename(L, type));
    }
    bool is_float = type == LUA_TNUMBER && !lua_isinteger(L, -1);
    int64_t integer = type == LUA_TBOOLEAN ? lua_toboolean(L, -1) : lua_tointeger(L, -1);
    if (w->next == NULL) {
      w->has_float = w->has_float || is_float;
      w->has_boolean = w->has_boolean || type == LUA_TBOOLEAN;
      w->has_integer = w->has_integer || (type == LUA_TNUMBER && !is_float);
      w->wide = w->wide || integer < INT32_MIN || integer > INT32_MAX;
      return KL_OK;
    }
    if (is_float && !kl_dtype_is_float(w->dtype) && w->dtype != KL_BOOL) {
      return kl_fail(KL_EDTYPE, "kl.tensor: the float %g in a tensor of %s", lua_tonumber(L, -1),
                     kl_dtype_name(w->dtype));
    }
    if (!kl_dtype_store(w->dtype, is_float, integer, lua_tonumber(L, -1), w->next)) {
      return kl_fail(KL_EVALUE, "kl.tensor: %lld does not fit in %s", (long long)integer, kl_dtype_name(w->dtype));
    }
    w->next += w->size;
    return KL_OK;
  }
  if (type != LUA_TTABLE || (int64_t)lua_rawlen(L, -1) != w->shape.dim[axis]) {
    return kl_fail(KL_ESHAPE,
                   "kl.tensor: the nested tables are ragged: %lld elements expected along axis %d, got %s%lld",
                   (long long)w->shape.dim[axis], axis + 1, type == LUA_TTABLE ? "" : "none, length ",
                   type == LUA_TTABLE ? (long long)lua_rawlen(L, -1) : 0LL);
  }
  for (int64_t i = 1; i <= w->shape.dim[axis]; i++) {
    lua_rawgeti(L, -1, i);
    kl_status status = walk(L, w, axis + 1);
    lua_pop(L, 1);
    KL_TRY(status);
  }
  return KL_OK;
}

kl_status kl_bind_tensor_from_table(lua_State *L, int index, int dtype, kl_tensor **out) {
  nested w = {0};
  *out = NULL;
  if (!lua_checkstack(L, KL_MAX_NDIM + 4)) {
    return kl_fail(KL_ENOMEM, "kl.tensor: no room on the Lua stack");
  }
  index = lua_absindex(L, index);
  KL_TRY(measure(L, index, &w.shape));
  KL_TRY(kl_shape_check_size("kl.tensor", &w.shape, 8));
  lua_pushvalue(L, index);
  kl_status status = walk(L, &w, 0);
  w.dtype = dtype >= 0      ? (kl_dtype)dtype
            : w.has_float   ? KL_FLOAT32
            : w.wide        ? KL_INT64
            : w.has_integer ? KL_INT32
            : w.has_boolean ? KL_BOOL
                            : KL_FLOAT32;
  w.size = kl_dtype_size(w.dtype);
  if (status == KL_OK) {
    status = kl_tensor_new(w.dtype, &w.shape, out);
  }
  if (status == KL_OK) {
    w.next = kl_tensor_data(*out);
    status = walk(L, &w, 0);
    if (status != KL_OK) {
      kl_tensor_release(*out);
      *out = NULL;
    }
  }
  lua_pop(L, 1);
  return status;
}

void kl_bind_push_element(lua_State *L, const kl_tensor *t, int64_t i) {
  if (kl_dtype_is_float((kl_dtype)t->dtype)) {
    lua_pushnumber(L, kl_tensor_get_double(t, i));
  } else if (t->dtype == KL_BOOL) {
    lua_pushboolean(L, kl_tensor_get_int(t, i) != 0);
  } else {
    lua_pushinteger(L, kl_tensor_get_int(t, i));
  }
}

static int64_t push_nested(lua_State *L, const kl_tensor *t, int axis, int64_t at) {
  if (axis == t->shape.ndim) {
    kl_bind_push_element(L, t, at);
    return at + 1;
  }
  int64_t n = t->shape.dim[axis];
  lua_createtable(L, n < 1 << 26 ? (int)n : 0, 0);
  for (int64_t i = 1; i <= n; i++) {
    at = push_nested(L, t, axis + 1, at);
    lua_rawseti(L, -2, i);
  }
  return at;
}

void kl_bind_push_nested(lua_State *L, const kl_tensor *t) {
  luaL_checkstack(L, KL_MAX_NDIM + 2, "totable");
  push_nested(L, t, 0, 0);
}
