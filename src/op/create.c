/* Tensors made of nothing; the rest (zeros, eye, ...) is composed in lua/kl/ops/create.lua. */
#include "op/elementwise.h"

static const kl_param sequence_params[] = {
    KL_PARAM("start", KL_SCALAR), KL_PARAM("step", KL_SCALAR), KL_PARAM("n", KL_INT), KL_PARAM("dtype", KL_DTYPE), {0}};

static kl_status sequence_infer(kl_infer *c) {
  if (c->attrs[0].v[0] < 0 || c->in[0].shape.ndim != 0 || c->in[1].shape.ndim != 0) {
    return kl_fail(KL_EVALUE, "a scalar start, a scalar step and n >= 0 expected, got n = %lld",
                   (long long)c->attrs[0].v[0]);
  }
  c->out[0] = (kl_spec){(kl_dtype)c->attrs[1].v[0], {1, {c->attrs[0].v[0]}}};
  return KL_OK;
}

/* start + i step, i = 0 .. n-1: the slopes are 1 and i. */
static kl_tensor *sequence_vjp(kl_vjp *v) {
  kl_build *b = &v->build;
  kl_tensor *g = v->cotangents[0];
  kl_attr all = {0};
  if (v->arg == 1) {
    kl_tensor *counts =
        kl_build_op(b, &kl_op_sequence, v->node->attrs, 2, (kl_tensor *[2]){kl_build_int(b, 0), kl_build_int(b, 1)});
    g = kl_build_mul(b, g, counts);
  }
  return kl_build_cast(b, kl_build_sum(b, g, &all, false), kl_vjp_in_spec(v, v->arg)->dtype);
}

const kl_op kl_op_sequence = {
    KL_ROW(sequence, "start + i * step for i = 0 to n - 1, computed in float64 or int64 and converted."),
    .params = sequence_params,
    .types = KL_TYPES_WIDE,
    .outputs = 1,
    .infer = sequence_infer,
    .vjp = sequence_vjp,
};
