/* Gathering and scattering by tensors of indices, which count from 0; negative ones count from the end; one out of
 * range is an error of the kernel, before anything is written. */
#include <string.h>

#include "op/axes.h"
#include "op/elementwise.h"

static kl_status check_indices(const kl_spec *indices) {
  if (!kl_dtype_is_int(indices->dtype)) {
    return kl_fail(KL_EDTYPE, "indices must be integers, got %s", kl_dtype_name(indices->dtype));
  }
  return KL_OK;
}

static const kl_param take_params[] = {
    KL_PARAM("x", KL_TENSOR), KL_PARAM("indices", KL_TENSOR), KL_OPTIONAL("axis", KL_AXIS), {0}};

/* Without an axis x is taken as flat. */
static kl_status take_infer(kl_infer *c) {
  const kl_shape *x = &c->in[0].shape, *indices = &c->in[1].shape;
  KL_TRY(check_indices(&c->in[1]));
  c->out[0] = (kl_spec){c->in[0].dtype, *indices};
  if (!c->attrs[0].given) {
    return KL_OK;
  }
  KL_TRY(kl_axis_normalize(&c->attrs[0].v[0], x->ndim));
  int axis = (int)c->attrs[0].v[0];
  if (x->ndim - 1 + indices->ndim > KL_MAX_NDIM) {
    return kl_fail(KL_ESHAPE, "the result would have %d axes, the largest rank is %d", x->ndim - 1 + indices->ndim,
                   KL_MAX_NDIM);
  }
  kl_shape out = {.ndim = x->ndim - 1 + indices->ndim};
  for (int i = 0; i < out.ndim; i++) {
    out.dim[i] = i < axis                   ? x->dim[i]
                 : i < axis + indices->ndim ? indices->dim[i - axis]
                                            : x->dim[i - indices->ndim + 1];
  }
  c->out[0].shape = out;
  return KL_OK;
}

/* The cotangent's rows are added at their indices: with the axis in front, x is a table of rows. */
static kl_tensor *take_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  const kl_spec *x = kl_vjp_in_spec(v, 0), *indices = kl_vjp_in_spec(v, 1);
  kl_tensor *g = v->cotangents[0];
  int64_t n = kl_shape_numel(&indices->shape);
  kl_shape rows = x->shape; /* x with the axis in front, or flat */
  kl_attr back = {.n = x->shape.ndim, .given = 1};
  if (!v->node->attrs[0].given) {
    rows = (kl_shape){1, {kl_shape_numel(&x->shape)}};
    g = kl_build_reshape(b, g, &(kl_shape){1, {n}});
  } else {
    int axis = (int)v->node->attrs[0].v[0];
    kl_shape joined = x->shape; /* g's shape with the index axes joined to one */
    joined.dim[axis] = n;
    g = kl_build_reshape(b, g, &joined);
    kl_attr front = {.n = x->shape.ndim, .given = 1};
    for (int i = 0; i < front.n; i++) {
      front.v[i] = i == 0 ? axis : i <= axis ? i - 1 : i;
      rows.dim[i] = x->shape.dim[front.v[i]];
    }
    for (int i = 0; i < front.n; i++) {
      back.v[front.v[i]] = i;
    }
    g = kl_build_transpose(b, g, &front);
  }
  kl_tensor *zeros = kl_build_fill(b, &(kl_spec){x->dtype, rows}, 0);
  kl_tensor *at = kl_build_reshape(b, kl_vjp_in(v, 1), &(kl_shape){2, {n, 1}});
  kl_tensor *sum = kl_build_op(b, &kl_op_scatter_add, NULL, 3, (kl_tensor *[3]){zeros, at, g});
  return v->node->attrs[0].given ? kl_build_transpose(b, sum, &back) : kl_build_reshape(b, sum, &x->shape);
}

const kl_op kl_op_take = {
    KL_ROW(
        take,
        "The slices of x at `indices` (from 0, negative from the end) along an axis; of flat x where none is given."),
    .alias = "gather",
    .params = take_params,
    .types = KL_TYPES_WIDE, /* an index that is a Lua number is an integer, whatever x is */
    .flags = KL_CHECKS,
    .outputs = 1,
    .infer = take_infer,
    .vjp = take_vjp,
    .saves = KL_SAVE_IN(1),
};

static const kl_param along_params[] = {
    KL_PARAM("x", KL_TENSOR), KL_PARAM("indices", KL_TENSOR), KL_DEFAULT("axis", KL_AXIS, -1), {0}};

static kl_status check_along(const kl_infer *c, int axis, const kl_shape *x, const kl_shape *indices) {
  (void)c;
  bool fits = x->ndim == indices->ndim;
  for (int i = 0; i < x->ndim && fits; i++) {
    fits = i == axis || x->dim[i] == indices->dim[i] || x->dim[i] == KL_UNKNOWN || indices->dim[i] == KL_UNKNOWN;
  }
  if (!fits) {
    char a[KL_SHAPE_TEXT], b[KL_SHAPE_TEXT];
    return kl_fail(KL_ESHAPE, "x of shape %s and indices of shape %s must agree in all axes but axis %d",
                   kl_shape_text(x, a), kl_shape_text(indices, b), axis + 1);
  }
  return KL_OK;
}

static kl_status along_infer(kl_infer *c) {
  KL_TRY(check_indices(&c->in[1]));
  KL_TRY(kl_axis_normalize(&c->attrs[0].v[0], c->in[0].shape.ndim));
  c->out[0] = (kl_spec){c->in[0].dtype, c->in[1].shape};
  return check_along(c, (int)c->attrs[0].v[0], &c->in[0].shape, &c->in[1].shape);
}

static kl_tensor *along_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  kl_tensor *zeros = kl_build_fill(b, kl_vjp_in_spec(v, 0), 0);
  return kl_build_op(b, &kl_op_scatter_add_along_axis, v->node->attrs, 3,
                     (kl_tensor *[3]){zeros, kl_vjp_in(v, 1), v->cotangents[0]});
}

const kl_op kl_op_take_along_axis = {
    KL_ROW(take_along_axis, "One element of x per index, at the index's own place in all axes but one (numpy)."),
    .params = along_params,
    .flags = KL_CHECKS,
    .outputs = 1,
    .infer = along_infer,
    .vjp = along_vjp,
    .saves = KL_SAVE_IN(1),
};

static kl_status check_updates(const kl_infer *c, const kl_shape *expected) {
  if (c->in[0].dtype != c->in[2].dtype) {
    return kl_fail(KL_EDTYPE, "x is %s, updates are %s: cast one of them", kl_dtype_name(c->in[0].dtype),
                   kl_dtype_name(c->in[2].dtype));
  }
  if (c->in[0].dtype == KL_BOOL) {
    return kl_fail(KL_EDTYPE, "not defined for bool: cast the tensor first, for example to \"int32\"");
  }
  if (!kl_shapes_agree(expected, &c->in[2].shape)) {
    char a[KL_SHAPE_TEXT], b[KL_SHAPE_TEXT];
    return kl_fail(KL_ESHAPE, "updates must have shape %s, got %s", kl_shape_text(expected, a),
                   kl_shape_text(&c->in[2].shape, b));
  }
  return KL_OK;
}

static const kl_param scatter_params[] = {
    KL_PARAM("x", KL_TENSOR), KL_PARAM("indices", KL_TENSOR), KL_PARAM("updates", KL_TENSOR), {0}};

/* indices (n, k) name places in the first k axes; updates are (n, rest of x's axes). */
static kl_status scatter_infer(kl_infer *c) {
  const kl_shape *x = &c->in[0].shape, *indices = &c->in[1].shape;
  KL_TRY(check_indices(&c->in[1]));
  if (indices->ndim != 2 || indices->dim[1] < 1 || indices->dim[1] > x->ndim) {
    char text[KL_SHAPE_TEXT];
    return kl_fail(KL_ESHAPE, "indices must have shape (n, k) with k from 1 to %d, got %s", x->ndim,
                   kl_shape_text(indices, text));
  }
  int k = (int)indices->dim[1];
  kl_shape expected = {.ndim = x->ndim - k + 1, .dim = {indices->dim[0]}};
  for (int i = k; i < x->ndim; i++) {
    expected.dim[i - k + 1] = x->dim[i];
  }
  c->out[0] = c->in[0];
  return check_updates(c, &expected);
}

/* Row `indices[i]` of g, all at once: g's first k axes are one flat axis. */
static kl_tensor *scatter_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  if (v->arg == 0) {
    return v->cotangents[0];
  }
  const kl_shape *x = &kl_vjp_in_spec(v, 0)->shape, *indices = &kl_vjp_in_spec(v, 1)->shape;
  int k = (int)indices->dim[1];
  kl_attr column[2] = {{.n = 2, .given = 1}, {.n = 2, .given = 1, .v = {indices->dim[0], 1}}};
  kl_tensor *flat = NULL;
  for (int axis = 0; axis < k; axis++) {
    kl_tensor *at = kl_vjp_in(v, 1), *length = kl_build_int(b, x->dim[axis]), *zero = kl_build_int(b, 0);
    column[0].v[1] = axis;
    at = kl_build_op(b, &kl_op_slice, column, 1, &at);
    at = kl_build_cast(b, kl_build_reshape(b, at, &(kl_shape){1, {indices->dim[0]}}), KL_INT64);
    at = kl_build_where(b, kl_build_binary(b, &kl_op_less, at, zero), kl_build_add(b, at, length), at);
    flat = flat == NULL ? at : kl_build_add(b, kl_build_mul(b, flat, length), at);
  }
  kl_shape rows = {.ndim = x->ndim - k + 1, .dim = {1}};
  for (int i = 0; i < x->ndim; i++) {
    rows.dim[i < k ? 0 : i - k + 1] = i < k ? rows.dim[0] * x->dim[i] : x->dim[i];
  }
  kl_attr axis = {.n = 1, .given = 1};
  kl_tensor *table = kl_build_reshape(b, v->cotangents[0], &rows);
  return kl_build_op(b, &kl_op_take, &axis, 2, (kl_tensor *[2]){table, flat});
}

const kl_op kl_op_scatter_add = {
    KL_ROW(scatter_add,
           "x with updates[i] added at indices[i]: indices (n, k) name places in x's first k axes; equal indices add "
           "up in order."),
    .params = scatter_params,
    .flags = KL_CHECKS,
    .outputs = 1,
    .infer = scatter_infer,
    .vjp = scatter_vjp,
    .saves = KL_SAVE_IN(1),
};

static const kl_param scatter_along_params[] = {KL_PARAM("x", KL_TENSOR),
                                                KL_PARAM("indices", KL_TENSOR),
                                                KL_PARAM("updates", KL_TENSOR),
                                                KL_DEFAULT("axis", KL_AXIS, -1),
                                                {0}};

static kl_status scatter_along_infer(kl_infer *c) {
  KL_TRY(check_indices(&c->in[1]));
  KL_TRY(kl_axis_normalize(&c->attrs[0].v[0], c->in[0].shape.ndim));
  c->out[0] = c->in[0];
  KL_TRY(check_along(c, (int)c->attrs[0].v[0], &c->in[0].shape, &c->in[1].shape));
  return check_updates(c, &c->in[1].shape);
}

static kl_tensor *scatter_along_vjp(kl_vjp *v) {
  return v->arg == 0 ? v->cotangents[0]
                     : kl_build_op(&v->build, &kl_op_take_along_axis, v->node->attrs, 2,
                                   (kl_tensor *[2]){v->cotangents[0], kl_vjp_in(v, 1)});
}

const kl_op kl_op_scatter_add_along_axis = {
    KL_ROW(scatter_add_along_axis,
           "x with each update added at its index along an axis, at its own place in the others."),
    .params = scatter_along_params,
    .flags = KL_CHECKS,
    .outputs = 1,
    .infer = scatter_along_infer,
    .vjp = scatter_along_vjp,
    .saves = KL_SAVE_IN(1),
};

static const kl_param one_hot_params[] = {KL_PARAM("x", KL_TENSOR),
                                          KL_PARAM("num_classes", KL_INT),
                                          KL_DEFAULT("axis", KL_AXIS, -1),
                                          KL_DEFAULT("dtype", KL_DTYPE, KL_FLOAT32),
                                          {0}};

static kl_status one_hot_infer(kl_infer *c) {
  const kl_shape *x = &c->in[0].shape;
  if (!kl_dtype_is_int(c->in[0].dtype) && c->in[0].dtype != KL_BOOL) {
    return kl_fail(KL_EDTYPE, "classes must be integers, got %s", kl_dtype_name(c->in[0].dtype));
  }
  if (c->attrs[0].v[0] < 1 || c->attrs[0].v[0] > INT32_MAX) {
    return kl_fail(KL_EVALUE, "num_classes must be positive, got %lld", (long long)c->attrs[0].v[0]);
  }
  if (x->ndim == KL_MAX_NDIM) {
    return kl_fail(KL_ESHAPE, "the tensor has %d axes already, the largest rank", KL_MAX_NDIM);
  }
  KL_TRY(kl_axis_normalize(&c->attrs[1].v[0], x->ndim + 1));
  int axis = (int)c->attrs[1].v[0];
  c->out[0] = (kl_spec){(kl_dtype)c->attrs[2].v[0], {.ndim = x->ndim + 1}};
  for (int i = 0; i <= x->ndim; i++) {
    c->out[0].shape.dim[i] = i < axis ? x->dim[i] : i == axis ? c->attrs[0].v[0] : x->dim[i - 1];
  }
  return KL_OK;
}

const kl_op kl_op_one_hot = {
    KL_ROW(
        one_hot,
        "1 at the place of each class (from 0) along a new axis, 0 elsewhere; all 0 for a negative or larger class."),
    .params = one_hot_params,
    .outputs = 1,
    .infer = one_hot_infer,
    KL_CONSTANT("the input is an index"),
};

static const kl_param nonzero_params[] = {KL_PARAM("x", KL_TENSOR), KL_PARAM("size", KL_INT), {0}};

static kl_status nonzero_infer(kl_infer *c) {
  const kl_shape *x = &c->in[0].shape;
  if (x->ndim == 0) {
    return kl_fail(KL_ESHAPE, "a tensor with at least one axis expected, got one of shape ()");
  }
  for (int i = 0; i < x->ndim; i++) {
    if (x->dim[i] > INT32_MAX) {
      return kl_fail(KL_ESHAPE, "axis %d has %lld elements, more than an int32 counts", i + 1, (long long)x->dim[i]);
    }
  }
  if (c->attrs[0].v[0] < 0) {
    return kl_fail(KL_EVALUE, "'size' must be at least 0, got %lld", (long long)c->attrs[0].v[0]);
  }
  c->out[0] = (kl_spec){KL_INT32, {2, {x->ndim, c->attrs[0].v[0]}}};
  return KL_OK;
}

/* How many there are must be known beforehand, as every shape must: lua/kl/ops/selection.lua counts them first. */
const kl_op kl_op_nonzero = {
    KL_ROW(nonzero,
           "The positions, from 0, of the `size` elements that are not 0, in C order: (rank of x, size), a row for "
           "each axis; another number of them is an error."),
    .params = nonzero_params,
    .types = KL_TYPES_BOOL,
    .flags = KL_CHECKS,
    .outputs = 1,
    .infer = nonzero_infer,
    KL_CONSTANT("the result is a position"),
};
