/* Functional graphs as Lua sees them.
 *
 * A symbolic tensor's userdata carries, as its user value, the table of where it came from: a bare op and its inputs,
 * or a layer's call and its inputs.  The collector can follow these, so a graph lives as long as someone holds one of
 * its ends.  lua/kl/functional walks them; attributes of bare ops stay in the C node. */
#include "bind/bind.h"
#include "grad/tape.h"
#include "op/apply.h"

static kl_tensor *check_symbolic(lua_State *L, int index) {
  kl_tensor *t = kl_bind_check_tensor(L, index);
  if (!(t->flags & KL_TENSOR_SYMBOLIC)) {
    kl_bind_error(L, "a tensor of a functional graph expected, this one has a value");
  }
  return t;
}

/* core.symbolic(shape, dtype, origin, index): a tensor without a value.  shape: lengths, false where unknown. */
static int new_symbolic(lua_State *L) {
  kl_spec spec = {.dtype = KL_FLOAT32};
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TTABLE);
  if (!kl_dtype_parse(luaL_checkstring(L, 2), &spec.dtype)) {
    return kl_bind_error(L, "'%s' is no dtype", lua_tostring(L, 2));
  }
  lua_Unsigned n = lua_rawlen(L, 1);
  if (n > KL_MAX_NDIM) {
    return kl_bind_error(L, "a shape with %d axes: the largest rank is %d", (int)n, KL_MAX_NDIM);
  }
  spec.shape.ndim = (int)n;
  for (int i = 0; i < spec.shape.ndim; i++) {
    lua_rawgeti(L, 1, i + 1);
    int is_integer;
    spec.shape.dim[i] = lua_tointegerx(L, -1, &is_integer);
    if (lua_type(L, -1) == LUA_TBOOLEAN) {
      spec.shape.dim[i] = KL_UNKNOWN;
    } else if (!is_integer || spec.shape.dim[i] < 0) {
      return kl_bind_error(L, "axis %d of the shape must be a length >= 0, or false where it is unknown", i + 1);
    }
    lua_pop(L, 1);
  }
  kl_tensor *t;
  if (kl_tensor_new_valueless(&spec, NULL, (int)luaL_optinteger(L, 4, 0), KL_TENSOR_SYMBOLIC, &t) != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_bind_push_symbolic(L, t, 3);
  return 1;
}

/* core.origin(t): the table and the place among its outputs (from 0), or nil for a tensor with a value. */
static int origin(lua_State *L) {
  if (kl_bind_kind_of(L, 1) != KL_BIND_TENSOR || !(kl_bind_check_tensor(L, 1)->flags & KL_TENSOR_SYMBOLIC)) {
    lua_pushnil(L);
    return 1;
  }
  lua_getiuservalue(L, 1, 1);
  lua_pushinteger(L, kl_bind_check_tensor(L, 1)->index);
  return 2;
}

/* core.is_symbolic(value) */
static int is_symbolic(lua_State *L) {
  lua_pushboolean(L, kl_bind_kind_of(L, 1) == KL_BIND_TENSOR && ((kl_bind_handle *)lua_touserdata(L, 1))->t != NULL &&
                         kl_bind_check_tensor(L, 1)->flags & KL_TENSOR_SYMBOLIC);
  return 1;
}

/* core.reapply(t, inputs): the bare op that made t, with its attributes, on other inputs; the list of its results. */
static int reapply(lua_State *L) {
  kl_bind_enter(L);
  kl_node *node = check_symbolic(L, 1)->node;
  luaL_checktype(L, 2, LUA_TTABLE);
  if (node == NULL) {
    return kl_bind_error(L, "this tensor does not come from an operation");
  }
  return kl_bind_apply_node(L, node, 2);
}

/* core.next_serial(): the next number in the order of nodes. */
static int next_serial(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)kl_node_next_serial());
  return 1;
}

/* core.building_depth(): > 0 while a functional graph is built; core.building(depth) -> depth before. */
static int building_depth(lua_State *L) {
  kl_bind_enter(L);
  lua_pushinteger(L, kl_context_now->building);
  return 1;
}
static int building(lua_State *L) {
  kl_bind_enter(L);
  lua_pushinteger(L, kl_context_now->building);
  kl_context_now->building = (int)luaL_checkinteger(L, 1);
  return 1;
}

/* core.outside(f, ...): f(...) outside of any recording, tape and graph that is open: for what is made at once and
 * stays, such as variables and their first values.  Tapes are paused and not taken away, for they may end meanwhile. */
static int outside(lua_State *L) {
  kl_bind_enter(L);
  kl_context *context = kl_context_now;
  kl_recorder *recorder = context->recorder;
  int depth = context->building;
  uint64_t mark = kl_tape_pause_all(context);
  context->recorder = NULL;
  context->building = 0;
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  kl_tape_resume_all(context, mark);
  context->recorder = recorder;
  context->building = depth;
  return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

/* core.logits(t): what t is the softmax or sigmoid of, and which of the two; nil if neither. */
static int logits(lua_State *L) {
  kl_bind_enter(L);
  kl_tensor *t = kl_bind_to_tensor(L, 1);
  if (t == NULL || t->logits == NULL) {
    lua_pushnil(L);
    return 1;
  }
  kl_tensor **slot = kl_bind_new_result(L); /* t, which holds it, lives as long as what is recorded */
  kl_bind_fill_result(L, slot, kl_tensor_retain(t->logits));
  lua_pushstring(L, t->logits_op->name);
  return 2;
}

/* core.set_logits(t, logits, of): from now on `logits` is what t is the softmax or sigmoid of, whichever `of` was. */
static int set_logits(lua_State *L) {
  kl_bind_enter(L);
  kl_tensor *t = kl_bind_check_tensor(L, 1), *linked = kl_bind_check_tensor(L, 2), *of = kl_bind_check_tensor(L, 3);
  kl_tensor_retain(linked);
  kl_tensor_release(t->logits);
  t->logits = linked;
  t->logits_op = of->logits_op;
  return 0;
}

void kl_bind_open_graph(lua_State *L, int core) {
  static const luaL_Reg functions[] = {
      {"symbolic", new_symbolic},   {"origin", origin},     {"is_symbolic", is_symbolic},
      {"reapply", reapply},         {"building", building}, {"building_depth", building_depth},
      {"next_serial", next_serial}, {"logits", logits},     {"outside", outside},
      {"set_logits", set_logits},   {NULL, NULL},
  };
  lua_pushvalue(L, core);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
