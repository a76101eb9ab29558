/* Variables as Lua userdata.  Uservalue 1 is a table for what only Lua knows: name, path, regularizer, and so on; it
 * reads and writes like fields of the variable. */
#include <string.h>

#include "bind/bind.h"
#include "op/apply.h"
#include "op/assign.h"

kl_variable *kl_bind_to_variable(lua_State *L, int index) {
  return kl_bind_kind_of(L, index) == KL_BIND_VARIABLE ? *(kl_variable **)lua_touserdata(L, index) : NULL;
}

kl_variable *kl_bind_check_variable(lua_State *L, int index) {
  kl_variable *v = kl_bind_to_variable(L, index);
  if (v == NULL) {
    kl_bind_error(L, "a kl.Variable expected, got %s", luaL_typename(L, index));
  }
  return v;
}

/* Registry table id -> variable userdata, weak values. */
static const char variables_key = 0;

bool kl_bind_push_variable_by_id(lua_State *L, uint64_t id) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &variables_key);
  bool found = lua_rawgeti(L, -1, (lua_Integer)id) == LUA_TUSERDATA;
  lua_remove(L, -2);
  if (!found) {
    lua_pop(L, 1);
  }
  return found;
}

/* Some variable has, or had, a regularizer. */
static bool any_regularized;

/* core.any_regularized() */
static int is_any_regularized(lua_State *L) {
  lua_pushboolean(L, any_regularized);
  return 1;
}

static int close_variable(lua_State *L) {
  kl_variable **slot = lua_touserdata(L, 1);
  kl_variable *v = *slot;
  *slot = NULL;
  kl_variable_release(v);
  return 0;
}

/* core.variable(initial, trainable, fields): `initial` is a tensor with the final dtype. */
static int new_variable(lua_State *L) {
  kl_tensor *initial = kl_bind_check_tensor(L, 1);
  bool trainable = lua_toboolean(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  kl_bind_enter(L);
  if (!kl_tensor_has_value(initial) &&
      kl_tensor_read(initial) != KL_OK) { /* a first value is needed at once, also while a step is recorded */
    return kl_bind_raise(L);
  }
  kl_variable **slot = lua_newuserdatauv(L, sizeof *slot, 1);
  *slot = NULL;
  luaL_setmetatable(L, KL_VARIABLE_TYPE);
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, -2, 1);
  lua_getfield(L, 3, "regularizer");
  any_regularized = any_regularized || lua_toboolean(L, -1);
  lua_pop(L, 1);
  kl_status status = kl_variable_new(initial, trainable, slot);
  if (kl_bind_retry(L, status)) {
    status = kl_variable_new(initial, trainable, slot);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &variables_key);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, (lua_Integer)(*slot)->id);
  lua_pop(L, 1);
  return 1;
}

typedef kl_status assign_function(kl_variable *v, kl_tensor *value);

static kl_status assign_once(lua_State *L, kl_variable *v, const kl_bind_input *in, assign_function *assign) {
  kl_tensor *value;
  KL_TRY(kl_bind_make_input(L, in, &value));
  kl_status status = assign(v, value);
  kl_tensor_release(value);
  return status;
}

static int assign_by(lua_State *L, assign_function *assign) {
  kl_bind_input in;
  kl_variable *v = kl_bind_check_variable(L, 1);
  if (!kl_bind_read_input(L, 2, &in)) {
    return kl_bind_error(L, "assign: a tensor or a number expected, got %s", luaL_typename(L, 2));
  }
  kl_bind_enter(L);
  kl_status status = assign_once(L, v, &in, assign);
  if (kl_bind_retry(L, status)) {
    status = assign_once(L, v, &in, assign);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  lua_settop(L, 1);
  return 1;
}

static int assign(lua_State *L) { return assign_by(L, kl_variable_assign); }
static int assign_add(lua_State *L) { return assign_by(L, kl_variable_assign_add); }
static int assign_sub(lua_State *L) { return assign_by(L, kl_variable_assign_sub); }

/* The value under a name of its own: tapes that record see that it was read of the variable, those made later do not.
 */
static kl_status read_apart(kl_tensor *value, kl_tensor **out) {
  if (kl_context_now->watchers != NULL) {
    kl_attr shape = {.n = value->shape.ndim, .given = 1};
    memcpy(shape.v, value->shape.dim, sizeof value->shape.dim);
    return kl_apply1(&kl_op_broadcast_to, 1, &value, &shape, out);
  }
  if (kl_context_now->recorder != NULL) {
    if (!kl_tensor_has_value(value)) { /* what was assigned in this step: it has a name of its own already */
      *out = kl_tensor_retain(value);
      return KL_OK;
    }
    /* recorded, so that a replay reads the variable again */
    return kl_apply1(&kl_op_stop_gradient, 1, &value, NULL, out);
  }
  return kl_tensor_new_view(value, &value->shape, value->strides, value->offset, out);
}

kl_status kl_bind_read_variable(kl_variable *v, kl_tensor **out) {
  kl_tensor *value;
  KL_TRY(kl_variable_read(v, &value));
  kl_status status = read_apart(value, out);
  kl_tensor_release(value);
  return status;
}

static int push_value(lua_State *L, kl_variable *v) {
  kl_bind_enter(L);
  kl_tensor **slot = kl_bind_new_result(L);
  kl_tensor *t = NULL;
  kl_status status = kl_bind_read_variable(v, &t);
  if (kl_bind_retry(L, status)) {
    status = kl_bind_read_variable(v, &t);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_bind_fill_result(L, slot, t);
  return 1;
}

/* v.name.  Upvalue 1: the variable's own methods, 2: those of tensors, 3: the properties of both. */
static int index_variable(lua_State *L) {
  kl_variable *v = kl_bind_check_variable(L, 1);
  if (lua_type(L, 2) != LUA_TSTRING) {
    lua_getfield(L, lua_upvalueindex(2), "__getitem");
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
  }
  for (int i = 1; i <= 2; i++) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(i)) != LUA_TNIL) {
      return 1;
    }
  }
  const char *name = lua_tostring(L, 2);
  if (strcmp(name, "value") == 0) {
    return push_value(L, v);
  }
  if (kl_bind_push_property(L, lua_upvalueindex(3), v->value)) {
    return 1;
  }
  if (strcmp(name, "trainable") == 0) {
    lua_pushboolean(L, v->trainable);
    return 1;
  }
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, -2) == LUA_TNIL) {
    kl_bind_push_method_hint(L, name, lua_upvalueindex(1), lua_upvalueindex(2));
    return kl_bind_error(L, "a variable has no method or property '%s'%s", name, lua_tostring(L, -1));
  }
  return 1;
}

static int set_field(lua_State *L) {
  kl_variable *v = kl_bind_check_variable(L, 1);
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
  if (name == NULL) {
    return kl_bind_error(L, "elements of a variable are not assigned: use v:assign(kl.slice_update(v, ...))");
  }
  if (strcmp(name, "trainable") == 0) {
    kl_variable_set_trainable(v, lua_toboolean(L, 3));
    return 0;
  }
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, -2) == LUA_TNIL) {
    return kl_bind_error(L, "a variable has no property '%s' that can be set; its value is set by v:assign(x)", name);
  }
  lua_pop(L, 1);
  any_regularized = any_regularized || (strcmp(name, "regularizer") == 0 && lua_toboolean(L, 3));
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_rawset(L, -3);
  return 0;
}

void kl_bind_open_variable(lua_State *L, int core) {
  static const luaL_Reg meta[] = {
      {"__gc", close_variable},
      {"__newindex", set_field},
      {NULL, NULL},
  };
  static const luaL_Reg methods[] = {
      {"assign", assign},
      {"assign_add", assign_add},
      {"assign_sub", assign_sub},
      {NULL, NULL},
  };
  luaL_newmetatable(L, KL_VARIABLE_TYPE);
  kl_bind_set_variable_meta(lua_topointer(L, -1));
  luaL_setfuncs(L, meta, 0);
  luaL_newlib(L, methods);
  luaL_getmetatable(L, KL_TENSOR_TYPE);
  static const char *const shared[] = {"__tostring", "__len", "__lt", "__le"};
  for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++) {
    lua_getfield(L, -1, shared[i]);
    lua_setfield(L, -4, shared[i]);
  }
  lua_pop(L, 1);
  lua_getfield(L, core, "tensor_methods");
  kl_bind_new_properties(L);
  lua_pushcclosure(L, index_variable, 3);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  kl_bind_new_weak_table(L, "v");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &variables_key);
  lua_pushcfunction(L, new_variable);
  lua_setfield(L, core, "variable");
  lua_pushcfunction(L, is_any_regularized);
  lua_setfield(L, core, "any_regularized");
}
