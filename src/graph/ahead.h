/* Recorded steps that another thread can run.
 *
 * What a step computes from its arguments and from constants alone (no variable, no draw) is the same whenever and
 * wherever it is computed.  Such a step gets a plan and an arena of its own, beside the cached plan that replays run. A
 * call is prepared by the thread that the tensors belong to, run by another one, which sees addresses only and uses no
 * other thread of the pool, and released by the first. */
#ifndef KL_GRAPH_AHEAD_H
#define KL_GRAPH_AHEAD_H

#include "graph/trace.h"

typedef struct kl_ahead kl_ahead;
typedef struct kl_ahead_call kl_ahead_call;

/* Of the pending part of a recording; args and results as for kl_replay_new, to be called before it.  *out stays NULL
 * if the step depends on anything but its arguments. */
kl_status kl_ahead_new(kl_trace *trace, int nargs, kl_tensor *const *args, int nresults, kl_tensor *const *results,
                       kl_ahead **out);
void kl_ahead_release(kl_ahead *ahead); /* NULL is allowed */

/* The storages that a call writes: how many, and of which tensors. */
int kl_ahead_storage_count(const kl_ahead *ahead);
kl_spec kl_ahead_storage_spec(const kl_ahead *ahead, int i);

/* True if calls on rows can be had: all results are as a whole of the size that their elements need. */
bool kl_ahead_takes_rows(const kl_ahead *ahead);

/* A call on arguments of the dtypes, shapes and strides it was recorded with; or, with rows > 0, one call for each of
 * so many rows of contiguous arguments, whose results are stacked.  storages: contiguous tensors as storage_spec says,
 * with rows > 0 with that axis in front.  *out stays NULL where no other thread can be asked: in a forked child. */
kl_status kl_ahead_call_new(kl_ahead *ahead, int64_t rows, int nargs, kl_tensor *const *args,
                            kl_tensor *const *storages, kl_ahead_call **out);

/* Result i of the call: a tensor whose elements are there once it has run. */
kl_status kl_ahead_call_result(const kl_ahead_call *call, int i, kl_tensor **out);
int kl_ahead_result_count(const kl_ahead *ahead);

/* For any thread.  Two calls of one step wait for each other. */
kl_status kl_ahead_call_run(kl_ahead_call *call);

void kl_ahead_call_release(kl_ahead_call *call);

#endif
