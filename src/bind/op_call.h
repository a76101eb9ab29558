/* One call of an op from Lua: for op.c, which applies it to what op_call.c has read. */
#ifndef KL_BIND_OP_CALL_H
#define KL_BIND_OP_CALL_H

#include "bind/bind.h"

/* Everything read from the stack in the first phase. */
typedef struct kl_bind_op_call {
  const kl_op *op;
  const kl_param *param; /* the one being read, for messages */
  int nin, nattrs;
  kl_bind_input in[KL_MAX_INPUTS];
  kl_attr attrs[KL_MAX_ATTRS];
} kl_bind_op_call;

/* Reads the arguments on the stack, all of it, as the row of c->op describes them.  Raises; nothing is owned. */
void kl_bind_read_op_call(lua_State *L, kl_bind_op_call *c);

#endif
