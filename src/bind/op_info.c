/* What the rows of the ops say, for tests, stubs and documentation. */
#include "bind/bind.h"

/* core.op_position(name): the row's own idea of its place in the list, from 1. */
static int op_position(lua_State *L) {
  const kl_op *op = kl_op_find(luaL_checkstring(L, 1));
  lua_pushinteger(L, op == NULL ? 0 : (lua_Integer)op->id + 1);
  return 1;
}

/* core.op_info: a list of tables that describe the rows. */
static void push_op_info(lua_State *L, const kl_op *op) {
  static const char *const kinds[] = {"tensor", "tensors", "scalar",   "integer", "boolean", "axis",
                                      "axes",   "shape",   "integers", "starts",  "dtype",   "choice"};
  lua_newtable(L);
  lua_pushstring(L, op->name);
  lua_setfield(L, -2, "name");
  lua_pushstring(L, op->alias);
  lua_setfield(L, -2, "alias");
  lua_pushstring(L, op->doc);
  lua_setfield(L, -2, "doc");
  lua_pushstring(L, op->constant);
  lua_setfield(L, -2, "constant");
  lua_pushboolean(L, op->vjp != NULL);
  lua_setfield(L, -2, "differentiable");
  lua_pushboolean(L, op->flags & KL_ELEMENTWISE);
  lua_setfield(L, -2, "elementwise");
  lua_pushboolean(L, op->flags & KL_RANDOM);
  lua_setfield(L, -2, "random");
  lua_pushboolean(L, op->view != NULL);
  lua_setfield(L, -2, "view");
  lua_pushinteger(L, op->outputs);
  lua_setfield(L, -2, "outputs");
  lua_newtable(L);
  int n = 0;
  for (const kl_param *p = op->params; p->name != NULL; p++) {
    lua_newtable(L);
    lua_pushstring(L, p->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, kinds[p->kind]);
    lua_setfield(L, -2, "kind");
    lua_pushboolean(L, p->optional);
    lua_setfield(L, -2, "optional");
    lua_pushboolean(L, kl_param_is_input(p));
    lua_setfield(L, -2, "input");
    if (p->optional && p->kind == KL_SCALAR) {
      lua_pushnumber(L, p->number);
      lua_setfield(L, -2, "default");
    } else if (p->optional && (p->kind == KL_INT || p->kind == KL_AXIS)) {
      lua_pushinteger(L, p->kind == KL_AXIS && p->integer >= 0 ? p->integer + 1 : p->integer);
      lua_setfield(L, -2, "default");
    } else if (p->optional && p->kind == KL_BOOLEAN) {
      lua_pushboolean(L, p->integer != 0);
      lua_setfield(L, -2, "default");
    } else if (p->kind == KL_CHOICE) {
      lua_pushstring(L, p->choices[p->integer]);
      lua_setfield(L, -2, "default");
    }
    lua_rawseti(L, -2, ++n);
  }
  lua_setfield(L, -2, "params");
}

void kl_bind_open_op_info(lua_State *L, int core) {
  lua_newtable(L);
  for (int i = 0; i < KL_OP_COUNT; i++) {
    push_op_info(L, kl_ops[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, core, "op_info");
  lua_pushcfunction(L, op_position);
  lua_setfield(L, core, "op_position");
}
