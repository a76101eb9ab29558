/* Measuring what the machine can do at most, for the fractions in a profile. */
#ifndef KL_DEVICE_CPU_PEAK_H
#define KL_DEVICE_CPU_PEAK_H

#include <stdint.h>

#include "device/device.h"

typedef struct kl_peak_kernels {
  float (*multiply_add)(int64_t rounds);
  double flops_per_round;
  float (*read)(const float *data, int64_t n);
} kl_peak_kernels;

extern const kl_peak_kernels kl_baseline_peak;
extern const kl_peak_kernels kl_avx2_peak;
extern const kl_peak_kernels kl_avx512_peak;

/* On all threads of the pool; takes some ten milliseconds. */
kl_peak kl_peak_measure(const kl_peak_kernels *kernels);

#endif
