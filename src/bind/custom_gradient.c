/* kl.custom_gradient: Lua functions as gradient rules of nodes.
 *
 * A sweep stops at such a node; its function is called here, with no frame of the core alive, and the sweep goes on
 * with what it returned. */
#include "base/alloc.h"
#include "bind/bind.h"
#include "bind/tape.h"
#include "grad/foreign.h"

/* A rule of kl.custom_gradient: the number under which its Lua function stands in the tables of the tapes that recorded
 * the node (user value 2).  No reference from C, so tape, function and what it captures may form a cycle the collector
 * sees. */
typedef struct lua_rule {
  kl_foreign foreign;
  lua_Integer number;
} lua_rule;

static void release_rule(kl_foreign *foreign) { kl_free(foreign, sizeof(lua_rule)); }

/* Hands the gradient on top of the stack to the sweep as that of input i. */
static void supply(lua_State *L, kl_sweep *sweep, int i) {
  const kl_shape *expected = &kl_sweep_node(sweep)->in[i].spec.shape;
  kl_tensor *t = kl_bind_to_either(L, -1);
  if (t == NULL) {
    if (lua_toboolean(L, -1)) {
      kl_bind_error(L, "custom_gradient: gradient %d must be a tensor, or false for none, got %s", i + 1,
                    luaL_typename(L, -1));
    }
    return;
  }
  if (!kl_shape_equal(&t->shape, expected)) {
    char wanted[KL_SHAPE_TEXT], got[KL_SHAPE_TEXT];
    kl_bind_error(L, "custom_gradient: gradient %d must have the shape of its argument, %s, got %s", i + 1,
                  kl_shape_text(expected, wanted), kl_shape_text(&t->shape, got));
  }
  kl_status status = kl_sweep_supply(sweep, i, t);
  if (kl_bind_retry(L, status)) {
    status = kl_sweep_supply(sweep, i, t);
  }
  if (status != KL_OK) {
    kl_bind_raise(L);
  }
}

void kl_bind_call_rule(lua_State *L, kl_sweep *sweep) {
  const kl_node *node = kl_sweep_node(sweep);
  luaL_checkstack(L, node->nout + 8, "custom gradient");
  lua_getiuservalue(L, 1, 2);
  lua_rawgeti(L, -1, ((const lua_rule *)node->foreign)->number);
  lua_remove(L, -2);
  for (int i = 0; i < node->nout; i++) {
    kl_tensor *t = kl_sweep_cotangent(sweep, i);
    if (t == NULL) {
      lua_pushboolean(L, false);
    } else {
      kl_tensor **slot = kl_bind_new_result(L);
      kl_bind_fill_result(L, slot, kl_tensor_retain(t));
    }
  }
  lua_call(L, node->nout, 1);
  for (int i = 0; i < node->nin; i++) {
    lua_rawgeti(L, -1, i + 1);
    supply(L, sweep, i);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static kl_status attach(int nvalues, kl_tensor **values, int nargs, kl_tensor **arguments, lua_Integer number,
                        kl_tensor **out) {
  lua_rule *rule = kl_alloc(sizeof *rule);
  if (rule == NULL) {
    return KL_ENOMEM;
  }
  *rule = (lua_rule){{release_rule}, number};
  return kl_foreign_attach(nvalues, values, nargs, arguments, &rule->foreign, out);
}

/* core.custom(values, arguments, rule): lists of tensors (arguments: variables too) -> list of outputs. */
static int custom(lua_State *L) {
  static lua_Integer next_number = 1;
  int nvalues, nargs;
  kl_bind_enter(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  kl_tensor **values = kl_bind_read_values(L, 1, "custom_gradient: value", false, &nvalues);
  kl_tensor **arguments = kl_bind_read_values(L, 2, "custom_gradient: argument", false, &nargs);
  if (nvalues > KL_MAX_OUTPUTS || nargs > KL_MAX_INPUTS) {
    return kl_bind_error(L, "custom_gradient: %d inputs and %d outputs, at most %d and %d are possible", nargs, nvalues,
                         KL_MAX_INPUTS, KL_MAX_OUTPUTS);
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kl_bind_tapes_key);
  for (kl_watcher *w = kl_context_now->watchers; w != NULL; w = w->outer) {
    if (lua_rawgetp(L, -1, w) == LUA_TUSERDATA) {
      if (lua_getiuservalue(L, -1, 2) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, -3, 2);
      }
      lua_pushvalue(L, 3);
      lua_rawseti(L, -2, next_number);
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  lua_createtable(L, nvalues, 0);
  int results = lua_gettop(L);
  kl_tensor **slots[KL_MAX_OUTPUTS];
  for (int i = 0; i < nvalues; i++) {
    slots[i] = kl_bind_new_result(L);
    lua_rawseti(L, results, i + 1);
  }
  kl_tensor *out[KL_MAX_OUTPUTS];
  kl_status status = attach(nvalues, values, nargs, arguments, next_number, out);
  if (kl_bind_retry(L, status)) {
    status = attach(nvalues, values, nargs, arguments, next_number, out);
  }
  next_number++;
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  for (int i = 0; i < nvalues; i++) {
    *slots[i] = out[i];
  }
  for (int i = 0; i < nvalues; i++) {
    lua_rawgeti(L, results, i + 1);
    luaL_setmetatable(L, KL_TENSOR_TYPE); /* owned in both modes: no recorder knows these aliases */
    lua_pop(L, 1);
  }
  return 1;
}

void kl_bind_open_custom_gradient(lua_State *L, int core) {
  lua_pushcfunction(L, custom);
  lua_setfield(L, core, "custom");
}
