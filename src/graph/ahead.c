/* Steps for another thread: a private plan, and what a call binds to it. */
#include "graph/ahead.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "graph/planned.h"

/* Operands of a call: its arguments, behind them its storages. */
typedef struct binding {
  int buffer, operand;
} binding;

/* A window into an operand, or a constant (operand -1). */
typedef struct result {
  int operand;
  kl_tensor *constant; /* owned */
  kl_spec spec;
  int64_t strides[KL_MAX_NDIM], offset;
} result;

struct kl_ahead {
  int refs;             /* of the owner and of its calls; counted by the thread that made it */
  pid_t owner;          /* in a child of its the lock may be held for ever */
  pthread_mutex_t lock; /* over the plan and the arena while a call runs */
  kl_plan *plan;
  char *arena;
  kl_region region; /* of the lists */
  int nargs, nstorages, nbindings, nresults, nconstants;
  kl_tensor **constants; /* owned: they are read by the plan */
  kl_spec *storages;
  binding *bindings;
  result *results;
  bool takes_rows;
};

typedef struct operand {
  kl_tensor *tensor; /* owned */
  char *data;
  size_t step; /* bytes from one run to the next */
} operand;

struct kl_ahead_call {
  kl_ahead *ahead; /* owned */
  int64_t rows;
  operand operands[];
};

static size_t call_bytes(const kl_ahead *a) {
  return sizeof(kl_ahead_call) + (size_t)(a->nargs + a->nstorages) * sizeof(operand);
}

void kl_ahead_release(kl_ahead *a) {
  if (a == NULL || --a->refs > 0) {
    return;
  }
  for (int i = 0; i < a->nconstants; i++) {
    kl_tensor_release(a->constants[i]);
  }
  for (int i = 0; i < a->nresults; i++) {
    kl_tensor_release(a->results[i].constant);
  }
  if (a->plan != NULL) {
    kl_free(a->arena, a->plan->arena);
  }
  kl_plan_release(a->plan);
  if (a->owner == getpid()) {
    pthread_mutex_destroy(&a->lock);
  }
  kl_region_free(&a->region);
  kl_free(a, sizeof *a);
}

static int argument_number(int nargs, kl_tensor *const *args, const kl_tensor *t) {
  for (int i = 0; i < nargs; i++) {
    if (args[i] == t) {
      return i;
    }
  }
  return -1;
}

static bool is_variable(const kl_tensor *t) { return t->variable != NULL && t->variable->value == t; }

/* True if running it later, or elsewhere, can make no difference. */
static bool is_pure(const kl_trace *trace, const kl_program *p, int nresults, kl_tensor *const *results) {
  bool pure = trace->draw_count == 0 && p->nvariables == 0;
  for (int i = 0; i < nresults && pure; i++) {
    const kl_tensor *t = results[i];
    /* the logits of probabilities would have to come along */
    pure = t->storage != NULL ? !is_variable(t) : t->logits == NULL && kl_trace_index(trace, t) >= 0;
  }
  return pure;
}

static kl_status make_lists(kl_ahead *a, const kl_program *p, int nresults) {
  size_t nbuffers = (size_t)a->plan->l.nbuffers + 1;
  a->nstorages = a->plan->l.nresult_storages;
  a->constants = kl_region_alloc(&a->region, ((size_t)p->nexternals + 1) * sizeof *a->constants);
  a->storages = kl_region_alloc(&a->region, ((size_t)a->nstorages + 1) * sizeof *a->storages);
  a->bindings = kl_region_alloc(&a->region, nbuffers * sizeof *a->bindings);
  a->results = kl_region_alloc(&a->region, ((size_t)nresults + 1) * sizeof *a->results);
  a->arena = kl_alloc(a->plan->arena);
  bool made = a->constants != NULL && a->storages != NULL && a->bindings != NULL && a->results != NULL;
  return made && a->arena != NULL ? KL_OK : KL_ENOMEM;
}

/* Addresses that stay, and what each call is to bind. */
static void bind_buffers(kl_ahead *a, const kl_program *p, kl_tensor *const *args) {
  kl_plan *plan = a->plan;
  for (int b = 0; b < plan->l.nbuffers; b++) {
    const kl_buffer *buffer = &plan->l.buffers[b];
    plan->bases[b] = a->arena;
    if (buffer->place == KL_PLACE_ARENA) {
      plan->bases[b] += buffer->offset;
    } else if (buffer->place == KL_PLACE_CELL) {
      const kl_tensor *t = p->scalars[buffer->number];
      int64_t *cell = &plan->cells[buffer->number];
      kl_dtype_store(buffer->dtype, t->weak == KL_WEAK_FLOAT, t->scalar.integer, t->scalar.number, cell);
      plan->bases[b] = (char *)cell;
    } else if (buffer->place == KL_PLACE_RESULT) {
      int whole = plan->whole[buffer->number];
      kl_spec flat = {buffer->dtype, {1, {(int64_t)(buffer->bytes / kl_dtype_size(buffer->dtype))}}};
      a->storages[buffer->number] = whole >= 0 ? plan->l.values[plan->recorded[whole]].spec : flat;
      a->bindings[a->nbindings++] = (binding){b, a->nargs + buffer->number};
    } else if (buffer->place == KL_PLACE_EXTERNAL) {
      kl_tensor *t = p->externals[buffer->number];
      int argument = argument_number(a->nargs, args, t);
      if (argument >= 0) {
        a->bindings[a->nbindings++] = (binding){b, argument};
      } else {
        a->constants[a->nconstants++] = kl_tensor_retain(t);
        plan->bases[b] = kl_tensor_data(t);
      }
    }
  }
}

static bool is_dense(const result *r) {
  kl_value v = {.spec = r->spec};
  memcpy(v.strides, r->strides, sizeof v.strides);
  return r->offset == 0 && kl_value_is_dense(&v);
}

static void describe_result(kl_ahead *a, const kl_trace *trace, const kl_program *p, kl_tensor *const *args,
                            kl_tensor *t) {
  result *r = &a->results[a->nresults++];
  kl_tensor *base = t;
  r->operand = -1;
  if (t->storage != NULL) {
    r->spec = kl_tensor_spec(t);
    memcpy(r->strides, t->strides, sizeof r->strides);
  } else {
    const kl_value *v = &a->plan->l.values[kl_trace_index(trace, t)];
    const kl_buffer *b = &a->plan->l.buffers[v->buffer];
    r->spec = v->spec;
    r->offset = v->offset;
    memcpy(r->strides, v->strides, sizeof r->strides);
    if (b->place == KL_PLACE_RESULT) {
      r->operand = a->nargs + b->number;
    } else {
      base = p->externals[b->number];
    }
  }
  if (r->operand < 0) {
    r->operand = argument_number(a->nargs, args, base);
  }
  if (r->operand < 0) {
    r->constant = kl_tensor_retain(base);
  }
  const kl_shape *whole = r->operand < 0          ? NULL
                          : r->operand < a->nargs ? &args[r->operand]->shape
                                                  : &a->storages[r->operand - a->nargs].shape;
  a->takes_rows = a->takes_rows && whole != NULL && is_dense(r) && r->spec.shape.ndim < KL_MAX_NDIM &&
                  kl_shape_numel(whole) == kl_shape_numel(&r->spec.shape);
}

static kl_status make(kl_ahead *a, const kl_trace *trace, const kl_program *p, kl_tensor *const *args, int nresults,
                      kl_tensor *const *results) {
  KL_TRY(kl_plan_new(trace, p, &a->plan));
  KL_TRY(make_lists(a, p, nresults));
  bind_buffers(a, p, args);
  a->takes_rows = a->nargs > 0;
  for (int i = 0; i < nresults; i++) {
    describe_result(a, trace, p, args, results[i]);
  }
  return KL_OK;
}

kl_status kl_ahead_new(kl_trace *trace, int nargs, kl_tensor *const *args, int nresults, kl_tensor *const *results,
                       kl_ahead **out) {
  *out = NULL;
  kl_program p = {0};
  kl_status status = kl_program_make(&p, trace, nresults, results);
  if (status == KL_OK && is_pure(trace, &p, nresults, results)) {
    kl_ahead *a = kl_alloc_zero(sizeof *a);
    status = a == NULL ? KL_ENOMEM : KL_OK;
    if (a != NULL) {
      a->refs = 1;
      a->owner = getpid();
      a->nargs = nargs;
      pthread_mutex_init(&a->lock, NULL);
      status = make(a, trace, &p, args, nresults, results);
      if (status == KL_OK) {
        *out = a;
      } else {
        kl_ahead_release(a);
      }
    }
  }
  kl_program_free(&p);
  return status;
}

int kl_ahead_storage_count(const kl_ahead *a) { return a->nstorages; }
kl_spec kl_ahead_storage_spec(const kl_ahead *a, int i) { return a->storages[i]; }
bool kl_ahead_takes_rows(const kl_ahead *a) { return a->takes_rows; }
int kl_ahead_result_count(const kl_ahead *a) { return a->nresults; }

kl_status kl_ahead_call_new(kl_ahead *a, int64_t rows, int nargs, kl_tensor *const *args, kl_tensor *const *storages,
                            kl_ahead_call **out) {
  *out = NULL;
  if (a->owner != getpid()) {
    return KL_OK;
  }
  kl_ahead_call *c = kl_alloc(call_bytes(a));
  if (c == NULL) {
    return KL_ENOMEM;
  }
  c->ahead = a;
  c->rows = rows;
  a->refs++;
  for (int i = 0; i < nargs + a->nstorages; i++) {
    kl_tensor *t = kl_tensor_retain(i < nargs ? args[i] : storages[i - nargs]);
    size_t bytes = (size_t)kl_tensor_numel(t) * kl_dtype_size((kl_dtype)t->dtype);
    c->operands[i] = (operand){t, kl_tensor_data(t), rows > 0 ? bytes / (size_t)rows : 0};
  }
  *out = c;
  return KL_OK;
}

kl_status kl_ahead_call_result(const kl_ahead_call *c, int i, kl_tensor **out) {
  const result *r = &c->ahead->results[i];
  kl_shape shape = r->spec.shape;
  if (c->rows == 0) {
    const kl_tensor *base = r->operand < 0 ? r->constant : c->operands[r->operand].tensor;
    return kl_tensor_new_view(base, &shape, r->strides, base->offset + r->offset, out);
  }
  int64_t strides[KL_MAX_NDIM];
  const kl_tensor *base = c->operands[r->operand].tensor;
  memmove(shape.dim + 1, shape.dim, sizeof *shape.dim * (size_t)shape.ndim);
  shape.dim[0] = c->rows;
  shape.ndim++;
  kl_shape_contiguous(&shape, strides);
  return kl_tensor_new_view(base, &shape, strides, base->offset, out);
}

kl_status kl_ahead_call_run(kl_ahead_call *c) {
  kl_ahead *a = c->ahead;
  const kl_device *device = kl_device_default();
  kl_status status = KL_OK;
  pthread_mutex_lock(&a->lock);
  bool before = device->set_alone(true);
  for (int64_t row = 0; row < (c->rows > 0 ? c->rows : 1) && status == KL_OK; row++) {
    for (int i = 0; i < a->nbindings; i++) {
      const operand *o = &c->operands[a->bindings[i].operand];
      a->plan->bases[a->bindings[i].buffer] = o->data + (size_t)row * o->step;
    }
    status = kl_plan_run_calls(a->plan, a->arena, false);
  }
  device->set_alone(before);
  pthread_mutex_unlock(&a->lock);
  return status;
}

void kl_ahead_call_release(kl_ahead_call *c) {
  kl_ahead *a = c->ahead;
  for (int i = 0; i < a->nargs + a->nstorages; i++) {
    kl_tensor_release(c->operands[i].tensor);
  }
  kl_free(c, call_bytes(a));
  kl_ahead_release(a);
}
