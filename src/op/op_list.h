/* The list of operations, by family.  Expanded into the enum, the table of rows and each device's table of kernels:
 * a line here needs a row in src/op/<family>.c, a kernel in src/device/cpu/<family>.c and samples in
 * tests/ops/samples/<family>.lua, and nothing else.  A KL_VIEW_OP only changes shape, strides or offset: it has a
 * `view` instead of a kernel. */
#ifndef KL_VIEW_OP
#define KL_VIEW_OP(name) KL_OP(name)
#endif

/* elementwise */
KL_OP(add)
KL_OP(subtract)
KL_OP(multiply)
KL_OP(cast)
KL_OP(copy)

/* reduce */
KL_OP(sum)
KL_OP(mean)

/* movement */
KL_VIEW_OP(reshape)
KL_VIEW_OP(transpose)
KL_VIEW_OP(broadcast_to)

/* matmul */
KL_OP(matmul)

#undef KL_VIEW_OP
