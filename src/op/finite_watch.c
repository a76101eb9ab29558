/* Looking through results for NaN and infinities. */
#include "op/finite_watch.h"

#include <math.h>

kl_finite_watch *kl_finite_watching;

/* Results of an op that ran are new: contiguous. */
static void look(const kl_tensor *t, bool *nan, bool *infinity) {
  int64_t n = kl_tensor_numel(t);
  if (t->dtype == KL_FLOAT32) {
    const float *v = kl_tensor_data(t);
    for (int64_t i = 0; i < n; i++) {
      *nan = *nan || isnan(v[i]);
      *infinity = *infinity || isinf(v[i]);
    }
  } else if (t->dtype == KL_FLOAT64) {
    const double *v = kl_tensor_data(t);
    for (int64_t i = 0; i < n; i++) {
      *nan = *nan || isnan(v[i]);
      *infinity = *infinity || isinf(v[i]);
    }
  }
}

void kl_finite_watch_see(const kl_op *op, uint32_t source, int nout, kl_tensor *const *out) {
  kl_finite_watch *w = kl_finite_watching;
  bool nan = false, infinity = false;
  for (int i = 0; i < nout; i++) {
    look(out[i], &nan, &infinity);
  }
  if (nan && w->nan.op == NULL) {
    w->nan = (kl_finite_found){op, source};
  }
  if (infinity && w->infinity.op == NULL) {
    w->infinity = (kl_finite_found){op, source};
  }
}
