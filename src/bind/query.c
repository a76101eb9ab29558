/* What lua/kl asks about values at every call of a layer and in every step of training, each in one call: a question
 * put together of properties costs a call per property. */
#include "bind/bind.h"

/* core.traits(value): dtype, rank, and whether it is symbolic, of a tensor or a variable; nil for all else. */
static int traits(lua_State *L) {
  kl_bind_enter(L);
  const kl_tensor *t = kl_bind_to_either(L, 1);
  if (t == NULL) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushstring(L, kl_dtype_name((kl_dtype)t->dtype));
  lua_pushinteger(L, t->shape.ndim);
  lua_pushboolean(L, t->flags & KL_TENSOR_SYMBOLIC);
  return 3;
}

/* core.are_tensors(a, b): both are tensors or variables. */
static int are_tensors(lua_State *L) {
  lua_pushboolean(L, kl_bind_kind_of(L, 1) != KL_BIND_OTHER && kl_bind_kind_of(L, 2) != KL_BIND_OTHER);
  return 1;
}

/* core.is_scalar(value): a number, or a tensor or variable without axes. */
static int is_scalar(lua_State *L) {
  bool is = lua_type(L, 1) == LUA_TNUMBER;
  if (!is) {
    kl_bind_enter(L);
    const kl_tensor *t = kl_bind_to_either(L, 1);
    is = t != NULL && t->shape.ndim == 0;
  }
  lua_pushboolean(L, is);
  return 1;
}

/* core.size(t): how many elements; false if that is unknown. */
static int size(lua_State *L) {
  kl_bind_enter(L);
  const kl_tensor *t = kl_bind_to_either(L, 1);
  if (t == NULL) {
    return kl_bind_error(L, "a tensor expected, got %s", luaL_typename(L, 1));
  }
  lua_Integer n = 1;
  bool known = true;
  for (int i = 0; i < t->shape.ndim; i++) {
    known = known && t->shape.dim[i] != KL_UNKNOWN;
    n *= t->shape.dim[i];
  }
  if (known) {
    lua_pushinteger(L, n);
  } else {
    lua_pushboolean(L, false);
  }
  return 1;
}

/* core.is_one_per_row(a, b): a has the shape of b without its last axis; an unknown length fits any. */
static int is_one_per_row(lua_State *L) {
  kl_bind_enter(L);
  const kl_tensor *a = kl_bind_to_either(L, 1), *b = kl_bind_to_either(L, 2);
  bool fits = a != NULL && b != NULL && a->shape.ndim == b->shape.ndim - 1;
  for (int i = 0; fits && i < a->shape.ndim; i++) {
    int64_t m = a->shape.dim[i], n = b->shape.dim[i];
    fits = m == n || m == KL_UNKNOWN || n == KL_UNKNOWN;
  }
  lua_pushboolean(L, fits);
  return 1;
}

static bool is_leaf_at(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TTABLE) {
    return true;
  }
  if (!lua_getmetatable(L, index)) {
    return false;
  }
  lua_pop(L, 1);
  return true;
}

/* core.is_leaf(value): no plain table. */
static int is_leaf(lua_State *L) {
  lua_pushboolean(L, is_leaf_at(L, 1));
  return 1;
}

/* core.leaves(structure): a new list of its leaves if it is a leaf or a list of leaves, else nil. */
static int leaves(lua_State *L) {
  lua_settop(L, 1);
  if (is_leaf_at(L, 1)) {
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, 2, 1);
    return 1;
  }
  lua_Unsigned n = lua_rawlen(L, 1), count = 0;
  lua_createtable(L, (int)n, 0);
  for (lua_pushnil(L); lua_next(L, 1) != 0; count++) {
    if (!lua_isinteger(L, 3) || (lua_Unsigned)lua_tointeger(L, 3) - 1 >= n || !is_leaf_at(L, 4)) {
      lua_pushnil(L);
      return 1;
    }
    lua_rawseti(L, 2, lua_tointeger(L, 3));
  }
  if (count != n) {
    lua_pushnil(L);
  }
  return 1;
}

/* core.trainable(variables, wanted): those of the list that are, or are not, trainable. */
static int trainable(lua_State *L) {
  bool wanted = lua_toboolean(L, 2);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1), count = 0;
  lua_createtable(L, (int)n, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, 1, i);
    if (kl_bind_check_variable(L, 3)->trainable == wanted) {
      lua_rawseti(L, 2, ++count);
    } else {
      lua_settop(L, 2);
    }
  }
  return 1;
}

/* core.any_has(variables, name): one of the list has something in the field of that name, such as a regularizer. */
static int any_has(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
  bool found = false;
  for (lua_Integer i = 1; i <= n && !found; i++) {
    lua_rawgeti(L, 1, i);
    kl_bind_check_variable(L, 3);
    lua_getiuservalue(L, 3, 1);
    lua_pushvalue(L, 2);
    lua_rawget(L, 4);
    found = lua_toboolean(L, 5);
    lua_settop(L, 2);
  }
  lua_pushboolean(L, found);
  return 1;
}

/* core.gradients_fit(gradients, variables, known): lists as long as each other; each variable is a key of `known` and
 * its gradient is a tensor of its shape. */
static int gradients_fit(lua_State *L) {
  for (int i = 1; i <= 3; i++) {
    luaL_checktype(L, i, LUA_TTABLE);
  }
  lua_settop(L, 3);
  kl_bind_enter(L);
  lua_Integer n = (lua_Integer)lua_rawlen(L, 2);
  bool fit = (lua_Integer)lua_rawlen(L, 1) == n;
  for (lua_Integer i = 1; i <= n && fit; i++) {
    lua_rawgeti(L, 1, i);
    lua_rawgeti(L, 2, i);
    const kl_variable *v = kl_bind_to_variable(L, 5);
    const kl_tensor *gradient = v == NULL ? NULL : kl_bind_to_either(L, 4);
    fit = gradient != NULL && kl_shape_equal(&gradient->shape, &v->value->shape);
    lua_rawget(L, 3);
    fit = fit && lua_toboolean(L, 5);
    lua_settop(L, 3);
  }
  lua_pushboolean(L, fit);
  return 1;
}

/* core.may_read(): asking for a value is no error here; it is in a step that is to be replayed. */
static int may_read(lua_State *L) {
  kl_bind_enter(L);
  lua_pushboolean(L, kl_context_now->recorder == NULL || !kl_context_now->recorder->no_reads);
  return 1;
}

void kl_bind_open_query(lua_State *L, int core) {
  static const luaL_Reg functions[] = {
      {"traits", traits},
      {"are_tensors", are_tensors},
      {"is_scalar", is_scalar},
      {"size", size},
      {"is_one_per_row", is_one_per_row},
      {"is_leaf", is_leaf},
      {"leaves", leaves},
      {"trainable", trainable},
      {"any_has", any_has},
      {"gradients_fit", gradients_fit},
      {"may_read", may_read},
      {NULL, NULL},
  };
  lua_pushvalue(L, core);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
