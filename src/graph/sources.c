/* The sources of a plan, and which plan ran which step. */
#include "graph/sources.h"

/* Steps that followed each other and were run by one plan; training is one long run of them. */
typedef struct run {
  uint64_t first, last, plan;
} run;

#define MAX_RUNS 256

static run runs[MAX_RUNS];
static int newest;

void kl_sources_note_run(uint64_t serial, uint64_t plan) {
  run *r = &runs[newest];
  if (r->plan == plan && r->last + 1 == serial) {
    r->last = serial;
    return;
  }
  newest = (newest + 1) % MAX_RUNS;
  runs[newest] = (run){serial, serial, plan};
}

uint64_t kl_sources_plan_of(uint64_t serial) {
  for (int i = 0; i < MAX_RUNS; i++) {
    if (runs[i].first <= serial && serial <= runs[i].last) {
      return runs[i].plan;
    }
  }
  return 0;
}

void kl_sources_fill(kl_sources *s, const kl_trace *trace) {
  if (s->known) {
    return;
  }
  s->known = trace->count == 0;
  for (int64_t i = 0; i < trace->count; i++) {
    const kl_step *step = &trace->steps[i];
    int n = step->node != NULL ? step->node->nout : 1; /* of an assignment the first of its three places */
    kl_origin origin = {step->node != NULL ? step->node->op : NULL,
                        step->node != NULL ? step->node->source : step->source};
    for (int k = 0; k < n && step->first + k < s->count; k++) {
      s->list[step->first + k] = origin;
    }
    s->known = s->known || KL_SOURCE_NUMBER(origin.source) != 0;
  }
}

kl_status kl_sources_make(kl_sources *s, kl_region *region, const kl_trace *trace) {
  s->count = trace->tensor_count;
  s->known = false;
  s->list = kl_region_alloc(region, ((size_t)s->count + 1) * sizeof *s->list);
  if (s->list == NULL) {
    return KL_ENOMEM;
  }
  kl_sources_fill(s, trace);
  return KL_OK;
}

kl_origin kl_sources_at(const kl_sources *s, int64_t place) {
  return place >= 0 && place < s->count ? s->list[place] : (kl_origin){NULL, 0};
}
