/* What tape.c, gradient.c and custom_gradient.c share: a tape userdata, and the rules of custom gradients in it.
 *
 * User value 1 of a tape keeps the coroutine's context alive as long as the tape may point to it; user value 2 holds
 * the functions of recorded custom gradients, a table or nil. */
#ifndef KL_BIND_TAPE_H
#define KL_BIND_TAPE_H

#include <lua.h>

#include "grad/sweep.h"

/* Registry table kl_tape * -> tape userdata, weak values. */
extern const char kl_bind_tapes_key;

kl_tape *kl_bind_check_tape(lua_State *L, int index);

/* Reads a list of tensors or variables at `index` into a box of borrowed pointers that the collector owns; NULL for a
 * false where that may stand.  [-0, +1] */
kl_tensor **kl_bind_read_values(lua_State *L, int index, const char *what, bool may_be_false, int *n);

/* The nodes are gone, and with them the need for the functions of their custom gradients.  The tape is at index 1. */
void kl_bind_forget_rules(lua_State *L);

/* custom_gradient.c: calls the function of the foreign node the sweep has stopped at and supplies what it returns.  The
 * tape is at index 1. */
void kl_bind_call_rule(lua_State *L, kl_sweep *sweep);

#endif
