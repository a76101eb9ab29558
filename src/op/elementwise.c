/* Elementwise operations: rows and gradient rules.  Inputs are broadcast by the door; no rule here knows of it, the
 * sweep sums a cotangent back to the input's shape. */
#include "op/build.h"

static const kl_param unary_params[] = {KL_PARAM("x", KL_TENSOR), {0}};
static const kl_param binary_params[] = {KL_PARAM("x1", KL_TENSOR), KL_PARAM("x2", KL_TENSOR), {0}};

static kl_tensor *cotangent(const kl_vjp *v) { return v->cotangents[0]; }

static kl_tensor *add_vjp(kl_vjp *v) { return cotangent(v); }

const kl_op kl_op_add = {
    .id = KL_OP_add,
    .name = "add",
    .doc = "x1 + x2, elementwise; for bool the logical or.",
    .params = binary_params,
    .types = KL_TYPES_PROMOTE,
    .flags = KL_ELEMENTWISE,
    .outputs = 1,
    .vjp = add_vjp,
};

static kl_tensor *subtract_vjp(kl_vjp *v) {
  return v->arg == 0 ? cotangent(v) : kl_build_mul(&v->build, cotangent(v), kl_build_int(&v->build, -1));
}

const kl_op kl_op_subtract = {
    .id = KL_OP_subtract,
    .name = "subtract",
    .doc = "x1 - x2, elementwise.",
    .params = binary_params,
    .types = KL_TYPES_PROMOTE,
    .flags = KL_ELEMENTWISE | KL_NO_BOOL,
    .outputs = 1,
    .vjp = subtract_vjp,
};

static kl_tensor *multiply_vjp(kl_vjp *v) { return kl_build_mul(&v->build, cotangent(v), kl_vjp_in(v, 1 - v->arg)); }

const kl_op kl_op_multiply = {
    .id = KL_OP_multiply,
    .name = "multiply",
    .doc = "x1 * x2, elementwise; for bool the logical and.",
    .params = binary_params,
    .types = KL_TYPES_PROMOTE,
    .flags = KL_ELEMENTWISE,
    .outputs = 1,
    .vjp = multiply_vjp,
    .saves = KL_SAVE_IN(0) | KL_SAVE_IN(1),
};

static kl_status cast_infer(kl_infer *c) {
  c->out[0].dtype = (kl_dtype)c->attrs[0].v[0];
  return KL_OK;
}

static kl_tensor *cast_vjp(kl_vjp *v) { return kl_build_cast(&v->build, cotangent(v), kl_vjp_in_spec(v, 0)->dtype); }

static const kl_param cast_params[] = {KL_PARAM("x", KL_TENSOR), KL_PARAM("dtype", KL_DTYPE), {0}};

const kl_op kl_op_cast = {
    .id = KL_OP_cast,
    .name = "cast",
    .alias = "convert_type",
    .doc = "x with another element type; floats are cut toward zero, numbers other than 0 are true.",
    .params = cast_params,
    .types = KL_TYPES_WIDE,
    .flags = KL_ELEMENTWISE,
    .outputs = 1,
    .infer = cast_infer,
    .vjp = cast_vjp,
};

const kl_op kl_op_copy = {
    .id = KL_OP_copy,
    .name = "copy",
    .doc = "x in a storage of its own, in C order.",
    .params = unary_params,
    .flags = KL_ELEMENTWISE,
    .outputs = 1,
    .vjp = add_vjp,
};
