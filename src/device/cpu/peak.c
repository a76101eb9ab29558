/* What one core can do at most: multiply-adds in registers, and reading memory.  Compiled once per instruction set. */
#include "device/cpu/peak.h"
#include "device/cpu/simd.h"

#define CHAINS 12 /* independent ones: enough to hide the latency of an FMA on two ports */

/* Returns something of the results, so that they are computed. */
static float multiply_add(int64_t rounds) {
  kl_vf sum[CHAINS];
  const kl_vf factor = vf_set(0.999f), term = vf_set(0.001f);
  for (int i = 0; i < CHAINS; i++) {
    sum[i] = vf_set(0.1f * (float)(i + 1));
  }
  for (int64_t r = 0; r < rounds; r++) {
    for (int i = 0; i < CHAINS; i++) {
      sum[i] = vf_fma(sum[i], factor, term);
    }
  }
  for (int i = 1; i < CHAINS; i++) {
    sum[0] += sum[i];
  }
  return vf_sum(sum[0]);
}

static float read(const float *data, int64_t n) {
  kl_vf sum[4] = {{0}};
  for (int64_t i = 0; i + 4 * KL_LANES <= n; i += 4 * KL_LANES) {
    for (int k = 0; k < 4; k++) {
      sum[k] += vf_load(data + i + (int64_t)k * KL_LANES);
    }
  }
  return vf_sum(sum[0] + sum[1] + sum[2] + sum[3]);
}

const kl_peak_kernels KL_K(peak) = {
    .multiply_add = multiply_add,
    .flops_per_round = 2.0 * CHAINS * KL_LANES,
    .read = read,
};
