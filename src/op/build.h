/* Writing formulas of ops in C, for gradient rules and the sweep.
 *
 * A builder owns every tensor made through it and remembers the first failure: a function given NULL, or called after a
 * failure, returns NULL, so a rule is one expression and its caller checks once.  Everything goes through the door. */
#ifndef KL_OP_BUILD_H
#define KL_OP_BUILD_H

#include "op/op.h"

#define KL_BUILD_MAX 96

typedef struct kl_build {
  kl_status status;
  int n;
  kl_tensor *made[KL_BUILD_MAX];
} kl_build;

/* What a row's vjp gets. */
typedef struct kl_vjp {
  kl_build build;
  const kl_node *node;
  kl_tensor *const *cotangents; /* one per output, NULL where none arrived */
  int arg;                      /* the input whose cotangent is wanted */
} kl_vjp;

static inline void kl_build_begin(kl_build *b) {
  b->status = KL_OK;
  b->n = 0;
}

/* Releases everything made. */
void kl_build_end(kl_build *b);

/* One op; NULL inputs give NULL. */
kl_tensor *kl_build_op(kl_build *b, const kl_op *op, const kl_attr *attrs, int nin, kl_tensor *const *in);
kl_tensor *kl_build_unary(kl_build *b, const kl_op *op, kl_tensor *x);
kl_tensor *kl_build_binary(kl_build *b, const kl_op *op, kl_tensor *x, kl_tensor *y);

/* A Lua number. */
kl_tensor *kl_build_float(kl_build *b, double value);
kl_tensor *kl_build_int(kl_build *b, int64_t value);

kl_tensor *kl_build_add(kl_build *b, kl_tensor *x, kl_tensor *y);
kl_tensor *kl_build_sub(kl_build *b, kl_tensor *x, kl_tensor *y);
kl_tensor *kl_build_mul(kl_build *b, kl_tensor *x, kl_tensor *y);
kl_tensor *kl_build_where(kl_build *b, kl_tensor *condition, kl_tensor *x, kl_tensor *y);
kl_tensor *kl_build_cast(kl_build *b, kl_tensor *x, kl_dtype dtype);
kl_tensor *kl_build_reshape(kl_build *b, kl_tensor *x, const kl_shape *shape);
kl_tensor *kl_build_broadcast_to(kl_build *b, kl_tensor *x, const kl_shape *shape);
/* axes by permutation. */
kl_tensor *kl_build_transpose(kl_build *b, kl_tensor *x, const kl_attr *axes);
/* The last two axes exchanged. */
kl_tensor *kl_build_matrix_transpose(kl_build *b, kl_tensor *x);
kl_tensor *kl_build_sum(kl_build *b, kl_tensor *x, const kl_attr *axes, bool keepdims);
/* The reverse of broadcasting: sums the axes along which `shape` was repeated to x's shape. */
kl_tensor *kl_build_sum_to(kl_build *b, kl_tensor *x, const kl_shape *shape);
/* Zeros or ones of a spec, without storage for each element. */
kl_tensor *kl_build_fill(kl_build *b, const kl_spec *spec, double value);

/* Inside a vjp. */
static inline kl_tensor *kl_vjp_in(const kl_vjp *v, int i) { return v->node->in[i].value; }
static inline kl_tensor *kl_vjp_out(const kl_vjp *v, int i) { return v->node->out[i].value; }
static inline const kl_spec *kl_vjp_in_spec(const kl_vjp *v, int i) { return &v->node->in[i].spec; }
static inline const kl_spec *kl_vjp_out_spec(const kl_vjp *v, int i) { return &v->node->out[i].spec; }

#endif
