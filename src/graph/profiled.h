/* What a profile is to know of a plan's calls: worked out once per call, when a profile first sees it. */
#ifndef KL_GRAPH_PROFILED_H
#define KL_GRAPH_PROFILED_H

#include "graph/lowered.h"
#include "graph/sources.h"
#include "op/profile.h"

typedef struct kl_profiled {
  int kernel; /* op/profile.h */
  int nparts;
  kl_profile_part *parts;
  int64_t *recorded; /* by part: its place in the trace */
  double bytes;
  bool sources_known;
} kl_profiled;

/* Of the call that runs a group; lives in the region.  NULL if there is no memory: the call is not profiled then. */
kl_profiled *kl_profiled_make(kl_lowered *l, const kl_group *g);

/* Tells the profile of a call. */
void kl_profiled_note(kl_profiled *profiled, const kl_sources *sources, int64_t begin, int64_t end);

#endif
