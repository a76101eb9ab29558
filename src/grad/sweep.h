/* The reverse sweep: the one place where cotangents are summed.
 *
 * A sweep visits each node of a tape once, last to first, and asks the op's vjp for the cotangents of those inputs that
 * lead to a source.  It is an object that can stop: at a node whose rule is foreign (a Lua function) kl_sweep_run
 * returns KL_SWEEP_FOREIGN, the caller computes the input cotangents by its own means, hands them over and runs on.  No
 * C frame of the core is live meanwhile. */
#ifndef KL_GRAD_SWEEP_H
#define KL_GRAD_SWEEP_H

#include "grad/tape.h"

typedef struct kl_sweep kl_sweep;

typedef enum kl_sweep_state { KL_SWEEP_DONE, KL_SWEEP_FOREIGN } kl_sweep_state;

/* Gradient of the sum of `targets` (each weighted by seeds[i] where that is given) with respect to the ids of
 * `sources`, through the tape's first `nodes` nodes.  They are retained, so the tape may be dropped. */
kl_status kl_sweep_new(const kl_tape *tape, int64_t nodes, int ntargets, kl_tensor *const *targets,
                       kl_tensor *const *seeds, int nsources, kl_tensor *const *sources, kl_sweep **out);
void kl_sweep_release(kl_sweep *sweep); /* NULL is allowed */

/* After a failure nothing is lost: another call goes on with the input that failed. */
kl_status kl_sweep_run(kl_sweep *sweep, kl_sweep_state *state);

/* After KL_SWEEP_FOREIGN: the node, and its output cotangents (borrowed, NULL where none arrived). */
const kl_node *kl_sweep_node(const kl_sweep *sweep);
kl_tensor *kl_sweep_cotangent(const kl_sweep *sweep, int output);

/* Hands over the cotangent of one input of that node; it is cast to the input's type. */
kl_status kl_sweep_supply(kl_sweep *sweep, int input, kl_tensor *cotangent);

/* After KL_SWEEP_DONE: the cotangent of source i, borrowed; NULL where no path leads to it. */
kl_tensor *kl_sweep_result(const kl_sweep *sweep, int source);

/* Why a gradient is missing: a message in the error slot that names the op or the break of the path. */
void kl_sweep_explain(const kl_tape *tape, const kl_tensor *target, const kl_tensor *source);

#endif
