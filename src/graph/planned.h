/* What a plan is made of, for plan.c, which makes them, plan_run.c, which runs them, and cache.c, which keeps them. */
#ifndef KL_GRAPH_PLANNED_H
#define KL_GRAPH_PLANNED_H

#include "graph/compiled.h"
#include "graph/lowered.h"
#include "graph/profiled.h"
#include "graph/sources.h"

#define KL_REASON_TEXT 200

/* Where the address of one view comes from at each run. */
typedef struct kl_patch {
  kl_view *view;
  int buffer;
  int64_t offset; /* bytes */
} kl_patch;

typedef struct kl_plan_call {
  bool fused;
  int group;             /* whose items it runs */
  kl_profiled *profiled; /* NULL until a profile sees it */
  kl_call call;
  size_t scratch; /* bytes, at the arena's end */
  kl_fused joined;
} kl_plan_call;

struct kl_plan {
  kl_plan *next; /* in the cache, latest use first */
  int refs;
  uint64_t number; /* counts plans */
  kl_sources sources;
  const void *step;            /* of the trace that it was found for last */
  uint64_t found, runs;        /* how often it was found, and run */
  char reason[KL_REASON_TEXT]; /* why it was made */
  uint64_t hash;
  int64_t nwords;
  uint64_t *words;
  kl_lowered l;
  kl_plan_call *calls;
  int ncalls;
  kl_patch *patches;
  int npatches;
  char **bases;     /* per buffer: its address in this run */
  int64_t *cells;   /* per buffer of a scalar, at its number */
  size_t *results;  /* bytes of each result storage */
  int *whole;       /* per result storage: the result that is all of it, or -1 */
  kl_tensor **made; /* storages of this run: results, then new values of variables */
  int nresults;
  int64_t *recorded; /* by result: its index in the trace */
  kl_tensor **given; /* by result: the tensor of this run */
  size_t arena, scratch;
};

kl_status kl_plan_new(const kl_trace *trace, const kl_program *program, kl_plan **out);

/* Runs the calls on what `bases` says, with p->arena bytes of room for what is temporary. */
kl_status kl_plan_run_calls(kl_plan *p, char *arena, bool profiled);

size_t kl_plan_arena_bytes(void);
void kl_plan_cache_clear(void);

/* Says in what a program differs from an older one: the first thing that a reader of both would meet. */
void kl_program_difference(const kl_program *p, const uint64_t *older, int64_t nolder, char text[KL_REASON_TEXT]);

#endif
