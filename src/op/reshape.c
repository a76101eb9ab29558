/* Other axes over the same elements in the same order: views where strides allow. */
#include "op/axes.h"
#include "op/elementwise.h"

static const kl_param reshape_params[] = {KL_PARAM("x", KL_TENSOR), KL_PARAM("newshape", KL_SHAPE), {0}};

/* Before a graph runs, where x has unknown axes: {x.shape[1], -1} passes an unknown first axis on, and the rest of x
 * is the rest of the new shape.  Everything else that is unknown stays so, running the graph checks it. */
static kl_status reshape_unknown(const kl_shape *from, kl_attr *to, kl_shape *shape) {
  char received[KL_SHAPE_TEXT], wanted[KL_SHAPE_TEXT];
  int64_t rest = 1, known = 1;
  int open = -1, others = 0;
  for (int i = 1; i < from->ndim; i++) {
    rest = rest == KL_UNKNOWN || from->dim[i] == KL_UNKNOWN ? KL_UNKNOWN : rest * from->dim[i];
  }
  for (int i = 1; i < to->n; i++) {
    known *= to->v[i] == -1 ? 1 : to->v[i];
    open = to->v[i] == -1 ? i : open;
    others += to->v[i] == -1;
  }
  if (others != 1 || to->v[0] != -1 || from->dim[0] != KL_UNKNOWN || rest == KL_UNKNOWN) {
    return KL_OK;
  }
  if (known == 0 || rest % known != 0) {
    return kl_fail(KL_ESHAPE, "cannot reshape %s to %s", kl_shape_text(from, received), kl_shape_text(shape, wanted));
  }
  to->v[open] = shape->dim[open] = rest / known;
  return KL_OK;
}

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
      if (open >= 0 && numel != KL_UNKNOWN) {
        return kl_fail(KL_ESHAPE, "only one axis of the new shape %s may be -1", kl_shape_text(&shape, wanted));
      }
      open = i;
    } else if (to->v[i] < 0) {
      return kl_fail(KL_ESHAPE, "negative axis %lld in the new shape", (long long)to->v[i]);
    }
  }
  KL_TRY(kl_shape_check_size("new shape", &(kl_shape){0}, 1));
  for (int i = 0; i < to->n; i++) {
    int64_t length = shape.dim[i] == -1 ? 1 : shape.dim[i];
    if (length != 0 && known > INT64_MAX / length) {
      return kl_fail(KL_ESHAPE, "the new shape is too large");
    }
    known *= length;
  }
  if (numel == KL_UNKNOWN) {
    KL_TRY(reshape_unknown(from, to, &shape));
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
    KL_ROW(reshape, "The same elements in C order with another shape; one -1 takes what is left."),
    .params = reshape_params,
    .outputs = 1,
    .infer = reshape_infer,
    .view = reshape_view,
    .vjp = reshape_vjp,
};

static const kl_param expand_params[] = {KL_PARAM("x", KL_TENSOR), KL_PARAM("axis", KL_AXIS), {0}};

/* The axis is a place in the new shape. */
static kl_status expand_infer(kl_infer *c) {
  const kl_shape *from = &c->in[0].shape;
  if (from->ndim == KL_MAX_NDIM) {
    return kl_fail(KL_ESHAPE, "the tensor has %d axes already, the largest rank", KL_MAX_NDIM);
  }
  KL_TRY(kl_axis_normalize(&c->attrs[0].v[0], from->ndim + 1));
  int axis = (int)c->attrs[0].v[0];
  c->out[0] = (kl_spec){c->in[0].dtype, {.ndim = from->ndim + 1}};
  for (int i = 0; i <= from->ndim; i++) {
    c->out[0].shape.dim[i] = i < axis ? from->dim[i] : i == axis ? 1 : from->dim[i - 1];
  }
  return KL_OK;
}

/* Axes of length 1 come or go: every other axis keeps its stride. */
static kl_status unit_axes_view(const kl_attr *attrs, const kl_tensor *in, const kl_spec *spec, kl_tensor **out) {
  (void)attrs;
  int64_t strides[KL_MAX_NDIM];
  int old = 0;
  for (int i = 0; i < spec->shape.ndim; i++) {
    while (old < in->shape.ndim && in->shape.dim[old] == 1) {
      old++;
    }
    strides[i] = spec->shape.dim[i] == 1 ? 0 : in->strides[old++];
  }
  return kl_tensor_new_view(in, &spec->shape, strides, in->offset, out);
}

const kl_op kl_op_expand_dims = {
    KL_ROW(expand_dims, "A new axis of length 1 at a place in the new shape."),
    .alias = "unsqueeze",
    .params = expand_params,
    .outputs = 1,
    .infer = expand_infer,
    .view = unit_axes_view,
    .vjp = reshape_vjp,
};

static const kl_param squeeze_params[] = {KL_PARAM("x", KL_TENSOR), KL_OPTIONAL("axis", KL_AXES), {0}};

static kl_status squeeze_infer(kl_infer *c) {
  const kl_shape *from = &c->in[0].shape;
  kl_attr *axes = &c->attrs[0];
  if (!axes->given) { /* those of length 1, by name from here on: a graph keeps its axes whatever its batch is */
    axes->n = 0;
    axes->given = 1;
    for (int i = 0; i < from->ndim; i++) {
      if (from->dim[i] == 1) {
        axes->v[axes->n++] = i;
      }
    }
  }
  KL_TRY(kl_axes_normalize(axes, from->ndim));
  c->out[0] = (kl_spec){c->in[0].dtype, {.ndim = 0}};
  for (int i = 0; i < from->ndim; i++) {
    bool named = kl_axes_contain(axes, i);
    if (named && from->dim[i] != 1 && from->dim[i] != KL_UNKNOWN) {
      char text[KL_SHAPE_TEXT];
      return kl_fail(KL_ESHAPE, "axis %d of shape %s has length %lld: only axes of length 1 can go", i + 1,
                     kl_shape_text(from, text), (long long)from->dim[i]);
    }
    if (!named) {
      c->out[0].shape.dim[c->out[0].shape.ndim++] = from->dim[i];
    }
  }
  return KL_OK;
}

const kl_op kl_op_squeeze = {
    KL_ROW(squeeze, "Without axes of length 1: those named, or all."),
    .params = squeeze_params,
    .outputs = 1,
    .infer = squeeze_infer,
    .view = unit_axes_view,
    .vjp = reshape_vjp,
};
