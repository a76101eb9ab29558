/* Ops as Lua functions: one closure per row, its parameters read as the row describes them.
 *
 * Positional arguments come in the row's order; the last argument is the options if it is a table whose keys are all
 * strings.  Axes and positions count from 1 in Lua: they are converted here and nowhere else. */
#include <string.h>

#include "bind/bind.h"
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

/* Everything read from the stack in the first phase. */
typedef struct call {
  const kl_op *op;
  const kl_param *param; /* the one being read, for messages */
  int nin, nattrs;
  kl_bind_input in[KL_MAX_INPUTS];
  kl_attr attrs[KL_MAX_ATTRS];
} call;

static int bad_argument(lua_State *L, const call *c, const char *expected, int index) {
  index = lua_absindex(L, index);
  const char *got = luaL_tolstring(L, index, NULL);
  int type = lua_type(L, index);
  bool shown = type == LUA_TNUMBER || type == LUA_TBOOLEAN;
  return kl_bind_error(L, "kl.%s: '%s' must be %s, got %s%s%.40s%s", c->op->name, c->param->name, expected,
                       kl_bind_kind_of(L, index) == KL_BIND_VARIABLE ? "a variable"
                       : kl_bind_kind_of(L, index) != KL_BIND_OTHER  ? "a tensor"
                                                                     : lua_typename(L, type),
                       type == LUA_TSTRING ? " '"
                       : shown             ? " "
                                           : "",
                       type == LUA_TSTRING || shown ? got : "", type == LUA_TSTRING ? "'" : "");
}

static int64_t axis_from_lua(lua_State *L, const call *c, int index) {
  int is_integer;
  lua_Integer axis = lua_tointegerx(L, index, &is_integer);
  if (!is_integer || lua_type(L, index) != LUA_TNUMBER) {
    bad_argument(L, c, "an axis: an integer from 1, or from -1 for the last", index);
  }
  if (axis == 0) {
    kl_bind_error(L, "kl.%s: '%s' is 0: axes count from 1, -1 is the last", c->op->name, c->param->name);
  }
  return axis > 0 ? axis - 1 : axis;
}

static void read_list(lua_State *L, call *c, int index, kl_attr *a) {
  kl_kind kind = c->param->kind;
  a->given = 1;
  if (lua_type(L, index) == LUA_TNUMBER && kind != KL_STARTS) {
    a->n = 1;
    lua_pushvalue(L, index);
  } else if (lua_type(L, index) == LUA_TTABLE) {
    lua_Unsigned n = lua_rawlen(L, index);
    if (n > KL_MAX_NDIM) {
      kl_bind_error(L, "kl.%s: '%s' has %d entries, the largest rank is %d", c->op->name, c->param->name, (int)n,
                    KL_MAX_NDIM);
    }
    a->n = (int)n;
  } else {
    bad_argument(L, c, kind == KL_AXES ? "an axis or a list of axes" : "a list of integers", index);
  }
  bool is_table = lua_type(L, index) == LUA_TTABLE;
  for (int i = 0; i < a->n; i++) {
    if (is_table) {
      lua_rawgeti(L, index, i + 1);
    }
    if (kind == KL_AXES) {
      a->v[i] = axis_from_lua(L, c, -1);
    } else if (lua_type(L, -1) == LUA_TBOOLEAN && !lua_toboolean(L, -1) && kind == KL_SHAPE) {
      a->v[i] = KL_UNKNOWN;
    } else {
      int is_integer;
      a->v[i] = lua_tointegerx(L, -1, &is_integer);
      if (!is_integer || lua_type(L, -1) != LUA_TNUMBER) {
        bad_argument(L, c, "a list of integers", -1);
      }
      if (kind == KL_STARTS) {
        if (a->v[i] == 0) {
          kl_bind_error(L, "kl.%s: '%s' has a 0: positions count from 1", c->op->name, c->param->name);
        }
        a->v[i] -= a->v[i] > 0;
      }
    }
    lua_pop(L, 1);
  }
}

static void read_attr(lua_State *L, call *c, int index, kl_attr *a) {
  const kl_param *p = c->param;
  a->n = 1;
  a->given = 1;
  switch (p->kind) {
    case KL_INT: {
      int is_integer;
      a->v[0] = lua_tointegerx(L, index, &is_integer);
      if (!is_integer || lua_type(L, index) != LUA_TNUMBER) {
        bad_argument(L, c, "an integer", index);
      }
      break;
    }
    case KL_BOOLEAN:
      if (lua_type(L, index) != LUA_TBOOLEAN) {
        bad_argument(L, c, "true or false", index);
      }
      a->v[0] = lua_toboolean(L, index);
      break;
    case KL_AXIS:
      a->v[0] = axis_from_lua(L, c, index);
      break;
    case KL_DTYPE: {
      kl_dtype dtype;
      if (lua_type(L, index) != LUA_TSTRING) {
        bad_argument(L, c, "the name of a dtype", index);
      }
      if (!kl_dtype_parse(lua_tostring(L, index), &dtype)) {
        static const char *const names[] = {"bool", "uint8", "int32", "int64", "float32", "float64", NULL};
        kl_bind_push_nearest(L, lua_tostring(L, index), names, 0);
        kl_bind_error(L, "kl.%s: '%s' is no dtype kl has (bool, uint8, int32, int64, float32, float64)%s", c->op->name,
                      lua_tostring(L, index), lua_tostring(L, -1));
      }
      a->v[0] = dtype;
      break;
    }
    case KL_CHOICE: {
      if (lua_type(L, index) != LUA_TSTRING) {
        bad_argument(L, c, "a string", index);
      }
      int i = 0;
      while (p->choices[i] != NULL && strcmp(p->choices[i], lua_tostring(L, index)) != 0) {
        i++;
      }
      if (p->choices[i] == NULL) {
        kl_bind_push_nearest(L, lua_tostring(L, index), p->choices, 0);
        kl_bind_error(L, "kl.%s: '%s' has no choice '%s'%s", c->op->name, p->name, lua_tostring(L, index),
                      lua_tostring(L, -1));
      }
      a->v[0] = i;
      break;
    }
    default:
      read_list(L, c, index, a);
  }
}

static void read_tensors(lua_State *L, call *c, int index) {
  if (lua_type(L, index) != LUA_TTABLE) {
    bad_argument(L, c, "a list of tensors", index);
  }
  lua_Unsigned n = lua_rawlen(L, index);
  if (n == 0 || n > KL_MAX_INPUTS) {
    kl_bind_error(L, "kl.%s: '%s' must be a list of 1 to %d tensors, got %d", c->op->name, c->param->name,
                  KL_MAX_INPUTS, (int)n);
  }
  for (int i = 1; i <= (int)n; i++) {
    lua_rawgeti(L, index, i); /* stays on the stack: a table in it is read in the second phase */
    if (!kl_bind_read_input(L, lua_gettop(L), &c->in[c->nin])) {
      kl_bind_error(L, "kl.%s: '%s' must be a list of tensors, entry %d is a %s", c->op->name, c->param->name, i,
                    luaL_typename(L, -1));
    }
    c->nin++;
  }
}

static void read_param(lua_State *L, call *c, int index) {
  const kl_param *p = c->param;
  bool absent = lua_isnoneornil(L, index);
  if (absent && !p->optional) {
    kl_bind_error(L, "kl.%s: '%s' is missing", c->op->name, p->name);
  }
  if (kl_param_is_input(p)) {
    if (p->kind == KL_TENSORS) {
      read_tensors(L, c, index);
    } else if (absent) {
      c->in[c->nin++] = (kl_bind_input){.kind = KL_INPUT_NUMBER, .number = p->number};
    } else if (!kl_bind_read_input(L, index, &c->in[c->nin++])) {
      bad_argument(L, c, "a tensor or a number", index);
    }
    return;
  }
  kl_attr *a = &c->attrs[c->nattrs++];
  if (absent) {
    a->n = 1;
    a->given = 0;
    a->v[0] = p->integer;
  } else {
    read_attr(L, c, index, a);
  }
}

static bool is_list_kind(kl_kind kind) {
  return kind == KL_TENSORS || kind == KL_AXES || kind == KL_SHAPE || kind == KL_INTS || kind == KL_STARTS ||
         kind == KL_TENSOR || kind == KL_SCALAR;
}

/* True if argument n, the last, is the table of options.  An empty table is data where the parameter in that place
 * could take one. */
static bool has_options(lua_State *L, const kl_op *op, int n) {
  if (n == 0 || lua_type(L, n) != LUA_TTABLE) {
    return false;
  }
  bool empty = true;
  for (lua_pushnil(L); lua_next(L, n) != 0;) {
    empty = false;
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING) {
      lua_pop(L, 1);
      return false;
    }
  }
  const kl_param *p = op->params;
  for (int i = 1; i < n && p->name != NULL; i++) {
    p++;
  }
  return !empty || p->name == NULL || !is_list_kind(p->kind) || p->optional;
}

static void check_option_names(lua_State *L, const kl_op *op, int options, int positional) {
  for (lua_pushnil(L); lua_next(L, options) != 0; lua_pop(L, 1)) {
    const char *name = lua_tostring(L, -2);
    int i = 0;
    while (op->params[i].name != NULL && strcmp(op->params[i].name, name) != 0) {
      i++;
    }
    if (op->params[i].name == NULL) {
      const char *names[16];
      int n = 0;
      for (; op->params[n].name != NULL && n < 15; n++) {
        names[n] = op->params[n].name;
      }
      names[n] = NULL;
      kl_bind_push_nearest(L, name, names, 0);
      kl_bind_error(L, "kl.%s: unknown option '%s'%s", op->name, name, lua_tostring(L, -1));
    }
    if (i < positional && !lua_isnil(L, i + 1)) {
      kl_bind_error(L, "kl.%s: '%s' is given twice, by position and by name", op->name, name);
    }
  }
}

static void read_call(lua_State *L, call *c) {
  const kl_op *op = c->op;
  int n = lua_gettop(L);
  int options = 0;
  if (has_options(L, op, n)) {
    options = n--;
    check_option_names(L, op, options, n);
  }
  luaL_checkstack(L, KL_MAX_INPUTS + 16, "arguments");
  int i = 0;
  for (const kl_param *p = op->params; p->name != NULL; p++, i++) {
    c->param = p;
    int index = i + 1;
    if (i >= n) {
      if (options != 0) {
        lua_getfield(L, options, p->name);
      } else {
        lua_pushnil(L);
      }
      index = lua_gettop(L);
    } else if (lua_isnil(L, index) && options != 0) {
      lua_getfield(L, options, p->name);
      index = lua_gettop(L);
    }
    read_param(L, c, index);
  }
  if (n > i) {
    kl_bind_error(L, "kl.%s takes %d argument%s, got %d", op->name, i, i == 1 ? "" : "s", n);
  }
}

/* The second phase: inputs become tensors, the op is applied, inputs are released. */
static kl_status apply(lua_State *L, const call *c, kl_tensor **out, int *nout) {
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

/* Where a symbolic result came from, for lua/kl/functional.lua: {op = name, inputs = {...}, serial = n}, inputs being
 * the very Lua values, so that running the graph again reads variables anew.  [-0, +1] */
static void push_origin(lua_State *L, const call *c, const kl_tensor *t) {
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

static kl_status apply_with_retry(lua_State *L, const call *c, kl_tensor **out, int *nout) {
  kl_status status = apply(L, c, out, nout);
  return kl_bind_retry(L, status) ? apply(L, c, out, nout) : status;
}

static int finish_one(lua_State *L, call *c) {
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

static int finish_list(lua_State *L, call *c) {
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
  call c;
  c.op = lua_touserdata(L, lua_upvalueindex(1));
  c.nin = c.nattrs = 0;
  kl_bind_enter(L);
  read_call(L, &c);
  return c.op->outputs == 1 ? finish_one(L, &c) : finish_list(L, &c);
}

/* core.updates.NAME(gradient, variable, slots..., more): of an op with several results, which are assigned to the
 * variables that its arguments are from the second on. */
static int call_update(lua_State *L) {
  call c;
  c.op = lua_touserdata(L, lua_upvalueindex(1));
  c.nin = c.nattrs = 0;
  kl_bind_enter(L);
  read_call(L, &c);
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
  call c;
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
  call c;
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

/* core.op_position(name): the row's own idea of its place in the list, from 1. */
static int op_position(lua_State *L) {
  const kl_op *op = kl_op_find(luaL_checkstring(L, 1));
  lua_pushinteger(L, op == NULL ? 0 : (lua_Integer)op->id + 1);
  return 1;
}

/* core.op_info: a list of tables that describe the rows, for tests, stubs and documentation. */
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

static const struct {
  const char *event;
  const kl_op *op;
} operators[] = {
    {"__add", &kl_op_add},           {"__sub", &kl_op_subtract}, {"__mul", &kl_op_multiply}, {"__div", &kl_op_divide},
    {"__idiv", &kl_op_floor_divide}, {"__mod", &kl_op_mod},      {"__pow", &kl_op_power},    {"__unm", &kl_op_negative},
};

void kl_bind_open_ops(lua_State *L, int core) {
  static const luaL_Reg box_meta[] = {{"__gc", close_box}, {NULL, NULL}};
  static const char *const types[] = {KL_TENSOR_TYPE, KL_RECORDED_TYPE, KL_VARIABLE_TYPE};
  luaL_newmetatable(L, BOX_TYPE);
  luaL_setfuncs(L, box_meta, 0);
  lua_pop(L, 1);

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
  lua_newtable(L);
  for (int i = 0; i < KL_OP_COUNT; i++) {
    push_op_info(L, kl_ops[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, core, "op_info");
  lua_pushcfunction(L, op_position);
  lua_setfield(L, core, "op_position");
}
