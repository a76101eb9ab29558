/* The door: every op, immediate or recorded, from C or Lua, enters here.
 *
 * In order: inputs get the common type, are broadcast (a stride of 0, not a node: docs/experiments.md, 3), `infer`
 * checks shapes; then the op is run, or recorded, or becomes an edge of a functional graph; tapes that watch an input
 * keep the node. */
#ifndef KL_OP_APPLY_H
#define KL_OP_APPLY_H

#include "op/op.h"

/* Applies `op` to nin inputs.  attrs: as many as the op declares, or NULL if it has none.
 * out: room for KL_MAX_OUTPUTS; *nout visible results, new references, are written to it.  On failure nothing is. */
kl_status kl_apply(const kl_op *op, int nin, kl_tensor *const *in, const kl_attr *attrs, kl_tensor **out, int *nout);

/* The common case of one result. */
kl_status kl_apply1(const kl_op *op, int nin, kl_tensor *const *in, const kl_attr *attrs, kl_tensor **out);

/* Runs an elementwise op now, with `out`, a contiguous tensor with a value, as its output; out may be an input too.
 * Only for kl_variable_assign*: everybody else makes new tensors. */
kl_status kl_apply_into(const kl_op *op, int nin, kl_tensor *const *in, kl_tensor *out);

/* Runs a node's op again on other inputs, with the node's attributes. */
kl_status kl_apply_node(const kl_node *node, kl_tensor *const *in, kl_tensor **out, int *nout);

/* The same with the hidden results too: node->nout of them. */
kl_status kl_apply_all(const kl_node *node, kl_tensor *const *in, kl_tensor **out);

/* Gives `t` a value if a recorder still owes it one.  KL_ESTATE for a symbolic tensor. */
kl_status kl_tensor_read(kl_tensor *t);

#endif
