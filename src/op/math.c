/* Elementary functions and activations: rows and gradient rules.  Derivatives: Abramowitz & Stegun, chapters 4 and 7.
 */
#include "op/elementwise.h"

/* Words for the rules below. */
static kl_tensor *g_times(kl_vjp *v, kl_tensor *slope) { return kl_build_mul(&v->build, v->cotangents[0], slope); }
static kl_tensor *times(kl_vjp *v, kl_tensor *x, double c) {
  return kl_build_mul(&v->build, x, kl_build_float(&v->build, c));
}
static kl_tensor *plus(kl_vjp *v, kl_tensor *x, double c) {
  return kl_build_add(&v->build, x, kl_build_float(&v->build, c));
}
/* c - x. */
static kl_tensor *from(kl_vjp *v, double c, kl_tensor *x) {
  return kl_build_sub(&v->build, kl_build_float(&v->build, c), x);
}
static kl_tensor *unary(kl_vjp *v, const kl_op *op, kl_tensor *x) { return kl_build_unary(&v->build, op, x); }
static kl_tensor *over(kl_vjp *v, kl_tensor *x, kl_tensor *y) {
  return kl_build_binary(&v->build, &kl_op_divide, x, y);
}
static kl_tensor *squared(kl_vjp *v, kl_tensor *x) { return unary(v, &kl_op_square, x); }

#define X kl_vjp_in(v, 0)
#define Y kl_vjp_out(v, 0)
#define G (v->cotangents[0])

/* A float function of one number whose gradient reads the input or the output; `more` is further fields. */
#define FUNCTION_WITH(op, text, save, more)                                                          \
  const kl_op kl_op_##op = {KL_UNARY(op, text), .types = KL_TYPES_FLOAT,    .flags = KL_ELEMENTWISE, \
                            .vjp = op##_vjp,    .saves = KL_SAVE_##save(0), more};
#define FUNCTION(op, text, save) FUNCTION_WITH(op, text, save, .alias = NULL)

static kl_tensor *sqrt_vjp(kl_vjp *v) { return over(v, times(v, G, 0.5), Y); }
FUNCTION(sqrt, "The square root; NaN below 0.", OUT)

static kl_tensor *rsqrt_vjp(kl_vjp *v) { return g_times(v, times(v, kl_build_mul(&v->build, squared(v, Y), Y), -0.5)); }
FUNCTION(rsqrt, "1 / sqrt(x), correctly rounded twice.", OUT)

static kl_tensor *exp_vjp(kl_vjp *v) { return g_times(v, Y); }
FUNCTION(exp, "e^x.", OUT)

static kl_tensor *expm1_vjp(kl_vjp *v) { return g_times(v, plus(v, Y, 1)); }
FUNCTION(expm1, "e^x - 1, exact near 0.", OUT)

static kl_tensor *log_vjp(kl_vjp *v) { return over(v, G, X); }
FUNCTION(log, "The natural logarithm; -inf at 0, NaN below.", IN)

static kl_tensor *log1p_vjp(kl_vjp *v) { return over(v, G, plus(v, X, 1)); }
FUNCTION(log1p, "log(1 + x), exact near 0.", IN)

static kl_tensor *log2_vjp(kl_vjp *v) { return over(v, times(v, G, 1.4426950408889634), X); } /* 1 / ln 2 */
FUNCTION(log2, "The logarithm to base 2.", IN)

static kl_tensor *log10_vjp(kl_vjp *v) { return over(v, times(v, G, 0.4342944819032518), X); } /* 1 / ln 10 */
FUNCTION(log10, "The logarithm to base 10.", IN)

static kl_tensor *sin_vjp(kl_vjp *v) { return g_times(v, unary(v, &kl_op_cos, X)); }
FUNCTION(sin, "The sine of x in radians.", IN)

static kl_tensor *cos_vjp(kl_vjp *v) { return g_times(v, unary(v, &kl_op_negative, unary(v, &kl_op_sin, X))); }
FUNCTION(cos, "The cosine of x in radians.", IN)

static kl_tensor *tan_vjp(kl_vjp *v) { return g_times(v, plus(v, squared(v, Y), 1)); }
FUNCTION(tan, "The tangent of x in radians.", OUT)

static kl_tensor *arcsin_vjp(kl_vjp *v) { return over(v, G, unary(v, &kl_op_sqrt, from(v, 1, squared(v, X)))); }
FUNCTION_WITH(arcsin, "The angle in [-pi/2, pi/2] whose sine is x; NaN outside [-1, 1].", IN, .alias = "asin")

static kl_tensor *arccos_vjp(kl_vjp *v) { return unary(v, &kl_op_negative, arcsin_vjp(v)); }
FUNCTION_WITH(arccos, "The angle in [0, pi] whose cosine is x; NaN outside [-1, 1].", IN, .alias = "acos")

static kl_tensor *arctan_vjp(kl_vjp *v) { return over(v, G, plus(v, squared(v, X), 1)); }
FUNCTION_WITH(arctan, "The angle in (-pi/2, pi/2) whose tangent is x.", IN, .alias = "atan")

static kl_tensor *sinh_vjp(kl_vjp *v) { return g_times(v, unary(v, &kl_op_cosh, X)); }
FUNCTION(sinh, "The hyperbolic sine.", IN)

static kl_tensor *cosh_vjp(kl_vjp *v) { return g_times(v, unary(v, &kl_op_sinh, X)); }
FUNCTION(cosh, "The hyperbolic cosine.", IN)

static kl_tensor *tanh_vjp(kl_vjp *v) { return g_times(v, from(v, 1, squared(v, Y))); }
FUNCTION(tanh, "The hyperbolic tangent.", OUT)

static kl_tensor *sigmoid_vjp(kl_vjp *v) { return g_times(v, kl_build_mul(&v->build, Y, from(v, 1, Y))); }
static bool always(const kl_attr *attrs, const kl_spec *in) {
  (void)attrs;
  (void)in;
  return true;
}

const kl_op kl_op_sigmoid = {
    KL_UNARY(sigmoid, "1 / (1 + e^-x)."),
    .types = KL_TYPES_FLOAT,
    .flags = KL_ELEMENTWISE,
    .vjp = sigmoid_vjp,
    .links_logits = always,
    .saves = KL_SAVE_OUT(0),
};

static kl_tensor *softplus_vjp(kl_vjp *v) { return g_times(v, unary(v, &kl_op_sigmoid, X)); }
FUNCTION(softplus, "log(1 + e^x), without overflow.", IN)

static kl_tensor *erf_vjp(kl_vjp *v) {
  kl_tensor *bell = unary(v, &kl_op_exp, unary(v, &kl_op_negative, squared(v, X)));
  return g_times(v, times(v, bell, 1.1283791670955126)); /* 2 / sqrt(pi) */
}
FUNCTION(erf, "The error function, 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x.", IN)

/* Angle of the point (x2, x1): d/dx1 = x2 / r^2, d/dx2 = -x1 / r^2. */
static kl_tensor *arctan2_vjp(kl_vjp *v) {
  kl_tensor *y = kl_vjp_in(v, 0), *x = kl_vjp_in(v, 1);
  kl_tensor *r2 = kl_build_add(&v->build, squared(v, x), squared(v, y));
  return g_times(v, v->arg == 0 ? over(v, x, r2) : unary(v, &kl_op_negative, over(v, y, r2)));
}

const kl_op kl_op_arctan2 = {
    KL_BINARY(arctan2, "The angle in [-pi, pi] of the point with ordinate x1 and abscissa x2."),
    .alias = "atan2",
    .types = KL_TYPES_FLOAT,
    .flags = KL_ELEMENTWISE,
    .vjp = arctan2_vjp,
    .saves = KL_SAVE_IN(0) | KL_SAVE_IN(1),
};

#define STEPS(op, type, text)                      \
  const kl_op kl_op_##op = {                       \
      KL_UNARY(op, text),                          \
      .types = type,                               \
      .flags = KL_ELEMENTWISE,                     \
      KL_CONSTANT("it is constant between jumps"), \
  };

STEPS(floor, KL_TYPES_FLOAT, "The largest whole number not above x.")
STEPS(ceil, KL_TYPES_FLOAT, "The smallest whole number not below x.")
STEPS(round, KL_TYPES_PROMOTE, "The nearest whole number, the even one of two.")

static kl_tensor *relu_vjp(kl_vjp *v) {
  kl_tensor *zero = kl_build_float(&v->build, 0);
  return kl_build_where(&v->build, kl_build_binary(&v->build, &kl_op_greater, Y, zero), G, zero);
}

const kl_op kl_op_relu = {
    KL_UNARY(relu, "max(x, 0); its derivative at 0 is 0."),
    .types = KL_TYPES_PROMOTE,
    .flags = KL_ELEMENTWISE | KL_NO_BOOL,
    .vjp = relu_vjp,
    .saves = KL_SAVE_OUT(0),
};
