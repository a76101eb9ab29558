/* The builder: bookkeeping, and the handful of ops that gradient rules are written in. */
#include "op/build.h"

#include <string.h>

#include "op/apply.h"

static kl_tensor *own(kl_build *b, kl_status status, kl_tensor *t) {
  if (status == KL_OK && b->n == KL_BUILD_MAX) {
    kl_tensor_release(t);
    status = kl_fail(KL_EUNSUPPORTED, "a gradient rule makes more than %d tensors", KL_BUILD_MAX);
  }
  if (status != KL_OK) {
    b->status = status;
    return NULL;
  }
  b->made[b->n++] = t;
  return t;
}

void kl_build_end(kl_build *b) {
  for (int i = 0; i < b->n; i++) {
    kl_tensor_release(b->made[i]);
  }
  b->n = 0;
}

kl_tensor *kl_build_op(kl_build *b, const kl_op *op, const kl_attr *attrs, int nin, kl_tensor *const *in) {
  kl_tensor *out = NULL;
  if (b->status != KL_OK) {
    return NULL;
  }
  for (int i = 0; i < nin; i++) {
    if (in[i] == NULL) {
      return NULL;
    }
  }
  kl_status status = kl_apply1(op, nin, in, attrs, &out);
  return own(b, status, out);
}

kl_tensor *kl_build_unary(kl_build *b, const kl_op *op, kl_tensor *x) { return kl_build_op(b, op, NULL, 1, &x); }

kl_tensor *kl_build_binary(kl_build *b, const kl_op *op, kl_tensor *x, kl_tensor *y) {
  return kl_build_op(b, op, NULL, 2, (kl_tensor *[2]){x, y});
}

kl_tensor *kl_build_float(kl_build *b, double value) {
  kl_tensor *t = NULL;
  if (b->status != KL_OK) {
    return NULL;
  }
  kl_status status = kl_tensor_new_weak_float(value, &t);
  return own(b, status, t);
}

kl_tensor *kl_build_int(kl_build *b, int64_t value) {
  kl_tensor *t = NULL;
  if (b->status != KL_OK) {
    return NULL;
  }
  kl_status status = kl_tensor_new_weak_int(value, &t);
  return own(b, status, t);
}

kl_tensor *kl_build_add(kl_build *b, kl_tensor *x, kl_tensor *y) { return kl_build_binary(b, &kl_op_add, x, y); }
kl_tensor *kl_build_sub(kl_build *b, kl_tensor *x, kl_tensor *y) { return kl_build_binary(b, &kl_op_subtract, x, y); }
kl_tensor *kl_build_mul(kl_build *b, kl_tensor *x, kl_tensor *y) { return kl_build_binary(b, &kl_op_multiply, x, y); }

kl_tensor *kl_build_where(kl_build *b, kl_tensor *condition, kl_tensor *x, kl_tensor *y) {
  return kl_build_op(b, &kl_op_where, NULL, 3, (kl_tensor *[3]){condition, x, y});
}

kl_tensor *kl_build_cast(kl_build *b, kl_tensor *x, kl_dtype dtype) {
  if (x == NULL || (x->weak == KL_STRONG && x->dtype == dtype)) {
    return x;
  }
  kl_attr attr = {.n = 1, .given = 1, .v = {dtype}};
  return kl_build_op(b, &kl_op_cast, &attr, 1, &x);
}

static void shape_attr(const kl_shape *shape, kl_attr *attr) {
  attr->n = shape->ndim;
  attr->given = 1;
  memcpy(attr->v, shape->dim, sizeof shape->dim[0] * (size_t)shape->ndim);
}

kl_tensor *kl_build_reshape(kl_build *b, kl_tensor *x, const kl_shape *shape) {
  if (x == NULL || kl_shape_equal(&x->shape, shape)) {
    return x;
  }
  kl_attr attr;
  shape_attr(shape, &attr);
  return kl_build_op(b, &kl_op_reshape, &attr, 1, &x);
}

kl_tensor *kl_build_broadcast_to(kl_build *b, kl_tensor *x, const kl_shape *shape) {
  if (x == NULL || kl_shape_equal(&x->shape, shape)) {
    return x;
  }
  kl_attr attr;
  shape_attr(shape, &attr);
  return kl_build_op(b, &kl_op_broadcast_to, &attr, 1, &x);
}

kl_tensor *kl_build_transpose(kl_build *b, kl_tensor *x, const kl_attr *axes) {
  return kl_build_op(b, &kl_op_transpose, axes, 1, &x);
}

kl_tensor *kl_build_matrix_transpose(kl_build *b, kl_tensor *x) {
  if (x == NULL) {
    return NULL;
  }
  kl_attr axes = {.n = x->shape.ndim, .given = 1};
  for (int i = 0; i < axes.n; i++) {
    axes.v[i] = i < axes.n - 2 ? i : 2 * axes.n - 3 - i;
  }
  return kl_build_transpose(b, x, &axes);
}

kl_tensor *kl_build_sum(kl_build *b, kl_tensor *x, const kl_attr *axes, bool keepdims) {
  kl_attr attrs[2] = {*axes, {.n = 1, .given = 1, .v = {keepdims}}};
  return kl_build_op(b, &kl_op_sum, attrs, 1, &x);
}

kl_tensor *kl_build_sum_to(kl_build *b, kl_tensor *x, const kl_shape *shape) {
  if (x == NULL || kl_shape_equal(&x->shape, shape)) {
    return x;
  }
  kl_attr axes = {.n = 0, .given = 1};
  int extra = x->shape.ndim - shape->ndim;
  for (int i = 0; i < x->shape.ndim; i++) {
    if (i < extra || (shape->dim[i - extra] == 1 && x->shape.dim[i] != 1)) {
      axes.v[axes.n++] = i;
    }
  }
  return kl_build_reshape(b, kl_build_sum(b, x, &axes, false), shape);
}

kl_tensor *kl_build_fill(kl_build *b, const kl_spec *spec, double value) {
  return kl_build_broadcast_to(b, kl_build_cast(b, kl_build_float(b, value), spec->dtype), &spec->shape);
}
