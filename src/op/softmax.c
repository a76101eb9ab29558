/* Functions of a whole axis that need one pass over it for their numerics: softmax and its losses. */
#include "op/axes.h"
#include "op/elementwise.h"

static const kl_param softmax_params[] = {KL_PARAM("x", KL_TENSOR), KL_DEFAULT("axis", KL_AXIS, -1), {0}};

static kl_status softmax_infer(kl_infer *c) {
  c->out[0] = c->in[0];
  c->attrs[0].given = 1; /* the default counts as given from here on: gradient rules sum over it */
  return kl_axis_normalize(&c->attrs[0].v[0], c->in[0].shape.ndim);
}

static kl_tensor *sum_kept(kl_vjp *v, kl_tensor *x) { return kl_build_sum(&v->build, x, &v->node->attrs[0], true); }

/* dx = y (g - sum(g y)). */
static kl_tensor *softmax_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  kl_tensor *g = v->cotangents[0], *y = kl_vjp_out(v, 0);
  return kl_build_mul(b, y, kl_build_sub(b, g, sum_kept(v, kl_build_mul(b, g, y))));
}

static bool over_last_axis(const kl_attr *attrs, const kl_spec *in) { return attrs[0].v[0] == in->shape.ndim - 1; }

const kl_op kl_op_softmax = {
    KL_ROW(softmax, "exp(x - max) / sum(exp(x - max)) along an axis (Goodfellow et al., Deep Learning, 4.1)."),
    .params = softmax_params,
    .types = KL_TYPES_FLOAT,
    .outputs = 1,
    .infer = softmax_infer,
    .vjp = softmax_vjp,
    .links_logits = over_last_axis,
    .saves = KL_SAVE_OUT(0),
};

/* dx = g - exp(y) sum(g). */
static kl_tensor *log_softmax_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  kl_tensor *g = v->cotangents[0], *p = kl_build_unary(b, &kl_op_exp, kl_vjp_out(v, 0));
  return kl_build_sub(b, g, kl_build_mul(b, p, sum_kept(v, g)));
}

const kl_op kl_op_log_softmax = {
    KL_ROW(log_softmax,
           "x - max - log(sum(exp(x - max))) along an axis: the logarithm of softmax, exact where it is tiny."),
    .params = softmax_params,
    .types = KL_TYPES_FLOAT,
    .outputs = 1,
    .infer = softmax_infer,
    .vjp = log_softmax_vjp,
    .saves = KL_SAVE_OUT(0),
};

static const kl_param cross_entropy_params[] = {KL_PARAM("labels", KL_TENSOR), KL_PARAM("logits", KL_TENSOR), {0}};

/* One label for each row of the logits; *rows becomes their shape. */
static kl_status check_labels(const kl_infer *c, kl_shape *rows) {
  const kl_shape *labels = &c->in[0].shape, *logits = &c->in[1].shape;
  char a[KL_SHAPE_TEXT], b[KL_SHAPE_TEXT];
  *rows = *logits;
  rows->ndim -= logits->ndim > 0;
  if (!kl_dtype_is_float(c->in[1].dtype)) {
    return kl_fail(KL_EDTYPE, "logits must be floats, got %s", kl_dtype_name(c->in[1].dtype));
  }
  if (logits->ndim == 0 || !kl_shapes_agree(labels, rows)) {
    return kl_fail(KL_ESHAPE, "labels of shape %s do not fit logits of shape %s: one label per row expected",
                   kl_shape_text(labels, a), kl_shape_text(logits, b));
  }
  return KL_OK;
}

static kl_status cross_entropy_infer(kl_infer *c) {
  kl_shape rows;
  KL_TRY(check_labels(c, &rows));
  c->out[0] = (kl_spec){c->in[1].dtype, rows};
  c->out[1] = c->in[1];
  return KL_OK;
}

/* With p = softmax(logits): d loss / d logits = p - onehot(label); p itself is a hidden result and passes on what
 * arrives at it, so that the rule can be differentiated again. */
static kl_tensor *cross_entropy_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  if (v->arg == 0) { /* labels are positions even where their type is a float one */
    return NULL;
  }
  kl_tensor *p = kl_vjp_out(v, 1), *total = NULL;
  const kl_spec *spec = kl_vjp_out_spec(v, 1);
  int last = spec->shape.ndim - 1;
  kl_attr axis = {.n = 1, .given = 1, .v = {last}};
  if (v->cotangents[0] != NULL) {
    kl_tensor *difference = kl_build_binary(b, &kl_op_subtract_one_hot, kl_vjp_in(v, 0), p);
    kl_tensor *g = kl_build_op(b, &kl_op_expand_dims, &axis, 1, &v->cotangents[0]);
    total = kl_build_mul(b, g, difference);
  }
  if (v->cotangents[1] != NULL) {
    kl_tensor *g = v->cotangents[1];
    kl_tensor *mean = kl_build_sum(b, kl_build_mul(b, g, p), &axis, true);
    kl_tensor *through = kl_build_mul(b, p, kl_build_sub(b, g, mean));
    total = total == NULL ? through : kl_build_add(b, total, through);
  }
  return total;
}

const kl_op kl_op_sparse_softmax_cross_entropy = {
    KL_ROW(
        sparse_softmax_cross_entropy,
        "-log(softmax(logits)[label]) along the last axis; labels count from 0, one outside the classes is an error."),
    .params = cross_entropy_params,
    .flags = KL_CHECKS,
    .outputs = 1,
    .hidden = 1,
    .infer = cross_entropy_infer,
    .vjp = cross_entropy_vjp,
    .saves = KL_SAVE_IN(0) | KL_SAVE_OUT(1),
};

static kl_status subtract_one_hot_infer(kl_infer *c) {
  kl_shape rows;
  KL_TRY(check_labels(c, &rows));
  c->out[0] = c->in[1];
  return KL_OK;
}

static kl_tensor *subtract_one_hot_vjp(kl_vjp *v) { return v->arg == 0 ? NULL : v->cotangents[0]; }

const kl_op kl_op_subtract_one_hot = {
    KL_ROW(subtract_one_hot,
           "logits with 1 subtracted at the label of each row of the last axis, as logits - one_hot(labels) is."),
    .params = cross_entropy_params,
    .flags = KL_CHECKS,
    .outputs = 1,
    .infer = subtract_one_hot_infer,
    .vjp = subtract_one_hot_vjp,
};
