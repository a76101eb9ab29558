/* Elementwise arithmetic: rows and gradient rules.  Inputs are broadcast by the door; no rule here knows of it, the
 * sweep sums a cotangent back to the input's shape. */
#include "op/elementwise.h"

const kl_param kl_unary_params[] = {KL_PARAM("x", KL_TENSOR), {0}};
const kl_param kl_binary_params[] = {KL_PARAM("x1", KL_TENSOR), KL_PARAM("x2", KL_TENSOR), {0}};

static kl_tensor *pass_on_vjp(kl_vjp *v) { return v->cotangents[0]; }

const kl_op kl_op_add = {
    KL_BINARY(add, "x1 + x2; for bool the logical or."),
    .types = KL_TYPES_PROMOTE,
    .flags = KL_ELEMENTWISE,
    .vjp = pass_on_vjp,
};

static kl_tensor *subtract_vjp(kl_vjp *v) {
  return v->arg == 0 ? v->cotangents[0] : kl_build_unary(&v->build, &kl_op_negative, v->cotangents[0]);
}

const kl_op kl_op_subtract = {
    KL_BINARY(subtract, "x1 - x2."),      .alias = "sub",      .types = KL_TYPES_PROMOTE,
    .flags = KL_ELEMENTWISE | KL_NO_BOOL, .vjp = subtract_vjp,
};

static kl_tensor *multiply_vjp(kl_vjp *v) {
  return kl_build_mul(&v->build, v->cotangents[0], kl_vjp_in(v, 1 - v->arg));
}

const kl_op kl_op_multiply = {
    KL_BINARY(multiply, "x1 * x2; for bool the logical and."),
    .alias = "mul",
    .types = KL_TYPES_PROMOTE,
    .flags = KL_ELEMENTWISE,
    .vjp = multiply_vjp,
    .saves = KL_SAVE_IN(0) | KL_SAVE_IN(1),
};

/* With y = a / b: da = g / b, db = -(g y) / b. */
static kl_tensor *divide_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  kl_tensor *g = v->cotangents[0];
  if (v->arg == 1) {
    g = kl_build_unary(b, &kl_op_negative, kl_build_mul(b, g, kl_vjp_out(v, 0)));
  }
  return kl_build_binary(b, &kl_op_divide, g, kl_vjp_in(v, 1));
}

const kl_op kl_op_divide = {
    KL_BINARY(divide, "x1 / x2, as floats."),
    .alias = "div true_divide",
    .types = KL_TYPES_FLOAT,
    .flags = KL_ELEMENTWISE,
    .vjp = divide_vjp,
    .saves = KL_SAVE_IN(1) | KL_SAVE_OUT(0),
};

/* Like divide, and 0 where x2 is 0: the result does not depend on either there. */
static kl_tensor *divide_no_nan_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  kl_tensor *g = v->cotangents[0];
  if (v->arg == 1) {
    g = kl_build_unary(b, &kl_op_negative, kl_build_mul(b, g, kl_vjp_out(v, 0)));
  }
  return kl_build_binary(b, &kl_op_divide_no_nan, g, kl_vjp_in(v, 1));
}

const kl_op kl_op_divide_no_nan = {
    KL_BINARY(divide_no_nan, "x1 / x2 as floats, and 0 where x2 is 0."),
    .types = KL_TYPES_FLOAT,
    .flags = KL_ELEMENTWISE,
    .vjp = divide_no_nan_vjp,
    .saves = KL_SAVE_IN(1) | KL_SAVE_OUT(0),
};

const kl_op kl_op_floor_divide = {
    KL_BINARY(floor_divide, "The largest whole number not above x1 / x2; an integer divided by 0 is an error."),
    .types = KL_TYPES_PROMOTE,
    .flags = KL_ELEMENTWISE | KL_NO_BOOL | KL_CHECKS,
    KL_CONSTANT("it is constant between jumps"),
};

/* x1 - floor(x1 / x2) x2. */
static kl_tensor *mod_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  if (v->arg == 0) {
    return v->cotangents[0];
  }
  kl_tensor *whole = kl_build_binary(b, &kl_op_floor_divide, kl_vjp_in(v, 0), kl_vjp_in(v, 1));
  return kl_build_unary(b, &kl_op_negative, kl_build_mul(b, v->cotangents[0], whole));
}

const kl_op kl_op_mod = {
    KL_BINARY(mod, "The rest of x1 / x2 with the sign of x2, so that x1 = x2 * floor_divide(x1, x2) + mod(x1, x2)."),
    .types = KL_TYPES_PROMOTE,
    .flags = KL_ELEMENTWISE | KL_NO_BOOL | KL_CHECKS,
    .vjp = mod_vjp,
    .saves = KL_SAVE_IN(0) | KL_SAVE_IN(1),
};

/* da = g b a^(b-1); db = g y log a, and 0 where a <= 0. */
static kl_tensor *power_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  kl_tensor *g = v->cotangents[0], *x = kl_vjp_in(v, 0), *e = kl_vjp_in(v, 1);
  if (v->arg == 0) {
    kl_tensor *less_one;
    if (e->weak == KL_WEAK_INT) { /* a Lua number stays one, in its full precision */
      less_one = kl_build_int(b, e->scalar.integer - 1);
    } else if (e->weak == KL_WEAK_FLOAT) {
      less_one = kl_build_float(b, e->scalar.number - 1);
    } else {
      less_one = kl_build_sub(b, e, kl_build_int(b, 1));
    }
    return kl_build_mul(b, g, kl_build_mul(b, kl_build_binary(b, &kl_op_power, x, less_one), e));
  }
  kl_tensor *zero = kl_build_float(b, 0), *one = kl_build_float(b, 1);
  kl_tensor *positive = kl_build_binary(b, &kl_op_greater, x, zero);
  kl_tensor *safe = kl_build_where(b, positive, x, one);
  kl_tensor *slope = kl_build_mul(b, kl_vjp_out(v, 0), kl_build_unary(b, &kl_op_log, safe));
  return kl_build_mul(b, g, kl_build_where(b, positive, slope, zero));
}

const kl_op kl_op_power = {
    KL_BINARY(power, "x1 to the power of x2; an integer to a negative power is an error."),
    .alias = "pow",
    .types = KL_TYPES_PROMOTE,
    .flags = KL_ELEMENTWISE | KL_NO_BOOL | KL_CHECKS,
    .vjp = power_vjp,
    .saves = KL_SAVE_IN(0) | KL_SAVE_IN(1) | KL_SAVE_OUT(0),
};

static kl_tensor *negative_vjp(kl_vjp *v) { return kl_build_unary(&v->build, &kl_op_negative, v->cotangents[0]); }

const kl_op kl_op_negative = {
    KL_UNARY(negative, "-x."), .alias = "neg", .types = KL_TYPES_PROMOTE, .flags = KL_ELEMENTWISE | KL_NO_BOOL,
    .vjp = negative_vjp,
};

static kl_tensor *abs_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  return kl_build_mul(b, v->cotangents[0], kl_build_unary(b, &kl_op_sign, kl_vjp_in(v, 0)));
}

const kl_op kl_op_abs = {
    KL_UNARY(abs, "The absolute value; its derivative at 0 is 0."),
    .alias = "absolute",
    .types = KL_TYPES_PROMOTE,
    .flags = KL_ELEMENTWISE | KL_NO_BOOL,
    .vjp = abs_vjp,
    .saves = KL_SAVE_IN(0),
};

const kl_op kl_op_sign = {
    KL_UNARY(sign, "-1, 0 or 1."),
    .types = KL_TYPES_PROMOTE,
    .flags = KL_ELEMENTWISE | KL_NO_BOOL,
    KL_CONSTANT("it is constant but for the jump at 0"),
};

static kl_tensor *square_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  return kl_build_mul(b, v->cotangents[0], kl_build_mul(b, kl_vjp_in(v, 0), kl_build_int(b, 2)));
}

const kl_op kl_op_square = {
    KL_UNARY(square, "x * x."), .types = KL_TYPES_PROMOTE, .flags = KL_ELEMENTWISE | KL_NO_BOOL,
    .vjp = square_vjp,          .saves = KL_SAVE_IN(0),
};

/* The cotangent goes to the input that was chosen; to x1 where both are equal (TensorFlow's rule). */
static kl_tensor *chosen_vjp(kl_vjp *v, const kl_op *first_is_chosen) {
  kl_build *b = &v->build;
  kl_tensor *first = kl_build_binary(b, first_is_chosen, kl_vjp_in(v, 0), kl_vjp_in(v, 1));
  kl_tensor *g = v->cotangents[0], *zero = kl_build_float(b, 0);
  return v->arg == 0 ? kl_build_where(b, first, g, zero) : kl_build_where(b, first, zero, g);
}

static kl_tensor *minimum_vjp(kl_vjp *v) { return chosen_vjp(v, &kl_op_less_equal); }
static kl_tensor *maximum_vjp(kl_vjp *v) { return chosen_vjp(v, &kl_op_greater_equal); }

const kl_op kl_op_minimum = {
    KL_BINARY(minimum, "The smaller of x1 and x2; NaN if one is NaN."),
    .types = KL_TYPES_PROMOTE,
    .flags = KL_ELEMENTWISE,
    .vjp = minimum_vjp,
    .saves = KL_SAVE_IN(0) | KL_SAVE_IN(1),
};

const kl_op kl_op_maximum = {
    KL_BINARY(maximum, "The larger of x1 and x2; NaN if one is NaN."),
    .types = KL_TYPES_PROMOTE,
    .flags = KL_ELEMENTWISE,
    .vjp = maximum_vjp,
    .saves = KL_SAVE_IN(0) | KL_SAVE_IN(1),
};

/* Inside the bounds, bounds included, to x; outside to the bound that cut. */
static kl_tensor *clip_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  kl_tensor *x = kl_vjp_in(v, 0), *low = kl_vjp_in(v, 1), *high = kl_vjp_in(v, 2), *zero = kl_build_float(b, 0);
  kl_tensor *below = kl_build_binary(b, &kl_op_less, x, low);
  kl_tensor *above = kl_build_binary(b, &kl_op_greater, x, high);
  kl_tensor *g = v->cotangents[0];
  if (v->arg == 0) {
    return kl_build_where(b, kl_build_binary(b, &kl_op_logical_or, below, above), zero, g);
  }
  return kl_build_where(b, v->arg == 1 ? below : above, g, zero);
}

static const kl_param clip_params[] = {
    KL_PARAM("x", KL_TENSOR), KL_PARAM("x_min", KL_SCALAR), KL_PARAM("x_max", KL_SCALAR), {0}};

const kl_op kl_op_clip = {
    KL_ROW(clip, "x limited to [x_min, x_max]."),
    .alias = "clip_by_value clamp",
    .params = clip_params,
    .types = KL_TYPES_PROMOTE,
    .flags = KL_ELEMENTWISE | KL_NO_BOOL,
    .outputs = 1,
    .vjp = clip_vjp,
    .saves = KL_SAVE_IN(0) | KL_SAVE_IN(1) | KL_SAVE_IN(2),
};

static kl_tensor *where_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  kl_tensor *g = v->cotangents[0], *zero = kl_build_float(b, 0);
  return v->arg == 1 ? kl_build_where(b, kl_vjp_in(v, 0), g, zero) : kl_build_where(b, kl_vjp_in(v, 0), zero, g);
}

static const kl_param where_params[] = {
    KL_PARAM("condition", KL_TENSOR), KL_PARAM("x1", KL_TENSOR), KL_PARAM("x2", KL_TENSOR), {0}};

const kl_op kl_op_where = {
    KL_ROW(where, "x1 where the condition is true, x2 elsewhere."),
    .params = where_params,
    .types = KL_TYPES_WHERE,
    .flags = KL_ELEMENTWISE,
    .outputs = 1,
    .vjp = where_vjp,
    .saves = KL_SAVE_IN(0),
};

static kl_status cast_infer(kl_infer *c) {
  c->out[0].dtype = (kl_dtype)c->attrs[0].v[0];
  return KL_OK;
}

static kl_tensor *cast_vjp(kl_vjp *v) {
  return kl_build_cast(&v->build, v->cotangents[0], kl_vjp_in_spec(v, 0)->dtype);
}

static const kl_param cast_params[] = {KL_PARAM("x", KL_TENSOR), KL_PARAM("dtype", KL_DTYPE), {0}};

const kl_op kl_op_cast = {
    KL_ROW(cast, "x with another element type; floats are cut toward zero, numbers other than 0 are true."),
    .params = cast_params,
    .types = KL_TYPES_WIDE,
    .flags = KL_ELEMENTWISE,
    .outputs = 1,
    .infer = cast_infer,
    .vjp = cast_vjp,
};

const kl_op kl_op_copy = {
    KL_UNARY(copy, "x in a storage of its own, in C order."),
    .alias = "clone",
    .flags = KL_ELEMENTWISE,
    .vjp = pass_on_vjp,
};
