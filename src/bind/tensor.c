/* What a script does with a tensor besides computing: kl.tensor, its values as Lua numbers, its properties, printing.
 */
#include <string.h>

#include "bind/bind.h"
#include "op/apply.h"
#include "op/assign.h"
#include "tensor/print.h"

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
  kl_bind_push_element(L, t, 0);
  return 1;
}

static int totable(lua_State *L) {
  kl_tensor *t = check_value(L);
  kl_bind_push_nested(L, t);
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

void kl_bind_open_tensor(lua_State *L, int core) {
  static const luaL_Reg meta[] = {
      {"__tostring", print_tensor}, {"__newindex", no_newindex}, {"__len", length},
      {"__lt", no_order},           {"__le", no_order},          {NULL, NULL},
  };
  static const luaL_Reg methods[] = {{"item", item}, {"totable", totable}, {NULL, NULL}};
  static const char *const types[] = {KL_TENSOR_TYPE, KL_RECORDED_TYPE};
  lua_getfield(L, core, "tensor_methods");
  luaL_setfuncs(L, methods, 0);
  for (int i = 0; i < 2; i++) {
    luaL_getmetatable(L, types[i]);
    luaL_setfuncs(L, meta, 0);
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
