/* The cache of plans: bounded, the least recently used goes; it knows why it made each. */
#include <stdio.h>
#include <string.h>

#include "graph/plan.h"
#include "graph/planned.h"

#define MAX_PLANS 64
#define MAX_BYTES ((size_t)128 << 20) /* of all plans but the one used last: about 1.7 KB an operation */
#define MAX_EVICTED 256               /* remembered by hash, to tell that a plan is made again */

static struct {
  kl_plan *plans;
  int count;
  size_t bytes;
  uint64_t hits, misses, evicted;
  uint64_t gone[MAX_EVICTED]; /* hashes, the oldest overwritten */
} cache;

static kl_plan *latest_of_step(const void *step) {
  kl_plan *p = cache.plans;
  while (p != NULL && (step == NULL || p->step != step)) {
    p = p->next;
  }
  return p;
}

static void give_reason(kl_plan *p, const kl_program *program) {
  const kl_plan *older = latest_of_step(p->step);
  for (int i = 0; i < MAX_EVICTED; i++) {
    if (cache.gone[i] == p->hash) {
      snprintf(p->reason, sizeof p->reason,
               "made before and given up for others: more than %d plans, or %zu MiB, are in use", MAX_PLANS,
               MAX_BYTES >> 20);
      return;
    }
  }
  if (older == NULL) {
    snprintf(p->reason, sizeof p->reason, "the first of this step");
  } else {
    kl_program_difference(program, older->words, older->nwords, p->reason);
  }
}

static void evict_last(void) {
  kl_plan **last = &cache.plans;
  while ((*last)->next != NULL) {
    last = &(*last)->next;
  }
  cache.gone[cache.evicted++ % MAX_EVICTED] = (*last)->hash;
  cache.bytes -= (*last)->l.region.bytes;
  kl_plan_release(*last);
  *last = NULL;
  cache.count--;
}

/* The plan of a program: found, or made; it becomes the one used last. */
kl_status kl_plan_find(const kl_trace *trace, const kl_program *program, kl_plan **out) {
  kl_plan **link = &cache.plans, *p;
  for (p = *link; p != NULL; link = &p->next, p = *link) {
    if (p->hash == program->hash && p->nwords == program->count &&
        memcmp(p->words, program->words, sizeof *p->words * (size_t)p->nwords) == 0) {
      *link = p->next;
      cache.hits++;
      p->found++;
      p->step = trace->step;
      break;
    }
  }
  if (p == NULL) {
    KL_TRY(kl_plan_new(trace, program, &p));
    give_reason(p, program);
    cache.misses++;
    while (cache.count == MAX_PLANS || (cache.count > 0 && cache.bytes > MAX_BYTES)) {
      evict_last();
    }
    cache.count++;
    cache.bytes += p->l.region.bytes;
  }
  p->next = cache.plans;
  cache.plans = p;
  *out = p;
  return KL_OK;
}

bool kl_plan_find_origin(uint64_t serial, int64_t place, const char **op, uint32_t *source) {
  uint64_t number = kl_sources_plan_of(serial);
  const kl_plan *p = cache.plans;
  while (p != NULL && p->number != number) {
    p = p->next;
  }
  kl_origin origin = p == NULL ? (kl_origin){NULL, 0} : kl_sources_at(&p->sources, place);
  *op = origin.op == NULL ? "assign" : origin.op->name;
  *source = origin.source;
  return KL_SOURCE_NUMBER(origin.source) != 0;
}

kl_plan_stats kl_plan_get_stats(void) {
  return (kl_plan_stats){.hits = cache.hits,
                         .misses = cache.misses,
                         .evicted = cache.evicted,
                         .plans = cache.count,
                         .arena_bytes = kl_plan_arena_bytes()};
}

bool kl_plan_describe(int i, kl_plan_info *out) {
  const kl_plan *p = cache.plans;
  for (; p != NULL && i > 0; i--) {
    p = p->next;
  }
  if (p == NULL) {
    return false;
  }
  *out = (kl_plan_info){.reason = p->reason,
                        .step = p->step,
                        .found = p->found,
                        .runs = p->runs,
                        .calls = p->ncalls,
                        .operations = p->l.nitems,
                        .arena_bytes = p->arena,
                        .plan_bytes = p->l.region.bytes};
  for (int r = 0; r < p->l.nresult_storages; r++) {
    out->result_bytes += p->results[r];
  }
  return true;
}

void kl_plan_cache_clear(void) {
  while (cache.plans != NULL) {
    kl_plan *p = cache.plans;
    cache.plans = p->next;
    kl_plan_release(p);
  }
  memset(&cache, 0, sizeof cache);
}
