/* Operations that move elements without computing: mostly views. */
#include <string.h>

#include "op/axes.h"
#include "op/build.h"

static const kl_param reshape_params[] = {KL_PARAM("x", KL_TENSOR), KL_PARAM("newshape", KL_SHAPE), {0}};

/* One -1 (or an unknown axis) in the new shape takes what is left. */
static kl_status reshape_infer(kl_infer *c) {
  const kl_shape *from = &c->in[0].shape;
  kl_attr *to = &c->attrs[0];
  char received[KL_SHAPE_TEXT], wanted[KL_SHAPE_TEXT];
  int64_t numel = kl_shape_numel(from);
  int64_t known = 1;
  int open = -1;
  kl_shape shape = {.ndim = to->n};
  for (int i = 0; i < to->n; i++) {
    shape.dim[i] = to->v[i];
    if (to->v[i] == -1) {
      if (open >= 0) {
        return kl_fail(KL_ESHAPE, "only one axis of the new shape %s may be -1", kl_shape_text(&shape, wanted));
      }
      open = i;
    } else if (to->v[i] < 0) {
      return kl_fail(KL_ESHAPE, "negative axis %lld in the new shape", (long long)to->v[i]);
    }
  }
  KL_TRY(kl_shape_check_size("new shape", &(kl_shape){0}, 1));
  for (int i = 0; i < to->n; i++) {
    if (i != open && (shape.dim[i] != 0 && known > INT64_MAX / shape.dim[i])) {
      return kl_fail(KL_ESHAPE, "the new shape is too large");
    }
    known *= i == open ? 1 : shape.dim[i];
  }
  if (numel == KL_UNKNOWN) {
    /* The unknown lengths on both sides are assumed to agree; running the graph checks. */
    c->out[0] = (kl_spec){c->in[0].dtype, shape};
    return KL_OK;
  }
  if (open >= 0 && known != 0 && numel % known == 0) {
    shape.dim[open] = numel / known;
    to->v[open] = shape.dim[open];
    known = numel;
  }
  if (known != numel || (open >= 0 && shape.dim[open] < 0)) {
    for (int i = 0; i < to->n; i++) {
      shape.dim[i] = to->v[i];
    }
    return kl_fail(KL_ESHAPE, "cannot reshape %s, %lld elements, to %s", kl_shape_text(from, received),
                   (long long)numel, kl_shape_text(&shape, wanted));
  }
  c->out[0] = (kl_spec){c->in[0].dtype, shape};
  return KL_OK;
}

/* Stride of the innermost of axes [begin, end), if stepping through them all is stepping by that stride. */
static bool run_stride(const kl_tensor *t, int begin, int end, int64_t *stride) {
  int64_t next = 0;
  bool found = false;
  *stride = 1;
  for (int i = end - 1; i >= begin; i--) {
    if (t->shape.dim[i] == 1) {
      continue;
    }
    if (!found) {
      *stride = t->strides[i];
      found = true;
    } else if (t->strides[i] != next) {
      return false;
    }
    next = t->strides[i] * t->shape.dim[i];
  }
  return true;
}

/* Both shapes are walked in the shortest runs of axes that hold equally many elements; each old run must be contiguous
 * in itself. */
static kl_status reshape_view(const kl_attr *attrs, const kl_tensor *in, const kl_spec *spec, kl_tensor **out) {
  (void)attrs;
  const kl_shape *from = &in->shape, *to = &spec->shape;
  int64_t strides[KL_MAX_NDIM];
  if (kl_tensor_is_contiguous(in)) {
    kl_shape_contiguous(to, strides);
    return kl_tensor_new_view(in, to, strides, in->offset, out);
  }
  int old = 0, new = 0;
  while (new < to->ndim || old < from->ndim) {
    int old_end = old < from->ndim ? old + 1 : old;
    int new_end = new < to->ndim ? new + 1 : new;
    int64_t left = old_end > old ? from->dim[old] : 1;
    int64_t right = new_end > new ? to->dim[new] : 1;
    while (left != right) {
      if (left < right) {
        left *= from->dim[old_end++];
      } else {
        right *= to->dim[new_end++];
      }
    }
    int64_t stride;
    if (!run_stride(in, old, old_end, &stride)) {
      return KL_EUNSUPPORTED;
    }
    for (int i = new_end - 1; i >= new; i--) {
      strides[i] = stride;
      stride *= to->dim[i];
    }
    old = old_end;
    new = new_end;
  }
  return kl_tensor_new_view(in, to, strides, in->offset, out);
}

static kl_tensor *reshape_vjp(kl_vjp *v) {
  return kl_build_reshape(&v->build, v->cotangents[0], &kl_vjp_in_spec(v, 0)->shape);
}

const kl_op kl_op_reshape = {
    .id = KL_OP_reshape,
    .name = "reshape",
    .doc = "The same elements in C order with another shape; one -1 takes what is left.",
    .params = reshape_params,
    .outputs = 1,
    .infer = reshape_infer,
    .view = reshape_view,
    .vjp = reshape_vjp,
};

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
    .id = KL_OP_transpose,
    .name = "transpose",
    .doc = "Axes permuted: axis i of the result is axis axes[i] of x; reversed where none are given.",
    .params = transpose_params,
    .outputs = 1,
    .infer = transpose_infer,
    .view = transpose_view,
    .vjp = transpose_vjp,
};

static const kl_param broadcast_params[] = {KL_PARAM("x", KL_TENSOR), KL_PARAM("shape", KL_SHAPE), {0}};

static kl_status broadcast_infer(kl_infer *c) {
  kl_shape to = {.ndim = c->attrs[0].n}, joined;
  memcpy(to.dim, c->attrs[0].v, sizeof to.dim);
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
    .id = KL_OP_broadcast_to,
    .name = "broadcast_to",
    .doc = "x repeated along new and length-1 axes, without a copy.",
    .params = broadcast_params,
    .outputs = 1,
    .infer = broadcast_infer,
    .view = broadcast_view,
    .vjp = broadcast_vjp,
};
