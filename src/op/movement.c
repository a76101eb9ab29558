/* Operations that move elements without computing: views where strides allow, see KL_VIEW_OP in op_list.h. */
#include <string.h>

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

static const kl_param slice_params[] = {
    KL_PARAM("x", KL_TENSOR), KL_PARAM("start_indices", KL_STARTS), KL_PARAM("shape", KL_SHAPE), {0}};

/* Checks a window of `size` at `starts` (negative: from the end) inside `from`; makes the starts non-negative. */
static kl_status check_window(const kl_shape *from, kl_attr *starts, const int64_t *size, int nsize) {
  if (starts->n != from->ndim || nsize != from->ndim) {
    return kl_fail(KL_ESHAPE, "the tensor has %d axes, start_indices %d and the shape %d", from->ndim, starts->n,
                   nsize);
  }
  for (int i = 0; i < from->ndim; i++) {
    int64_t least = size[i] == KL_UNKNOWN ? 0 : size[i]; /* the rest of the axis may be nothing */
    bool known = from->dim[i] != KL_UNKNOWN;
    bool from_end = starts->v[i] < 0 && !known; /* added up when the graph runs */
    if (starts->v[i] < 0 && known) {
      starts->v[i] += from->dim[i];
    }
    if ((starts->v[i] < 0 && !from_end) || starts->v[i] == INT64_MIN || (from_end && starts->v[i] > -least) ||
        size[i] < KL_UNKNOWN || (known && starts->v[i] > from->dim[i] - least)) {
      char text[KL_SHAPE_TEXT];
      return kl_fail(KL_ESHAPE, "%lld elements from position %lld on are not inside axis %d of shape %s",
                     (long long)size[i], (long long)starts->v[i] + 1, i + 1, kl_shape_text(from, text));
    }
  }
  return KL_OK;
}

/* A length of -1 takes the rest of the axis. */
static kl_status slice_infer(kl_infer *c) {
  const kl_shape *from = &c->in[0].shape;
  kl_attr *starts = &c->attrs[0], *size = &c->attrs[1];
  c->out[0] = (kl_spec){c->in[0].dtype, {.ndim = from->ndim}};
  KL_TRY(check_window(from, starts, size->v, size->n));
  for (int i = 0; i < from->ndim; i++) {
    if (size->v[i] == -1 && starts->v[i] < 0) {
      size->v[i] = -starts->v[i];
    } else if (size->v[i] == -1 && from->dim[i] != KL_UNKNOWN) {
      size->v[i] = from->dim[i] - starts->v[i];
    }
    c->out[0].shape.dim[i] = size->v[i];
  }
  return KL_OK;
}

static kl_status slice_view(const kl_attr *attrs, const kl_tensor *in, const kl_spec *spec, kl_tensor **out) {
  int64_t offset = in->offset;
  for (int i = 0; i < in->shape.ndim; i++) {
    offset += attrs[0].v[i] * in->strides[i];
  }
  if (kl_shape_numel(&spec->shape) == 0) {
    offset = in->offset; /* an empty window may begin behind the last element */
  }
  return kl_tensor_new_view(in, &spec->shape, in->strides, offset, out);
}

/* The cotangent in its place, zeros around it. */
static kl_tensor *slice_vjp(kl_vjp *v) {
  const kl_shape *from = &kl_vjp_in_spec(v, 0)->shape, *window = &kl_vjp_out_spec(v, 0)->shape;
  kl_attr attrs[2] = {v->node->attrs[0], v->node->attrs[0]};
  for (int i = 0; i < from->ndim; i++) {
    attrs[1].v[i] = from->dim[i] - window->dim[i] - attrs[0].v[i];
  }
  return kl_build_op(&v->build, &kl_op_pad, attrs, 2, (kl_tensor *[2]){v->cotangents[0], kl_build_float(&v->build, 0)});
}

const kl_op kl_op_slice = {
    KL_ROW(slice, "A window: `shape` elements from start_indices (from 1) on; a length of -1 takes the rest."),
    .params = slice_params,
    .outputs = 1,
    .infer = slice_infer,
    .view = slice_view,
    .vjp = slice_vjp,
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
    .params = kl_unary_params,
    .outputs = 1,
    .infer = same_infer,
    .view = same_view,
    KL_CONSTANT("it was asked to stop there"),
};

static const kl_param update_params[] = {
    KL_PARAM("x", KL_TENSOR), KL_PARAM("start_indices", KL_STARTS), KL_PARAM("updates", KL_TENSOR), {0}};

static kl_status update_infer(kl_infer *c) {
  c->out[0] = c->in[0];
  if (c->in[0].dtype != c->in[1].dtype) {
    return kl_fail(KL_EDTYPE, "x is %s, updates are %s: cast one of them", kl_dtype_name(c->in[0].dtype),
                   kl_dtype_name(c->in[1].dtype));
  }
  return check_window(&c->in[0].shape, &c->attrs[0], c->in[1].shape.dim, c->in[1].shape.ndim);
}

static kl_tensor *update_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  const kl_spec *updates = kl_vjp_in_spec(v, 1);
  if (v->arg == 0) {
    return kl_build_op(b, &kl_op_slice_update, v->node->attrs, 2,
                       (kl_tensor *[2]){v->cotangents[0], kl_build_fill(b, updates, 0)});
  }
  kl_attr attrs[2] = {v->node->attrs[0], {.n = updates->shape.ndim, .given = 1}};
  memcpy(attrs[1].v, updates->shape.dim, sizeof attrs[1].v);
  return kl_build_op(b, &kl_op_slice, attrs, 1, &v->cotangents[0]);
}

const kl_op kl_op_slice_update = {
    KL_ROW(slice_update, "x with `updates` written over the window that begins at start_indices (from 1)."),
    .params = update_params,
    .outputs = 1,
    .infer = update_infer,
    .vjp = update_vjp,
};

static const kl_param concatenate_params[] = {KL_PARAM("xs", KL_TENSORS), KL_DEFAULT("axis", KL_AXIS, -1), {0}};

static kl_status concatenate_infer(kl_infer *c) {
  kl_spec out = c->in[0];
  char first[KL_SHAPE_TEXT], other[KL_SHAPE_TEXT];
  KL_TRY(kl_axis_normalize(&c->attrs[0].v[0], out.shape.ndim));
  int axis = (int)c->attrs[0].v[0];
  for (int i = 1; i < c->nin; i++) {
    const kl_shape *s = &c->in[i].shape;
    bool fits = s->ndim == out.shape.ndim;
    for (int k = 0; k < out.shape.ndim && fits; k++) {
      int64_t x = out.shape.dim[k], y = s->dim[k];
      fits = k == axis || x == y || x == KL_UNKNOWN || y == KL_UNKNOWN;
      if (k != axis && x == KL_UNKNOWN) {
        out.shape.dim[k] = y;
      }
    }
    if (!fits) {
      return kl_fail(KL_ESHAPE,
                     "tensor %d of shape %s does not fit the first of shape %s: all axes but axis %d must agree", i + 1,
                     kl_shape_text(s, other), kl_shape_text(&c->in[0].shape, first), axis + 1);
    }
    int64_t *total = &out.shape.dim[axis];
    *total = *total == KL_UNKNOWN || s->dim[axis] == KL_UNKNOWN ? KL_UNKNOWN : *total + s->dim[axis];
  }
  c->out[0] = out;
  return KL_OK;
}

static kl_tensor *concatenate_vjp(kl_vjp *v) {
  int axis = (int)v->node->attrs[0].v[0];
  const kl_shape *own = &kl_vjp_in_spec(v, v->arg)->shape;
  kl_attr attrs[2] = {{.n = own->ndim, .given = 1}, {.n = own->ndim, .given = 1}};
  memcpy(attrs[1].v, own->dim, sizeof attrs[1].v);
  for (int i = 0; i < v->arg; i++) {
    attrs[0].v[axis] += kl_vjp_in_spec(v, i)->shape.dim[axis];
  }
  return kl_build_op(&v->build, &kl_op_slice, attrs, 1, &v->cotangents[0]);
}

const kl_op kl_op_concatenate = {
    KL_ROW(concatenate, "The tensors one behind the other along an axis; all other axes must agree."),
    .alias = "concat",
    .params = concatenate_params,
    .types = KL_TYPES_PROMOTE,
    .outputs = 1,
    .infer = concatenate_infer,
    .vjp = concatenate_vjp,
};

static const kl_param pad_params[] = {KL_PARAM("x", KL_TENSOR),
                                      KL_PARAM("before", KL_INTS),
                                      KL_PARAM("after", KL_INTS),
                                      KL_DEFAULT_NUMBER("value", 0),
                                      {0}};

static kl_status pad_infer(kl_infer *c) {
  const kl_shape *from = &c->in[0].shape;
  if (c->attrs[0].n != from->ndim || c->attrs[1].n != from->ndim) {
    return kl_fail(KL_ESHAPE, "one padding per axis expected: the tensor has %d, got %d and %d", from->ndim,
                   c->attrs[0].n, c->attrs[1].n);
  }
  c->out[0] = c->in[0];
  for (int i = 0; i < from->ndim; i++) {
    int64_t before = c->attrs[0].v[i], after = c->attrs[1].v[i];
    if (before < 0 || after < 0 || before > INT32_MAX || after > INT32_MAX) {
      return kl_fail(KL_ESHAPE, "padding of axis %d must not be negative or huge, got %lld and %lld", i + 1,
                     (long long)before, (long long)after);
    }
    if (from->dim[i] != KL_UNKNOWN) {
      c->out[0].shape.dim[i] = from->dim[i] + before + after;
    }
  }
  if (c->in[1].shape.ndim != 0) {
    return kl_fail(KL_ESHAPE, "the value to pad with must be a scalar");
  }
  return KL_OK;
}

static kl_tensor *pad_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  const kl_shape *from = &kl_vjp_in_spec(v, 0)->shape;
  kl_attr attrs[2] = {v->node->attrs[0], {.n = from->ndim, .given = 1}};
  memcpy(attrs[1].v, from->dim, sizeof attrs[1].v);
  kl_tensor *inside = kl_build_op(b, &kl_op_slice, attrs, 1, &v->cotangents[0]);
  if (v->arg == 0) {
    return inside;
  }
  kl_attr all = {0};
  return kl_build_sub(b, kl_build_sum(b, v->cotangents[0], &all, false), kl_build_sum(b, inside, &all, false));
}

const kl_op kl_op_pad = {
    KL_ROW(pad, "x with `before` and `after` elements of a value around it, per axis."),
    .params = pad_params,
    .types = KL_TYPES_PROMOTE,
    .outputs = 1,
    .infer = pad_infer,
    .vjp = pad_vjp,
};
