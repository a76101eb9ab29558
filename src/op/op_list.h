/* The list of operations, by family.  Expanded into the enum, the table of rows and each device's table of kernels:
 * a line here needs a row in src/op/<family>.c, a kernel in src/device/cpu/<family>.c and samples in
 * tests/ops/samples/<family>.lua, and nothing else.  A KL_VIEW_OP only changes shape, strides or offset: it has a
 * `view` instead of a kernel. */
#ifndef KL_VIEW_OP
#define KL_VIEW_OP(name) KL_OP(name)
#endif

/* elementwise: arithmetic */
KL_OP(add)
KL_OP(subtract)
KL_OP(multiply)
KL_OP(divide)
KL_OP(divide_no_nan)
KL_OP(floor_divide)
KL_OP(mod)
KL_OP(power)
KL_OP(negative)
KL_OP(abs)
KL_OP(sign)
KL_OP(square)
KL_OP(minimum)
KL_OP(maximum)
KL_OP(clip)
KL_OP(where)
KL_OP(cast)
KL_OP(copy)

/* math: functions of one or two numbers */
KL_OP(sqrt)
KL_OP(rsqrt)
KL_OP(exp)
KL_OP(expm1)
KL_OP(log)
KL_OP(log1p)
KL_OP(log2)
KL_OP(log10)
KL_OP(sin)
KL_OP(cos)
KL_OP(tan)
KL_OP(arcsin)
KL_OP(arccos)
KL_OP(arctan)
KL_OP(arctan2)
KL_OP(sinh)
KL_OP(cosh)
KL_OP(tanh)
KL_OP(sigmoid)
KL_OP(softplus)
KL_OP(erf)
KL_OP(floor)
KL_OP(ceil)
KL_OP(round)
KL_OP(relu)

/* compare: results are bool */
KL_OP(equal)
KL_OP(not_equal)
KL_OP(less)
KL_OP(less_equal)
KL_OP(greater)
KL_OP(greater_equal)
KL_OP(logical_and)
KL_OP(logical_or)
KL_OP(logical_not)
KL_OP(isnan)
KL_OP(isinf)
KL_OP(isfinite)

/* reduce */
KL_OP(sum)
KL_OP(mean)
KL_OP(prod)
KL_OP(max)
KL_OP(min)
KL_OP(any)
KL_OP(all)

/* scan: along the lines of one axis */
KL_OP(argmax)
KL_OP(argmin)
KL_OP(cumsum)

/* softmax: functions of a whole axis */
KL_OP(softmax)
KL_OP(log_softmax)
KL_OP(sparse_softmax_cross_entropy)
KL_OP(subtract_one_hot)

/* reshape: other axes, the same elements in the same order */
KL_VIEW_OP(reshape)
KL_VIEW_OP(expand_dims)
KL_VIEW_OP(squeeze)

/* view: the same elements by other strides */
KL_VIEW_OP(transpose)
KL_VIEW_OP(broadcast_to)
KL_VIEW_OP(flip)
KL_VIEW_OP(stop_gradient)

/* movement: parts of tensors */
KL_VIEW_OP(slice)
KL_OP(slice_update)
KL_OP(concatenate)
KL_OP(pad)

/* index */
KL_OP(take)
KL_OP(take_along_axis)
KL_OP(scatter_add)
KL_OP(scatter_add_along_axis)
KL_OP(one_hot)
KL_OP(nonzero)

/* sort: along the lines of one axis */
KL_OP(sort)
KL_OP(argsort)
KL_OP(top_k)
KL_OP(searchsorted)

/* create */
KL_OP(sequence)

/* matmul */
KL_OP(matmul)

/* random: the key is {key, counter} of a generator, see lua/kl/random.lua */
KL_OP(random_uniform)
KL_OP(random_normal)
KL_OP(random_truncated_normal)
KL_OP(random_randint)
KL_OP(random_bernoulli)
KL_OP(random_permutation)
KL_OP(dropout)

/* check: ops that only refuse */
KL_OP(check_finite)

/* optimizer: updates and update directions, one rounding rule for plans and immediate mode */
KL_OP(rmsprop_update)
KL_OP(rmsprop_direction)
KL_OP(adam_update)
KL_OP(adam_direction)

#undef KL_VIEW_OP
