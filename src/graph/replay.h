/* Replays: a recorded step run again on other arguments without recording it again (tf.function's contract).
 *
 * Captured once, after its plan has run: what was an argument is bound to the argument in that place, variables are
 * read and written as they are then, generators draw again, everything else is what it was. */
#ifndef KL_GRAPH_REPLAY_H
#define KL_GRAPH_REPLAY_H

#include "graph/trace.h"

typedef struct kl_replay kl_replay;

/* Executes the pending part of a recording as kl_plan_execute does, and keeps what is needed to do it again.
 * args: the tensors the step was called with.  results: what it returned, tensors of the recording or any others, and
 * behind them the nlogits logits of those among them that have some and no value yet. */
kl_status kl_replay_new(kl_trace *trace, int nargs, kl_tensor *const *args, int nresults, int nlogits,
                        kl_tensor *const *results, kl_replay **out);
void kl_replay_release(kl_replay *replay); /* NULL is allowed */

/* True if these arguments, or with by_row the rows of each of them, have the dtypes, shapes and strides of those it was
 * captured with. */
bool kl_replay_fits(const kl_replay *replay, bool by_row, int nargs, kl_tensor *const *args);

/* Runs it; out: room for kl_replay_room tensors, of which the first kl_replay_result_count are the results.  On failure
 * variables and generators are as before. */
kl_status kl_replay_run(kl_replay *replay, kl_tensor *const *args, kl_tensor **out);

int kl_replay_result_count(const kl_replay *replay);
int kl_replay_room(const kl_replay *replay);

#endif
