/* Ops as Lua functions, operators and updates: one closure per row, which reads its arguments (op_call.c), makes the
 * results' userdata and passes the door. */
#include <string.h>

#include "bind/op_call.h"
#include "op/apply.h"
#include "op/assign.h"

/* Result boxes of ops with several results: owns what has not become a userdata yet. */
#define BOX_TYPE "kl.box"

typedef struct box {
  int n;
  kl_tensor *t[KL_MAX_OUTPUTS];
} box;

static int close_box(lua_State *L) {
  box *b = lua_touserdata(L, 1);
  for (int i = 0; i < b->n; i++) {
    kl_tensor *t = b->t[i];
    b->t[i] = NULL;
    kl_tensor_release(t);
  }
  return 0;
}

/* The second phase: inputs become tensors, the op is applied, inputs are released. */
static kl_status apply(lua_State *L, const kl_bind_op_call *c, kl_tensor **out, int *nout) {
  kl_tensor *in[KL_MAX_INPUTS];
  int made = 0;
  kl_status status = KL_OK;
  while (made < c->nin && status == KL_OK) {
    status = kl_bind_make_input(L, &c->in[made], &in[made]);
    made += status == KL_OK;
  }
  if (status == KL_OK) {
    status = kl_apply(c->op, c->nin, in, c->attrs, out, nout);
  }
  for (int i = 0; i < made; i++) {
    kl_tensor_release(in[i]);
  }
  return status;
}

/* Where a symbolic result came from, for lua/kl/functional: {op = name, inputs = {...}, serial = n}, inputs being
 * the very Lua values, so that running the graph again reads variables anew.  [-0, +1] */
static void push_origin(lua_State *L, const kl_bind_op_call *c, const kl_tensor *t) {
  lua_createtable(L, 0, 3);
  lua_pushstring(L, c->op->name);
  lua_setfield(L, -2, "op");
  lua_pushinteger(L, (lua_Integer)t->node->serial);
  lua_setfield(L, -2, "serial");
  lua_createtable(L, c->nin, 0);
  for (int i = 0; i < c->nin; i++) {
    if (c->in[i].index != 0) {
      lua_pushvalue(L, c->in[i].index);
    } else {
      lua_pushnumber(L, c->in[i].number);
    }
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "inputs");
}

static kl_status apply_with_retry(lua_State *L, const kl_bind_op_call *c, kl_tensor **out, int *nout) {
  kl_status status = apply(L, c, out, nout);
  return kl_bind_retry(L, status) ? apply(L, c, out, nout) : status;
}

static int finish_one(lua_State *L, kl_bind_op_call *c) {
  kl_tensor **slot = kl_bind_new_result(L);
  kl_tensor *out[KL_MAX_OUTPUTS];
  int nout;
  if (apply_with_retry(L, c, out, &nout) != KL_OK) {
    return kl_bind_raise(L);
  }
  if (out[0]->flags & KL_TENSOR_SYMBOLIC) {
    *slot = out[0]; /* owned by the handle while the origin is made */
    luaL_setmetatable(L, KL_TENSOR_TYPE);
    push_origin(L, c, out[0]);
    *slot = NULL;
    kl_bind_push_symbolic(L, out[0], -1);
    return 1;
  }
  kl_bind_fill_result(L, slot, out[0]);
  return 1;
}

static int finish_list(lua_State *L, kl_bind_op_call *c) {
  box *b = lua_newuserdatauv(L, sizeof *b, 0);
  b->n = 0;
  luaL_setmetatable(L, BOX_TYPE);
  int nout = 0;
  if (apply_with_retry(L, c, b->t, &nout) != KL_OK) {
    return kl_bind_raise(L);
  }
  b->n = nout;
  bool symbolic = nout > 0 && b->t[0]->flags & KL_TENSOR_SYMBOLIC;
  if (symbolic) {
    push_origin(L, c, b->t[0]);
  }
  int origin = lua_gettop(L);
  lua_createtable(L, nout, 0);
  for (int i = 0; i < nout; i++) {
    kl_tensor *t = b->t[i];
    if (symbolic) {
      b->t[i] = NULL;
      kl_bind_push_symbolic(L, t, origin);
    } else {
      kl_tensor **slot = kl_bind_new_result(L);
      b->t[i] = NULL;
      kl_bind_fill_result(L, slot, t);
    }
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int call_op(lua_State *L) {
  kl_bind_op_call c;
  c.op = lua_touserdata(L, lua_upvalueindex(1));
  c.nin = c.nattrs = 0;
  kl_bind_enter(L);
  kl_bind_read_op_call(L, &c);
  return c.op->outputs == 1 ? finish_one(L, &c) : finish_list(L, &c);
}

/* core.updates.NAME(gradient, variable, slots..., more): of an op with several results, which are assigned to the
 * variables that its arguments are from the second on. */
static int call_update(lua_State *L) {
  kl_bind_op_call c;
  c.op = lua_touserdata(L, lua_upvalueindex(1));
  c.nin = c.nattrs = 0;
  kl_bind_enter(L);
  kl_bind_read_op_call(L, &c);
  int n = c.op->outputs;
  for (int i = 0; i < n; i++) {
    if (c.in[i + 1].kind != KL_INPUT_VARIABLE) {
      return kl_bind_error(L, "core.updates.%s: argument %d must be a variable", c.op->name, i + 2);
    }
  }
  kl_tensor *out[KL_MAX_OUTPUTS];
  if (apply_with_retry(L, &c, out, &n) != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_status status = KL_OK;
  for (int i = 0; i < n && status == KL_OK; i++) {
    status = kl_variable_assign(c.in[i + 1].variable, out[i]);
    if (kl_bind_retry(L, status)) {
      status = kl_variable_assign(c.in[i + 1].variable, out[i]);
    }
  }
  for (int i = 0; i < n; i++) {
    kl_tensor_release(out[i]);
  }
  return status == KL_OK ? 0 : kl_bind_raise(L);
}

int kl_bind_apply_node(lua_State *L, const kl_node *node, int inputs) {
  kl_bind_op_call c;
  c.op = node->op;
  c.nin = node->nin;
  c.nattrs = node->nattrs;
  memcpy(c.attrs, node->attrs, sizeof c.attrs[0] * (size_t)node->nattrs);
  luaL_checkstack(L, KL_MAX_INPUTS + 16, "arguments");
  for (int i = 0; i < c.nin; i++) {
    lua_rawgeti(L, inputs, i + 1);
    if (!kl_bind_read_input(L, lua_gettop(L), &c.in[i])) {
      return kl_bind_error(L, "kl.%s: input %d of the graph is a %s", c.op->name, i + 1, luaL_typename(L, -1));
    }
  }
  if (c.op->outputs != 1) {
    return finish_list(L, &c);
  }
  lua_createtable(L, 1, 0);
  finish_one(L, &c);
  lua_rawseti(L, -2, 1);
  return 1;
}

/* a + b and the like: no options.  Lua passes the operand of a unary minus twice. */
static int call_operator(lua_State *L) {
  kl_bind_op_call c;
  c.op = lua_touserdata(L, lua_upvalueindex(1));
  c.nin = c.op == &kl_op_negative ? 1 : 2;
  c.nattrs = 0;
  kl_bind_enter(L);
  for (int i = 0; i < c.nin; i++) {
    if (!kl_bind_read_input(L, i + 1, &c.in[i])) {
      return kl_bind_error(L, "kl.%s: a tensor or a number expected as operand %d, got %s", c.op->name, i + 1,
                           luaL_typename(L, i + 1));
    }
  }
  return finish_one(L, &c);
}

static void set_names(lua_State *L, const kl_op *op, int table) {
  lua_pushlightuserdata(L, (void *)op);
  lua_pushcclosure(L, call_op, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, table, op->name);
  char alias[128];
  if (op->alias != NULL && strlen(op->alias) < sizeof alias) {
    strcpy(alias, op->alias);
    char *rest = NULL;
    for (char *name = strtok_r(alias, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest)) {
      lua_pushvalue(L, -1);
      lua_setfield(L, table, name);
    }
  }
  lua_pop(L, 1);
}

static const struct {
  const char *event;
  const kl_op *op;
} operators[] = {
    {"__add", &kl_op_add},           {"__sub", &kl_op_subtract}, {"__mul", &kl_op_multiply}, {"__div", &kl_op_divide},
    {"__idiv", &kl_op_floor_divide}, {"__mod", &kl_op_mod},      {"__pow", &kl_op_power},    {"__unm", &kl_op_negative},
};

void kl_bind_open_ops(lua_State *L, int core) {
  static const luaL_Reg box_ends[] = {{"__gc", close_box}, {NULL, NULL}};
  static const char *const types[] = {KL_TENSOR_TYPE, KL_RECORDED_TYPE, KL_VARIABLE_TYPE};
  kl_bind_new_type(L, BOX_TYPE, box_ends, NULL);

  lua_newtable(L);
  int ops = lua_gettop(L);
  for (int i = 0; i < KL_OP_COUNT; i++) {
    set_names(L, kl_ops[i], ops);
  }
  for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
    luaL_getmetatable(L, types[t]);
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
      lua_pushlightuserdata(L, (void *)operators[i].op);
      lua_pushcclosure(L, call_operator, 1);
      lua_setfield(L, -2, operators[i].event);
    }
    lua_pop(L, 1);
  }
  lua_setfield(L, core, "ops");
  lua_newtable(L);
  for (int i = 0; i < KL_OP_COUNT; i++) {
    if (kl_ops[i]->outputs > 1) {
      lua_pushlightuserdata(L, (void *)kl_ops[i]);
      lua_pushcclosure(L, call_update, 1);
      lua_setfield(L, -2, kl_ops[i]->name);
    }
  }
  lua_setfield(L, core, "updates");
}
