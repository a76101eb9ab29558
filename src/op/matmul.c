/* Matrix products by numpy's rules: vectors are rows on the left and columns on the right, leading axes broadcast. */
#include "op/elementwise.h"

static kl_status do_not_fit(const kl_infer *c, const char *why) {
  char left[KL_SHAPE_TEXT], right[KL_SHAPE_TEXT];
  return kl_fail(KL_ESHAPE, "%s: %s x %s", why, kl_shape_text(&c->in[0].shape, left),
                 kl_shape_text(&c->in[1].shape, right));
}

static kl_status matmul_infer(kl_infer *c) {
  kl_shape a = c->in[0].shape, b = c->in[1].shape;
  if (a.ndim == 0 || b.ndim == 0) {
    return do_not_fit(c, "both inputs need at least one axis");
  }
  int64_t inner_a = a.dim[a.ndim - 1];
  int64_t inner_b = b.dim[b.ndim > 1 ? b.ndim - 2 : 0];
  if (inner_a != inner_b && inner_a != KL_UNKNOWN && inner_b != KL_UNKNOWN) {
    return do_not_fit(c, "inner dimensions differ");
  }
  kl_shape batch_a = a, batch_b = b, out;
  batch_a.ndim = a.ndim > 2 ? a.ndim - 2 : 0;
  batch_b.ndim = b.ndim > 2 ? b.ndim - 2 : 0;
  if (!kl_shape_broadcast(&batch_a, &batch_b, &out)) {
    return do_not_fit(c, "leading dimensions do not broadcast");
  }
  if (a.ndim > 1) {
    out.dim[out.ndim++] = a.dim[a.ndim - 2];
  }
  if (b.ndim > 1) {
    out.dim[out.ndim++] = b.dim[b.ndim - 1];
  }
  c->out[0] = (kl_spec){c->in[0].dtype, out};
  return KL_OK;
}

/* x as a stack of matrices: a vector becomes one row (left) or one column (right). */
static kl_tensor *as_matrix(kl_build *b, kl_tensor *x, bool left) {
  if (x == NULL || x->shape.ndim != 1) {
    return x;
  }
  int64_t n = x->shape.dim[0];
  return kl_build_reshape(b, x, left ? &(kl_shape){2, {1, n}} : &(kl_shape){2, {n, 1}});
}

/* All but the last axis joined. */
static kl_tensor *as_rows(kl_build *b, kl_tensor *x) {
  if (x == NULL) {
    return NULL;
  }
  int last = x->shape.ndim - 1;
  int64_t rows = 1;
  for (int i = 0; i < last; i++) {
    rows *= x->shape.dim[i];
  }
  return kl_build_reshape(b, x, &(kl_shape){2, {rows, x->shape.dim[last]}});
}

static kl_tensor *product(kl_build *b, kl_tensor *x, kl_tensor *y) { return kl_build_binary(b, &kl_op_matmul, x, y); }

/* dx1 = g x2^T and dx2 = x1^T g (Goodfellow et al., Deep Learning, 6.5.6); broadcast leading axes are summed after it
 * by the sweep.  A matrix on the right of a stack takes all rows of the stack in one product. */
static kl_tensor *matmul_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  const kl_shape *s1 = &kl_vjp_in_spec(v, 0)->shape, *s2 = &kl_vjp_in_spec(v, 1)->shape;
  kl_shape full = kl_vjp_out_spec(v, 0)->shape; /* of g, with the axes that vectors lack put back */
  if (s2->ndim == 1) {
    full.dim[full.ndim++] = 1;
  }
  if (s1->ndim == 1) {
    full.dim[full.ndim] = full.dim[full.ndim - 1];
    full.dim[full.ndim - 1] = 1;
    full.ndim++;
  }
  kl_tensor *g = kl_build_reshape(b, v->cotangents[0], &full);
  kl_tensor *dx;
  if (v->arg == 0) {
    dx = product(b, g, kl_build_matrix_transpose(b, as_matrix(b, kl_vjp_in(v, 1), false)));
    if (s1->ndim == 1) { /* only here may leading axes have to go before the row axis does */
      dx = kl_build_sum_to(b, dx, &(kl_shape){2, {1, s1->dim[0]}});
      dx = kl_build_reshape(b, dx, s1);
    }
    return dx;
  }
  kl_tensor *x = as_matrix(b, kl_vjp_in(v, 0), true);
  if (s2->ndim <= 2 && s1->ndim > 2) {
    x = as_rows(b, x);
    g = as_rows(b, g);
  }
  dx = product(b, kl_build_matrix_transpose(b, x), g);
  return s2->ndim == 1 ? kl_build_reshape(b, dx, s2) : dx;
}

const kl_op kl_op_matmul = {
    KL_BINARY(
        matmul,
        "Matrix product of the last two axes; leading axes broadcast, vectors are rows or columns (numpy's rule)."),
    .alias = "mm",
    .types = KL_TYPES_PROMOTE,
    .flags = KL_NO_BOOL,
    .infer = matmul_infer,
    .vjp = matmul_vjp,
    .saves = KL_SAVE_IN(0) | KL_SAVE_IN(1),
};
