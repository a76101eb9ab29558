/* Operations along the lines of one axis: positions of extrema and running sums. */
#include "op/axes.h"
#include "op/elementwise.h"

static const kl_param position_params[] = {
    KL_PARAM("x", KL_TENSOR),
    KL_OPTIONAL("axis", KL_AXIS),
    KL_OPTIONAL("keepdims", KL_BOOLEAN),
    {0},
};

static kl_status position_infer(kl_infer *c) {
  const kl_shape *shape = &c->in[0].shape;
  kl_attr axes = c->attrs[0];
  if (axes.given) {
    KL_TRY(kl_axis_normalize(&axes.v[0], shape->ndim));
  }
  KL_TRY(kl_axes_normalize(&axes, shape->ndim));
  for (int i = 0; i < axes.n; i++) {
    if (shape->dim[axes.v[i]] == 0) {
      return kl_fail(KL_ESHAPE, "no elements along axis %d", (int)axes.v[i] + 1);
    }
  }
  c->attrs[0] = axes;
  c->out[0].dtype = KL_INT32;
  kl_axes_reduce_shape(shape, &axes, c->attrs[1].v[0] != 0, &c->out[0].shape);
  return KL_OK;
}

const kl_op kl_op_argmax = {
    KL_ROW(argmax, "Position, from 0, of the first largest element along an axis, or in C order where none is given."),
    .params = position_params,
    .outputs = 1,
    .infer = position_infer,
    KL_CONSTANT("the result is a position"),
};

const kl_op kl_op_argmin = {
    KL_ROW(argmin, "Position, from 0, of the first smallest element along an axis, or in C order where none is given."),
    .params = position_params,
    .outputs = 1,
    .infer = position_infer,
    KL_CONSTANT("the result is a position"),
};

static const kl_param cumsum_params[] = {
    KL_PARAM("x", KL_TENSOR),
    KL_OPTIONAL("axis", KL_AXIS),
    KL_OPTIONAL("reverse", KL_BOOLEAN),
    {0},
};

static kl_status cumsum_infer(kl_infer *c) {
  c->out[0] = c->in[0];
  if (!c->attrs[0].given) {
    c->out[0].shape = (kl_shape){1, {kl_shape_numel(&c->in[0].shape)}};
    return KL_OK;
  }
  return kl_axis_normalize(&c->attrs[0].v[0], c->in[0].shape.ndim);
}

static kl_tensor *cumsum_vjp(kl_vjp *v) {
  kl_attr attrs[2] = {v->node->attrs[0], {.n = 1, .given = 1, .v = {!v->node->attrs[1].v[0]}}};
  kl_tensor *g = kl_build_op(&v->build, &kl_op_cumsum, attrs, 1, &v->cotangents[0]);
  return kl_build_reshape(&v->build, g, &kl_vjp_in_spec(v, 0)->shape);
}

const kl_op kl_op_cumsum = {
    KL_ROW(cumsum,
           "Running sums along an axis, or of all elements in C order where none is given; reverse: from the end."),
    .params = cumsum_params,
    .flags = KL_NO_BOOL,
    .types = KL_TYPES_PROMOTE,
    .outputs = 1,
    .infer = cumsum_infer,
    .vjp = cumsum_vjp,
};
