/* Random numbers: functions of a generator's key and counter, so that the same key gives the same numbers on any number
 * of threads.  Kernels: Philox 4x32-10 (Salmon et al., 2011).  A generator advances its counter when it hands out a key
 * (lua/kl/random.lua), by kl_random_blocks of the result. */
#include "op/elementwise.h"

#include <string.h>

#include "base/philox.h"

static kl_status check_key(const kl_infer *c, int key) {
  const kl_spec *spec = &c->in[key];
  if (spec->dtype != KL_INT64 || spec->shape.ndim != 1 || spec->shape.dim[0] != 2) {
    char text[KL_SHAPE_TEXT];
    return kl_fail(KL_ESHAPE, "the key must be an int64 tensor of shape (2,), got %s %s", kl_dtype_name(spec->dtype),
                   kl_shape_text(&spec->shape, text));
  }
  return KL_OK;
}

/* Attributes: shape, dtype. */
static kl_status draw_infer(kl_infer *c, bool integers_too) {
  KL_TRY(check_key(c, 0));
  kl_dtype dtype = (kl_dtype)c->attrs[1].v[0];
  if (!kl_dtype_is_float(dtype) && !(integers_too && (dtype == KL_INT32 || dtype == KL_INT64 || dtype == KL_UINT8))) {
    return kl_fail(KL_EDTYPE, "%s expected as dtype, got %s",
                   integers_too ? "an integer or float type" : "a float type", kl_dtype_name(dtype));
  }
  c->out[0].dtype = dtype;
  c->out[0].shape.ndim = c->attrs[0].n;
  memcpy(c->out[0].shape.dim, c->attrs[0].v, sizeof c->attrs[0].v);
  for (int i = 0; i < c->attrs[0].n; i++) {
    if (c->attrs[0].v[i] < 0) {
      return kl_fail(KL_ESHAPE, "negative or unknown axis in the shape");
    }
  }
  for (int i = 1; i < c->nin; i++) {
    if (c->in[i].shape.ndim != 0) {
      return kl_fail(KL_ESHAPE, "parameters of a distribution must be scalars");
    }
  }
  return KL_OK;
}

static kl_status float_draw_infer(kl_infer *c) { return draw_infer(c, false); }

#define DISTRIBUTION(op, a, a_default, b, b_default, text)                                                \
  static const kl_param op##_params[] = {KL_PARAM("key", KL_TENSOR),                                      \
                                         KL_PARAM("shape", KL_SHAPE),                                     \
                                         KL_DEFAULT_NUMBER(a, a_default),                                 \
                                         KL_DEFAULT_NUMBER(b, b_default),                                 \
                                         KL_DEFAULT("dtype", KL_DTYPE, KL_FLOAT32),                       \
                                         {0}};                                                            \
  const kl_op kl_op_##op = {                                                                              \
      KL_ROW(op, text),                                                                                   \
      .params = op##_params,                                                                              \
      .types = KL_TYPES_WIDE,                                                                             \
      .flags = KL_RANDOM,                                                                                 \
      .outputs = 1,                                                                                       \
      .infer = float_draw_infer,                                                                          \
      KL_CONSTANT("a draw does not depend smoothly on its parameters; use draw * scale + shift outside"), \
  };

DISTRIBUTION(random_uniform, "minval", 0, "maxval", 1, "Uniform in [minval, maxval).")
DISTRIBUTION(random_normal, "mean", 0, "stddev", 1, "Normal (Box and Muller, 1958).")
DISTRIBUTION(random_truncated_normal, "mean", 0, "stddev", 1,
             "Normal, cut at two standard deviations from the mean and drawn by the inverse distribution function.")

static kl_status randint_infer(kl_infer *c) { return draw_infer(c, true); }

static const kl_param randint_params[] = {KL_PARAM("key", KL_TENSOR),
                                          KL_PARAM("shape", KL_SHAPE),
                                          KL_PARAM("minval", KL_SCALAR),
                                          KL_PARAM("maxval", KL_SCALAR),
                                          KL_DEFAULT("dtype", KL_DTYPE, KL_INT32),
                                          {0}};

const kl_op kl_op_random_randint = {
    KL_ROW(random_randint, "Integers, uniform in [minval, maxval): the upper end is not drawn."),
    .params = randint_params,
    .types = KL_TYPES_WIDE,
    .flags = KL_RANDOM | KL_CHECKS,
    .outputs = 1,
    .infer = randint_infer,
    KL_CONSTANT("the result is an integer"),
};

static const kl_param bernoulli_params[] = {KL_PARAM("key", KL_TENSOR),
                                            KL_PARAM("shape", KL_SHAPE),
                                            KL_DEFAULT_NUMBER("p", 0.5),
                                            KL_DEFAULT("dtype", KL_DTYPE, KL_FLOAT32),
                                            {0}};

const kl_op kl_op_random_bernoulli = {
    KL_ROW(random_bernoulli, "1 with probability p, else 0."),
    .params = bernoulli_params,
    .types = KL_TYPES_WIDE,
    .flags = KL_RANDOM,
    .outputs = 1,
    .infer = randint_infer,
    KL_CONSTANT("the result is 0 or 1"),
};

static kl_status permutation_infer(kl_infer *c) {
  KL_TRY(check_key(c, 0));
  if (c->attrs[0].v[0] < 0 || c->attrs[0].v[0] > INT32_MAX) {
    return kl_fail(KL_EVALUE, "0 to %d elements expected, got %lld", INT32_MAX, (long long)c->attrs[0].v[0]);
  }
  c->out[0] = (kl_spec){KL_INT32, {1, {c->attrs[0].v[0]}}};
  return KL_OK;
}

static const kl_param permutation_params[] = {KL_PARAM("key", KL_TENSOR), KL_PARAM("n", KL_INT), {0}};

const kl_op kl_op_random_permutation = {
    KL_ROW(random_permutation, "The numbers 0 to n - 1 in random order, each order equally likely (Fisher and Yates)."),
    .params = permutation_params,
    .flags = KL_RANDOM,
    .outputs = 1,
    .infer = permutation_infer,
    KL_CONSTANT("the result is an order"),
};

static kl_status dropout_infer(kl_infer *c) {
  KL_TRY(check_key(c, 1));
  if (!kl_dtype_is_float(c->in[0].dtype)) {
    return kl_fail(KL_EDTYPE, "a float tensor expected, got %s", kl_dtype_name(c->in[0].dtype));
  }
  if (c->in[2].shape.ndim != 0) {
    return kl_fail(KL_ESHAPE, "the rate must be a scalar");
  }
  c->out[0] = c->in[0];
  c->out[1] = (kl_spec){KL_BOOL, c->in[0].shape};
  return KL_OK;
}

/* Linear in x: what was kept passes on g / (1 - rate).  The hidden result, one byte an element, says what was kept:
 * drawing it again would cost as much as the draw. */
static kl_tensor *dropout_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  kl_tensor *g = v->cotangents[0], *rate = kl_vjp_in(v, 2), *one = kl_build_float(b, 1), *zero = kl_build_float(b, 0);
  if (v->arg != 0 || g == NULL) {
    return NULL;
  }
  kl_tensor *scale =
      rate->weak == KL_WEAK_FLOAT
          ? kl_build_float(b, 1 / (1 - rate->scalar.number))
          : kl_build_cast(b, kl_build_binary(b, &kl_op_divide, one, kl_build_sub(b, one, rate)), (kl_dtype)g->dtype);
  return kl_build_where(b, kl_vjp_out(v, 1), kl_build_mul(b, g, scale), zero);
}

static const kl_param dropout_params[] = {
    KL_PARAM("x", KL_TENSOR), KL_PARAM("key", KL_TENSOR), KL_PARAM("rate", KL_SCALAR), {0}};

const kl_op kl_op_dropout = {
    KL_ROW(dropout, "Each element times 1/(1 - rate), or 0 with probability rate (Srivastava et al., 2014)."),
    .params = dropout_params,
    .types = KL_TYPES_WIDE,
    .flags = KL_RANDOM,
    .outputs = 1,
    .hidden = 1,
    .infer = dropout_infer,
    .vjp = dropout_vjp,
    .saves = KL_SAVE_IN(2) | KL_SAVE_OUT(1),
};
