/* Sorting along an axis, and the largest elements.
 *
 * One order for all of them: ascending numbers, -0 equal to 0, NaNs behind everything and equal to each other, false
 * before true.  Equal elements keep their order, so a result is determined by the elements alone.  Gradients go to the
 * places where the elements came from. */
#include "op/axes.h"
#include "op/elementwise.h"

static const kl_param sort_params[] = {KL_PARAM("x", KL_TENSOR), KL_DEFAULT("axis", KL_AXIS, -1), {0}};

/* Positions are int32 as in Keras. */
static kl_status check_length(int64_t length, int axis) {
  return length <= INT32_MAX
             ? KL_OK
             : kl_fail(KL_ESHAPE, "axis %d has %lld elements, more than an int32 counts", axis + 1, (long long)length);
}

static kl_status sort_infer(kl_infer *c) {
  kl_attr *axis = &c->attrs[0];
  axis->given = 1; /* the default counts as given from here on: the gradient rule hands it to other ops */
  c->out[0] = c->in[0];
  KL_TRY(kl_axis_normalize(&axis->v[0], c->in[0].shape.ndim));
  return check_length(c->in[0].shape.dim[axis->v[0]], (int)axis->v[0]);
}

static kl_status argsort_infer(kl_infer *c) {
  KL_TRY(sort_infer(c));
  c->out[0].dtype = KL_INT32;
  return KL_OK;
}

/* g at the places, along an axis, where the elements came from. */
static kl_tensor *send_back(kl_vjp *v, kl_tensor *places, kl_attr axis) {
  kl_build *b = &v->build;
  kl_tensor *zeros = kl_build_fill(b, kl_vjp_in_spec(v, 0), 0);
  return kl_build_op(b, &kl_op_scatter_add_along_axis, &axis, 3, (kl_tensor *[3]){zeros, places, v->cotangents[0]});
}

/* The order is found again: most sorts are never differentiated, and need not keep it. */
static kl_tensor *sort_vjp(kl_vjp *v) {
  kl_tensor *x = kl_vjp_in(v, 0);
  return send_back(v, kl_build_op(&v->build, &kl_op_argsort, v->node->attrs, 1, &x), v->node->attrs[0]);
}

const kl_op kl_op_sort = {
    KL_ROW(sort, "The elements along an axis in ascending order, NaNs last; equal ones keep their order (numpy)."),
    .params = sort_params,
    .outputs = 1,
    .infer = sort_infer,
    .vjp = sort_vjp,
    .saves = KL_SAVE_IN(0),
};

const kl_op kl_op_argsort = {
    KL_ROW(argsort,
           "The positions, from 0, of the elements along an axis in ascending order, NaNs last; equal ones keep their "
           "order (numpy)."),
    .params = sort_params,
    .outputs = 1,
    .infer = argsort_infer,
    KL_CONSTANT("the result is a position"),
};

static const kl_param top_k_params[] = {
    KL_PARAM("x", KL_TENSOR), KL_PARAM("k", KL_INT), KL_DEFAULT("sorted", KL_BOOLEAN, 1), {0}};

static kl_status top_k_infer(kl_infer *c) {
  const kl_shape *x = &c->in[0].shape;
  int64_t k = c->attrs[0].v[0];
  int last = x->ndim - 1;
  if (x->ndim == 0) {
    return kl_fail(KL_ESHAPE, "a tensor with at least one axis expected, got one of shape ()");
  }
  if (k < 0) {
    return kl_fail(KL_EVALUE, "'k' must be at least 0, got %lld", (long long)k);
  }
  if (x->dim[last] != KL_UNKNOWN && k > x->dim[last]) {
    char text[KL_SHAPE_TEXT];
    return kl_fail(KL_EVALUE, "'k' is %lld, but the last axis of shape %s has %lld elements", (long long)k,
                   kl_shape_text(x, text), (long long)x->dim[last]);
  }
  KL_TRY(check_length(x->dim[last], last));
  c->out[0] = c->in[0];
  c->out[0].shape.dim[last] = k;
  c->out[1] = (kl_spec){KL_INT32, c->out[0].shape};
  return KL_OK;
}

static kl_tensor *top_k_vjp(kl_vjp *v) {
  kl_attr last = {.n = 1, .given = 1, .v = {kl_vjp_in_spec(v, 0)->shape.ndim - 1}};
  return v->cotangents[0] == NULL ? NULL : send_back(v, kl_vjp_out(v, 1), last);
}

const kl_op kl_op_top_k = {
    KL_ROW(top_k,
           "The k largest elements along the last axis, the largest first, and their positions from 0; a NaN is larger "
           "than any number, of equal ones the first is taken; sorted = false allows any order, and gives this one."),
    .alias = "topk",
    .params = top_k_params,
    .outputs = 2,
    .infer = top_k_infer,
    .vjp = top_k_vjp,
    .saves = KL_SAVE_OUT(1),
};

static const char *const sides[] = {"left", "right", NULL};
static const kl_param searchsorted_params[] = {
    KL_PARAM("sorted_sequence", KL_TENSOR), KL_PARAM("values", KL_TENSOR), KL_CHOICES("side", sides, 0), {0}};

static kl_status searchsorted_infer(kl_infer *c) {
  const kl_shape *sequence = &c->in[0].shape;
  if (sequence->ndim != 1) {
    char text[KL_SHAPE_TEXT];
    return kl_fail(KL_ESHAPE, "a sorted sequence with one axis expected, got one of shape %s",
                   kl_shape_text(sequence, text));
  }
  KL_TRY(check_length(sequence->dim[0], 0));
  c->out[0] = (kl_spec){KL_INT32, c->in[1].shape};
  return KL_OK;
}

const kl_op kl_op_searchsorted = {
    KL_ROW(searchsorted,
           "How many elements of an ascending sequence are less than each value (side left), or not greater (right): "
           "the position, from 0, to put it in (numpy)."),
    .params = searchsorted_params,
    .types = KL_TYPES_PROMOTE,
    .outputs = 1,
    .infer = searchsorted_infer,
    KL_CONSTANT("the result is a position"),
};
