/* Reading the arguments of an op as its row describes them.
 *
 * Positional arguments come in the row's order; the last argument is the options if it is a table whose keys are all
 * strings.  Axes and positions count from 1 in Lua: they are converted here and nowhere else. */
#include "bind/op_call.h"

#include <string.h>

static int bad_argument(lua_State *L, const kl_bind_op_call *c, const char *expected, int index) {
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

static int64_t axis_from_lua(lua_State *L, const kl_bind_op_call *c, int index) {
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

static void read_list(lua_State *L, kl_bind_op_call *c, int index, kl_attr *a) {
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

static void read_attr(lua_State *L, kl_bind_op_call *c, int index, kl_attr *a) {
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

static void read_tensors(lua_State *L, kl_bind_op_call *c, int index) {
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

static void read_param(lua_State *L, kl_bind_op_call *c, int index) {
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

void kl_bind_read_op_call(lua_State *L, kl_bind_op_call *c) {
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
