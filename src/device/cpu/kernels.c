/* One instruction set's table of kernels, expanded from the list of ops: an op without a kernel does not link. */
#include "device/cpu/kernels.h"
#include "device/cpu/simd.h"

#define KL_VIEW_OP(name)
#define KL_OP(name) extern const kl_kernel KL_K(name);
#include "op/op_list.h"
#undef KL_OP

const kl_kernel *const KL_K(kernels)[KL_OP_COUNT] = {
#define KL_VIEW_OP(name)
#define KL_OP(name) [KL_OP_##name] = &KL_K(name),
#include "op/op_list.h"
#undef KL_OP
};
