/* Tensors as Lua userdata: making, reading, converting. */
#include <string.h>

#include "bind/bind.h"
#include "graph/plan.h"
#include "op/apply.h"
#include "op/assign.h"
#include "tensor/print.h"

/* Addresses of the metatables, for one comparison per argument instead of a lookup by name. */
static const void *tensor_meta, *recorded_meta, *variable_meta;

kl_bind_kind kl_bind_kind_of(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) {
    return KL_BIND_OTHER;
  }
  const void *meta = lua_topointer(L, -1);
  lua_pop(L, 1);
  return meta == tensor_meta     ? KL_BIND_TENSOR
         : meta == recorded_meta ? KL_BIND_RECORDED
         : meta == variable_meta ? KL_BIND_VARIABLE
                                 : KL_BIND_OTHER;
}

static int close_tensor(lua_State *L) {
  kl_bind_handle *handle = lua_touserdata(L, 1);
  kl_tensor *t = handle->t;
  handle->t = NULL;
  kl_tensor_release(t);
  return 0;
}

/* t:free(): for those who cannot wait for the collector. */
static int free_tensor(lua_State *L) {
  kl_bind_kind kind = kl_bind_kind_of(L, 1);
  if (kind != KL_BIND_TENSOR && kind != KL_BIND_RECORDED) {
    return kl_bind_error(L, "free: a tensor expected, got %s", luaL_typename(L, 1));
  }
  return kind == KL_BIND_TENSOR ? close_tensor(L) : 0;
}

/* Where the registry has the two metatables besides by name: a name costs a string's hash at every operation. */
static char tensor_key, recorded_key;

static kl_bind_handle *new_handle(lua_State *L, const void *key) {
  kl_bind_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
  handle->t = NULL;
  handle->scope = 0;
  handle->place = -1;
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
  lua_setmetatable(L, -2);
  return handle;
}

kl_tensor **kl_bind_new_tensor(lua_State *L) { return &new_handle(L, &tensor_key)->t; }

kl_tensor **kl_bind_new_result(lua_State *L) {
  const kl_recorder *recorder = kl_context_now->recorder;
  kl_bind_handle *handle = new_handle(L, recorder == NULL ? &tensor_key : &recorded_key);
  handle->scope = recorder == NULL ? 0 : recorder->serial;
  return &handle->t;
}

void kl_bind_fill_result(lua_State *L, kl_tensor **slot, kl_tensor *t) {
  *slot = t;
  if (kl_context_now->recorder == NULL) {
    kl_bind_add_debt(L, t);
  } else if (!kl_tensor_has_value(t)) {
    ((kl_bind_handle *)slot)->place = t->node == NULL ? -1 : t->node->mark + t->index;
    kl_tensor_release(t); /* the recorder holds it */
  } else {
    luaL_setmetatable(L, KL_TENSOR_TYPE);
  }
}

static int push_symbolic(lua_State *L) {
  kl_bind_handle *handle = lua_newuserdatauv(L, sizeof *handle, 1);
  handle->t = NULL;
  handle->scope = 0;
  handle->place = -1;
  luaL_setmetatable(L, KL_TENSOR_TYPE);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, 1);
  handle->t = lua_touserdata(L, 1);
  return 1;
}

void kl_bind_push_symbolic(lua_State *L, kl_tensor *t, int info) {
  info = lua_absindex(L, info);
  lua_pushcfunction(L, push_symbolic);
  lua_pushlightuserdata(L, t);
  lua_pushvalue(L, info);
  if (lua_pcall(L, 2, 1, 0) != LUA_OK) {
    kl_tensor_release(t);
    lua_error(L);
  }
}

void kl_bind_promote(lua_State *L, int index) {
  if (kl_bind_kind_of(L, index) == KL_BIND_RECORDED) {
    kl_bind_handle *handle = lua_touserdata(L, index);
    index = lua_absindex(L, index);
    luaL_getmetatable(L, KL_TENSOR_TYPE);
    kl_tensor_retain(handle->t);
    lua_setmetatable(L, index);
  }
}

static int push_protected(lua_State *L) {
  kl_tensor **slot = kl_bind_new_tensor(L);
  *slot = lua_touserdata(L, 1);
  return 1;
}

void kl_bind_push_tensor(lua_State *L, kl_tensor *t) {
  lua_pushcfunction(L, push_protected);
  lua_pushlightuserdata(L, t);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    kl_tensor_release(t);
    lua_error(L);
  }
}

/* The step of a recorded handle is over: what made it, and what would have kept it. */
static int raise_dead(lua_State *L, const kl_bind_handle *handle) {
  const char *op;
  uint32_t source;
  if (kl_plan_find_origin(handle->scope, handle->place, &op, &source) && kl_bind_push_place(L, source)) {
    const char *line = lua_tostring(L, -2);
    lua_pushfstring(L, ", made by kl.%s%s%s%s,", op, *line == '\0' ? "" : " at ", line, lua_tostring(L, -1));
  } else {
    lua_pushliteral(L, "");
  }
  return kl_bind_error(L,
                       "this tensor%s belongs to a finished step: it is gone unless the step returns it, "
                       "assigns it to a variable, reads it or keeps it (t:keep())",
                       lua_tostring(L, -1));
}

/* The tensor of a handle of that kind. */
static kl_tensor *tensor_of(lua_State *L, int index, kl_bind_kind kind) {
  kl_bind_handle *handle = lua_touserdata(L, index);
  if (handle->t == NULL) {
    kl_bind_error(L, "this tensor was closed or freed and cannot be used any more");
  }
  if (kind == KL_BIND_RECORDED) {
    const kl_recorder *recorder = kl_context_now->recorder;
    if (recorder == NULL || recorder->serial != handle->scope) {
      raise_dead(L, handle);
    }
  }
  return handle->t;
}

kl_tensor *kl_bind_to_tensor(lua_State *L, int index) {
  kl_bind_kind kind = kl_bind_kind_of(L, index);
  return kind == KL_BIND_TENSOR || kind == KL_BIND_RECORDED ? tensor_of(L, index, kind) : NULL;
}

kl_tensor *kl_bind_to_either(lua_State *L, int index) {
  kl_bind_kind kind = kl_bind_kind_of(L, index);
  if (kind == KL_BIND_VARIABLE) {
    const kl_variable *v = *(kl_variable **)lua_touserdata(L, index);
    return v == NULL ? NULL : v->value;
  }
  return kind == KL_BIND_OTHER ? NULL : tensor_of(L, index, kind);
}

kl_tensor *kl_bind_check_tensor(lua_State *L, int index) {
  kl_tensor *t = kl_bind_to_tensor(L, index);
  if (t == NULL) {
    kl_bind_error(L, "a tensor expected, got %s", luaL_typename(L, index));
  }
  return t;
}

bool kl_bind_read_input(lua_State *L, int index, kl_bind_input *in) {
  in->index = lua_absindex(L, index);
  switch (lua_type(L, index)) {
    case LUA_TUSERDATA: {
      kl_bind_kind kind = kl_bind_kind_of(L, index);
      if (kind == KL_BIND_VARIABLE) {
        in->variable = *(kl_variable **)lua_touserdata(L, index);
        in->kind = KL_INPUT_VARIABLE;
        return in->variable != NULL;
      }
      in->kind = KL_INPUT_TENSOR;
      in->tensor = kind == KL_BIND_OTHER ? NULL : tensor_of(L, index, kind);
      return in->tensor != NULL;
    }
    case LUA_TNUMBER:
      if (lua_isinteger(L, index)) {
        in->kind = KL_INPUT_INTEGER;
        in->integer = lua_tointeger(L, index);
      } else {
        in->kind = KL_INPUT_NUMBER;
        in->number = lua_tonumber(L, index);
      }
      return true;
    case LUA_TBOOLEAN:
      in->kind = KL_INPUT_BOOLEAN;
      in->integer = lua_toboolean(L, index);
      return true;
    case LUA_TTABLE:
      in->kind = KL_INPUT_TABLE;
      in->table = lua_absindex(L, index);
      return true;
    default:
      return false;
  }
}

kl_status kl_bind_make_input(lua_State *L, const kl_bind_input *in, kl_tensor **out) {
  switch (in->kind) {
    case KL_INPUT_TENSOR:
      *out = kl_tensor_retain(in->tensor);
      return KL_OK;
    case KL_INPUT_VARIABLE:
      return kl_variable_read(in->variable, out);
    case KL_INPUT_INTEGER:
      return kl_tensor_new_weak_int(in->integer, out);
    case KL_INPUT_NUMBER:
      return kl_tensor_new_weak_float(in->number, out);
    case KL_INPUT_BOOLEAN: {
      kl_shape scalar = kl_shape_scalar();
      KL_TRY(kl_tensor_new(KL_BOOL, &scalar, out));
      *(uint8_t *)kl_tensor_data(*out) = in->integer != 0;
      return KL_OK;
    }
    default:
      return kl_bind_tensor_from_table(L, in->table, -1, out);
  }
}

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
                 ? kl_fail(
                       KL_EDTYPE,
                       "kl.tensor: numbers or booleans expected, got a tensor: kl.stack makes one of a list of them")
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

void kl_bind_push_shape(lua_State *L, const kl_shape *shape) {
  lua_createtable(L, shape->ndim, 0);
  for (int i = 0; i < shape->ndim; i++) {
    if (shape->dim[i] == KL_UNKNOWN) {
      lua_pushboolean(L, false);
    } else {
      lua_pushinteger(L, shape->dim[i]);
    }
    lua_rawseti(L, -2, i + 1);
  }
}

/* A Lua number (or boolean) from element i. */
static void push_element(lua_State *L, const kl_tensor *t, int64_t i) {
  if (kl_dtype_is_float((kl_dtype)t->dtype)) {
    lua_pushnumber(L, kl_tensor_get_double(t, i));
  } else if (t->dtype == KL_BOOL) {
    lua_pushboolean(L, kl_tensor_get_int(t, i) != 0);
  } else {
    lua_pushinteger(L, kl_tensor_get_int(t, i));
  }
}

/* Argument 1, a tensor or a variable, with its value at this point of the program; borrowed.  What is read while a step
 * is recorded outlives the step. */
static kl_tensor *read_value(lua_State *L) {
  kl_variable *v = kl_bind_to_variable(L, 1);
  kl_tensor *t;
  if (v == NULL) {
    t = kl_bind_check_tensor(L, 1);
  } else if (kl_variable_read(v, &t) != KL_OK) {
    kl_bind_raise(L);
  } else {
    kl_tensor_release(t); /* the variable, or the recording, holds it */
  }
  if (kl_tensor_read(t) != KL_OK) {
    kl_bind_raise(L);
  }
  kl_bind_promote(L, 1);
  return t;
}

/* The same for what is a number to Lua. */
static kl_tensor *check_value(lua_State *L) {
  kl_bind_enter(L);
  return read_value(L);
}

static int item(lua_State *L) {
  kl_tensor *t = check_value(L);
  if (kl_tensor_numel(t) != 1) {
    char text[KL_SHAPE_TEXT];
    return kl_bind_error(L, "item: a tensor with one element expected, got shape %s", kl_shape_text(&t->shape, text));
  }
  push_element(L, t, 0);
  return 1;
}

static int64_t push_nested(lua_State *L, const kl_tensor *t, int axis, int64_t at) {
  if (axis == t->shape.ndim) {
    push_element(L, t, at);
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

static int totable(lua_State *L) {
  kl_tensor *t = check_value(L);
  luaL_checkstack(L, KL_MAX_NDIM + 2, "totable");
  push_nested(L, t, 0, 0);
  return 1;
}

static int print_tensor(lua_State *L) {
  kl_bind_kind kind = kl_bind_kind_of(L, 1);
  kl_bind_enter(L);
  if (kind == KL_BIND_TENSOR && ((kl_bind_handle *)lua_touserdata(L, 1))->t == NULL) {
    lua_pushliteral(L, "tensor (closed)");
    return 1;
  }
  kl_tensor *t = kind == KL_BIND_VARIABLE ? kl_bind_check_variable(L, 1)->value : kl_bind_check_tensor(L, 1);
  if (!(t->flags & KL_TENSOR_SYMBOLIC)) {
    t = read_value(L);
  }
  luaL_Buffer b;
  size_t size = kl_print_size(t);
  char *text = luaL_buffinitsize(L, &b, size);
  luaL_pushresultsize(&b, kl_print(t, text, size));
  return 1;
}

enum { SHAPE = 1, DTYPE, NDIM };

/* The table of the properties' numbers by name: one look-up instead of comparing texts. */
void kl_bind_new_properties(lua_State *L) {
  static const char *const names[] = {[SHAPE] = "shape", [DTYPE] = "dtype", [NDIM] = "ndim"};
  lua_createtable(L, 0, NDIM);
  for (int i = SHAPE; i <= NDIM; i++) {
    lua_pushinteger(L, i);
    lua_setfield(L, -2, names[i]);
  }
}

bool kl_bind_push_property(lua_State *L, int properties, const kl_tensor *t) {
  lua_pushvalue(L, 2);
  lua_rawget(L, properties);
  switch (lua_tointeger(L, -1)) {
    case SHAPE:
      kl_bind_push_shape(L, &t->shape);
      return true;
    case DTYPE:
      lua_pushstring(L, kl_dtype_name((kl_dtype)t->dtype));
      return true;
    case NDIM:
      lua_pushinteger(L, t->shape.ndim);
      return true;
    default:
      return false;
  }
}

/* t.name: a property, a method, or an error that names the nearest one.  Upvalue 1: the methods; 2: the properties. */
static int index_tensor(lua_State *L) {
  if (lua_type(L, 2) == LUA_TSTRING) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) {
      return 1;
    }
    kl_tensor *t = kl_bind_check_tensor(L, 1);
    if (kl_bind_push_property(L, lua_upvalueindex(2), t)) {
      return 1;
    }
    const char *name = lua_tostring(L, 2);
    kl_bind_push_method_hint(L, name, 0, lua_upvalueindex(1));
    return kl_bind_error(L, "a tensor has no method or property '%s'%s", name, lua_tostring(L, -1));
  }
  lua_getfield(L, lua_upvalueindex(1), "__getitem");
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

static int no_newindex(lua_State *L) {
  return kl_bind_error(L,
                       "tensors never change: use kl.slice_update(t, start_indices, values), which gives a new one, "
                       "or a kl.Variable");
}

static int length(lua_State *L) {
  kl_variable *v = kl_bind_to_variable(L, 1);
  kl_tensor *t = v != NULL ? v->value : kl_bind_check_tensor(L, 1);
  if (t->shape.ndim == 0) {
    return kl_bind_error(L, "a scalar tensor has no length");
  }
  if (t->shape.dim[0] == KL_UNKNOWN) {
    return kl_bind_error(L, "the length of the first axis is not known while a functional graph is built");
  }
  lua_pushinteger(L, t->shape.dim[0]);
  return 1;
}

static int no_order(lua_State *L) {
  return kl_bind_error(L,
                       "tensors are compared elementwise by functions: kl.less, kl.less_equal, kl.greater, "
                       "kl.greater_equal, kl.equal; kl.array_equal gives one boolean");
}

/* Puts the dtype of a table of options in its place. */
static void unpack_dtype(lua_State *L, int index) {
  for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING || strcmp(lua_tostring(L, -2), "dtype") != 0) {
      lua_pushvalue(L, -2); /* luaL_tolstring may change what it shows, and lua_next needs the key */
      kl_bind_error(L, "kl.tensor: unknown option '%s' (known: dtype)", luaL_tolstring(L, -1, NULL));
    }
  }
  lua_getfield(L, index, "dtype");
  lua_replace(L, index);
}

/* kl.tensor(data, dtype) or (data, {dtype = ...}): nested tables, a number, a boolean, or a tensor (which is cast). */
static int new_tensor(lua_State *L) {
  int dtype = -1;
  kl_dtype parsed;
  kl_bind_input in;
  if (lua_istable(L, 2)) {
    unpack_dtype(L, 2);
  }
  if (!lua_isnoneornil(L, 2)) {
    if (lua_type(L, 2) != LUA_TSTRING || !kl_dtype_parse(lua_tostring(L, 2), &parsed)) {
      return kl_bind_error(L, "kl.tensor: the name of a dtype expected, got %s", luaL_tolstring(L, 2, NULL));
    }
    dtype = (int)parsed;
  }
  if (lua_gettop(L) == 0 || !kl_bind_read_input(L, 1, &in)) {
    return kl_bind_error(L, "kl.tensor: nested tables of numbers, a number, a boolean or a tensor expected, got %s",
                         luaL_typename(L, 1));
  }
  kl_bind_enter(L);
  kl_tensor **slot = kl_bind_new_tensor(L);
  kl_status status = KL_ENOMEM;
  for (int attempt = 0; attempt < 2 && status == KL_ENOMEM; attempt++) {
    kl_tensor *t = NULL;
    if (attempt > 0) {
      kl_bind_retry(L, status);
    }
    status = in.kind == KL_INPUT_TABLE      ? kl_bind_tensor_from_table(L, in.table, dtype, &t)
             : in.kind == KL_INPUT_VARIABLE ? kl_bind_read_variable(in.variable, &t)
                                            : kl_bind_make_input(L, &in, &t);
    if (status == KL_OK && (t->weak != KL_STRONG || (dtype >= 0 && t->dtype != dtype))) {
      kl_dtype natural = t->weak == KL_WEAK_FLOAT                                      ? KL_FLOAT32
                         : t->weak == KL_WEAK_INT && in.integer == (int32_t)in.integer ? KL_INT32
                                                                                       : KL_INT64;
      kl_attr attr = {.n = 1, .given = 1, .v = {dtype >= 0 ? dtype : (int)natural}};
      kl_tensor *before = t;
      status = kl_apply1(&kl_op_cast, 1, &before, &attr, &t);
      kl_tensor_release(before);
    }
    *slot = t;
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_bind_add_debt(L, *slot);
  return 1;
}

void kl_bind_set_variable_meta(const void *meta) { variable_meta = meta; }

void kl_bind_open_tensor(lua_State *L, int core) {
  static const luaL_Reg meta[] = {
      {"__tostring", print_tensor}, {"__newindex", no_newindex}, {"__len", length},
      {"__lt", no_order},           {"__le", no_order},          {NULL, NULL},
  };
  static const luaL_Reg ends[] = {{"__gc", close_tensor}, {"__close", close_tensor}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"item", item},
      {"totable", totable},
      {"free", free_tensor},
      {NULL, NULL},
  };
  luaL_newlib(L, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, core, "tensor_methods"); /* lua/kl adds ops and composites */
  for (int recorded = 0; recorded < 2; recorded++) {
    luaL_newmetatable(L, recorded ? KL_RECORDED_TYPE : KL_TENSOR_TYPE);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, recorded ? &recorded_key : &tensor_key);
    luaL_setfuncs(L, meta, 0);
    if (recorded) {
      recorded_meta = lua_topointer(L, -1);
      lua_pushcfunction(L, free_tensor);
      lua_setfield(L, -2, "__close");
    } else {
      tensor_meta = lua_topointer(L, -1);
      luaL_setfuncs(L, ends, 0);
    }
    lua_pushvalue(L, -2);
    kl_bind_new_properties(L);
    lua_pushcclosure(L, index_tensor, 2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  lua_pushcfunction(L, new_tensor);
  lua_setfield(L, core, "tensor");
}
