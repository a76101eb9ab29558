/* Updates of optimizers: one elementwise primitive each for the plain forms, so that a variable and its slots are
 * written in one pass over memory, and the update directions alone for forms with momentum and the like.  A plan that
 * updates a weight on the gradient tile rounds exactly as immediate mode does (docs/numerics.md).  Formulas:
 * keras-semantics 2.4. */
#include "op/elementwise.h"

#define G (v->cotangents[0])

static kl_tensor *mul(kl_vjp *v, kl_tensor *x, kl_tensor *y) { return kl_build_mul(&v->build, x, y); }
static kl_tensor *div(kl_vjp *v, kl_tensor *x, kl_tensor *y) { return kl_build_binary(&v->build, &kl_op_divide, x, y); }
static kl_tensor *scaled(kl_vjp *v, kl_tensor *x, double c) { return mul(v, x, kl_build_float(&v->build, c)); }

/* y = rate g / sqrt(d), d = velocity + epsilon: each slope is y over its variable, -y/(2d) for those in d; written
 * without dividing by g or rate, which may be 0. */
static kl_tensor *rmsprop_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  kl_tensor *g = kl_vjp_in(v, 0), *velocity = kl_vjp_in(v, 1), *rate = kl_vjp_in(v, 2), *epsilon = kl_vjp_in(v, 3);
  kl_tensor *d = kl_build_add(b, velocity, epsilon);
  kl_tensor *root = kl_build_unary(b, &kl_op_rsqrt, d);
  switch (v->arg) {
    case 0:
      return mul(v, G, mul(v, root, rate));
    case 2:
      return mul(v, G, mul(v, root, g));
    default:
      return scaled(v, mul(v, G, div(v, mul(v, mul(v, root, g), rate), d)), -0.5);
  }
}

#define NO_GRADIENT \
  KL_CONSTANT("it is an optimizer's update; write it with other operations to differentiate through it")

static const kl_param rmsprop_update_params[] = {KL_PARAM("gradient", KL_TENSOR), KL_PARAM("variable", KL_TENSOR),
                                                 KL_PARAM("velocity", KL_TENSOR), KL_PARAM("learning_rate", KL_SCALAR),
                                                 KL_PARAM("rho", KL_SCALAR),      KL_PARAM("one_minus_rho", KL_SCALAR),
                                                 KL_PARAM("epsilon", KL_SCALAR),  {0}};

const kl_op kl_op_rmsprop_update = {
    KL_ROW(rmsprop_update,
           "RMSprop: v = velocity * rho + gradient^2 * one_minus_rho; the list {variable - learning_rate * gradient / "
           "sqrt(v + epsilon), v}."),
    .params = rmsprop_update_params,
    .types = KL_TYPES_FLOAT,
    .flags = KL_ELEMENTWISE,
    .outputs = 2,
    NO_GRADIENT,
};

static const kl_param rmsprop_params[] = {KL_PARAM("gradient", KL_TENSOR),
                                          KL_PARAM("velocity", KL_TENSOR),
                                          KL_PARAM("learning_rate", KL_SCALAR),
                                          KL_PARAM("epsilon", KL_SCALAR),
                                          {0}};

const kl_op kl_op_rmsprop_direction = {
    KL_ROW(rmsprop_direction, "learning_rate * gradient / sqrt(velocity + epsilon)."),
    .params = rmsprop_params,
    .types = KL_TYPES_FLOAT,
    .flags = KL_ELEMENTWISE,
    .outputs = 1,
    .vjp = rmsprop_vjp,
    .saves = KL_SAVE_IN(0) | KL_SAVE_IN(1) | KL_SAVE_IN(2) | KL_SAVE_IN(3),
};

/* y = rate m / (s + epsilon), s = sqrt(velocity). */
static kl_tensor *adam_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  kl_tensor *m = kl_vjp_in(v, 0), *velocity = kl_vjp_in(v, 1), *rate = kl_vjp_in(v, 2), *epsilon = kl_vjp_in(v, 3);
  kl_tensor *s = kl_build_unary(b, &kl_op_sqrt, velocity);
  kl_tensor *d = kl_build_add(b, s, epsilon);
  switch (v->arg) {
    case 0:
      return div(v, mul(v, G, rate), d);
    case 2:
      return div(v, mul(v, G, m), d);
    default: {
      kl_tensor *by_d = div(v, div(v, mul(v, mul(v, G, m), rate), d), d);
      return v->arg == 3 ? kl_build_unary(b, &kl_op_negative, by_d) : scaled(v, div(v, by_d, s), -0.5);
    }
  }
}

static const kl_param adam_update_params[] = {
    KL_PARAM("gradient", KL_TENSOR),         KL_PARAM("variable", KL_TENSOR), KL_PARAM("momentum", KL_TENSOR),
    KL_PARAM("velocity", KL_TENSOR),         KL_PARAM("alpha", KL_SCALAR),    KL_PARAM("one_minus_beta_1", KL_SCALAR),
    KL_PARAM("one_minus_beta_2", KL_SCALAR), KL_PARAM("epsilon", KL_SCALAR),  {0}};

const kl_op kl_op_adam_update = {
    KL_ROW(adam_update,
           "Adam: m = momentum + (gradient - momentum) * one_minus_beta_1; v = velocity + (gradient^2 - velocity) * "
           "one_minus_beta_2; the list {variable - alpha * m / (sqrt(v) + epsilon), m, v}."),
    .params = adam_update_params,
    .types = KL_TYPES_FLOAT,
    .flags = KL_ELEMENTWISE,
    .outputs = 3,
    NO_GRADIENT,
};

static const kl_param adam_params[] = {KL_PARAM("momentum", KL_TENSOR),
                                       KL_PARAM("velocity", KL_TENSOR),
                                       KL_PARAM("learning_rate", KL_SCALAR),
                                       KL_PARAM("epsilon", KL_SCALAR),
                                       {0}};

const kl_op kl_op_adam_direction = {
    KL_ROW(adam_direction, "learning_rate * momentum / (sqrt(velocity) + epsilon)."),
    .params = adam_params,
    .types = KL_TYPES_FLOAT,
    .flags = KL_ELEMENTWISE,
    .outputs = 1,
    .vjp = adam_vjp,
    .saves = KL_SAVE_IN(0) | KL_SAVE_IN(1) | KL_SAVE_IN(2) | KL_SAVE_IN(3),
};
