/* Profiles: two tables of rows, a list of events, the clock. */
#include "op/profile.h"

#include <string.h>
#include <time.h>

#include "base/alloc.h"

#define MOST_EVENTS 4000000 /* 96 MB: some minutes of small kernels */

bool kl_profiling;

/* Rows in the order of their first call, and where they are by hash: row number + 1, 0 where there is none. */
typedef struct table {
  kl_profile_row *rows;
  int64_t count, capacity;
  int32_t *slots;
  int64_t nslots; /* a power of two */
} table;

typedef struct kernel_name {
  char *text;
  size_t bytes;
} kernel_name;

static struct {
  table ops, kernels;
  kl_profile_event *events;
  int64_t event_count, event_capacity;
  bool keeps_events;
  int64_t begin;
  int depth;             /* of steps */
  kl_profile_span ended; /* the counters at the end of the last step; begin 0: there was none */
  kl_profile_totals totals;
} profile;

/* Of kernels made of several ops; they outlive a profile, because plans remember the numbers. */
static kernel_name *names;
static int64_t name_count, name_capacity;

int64_t kl_profile_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec + 1;
}

int kl_profile_kernel(const char *name) {
  for (int64_t i = 0; i < name_count; i++) {
    if (strcmp(names[i].text, name) == 0) {
      return KL_OP_COUNT + (int)i;
    }
  }
  size_t bytes = strlen(name) + 1;
  char *text = kl_alloc(bytes);
  if (text == NULL || kl_alloc_grow((void **)&names, sizeof *names, name_count + 1, &name_capacity) != KL_OK) {
    kl_free(text, bytes);
    return -1;
  }
  memcpy(text, name, bytes);
  names[name_count] = (kernel_name){text, bytes};
  return KL_OP_COUNT + (int)name_count++;
}

const char *kl_profile_kernel_name(int kernel) {
  return kernel < KL_OP_COUNT ? kl_ops[kernel]->name : names[kernel - KL_OP_COUNT].text;
}

static uint64_t hash(int kernel, uint32_t source) {
  uint64_t h = ((uint64_t)(uint32_t)kernel << 32 | source) * 0x9e3779b97f4a7c15u;
  return h ^ h >> 32;
}

static bool grow_slots(table *t) {
  int64_t n = t->nslots == 0 ? 256 : 2 * t->nslots;
  int32_t *slots = kl_alloc_zero((size_t)n * sizeof *slots);
  if (slots == NULL) {
    return false;
  }
  for (int64_t i = 0; i < t->count; i++) {
    uint64_t at = hash(t->rows[i].kernel, t->rows[i].source);
    while (slots[at & (uint64_t)(n - 1)] != 0) {
      at++;
    }
    slots[at & (uint64_t)(n - 1)] = (int32_t)i + 1;
  }
  kl_free(t->slots, (size_t)t->nslots * sizeof *t->slots);
  t->slots = slots;
  t->nslots = n;
  return true;
}

/* The row, made if it is new; NULL if there is no memory for it. */
static kl_profile_row *find(table *t, int kernel, uint32_t source) {
  if (2 * (t->count + 1) > t->nslots && !grow_slots(t)) {
    return NULL;
  }
  uint64_t at = hash(kernel, source);
  for (;; at++) {
    int32_t *slot = &t->slots[at & (uint64_t)(t->nslots - 1)];
    if (*slot == 0) {
      if (kl_alloc_grow((void **)&t->rows, sizeof *t->rows, t->count + 1, &t->capacity) != KL_OK) {
        return NULL;
      }
      t->rows[t->count] = (kl_profile_row){.kernel = kernel, .source = source};
      *slot = (int32_t)++t->count;
    }
    kl_profile_row *row = &t->rows[*slot - 1];
    if (row->kernel == kernel && row->source == source) {
      return row;
    }
  }
}

static void add(table *t, int kernel, uint32_t source, double nanoseconds, double flops, double bytes) {
  kl_profile_row *row = find(t, kernel, source);
  if (row == NULL) {
    profile.totals.lost++;
    return;
  }
  row->calls++;
  row->nanoseconds += nanoseconds;
  row->flops += flops;
  row->bytes += bytes;
}

static void add_event(int64_t begin, int64_t end, int kernel, uint32_t source) {
  if (!profile.keeps_events) {
    return;
  }
  if (profile.event_count == MOST_EVENTS || kl_alloc_grow((void **)&profile.events, sizeof *profile.events,
                                                          profile.event_count + 1, &profile.event_capacity) != KL_OK) {
    profile.totals.lost++;
    return;
  }
  profile.events[profile.event_count++] = (kl_profile_event){begin - profile.begin, end - begin, kernel, source};
}

double kl_profile_flops(const kl_op *op, int nin, const kl_view *in, const kl_view *out) {
  double inputs = nin == 0 ? 0 : (double)kl_shape_numel(&in[0].shape), outputs = (double)kl_shape_numel(&out[0].shape);
  switch (op->id) {
    case KL_OP_copy:
    case KL_OP_cast:
    case KL_OP_slice_update:
    case KL_OP_concatenate:
    case KL_OP_pad:
    case KL_OP_take:
    case KL_OP_take_along_axis:
    case KL_OP_one_hot:
    case KL_OP_sequence:
      return 0;
    case KL_OP_matmul:
      return 2 * outputs * (double)in[0].shape.dim[in[0].shape.ndim - 1];
    default:
      return op->flags & KL_ELEMENTWISE || outputs > inputs ? outputs : inputs;
  }
}

static double occupied(const kl_view *view) {
  double n = (double)kl_dtype_size(view->dtype);
  for (int i = 0; i < view->shape.ndim; i++) {
    n *= view->strides[i] == 0 && view->shape.dim[i] > 1 ? 1.0 : (double)view->shape.dim[i];
  }
  return n;
}

double kl_profile_bytes(const kl_op *op, const kl_view *view, const kl_view *out) {
  double bytes = occupied(view);
  if (op->id == KL_OP_take || op->id == KL_OP_take_along_axis) {
    double taken = occupied(out);
    return bytes < taken ? bytes : taken;
  }
  return bytes;
}

void kl_profile_call(int64_t begin, int64_t end, int kernel, int nparts, const kl_profile_part *parts, double bytes) {
  double time = (double)(end - begin), weight = 0, flops = 0;
  for (int i = 0; i < nparts; i++) {
    weight += parts[i].weight;
    flops += parts[i].flops;
  }
  for (int i = 0; i < nparts; i++) {
    double share = weight > 0 ? parts[i].weight / weight : 1.0 / nparts;
    add(&profile.ops, (int)parts[i].op->id, parts[i].source, time * share, parts[i].flops, bytes * share);
  }
  uint32_t source = nparts > 0 ? parts[0].source : 0;
  add(&profile.kernels, kernel, source, time, flops, bytes);
  add_event(begin, end, kernel, source);
  profile.totals.kernels += time;
  profile.totals.calls++;
  kl_profile_add_own(end);
}

void kl_profile_single(int64_t begin, const kl_op *op, uint32_t source, const kl_call *c) {
  int64_t end = kl_profile_clock(); /* before anything is worked out */
  double bytes = 0;
  for (int i = 0; i < c->nin; i++) {
    bytes += kl_profile_bytes(op, &c->in[i], &c->out[0]);
  }
  for (int i = 0; i < c->nout; i++) {
    bytes += kl_profile_bytes(op, &c->out[i], &c->out[0]);
  }
  kl_profile_part part = {op, source, kl_profile_flops(op, c->nin, c->in, c->out), 1};
  kl_profile_call(begin, end, (int)op->id, 1, &part, bytes);
}

void kl_profile_add_own(int64_t begin) { profile.totals.own += (double)(kl_profile_clock() - begin); }

kl_profile_span kl_profile_begin_step(void) {
  if (!kl_profiling || profile.depth++ > 0) {
    return (kl_profile_span){0};
  }
  kl_profile_span span = {kl_profile_clock(), profile.totals.kernels, profile.totals.own};
  if (profile.ended.begin != 0) {
    profile.totals.gap_nanoseconds += (double)(span.begin - profile.ended.begin);
    profile.totals.gap_kernels += span.kernels - profile.ended.kernels;
    profile.totals.gap_own += span.own - profile.ended.own;
  }
  return span;
}

void kl_profile_end_step(const kl_profile_span *span, kl_profile_span_kind kind) {
  if (!kl_profiling) {
    return;
  }
  profile.depth -= profile.depth > 0;
  if (span->begin < profile.begin) { /* inside another, or begun before the profile */
    return;
  }
  int64_t end = kl_profile_clock();
  profile.totals.steps[kind]++;
  profile.totals.step_nanoseconds += (double)(end - span->begin);
  profile.totals.step_kernels += profile.totals.kernels - span->kernels;
  profile.totals.step_own += profile.totals.own - span->own;
  add_event(span->begin, end, -1 - (int)kind, 0);
  profile.ended = (kl_profile_span){end, profile.totals.kernels, profile.totals.own};
}

static void clear_table(table *t) {
  kl_free(t->rows, (size_t)t->capacity * sizeof *t->rows);
  kl_free(t->slots, (size_t)t->nslots * sizeof *t->slots);
  *t = (table){0};
}

void kl_profile_clear(void) {
  kl_profiling = false;
  clear_table(&profile.ops);
  clear_table(&profile.kernels);
  kl_free(profile.events, (size_t)profile.event_capacity * sizeof *profile.events);
  memset(&profile, 0, sizeof profile);
}

void kl_profile_start(bool events) {
  kl_profile_clear();
  profile.keeps_events = events;
  profile.begin = kl_profile_clock();
  kl_profiling = true;
}

void kl_profile_keep_events(void) { profile.keeps_events = true; }

void kl_profile_stop(void) {
  profile.totals = kl_profile_get_totals();
  kl_profiling = false;
}

kl_profile_totals kl_profile_get_totals(void) {
  kl_profile_totals totals = profile.totals;
  if (kl_profiling) {
    totals.nanoseconds = kl_profile_clock() - profile.begin;
  }
  return totals;
}

int64_t kl_profile_rows(bool kernels, const kl_profile_row **rows) {
  const table *t = kernels ? &profile.kernels : &profile.ops;
  *rows = t->rows;
  return t->count;
}

int64_t kl_profile_events(const kl_profile_event **events) {
  *events = profile.events;
  return profile.event_count;
}
