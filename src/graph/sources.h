/* Where the calls and tensors of a plan come from: which op, and which line of the user's program.
 *
 * Finding a line costs more than recording an op, so the binding does it only while a plan is new; the plan keeps what
 * was found.  A handle that is used after its step knows the step's serial and its place in it: from these, as long as
 * the plan is in the cache, comes the line that made it. */
#ifndef KL_GRAPH_SOURCES_H
#define KL_GRAPH_SOURCES_H

#include "base/region.h"
#include "graph/recording.h"
#include "op/op.h"

typedef struct kl_origin {
  const kl_op *op; /* NULL: an assignment */
  uint32_t source; /* 0: not known */
} kl_origin;

typedef struct kl_sources {
  kl_origin *list; /* by place in the trace */
  int64_t count;
  bool known; /* the recording that filled it knew its sources */
} kl_sources;

/* Of a recording, for a plan that is being made; lives in the region. */
kl_status kl_sources_make(kl_sources *s, kl_region *region, const kl_trace *trace);

/* Takes over what a later recording of the same program knows, if nothing was known yet. */
void kl_sources_fill(kl_sources *s, const kl_trace *trace);

/* The origin of the tensor in that place; {NULL, 0} where there is none. */
kl_origin kl_sources_at(const kl_sources *s, int64_t place);

/* Remembers which plan ran the step of that serial, and tells it (0: not any more). */
void kl_sources_note_run(uint64_t serial, uint64_t plan);
uint64_t kl_sources_plan_of(uint64_t serial);

#endif
