/* Reductions over one, several or all axes.  The order in which elements meet is fixed by shape and axes alone
 * (docs/numerics.md). */
#include "op/axes.h"
#include "op/build.h"

static const kl_param reduce_params[] = {
    KL_PARAM("x", KL_TENSOR),
    KL_OPTIONAL("axis", KL_AXES),
    KL_OPTIONAL("keepdims", KL_BOOLEAN),
    {0},
};

static kl_status reduce_shape(kl_infer *c) {
  KL_TRY(kl_axes_normalize(&c->attrs[0], c->in[0].shape.ndim));
  kl_axes_reduce_shape(&c->in[0].shape, &c->attrs[0], c->attrs[1].v[0] != 0, &c->out[0].shape);
  return KL_OK;
}

/* Sums of bool and uint8 are int32 (keras-semantics.md 1.1a). */
static kl_status sum_infer(kl_infer *c) {
  c->out[0].dtype = c->in[0].dtype < KL_INT32 ? KL_INT32 : c->in[0].dtype;
  return reduce_shape(c);
}

static kl_status float_infer(kl_infer *c) {
  c->out[0].dtype = c->in[0].dtype;
  return reduce_shape(c);
}

/* A tensor of the reduced shape, repeated to the input's shape. */
static kl_tensor *spread(kl_vjp *v, kl_tensor *g) {
  const kl_spec *in = kl_vjp_in_spec(v, 0);
  kl_shape kept;
  kl_axes_reduce_shape(&in->shape, &v->node->attrs[0], true, &kept);
  return kl_build_broadcast_to(&v->build, kl_build_reshape(&v->build, g, &kept), &in->shape);
}

static kl_tensor *sum_vjp(kl_vjp *v) { return spread(v, v->cotangents[0]); }

const kl_op kl_op_sum = {
    .id = KL_OP_sum,
    .name = "sum",
    .doc = "Sum over the axes (all where none is given).",
    .params = reduce_params,
    .outputs = 1,
    .infer = sum_infer,
    .vjp = sum_vjp,
};

/* Number of elements that meet in one result. */
static double reduced_count(const kl_vjp *v) {
  const kl_spec *in = kl_vjp_in_spec(v, 0);
  double n = 1;
  for (int i = 0; i < v->node->attrs[0].n; i++) {
    n *= (double)in->shape.dim[v->node->attrs[0].v[i]];
  }
  return n;
}

static kl_tensor *mean_vjp(kl_vjp *v) {
  kl_tensor *n = kl_build_float(&v->build, 1.0 / reduced_count(v));
  return spread(v, kl_build_mul(&v->build, v->cotangents[0], n));
}

const kl_op kl_op_mean = {
    .id = KL_OP_mean,
    .name = "mean",
    .doc = "Arithmetic mean over the axes (all where none is given).",
    .params = reduce_params,
    .types = KL_TYPES_FLOAT,
    .outputs = 1,
    .infer = float_infer,
    .vjp = mean_vjp,
};
