/* The same elements by other strides: in another order, repeated, or as they are. */
#include <string.h>

#include "op/axes.h"
#include "op/elementwise.h"

static const kl_param transpose_params[] = {KL_PARAM("x", KL_TENSOR), KL_OPTIONAL("axes", KL_AXES), {0}};

static kl_status transpose_infer(kl_infer *c) {
  const kl_shape *from = &c->in[0].shape;
  kl_attr *axes = &c->attrs[0];
  if (!axes->given) {
    axes->n = from->ndim;
    for (int i = 0; i < from->ndim; i++) {
      axes->v[i] = from->ndim - 1 - i;
    }
    axes->given = 1;
  }
  kl_attr sorted = *axes;
  KL_TRY(kl_axes_normalize(&sorted, from->ndim));
  if (sorted.n != from->ndim) {
    return kl_fail(KL_ESHAPE, "axes must name every one of the tensor's %d axes once, got %d", from->ndim, axes->n);
  }
  c->out[0] = (kl_spec){c->in[0].dtype, {.ndim = from->ndim}};
  for (int i = 0; i < axes->n; i++) {
    KL_TRY(kl_axis_normalize(&axes->v[i], from->ndim));
    c->out[0].shape.dim[i] = from->dim[axes->v[i]];
  }
  return KL_OK;
}

static kl_status transpose_view(const kl_attr *attrs, const kl_tensor *in, const kl_spec *spec, kl_tensor **out) {
  int64_t strides[KL_MAX_NDIM];
  for (int i = 0; i < spec->shape.ndim; i++) {
    strides[i] = in->strides[attrs[0].v[i]];
  }
  return kl_tensor_new_view(in, &spec->shape, strides, in->offset, out);
}

static kl_tensor *transpose_vjp(kl_vjp *v) {
  const kl_attr *axes = &v->node->attrs[0];
  kl_attr inverse = {.n = axes->n, .given = 1};
  for (int i = 0; i < axes->n; i++) {
    inverse.v[axes->v[i]] = i;
  }
  return kl_build_transpose(&v->build, v->cotangents[0], &inverse);
}

const kl_op kl_op_transpose = {
    KL_ROW(transpose, "Axes permuted: axis i of the result is axis axes[i] of x; reversed where none are given."),
    .params = transpose_params,
    .outputs = 1,
    .infer = transpose_infer,
    .view = transpose_view,
    .vjp = transpose_vjp,
};

static const kl_param broadcast_params[] = {KL_PARAM("x", KL_TENSOR), KL_PARAM("shape", KL_SHAPE), {0}};

/* An unknown length (false or -1) is x's own. */
static kl_status broadcast_infer(kl_infer *c) {
  const kl_shape *from = &c->in[0].shape;
  kl_shape to = {.ndim = c->attrs[0].n}, joined;
  memcpy(to.dim, c->attrs[0].v, sizeof to.dim[0] * (size_t)to.ndim);
  int extra = to.ndim - from->ndim;
  for (int i = 0; i < to.ndim; i++) {
    if (to.dim[i] < KL_UNKNOWN || (to.dim[i] == KL_UNKNOWN && i < extra)) {
      return kl_fail(KL_ESHAPE, "axis %d of the new shape is negative or unknown", i + 1);
    }
    to.dim[i] = to.dim[i] == KL_UNKNOWN && extra >= 0 ? from->dim[i - extra] : to.dim[i];
  }
  if (kl_shape_known(&to)) {
    KL_TRY(kl_shape_check_size("the result", &to, kl_dtype_size(c->in[0].dtype)));
  }
  if (!kl_shape_broadcast(&c->in[0].shape, &to, &joined) || !kl_shape_equal(&joined, &to)) {
    char received[KL_SHAPE_TEXT], wanted[KL_SHAPE_TEXT];
    return kl_fail(KL_ESHAPE, "shape %s does not broadcast to %s", kl_shape_text(&c->in[0].shape, received),
                   kl_shape_text(&to, wanted));
  }
  c->out[0] = (kl_spec){c->in[0].dtype, to};
  return KL_OK;
}

static kl_status broadcast_view(const kl_attr *attrs, const kl_tensor *in, const kl_spec *spec, kl_tensor **out) {
  (void)attrs;
  int64_t strides[KL_MAX_NDIM];
  int extra = spec->shape.ndim - in->shape.ndim;
  for (int i = 0; i < spec->shape.ndim; i++) {
    bool repeated = i < extra || (in->shape.dim[i - extra] == 1 && spec->shape.dim[i] != 1);
    strides[i] = repeated ? 0 : in->strides[i - extra];
  }
  return kl_tensor_new_view(in, &spec->shape, strides, in->offset, out);
}

static kl_tensor *broadcast_vjp(kl_vjp *v) {
  return kl_build_sum_to(&v->build, v->cotangents[0], &kl_vjp_in_spec(v, 0)->shape);
}

const kl_op kl_op_broadcast_to = {
    KL_ROW(broadcast_to, "x repeated along new and length-1 axes, without a copy; a length of -1 is x's own."),
    .params = broadcast_params,
    .outputs = 1,
    .infer = broadcast_infer,
    .view = broadcast_view,
    .vjp = broadcast_vjp,
};

static const kl_param flip_params[] = {KL_PARAM("x", KL_TENSOR), KL_OPTIONAL("axis", KL_AXES), {0}};

static kl_status flip_infer(kl_infer *c) {
  c->out[0] = c->in[0];
  return kl_axes_normalize(&c->attrs[0], c->in[0].shape.ndim);
}

static kl_status flip_view(const kl_attr *attrs, const kl_tensor *in, const kl_spec *spec, kl_tensor **out) {
  int64_t strides[KL_MAX_NDIM], offset = in->offset;
  bool empty = kl_shape_numel(&spec->shape) == 0;
  for (int i = 0; i < in->shape.ndim; i++) {
    bool flipped = kl_axes_contain(&attrs[0], i) && !empty;
    strides[i] = flipped ? -in->strides[i] : in->strides[i];
    offset += flipped ? (in->shape.dim[i] - 1) * in->strides[i] : 0;
  }
  return kl_tensor_new_view(in, &spec->shape, strides, offset, out);
}

static kl_tensor *flip_vjp(kl_vjp *v) {
  return kl_build_op(&v->build, &kl_op_flip, v->node->attrs, 1, &v->cotangents[0]);
}

const kl_op kl_op_flip = {
    KL_ROW(flip, "The elements in reverse order along the axes (all where none is given)."),
    .params = flip_params,
    .outputs = 1,
    .infer = flip_infer,
    .view = flip_view,
    .vjp = flip_vjp,
};

static kl_status same_infer(kl_infer *c) {
  c->out[0] = c->in[0];
  return KL_OK;
}

static kl_status same_view(const kl_attr *attrs, const kl_tensor *in, const kl_spec *spec, kl_tensor **out) {
  (void)attrs;
  return kl_tensor_new_view(in, &spec->shape, in->strides, in->offset, out);
}

const kl_op kl_op_stop_gradient = {
    KL_ROW(stop_gradient, "x itself; gradients do not pass."),
    .alias = "detach",
    .params = kl_unary_params,
    .outputs = 1,
    .infer = same_infer,
    .view = same_view,
    KL_CONSTANT("it was asked to stop there"),
};
