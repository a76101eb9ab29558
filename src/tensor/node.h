/* Nodes: one application of an operation, {op, inputs, attributes, outputs}.
 *
 * One node type serves tapes, functional graphs and recorded steps.  A node owns references to the input tensors it was
 * told to keep (a tape keeps what the op's vjp reads, a graph keeps all) and remembers dtype, shape and id of every
 * input and output, so a gradient rule can ask for shapes after values are gone.  It never owns its outputs, except the
 * values that a vjp reads.  A node is one allocation. */
#ifndef KL_TENSOR_NODE_H
#define KL_TENSOR_NODE_H

#include "tensor/tensor.h"

#define KL_MAX_ATTRS 4
#define KL_MAX_INPUTS 64
#define KL_MAX_OUTPUTS 64

struct kl_op;

/* One attribute: an integer, boolean, axis, dtype or choice in v[0]; a list (axes, shape, integers) in v[0..n). */
typedef struct kl_attr {
  int32_t n;
  int32_t given; /* 0 where the caller left it at "none" (axis = nil: all axes) */
  int64_t v[KL_MAX_NDIM];
} kl_attr;

typedef struct kl_edge {
  uint64_t id;
  kl_tensor *value; /* owned, or NULL where it is not kept */
  kl_spec spec;
} kl_edge;

/* A gradient rule that is not C's: the binding's Lua function behind kl.custom_gradient. */
typedef struct kl_foreign {
  void (*release)(struct kl_foreign *foreign);
} kl_foreign;

typedef struct kl_node {
  int32_t refs;
  int32_t nin, nout, nattrs;
  uint64_t serial; /* counts nodes: creation order */
  uint32_t source; /* whose line applied the op (op/record.h); 0: not known */
  const struct kl_op *op;
  kl_attr *attrs;            /* as many as the op declares */
  kl_edge *in;               /* nin */
  kl_edge *out;              /* nout */
  kl_foreign *foreign;       /* owned, or NULL */
  int64_t mark;              /* for whoever holds the graph */
  struct kl_node *next_dead; /* work list of kl_node_release */
} kl_node;

/* A node with the specs and ids of the given tensors and no values kept; attrs has nattrs entries, copied.
 * NULL after kl_fail(KL_ENOMEM). */
kl_node *kl_node_new(const struct kl_op *op, int nattrs, const kl_attr *attrs, int nin, kl_tensor *const *in, int nout);

/* The next number in the order of nodes, for what is ordered among them. */
uint64_t kl_node_next_serial(void);

kl_node *kl_node_retain(kl_node *node);
void kl_node_release(kl_node *node); /* NULL is allowed */

#endif
