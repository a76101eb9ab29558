/* What replay.c needs of plans: finding one, running it on a program's lists, taking its results. */
#ifndef KL_GRAPH_COMPILED_H
#define KL_GRAPH_COMPILED_H

#include "graph/program.h"

typedef struct kl_plan kl_plan;

/* The plan of a program: cached, or made.  Borrowed: the cache may drop it; kl_plan_retain keeps it. */
kl_status kl_plan_find(const kl_trace *trace, const kl_program *program, kl_plan **out);
kl_plan *kl_plan_retain(kl_plan *plan);
void kl_plan_release(kl_plan *plan); /* NULL is allowed */

/* Runs it on what the program's lists hold: externals, scalars and variables as the words number them.  Afterwards
 * kl_plan_result gives results, until kl_plan_finish.  On failure nothing was assigned, and kl_plan_finish is due too.
 */
kl_status kl_plan_run(kl_plan *plan, const kl_program *program);

/* The value of recorded tensor `index`, one of the program's results; borrowed. */
kl_tensor *kl_plan_result(const kl_plan *plan, int64_t index);

void kl_plan_finish(kl_plan *plan, const kl_program *program);

#endif
