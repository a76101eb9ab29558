/* Parts of tensors: windows, and tensors put together of parts. */
#include <string.h>

#include "op/axes.h"
#include "op/elementwise.h"

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
