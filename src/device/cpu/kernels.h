/* The kernel tables of the three instruction sets. */
#ifndef KL_DEVICE_CPU_KERNELS_H
#define KL_DEVICE_CPU_KERNELS_H

#include "device/device.h"
#include "op/op.h"

extern const kl_kernel *const kl_baseline_kernels[KL_OP_COUNT];
extern const kl_kernel *const kl_avx2_kernels[KL_OP_COUNT];
extern const kl_kernel *const kl_avx512_kernels[KL_OP_COUNT];

#endif
