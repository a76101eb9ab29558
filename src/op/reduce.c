/* Reductions over one, several or all axes.  The order in which elements meet is fixed by shape and axes alone
 * (docs/numerics.md). */
#include "op/axes.h"
#include "op/elementwise.h"

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
    KL_ROW(sum, "Sum over the axes (all where none is given); bool and uint8 give int32."),
    .alias = "reduce_sum",
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
  kl_tensor *n = kl_build_float(&v->build, reduced_count(v));
  return spread(v, kl_build_binary(&v->build, &kl_op_divide, v->cotangents[0], n));
}

const kl_op kl_op_mean = {
    KL_ROW(mean, "Arithmetic mean over the axes (all where none is given); integers give float32."),
    .alias = "reduce_mean",
    .params = reduce_params,
    .types = KL_TYPES_FLOAT,
    .outputs = 1,
    .infer = float_infer,
    .vjp = mean_vjp,
};

/* dy/dx_i is the product of the others: of those that are not 0, by division, times that of the zeros among the others.
 * The latter is 1 where there are none and, where there is one, that element itself (which is 0, but has a slope). */
static kl_tensor *prod_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  kl_tensor *x = kl_vjp_in(v, 0), *zero = kl_build_float(b, 0), *one = kl_build_float(b, 1);
  kl_tensor *is_zero = kl_build_binary(b, &kl_op_equal, x, zero);
  kl_tensor *safe = kl_build_where(b, is_zero, one, x);
  kl_attr keep[2] = {v->node->attrs[0], {.n = 1, .given = 1, .v = {true}}};
  kl_tensor *others = kl_build_op(b, &kl_op_prod, keep, 1, &safe);
  kl_tensor *zeros = kl_build_cast(b, is_zero, kl_vjp_in_spec(v, 0)->dtype);
  kl_tensor *other_zeros = kl_build_sub(b, kl_build_op(b, &kl_op_sum, keep, 1, &zeros), zeros);
  kl_tensor *slope = kl_build_binary(b, &kl_op_divide, others, safe);
  kl_tensor *at_zero = kl_build_where(b, is_zero, x, zero);
  kl_tensor *other = kl_build_sub(b, kl_build_op(b, &kl_op_sum, keep, 1, &at_zero), at_zero);
  kl_tensor *of_zeros = kl_build_where(b, kl_build_binary(b, &kl_op_equal, other_zeros, one), other, zero);
  of_zeros = kl_build_where(b, kl_build_binary(b, &kl_op_equal, other_zeros, zero), one, of_zeros);
  slope = kl_build_mul(b, slope, of_zeros);
  return kl_build_mul(b, spread(v, v->cotangents[0]), slope);
}

const kl_op kl_op_prod = {
    KL_ROW(prod, "Product over the axes (all where none is given); bool and uint8 give int32."),
    .alias = "reduce_prod",
    .params = reduce_params,
    .outputs = 1,
    .infer = sum_infer,
    .vjp = prod_vjp,
    .saves = KL_SAVE_IN(0),
};

/* There is no largest of nothing. */
static kl_status extremum_infer(kl_infer *c) {
  c->out[0].dtype = c->in[0].dtype;
  KL_TRY(reduce_shape(c));
  for (int i = 0; i < c->attrs[0].n; i++) {
    if (c->in[0].shape.dim[c->attrs[0].v[i]] == 0) {
      char text[KL_SHAPE_TEXT];
      return kl_fail(KL_ESHAPE, "no elements along axis %d of shape %s", (int)c->attrs[0].v[i] + 1,
                     kl_shape_text(&c->in[0].shape, text));
    }
  }
  return KL_OK;
}

/* Equal extrema share the cotangent (TensorFlow's rule). */
static kl_tensor *extremum_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  kl_tensor *chosen = kl_build_binary(b, &kl_op_equal, kl_vjp_in(v, 0), spread(v, kl_vjp_out(v, 0)));
  chosen = kl_build_cast(b, chosen, kl_vjp_in_spec(v, 0)->dtype);
  kl_tensor *count = kl_build_sum(b, chosen, &v->node->attrs[0], true);
  return kl_build_mul(b, kl_build_binary(b, &kl_op_divide, spread(v, v->cotangents[0]), count), chosen);
}

const kl_op kl_op_max = {
    KL_ROW(max, "The largest element along the axes (all where none is given); NaN if one is NaN."),
    .alias = "reduce_max amax",
    .params = reduce_params,
    .outputs = 1,
    .infer = extremum_infer,
    .vjp = extremum_vjp,
    .saves = KL_SAVE_IN(0) | KL_SAVE_OUT(0),
};

const kl_op kl_op_min = {
    KL_ROW(min, "The smallest element along the axes (all where none is given); NaN if one is NaN."),
    .alias = "reduce_min amin",
    .params = reduce_params,
    .outputs = 1,
    .infer = extremum_infer,
    .vjp = extremum_vjp,
    .saves = KL_SAVE_IN(0) | KL_SAVE_OUT(0),
};

static kl_status bool_infer(kl_infer *c) {
  c->out[0].dtype = KL_BOOL;
  return reduce_shape(c);
}

const kl_op kl_op_any = {
    KL_ROW(any, "True where at least one element along the axes is true (not 0)."),
    .alias = "reduce_any",
    .params = reduce_params,
    .types = KL_TYPES_BOOL,
    .outputs = 1,
    .infer = bool_infer,
    KL_CONSTANT("the result is a truth value"),
};

const kl_op kl_op_all = {
    KL_ROW(all, "True where every element along the axes is true (not 0)."),
    .alias = "reduce_all",
    .params = reduce_params,
    .types = KL_TYPES_BOOL,
    .outputs = 1,
    .infer = bool_infer,
    KL_CONSTANT("the result is a truth value"),
};
