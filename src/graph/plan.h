/* Plans: recorded steps compiled to kernel calls over one arena, and the cache of them.
 *
 * A plan gives the bits of immediate mode: it calls the same kernels on the same shapes and strides; what it saves is
 * making tensors, passing the door, and carrying elementwise results through memory.  Everything that can fail is
 * before the first write to a variable or works on storages that are only adopted at the end. */
#ifndef KL_GRAPH_PLAN_H
#define KL_GRAPH_PLAN_H

#include "graph/trace.h"

/* Ends a recording: executes its pending nodes and assignments by a plan, cached or made now, and gives the tensors of
 * `results` (of this trace, or aliases of them; others are left alone) their values.  All other tensors of the trace
 * stay without a value.  On failure nothing was assigned. */
kl_status kl_plan_execute(kl_trace *trace, int nresults, kl_tensor *const *results);

/* What made the tensor that was in that place of the step with that serial: its op's name and its source.  False if the
 * plan that ran the step is gone, or never knew. */
bool kl_plan_find_origin(uint64_t serial, int64_t place, const char **op, uint32_t *source);

typedef struct kl_plan_stats {
  uint64_t hits, misses, evicted;
  int plans;          /* in the cache */
  size_t arena_bytes; /* of the one arena */
} kl_plan_stats;

kl_plan_stats kl_plan_get_stats(void);

typedef struct kl_plan_info {
  const char *reason; /* why it was made; borrowed */
  const void *step;
  uint64_t found, runs;
  int operations, calls;
  size_t arena_bytes, result_bytes; /* of the arena that it needs; of the results that it makes at each run */
  size_t plan_bytes;                /* of the plan itself */
} kl_plan_info;

/* The i-th plan of the cache, from 0, the one used last first; false if there is none. */
bool kl_plan_describe(int i, kl_plan_info *out);

/* Forgets all plans and gives the arena back. */
void kl_plan_clear(void);

#endif
