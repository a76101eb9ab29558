/* Tensors made of numbers.  Compiled once per instruction set only because the table is. */
#include "device/cpu/scalar.h"
#include "device/cpu/simd.h"

/* Integers stay integers (and wrap); anything else is computed in double with one FMA. */
static kl_status run_sequence(const kl_call *c) {
  const kl_view *out = &c->out[0];
  int64_t n = out->shape.dim[0];
  size_t size = kl_dtype_size(out->dtype);
  bool integers = !kl_dtype_is_float(c->in[0].dtype) && !kl_dtype_is_float(c->in[1].dtype);
  int64_t start = kl_scalar_integer(&c->in[0]), step = kl_scalar_integer(&c->in[1]);
  double from = kl_scalar_number(&c->in[0]), by = kl_scalar_number(&c->in[1]);
  for (int64_t i = 0; i < n; i++) {
    char *at = (char *)out->data + (size_t)i * size;
    int64_t whole = (int64_t)((uint64_t)start + (uint64_t)i * (uint64_t)step);
    double number = __builtin_fma((double)i, by, from);
    bool in_range = number >= -0x1p63 && number < 0x1p63; /* a conversion beyond is undefined */
    if (integers || !kl_dtype_is_int(out->dtype)) {
      if (!kl_dtype_store(out->dtype, !integers, whole, number, at)) {
        return kl_fail(KL_EVALUE, "kl.arange: %lld does not fit in %s", (long long)whole, kl_dtype_name(out->dtype));
      }
    } else if (!in_range || !kl_dtype_store(out->dtype, false, (int64_t)number, number, at)) {
      return kl_fail(KL_EVALUE, "kl.arange: %g does not fit in %s", number, kl_dtype_name(out->dtype));
    }
  }
  return KL_OK;
}
const kl_kernel KL_K(sequence) = {.run = run_sequence};
