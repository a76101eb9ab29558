/* tape:gradient and tape:why: sweeps over what a tape has recorded. */
#include "base/size.h"
#include "bind/bind.h"
#include "bind/tape.h"

#define SWEEP_TYPE "kl.sweep"

static int gc_sweep(lua_State *L) {
  kl_sweep **slot = lua_touserdata(L, 1);
  kl_sweep *sweep = *slot;
  *slot = NULL;
  kl_sweep_release(sweep);
  return 0;
}

/* tape:_gradient(targets, sources, seeds, nodes): lists; seeds may hold false.  Returns the list of gradients,
 * false where there is no path.  With `nodes` only the first ones are swept, and the tape is not used up. */
int kl_bind_gradient(lua_State *L) {
  kl_tape *tape = kl_bind_check_tape(L, 1);
  int ntargets, nsources, nseeds;
  lua_settop(L, 5);
  kl_bind_enter(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TTABLE);
  luaL_checktype(L, 4, LUA_TTABLE);
  kl_tensor **targets = kl_bind_read_values(L, 2, "gradient: target", false, &ntargets);
  kl_tensor **sources = kl_bind_read_values(L, 3, "gradient: source", false, &nsources);
  kl_tensor **seeds = kl_bind_read_values(L, 4, "gradient: output gradient", true, &nseeds);
  if (kl_tape_is_spent(tape)) {
    return kl_bind_error(L,
                         "gradient: this tape has given its one gradient; make it with "
                         "kl.GradientTape{persistent = true} to ask more than once");
  }
  kl_sweep **slot = lua_newuserdatauv(L, sizeof *slot, 1);
  *slot = NULL;
  luaL_setmetatable(L, SWEEP_TYPE);
  if (!kl_tape_is_persistent(tape)) {
    kl_tape_stop(tape);
  }
  kl_tensor **weights = nseeds == 0 ? NULL : seeds;
  const bool last = lua_isnoneornil(L, 5);
  int64_t nodes = kl_tape_node_count(tape);
  nodes = last ? nodes : kl_min_i64(nodes, luaL_checkinteger(L, 5));
  kl_status status = kl_sweep_new(tape, nodes, ntargets, targets, weights, nsources, sources, slot);
  if (kl_bind_retry(L, status)) {
    status = kl_sweep_new(tape, nodes, ntargets, targets, weights, nsources, sources, slot);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L); /* nothing is used up yet: the tape can be asked again */
  }
  if (last) {
    kl_tape_use(tape);
    if (!kl_tape_is_persistent(tape)) {
      kl_tape_drop_nodes(tape);
    }
  }
  kl_sweep_state state = KL_SWEEP_FOREIGN;
  while (status == KL_OK && state == KL_SWEEP_FOREIGN) {
    status = kl_sweep_run(*slot, &state);
    if (kl_bind_retry(L, status)) {
      status = kl_sweep_run(*slot, &state);
    }
    if (status == KL_OK && state == KL_SWEEP_FOREIGN) {
      kl_bind_call_rule(L, *slot);
    }
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  lua_createtable(L, nsources, 0);
  for (int i = 0; i < nsources; i++) {
    kl_tensor *t = kl_sweep_result(*slot, i);
    if (t == NULL) {
      lua_pushboolean(L, false);
    } else {
      kl_tensor **result = kl_bind_new_result(L);
      kl_bind_fill_result(L, result, kl_tensor_retain(t));
    }
    lua_rawseti(L, -2, i + 1);
  }
  kl_sweep *sweep = *slot;
  *slot = NULL;
  kl_sweep_release(sweep);
  if (last && !kl_tape_is_persistent(tape)) {
    kl_bind_forget_rules(L);
  }
  return 1;
}

static int why(lua_State *L) {
  kl_tape *tape = kl_bind_check_tape(L, 1);
  kl_tensor *target = kl_bind_to_either(L, 2), *source = kl_bind_to_either(L, 3);
  if (target == NULL || source == NULL) {
    return kl_bind_error(L, "why: a target and a source expected, tensors or variables");
  }
  if (kl_tape_is_spent(tape)) {
    lua_pushliteral(L,
                    "this tape has given its gradient and forgotten its operations: make it with "
                    "kl.GradientTape{persistent = true} to ask why");
    return 1;
  }
  kl_sweep_explain(tape, target, source);
  lua_pushstring(L, kl_error_message());
  return 1;
}

void kl_bind_open_gradient(lua_State *L, int core) {
  static const luaL_Reg methods[] = {{"_gradient", kl_bind_gradient}, {"why", why}, {NULL, NULL}};
  static const luaL_Reg sweep_ends[] = {{"__gc", gc_sweep}, {NULL, NULL}};
  kl_bind_new_type(L, SWEEP_TYPE, sweep_ends, NULL);
  lua_getfield(L, core, "tape_methods");
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 1);
}
