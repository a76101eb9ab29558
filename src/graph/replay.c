/* Replays: a program whose lists are filled anew at each run. */
#include "graph/replay.h"

#include <string.h>

#include "base/alloc.h"
#include "base/region.h"
#include "graph/compiled.h"
#include "graph/plan.h"
#include "op/op.h"

/* Where an external or a result comes from. */
typedef enum source_kind { FROM_CONSTANT, FROM_ARGUMENT, FROM_VARIABLE, FROM_DRAW, FROM_PLAN } source_kind;

typedef struct source {
  source_kind kind;
  int64_t number;        /* of the argument, variable (-1: read under another name), draw, or recorded tensor */
  kl_tensor *constant;   /* owned */
  kl_variable *variable; /* owned */
} source;

typedef struct argument {
  kl_spec spec;
  int64_t strides[KL_MAX_NDIM];
} argument;

/* A result that is the logits of another. */
typedef struct link {
  int owner;
  const kl_op *op; /* softmax or sigmoid */
} link;

struct kl_replay {
  kl_region region;
  kl_plan *plan;
  kl_program program; /* its lists live in the region */
  source *externals;
  source *results;
  kl_draw *draws;
  argument *arguments;
  link *links; /* of the results behind `visible`: whose logits they are */
  int nresults, visible, nargs;
  int64_t ndraws;
};

static void release_source(source *s) {
  kl_tensor_release(s->constant);
  kl_variable_release(s->variable);
}

void kl_replay_release(kl_replay *r) {
  if (r == NULL) {
    return;
  }
  for (int64_t i = 0; r->externals != NULL && i < r->program.nexternals; i++) {
    release_source(&r->externals[i]);
  }
  for (int i = 0; r->results != NULL && i < r->nresults; i++) {
    release_source(&r->results[i]);
  }
  for (int64_t i = 0; r->program.scalars != NULL && i < r->program.nscalars; i++) {
    kl_tensor_release(r->program.scalars[i]);
  }
  for (int64_t i = 0; r->program.variables != NULL && i < r->program.nvariables; i++) {
    kl_variable_release(r->program.variables[i]);
  }
  for (int64_t i = 0; r->draws != NULL && i < r->ndraws; i++) {
    kl_generator_release(r->draws[i].generator);
    kl_tensor_release(r->draws[i].key);
  }
  kl_plan_release(r->plan);
  kl_region region = r->region;
  kl_free(r, sizeof *r);
  kl_region_free(&region);
}

/* A variable that was assigned something from outside the step is read as an alias of that: the thing itself. */
static kl_tensor *assigned(const kl_trace *trace, kl_tensor *t) {
  for (int64_t i = trace->count - 1; i >= 0; i--) {
    const kl_step *s = &trace->steps[i];
    if (s->node == NULL && (trace->tensors[s->first + 1] == t || trace->tensors[s->first + 2] == t)) {
      t = trace->tensors[s->first];
    }
  }
  return t;
}

static source source_of(const kl_trace *trace, int nargs, kl_tensor *const *args, kl_tensor *t) {
  source s = {0};
  t = assigned(trace, t);
  if (t->variable != NULL && t->variable->value == t) {
    s.kind = FROM_VARIABLE;
    s.variable = kl_variable_retain(t->variable);
    return s;
  }
  for (int i = 0; i < nargs; i++) {
    if (args[i] == t) {
      return (source){.kind = FROM_ARGUMENT, .number = i};
    }
  }
  for (int64_t i = 0; i < trace->draw_count; i++) {
    if (trace->draws[i].key == t) {
      return (source){.kind = FROM_DRAW, .number = i};
    }
  }
  s.constant = kl_tensor_retain(t);
  return s;
}

/* Copies the lists of the program, taking references; sources of results that the plan does not compute. */
static kl_status capture(kl_replay *r, const kl_trace *trace, const kl_program *p, int nargs, kl_tensor *const *args) {
  size_t externals = (size_t)p->nexternals + 1, scalars = (size_t)p->nscalars + 1,
         variables = (size_t)p->nvariables + 1;
  r->externals = kl_region_alloc(&r->region, externals * sizeof *r->externals);
  r->program.externals = kl_region_alloc(&r->region, externals * sizeof *r->program.externals);
  r->program.scalars = kl_region_alloc(&r->region, scalars * sizeof *r->program.scalars);
  r->program.variables = kl_region_alloc(&r->region, variables * sizeof *r->program.variables);
  r->program.uses = kl_region_alloc(&r->region, variables * sizeof *r->program.uses);
  r->draws = kl_region_alloc(&r->region, ((size_t)trace->draw_count + 1) * sizeof *r->draws);
  r->arguments = kl_region_alloc(&r->region, ((size_t)nargs + 1) * sizeof *r->arguments);
  if (r->externals == NULL || r->program.externals == NULL || r->program.scalars == NULL ||
      r->program.variables == NULL || r->program.uses == NULL || r->draws == NULL || r->arguments == NULL) {
    return KL_ENOMEM;
  }
  for (; r->program.nexternals < p->nexternals; r->program.nexternals++) {
    r->externals[r->program.nexternals] = source_of(trace, nargs, args, p->externals[r->program.nexternals]);
  }
  for (; r->program.nscalars < p->nscalars; r->program.nscalars++) {
    r->program.scalars[r->program.nscalars] = kl_tensor_retain(p->scalars[r->program.nscalars]);
  }
  for (; r->program.nvariables < p->nvariables; r->program.nvariables++) {
    r->program.variables[r->program.nvariables] = kl_variable_retain(p->variables[r->program.nvariables]);
  }
  for (int64_t i = 0; i < p->nexternals; i++) {
    if (r->externals[i].kind == FROM_VARIABLE) {
      bool itself = p->externals[i] == r->externals[i].variable->value;
      r->externals[i].number = itself ? kl_program_variable(p, r->externals[i].variable) : -1;
    }
  }
  for (; r->ndraws < trace->draw_count; r->ndraws++) {
    const kl_draw *d = &trace->draws[r->ndraws];
    kl_tensor *key;
    KL_TRY(kl_tensor_new((kl_dtype)d->key->dtype, &d->key->shape, &key));
    r->draws[r->ndraws] = (kl_draw){kl_generator_retain(d->generator), d->n, key};
  }
  for (int i = 0; i < nargs; i++) {
    r->arguments[i].spec = kl_tensor_spec(args[i]);
    memcpy(r->arguments[i].strides, args[i]->strides, sizeof args[i]->strides);
  }
  r->nargs = nargs;
  return KL_OK;
}

kl_status kl_replay_new(kl_trace *trace, int nargs, kl_tensor *const *args, int nresults, int nlogits,
                        kl_tensor *const *results, kl_replay **out) {
  *out = NULL;
  kl_replay *r = kl_alloc_zero(sizeof *r);
  if (r == NULL) {
    return KL_ENOMEM;
  }
  kl_program p = {0};
  kl_status status = KL_ENOMEM;
  int visible = nresults;
  nresults += nlogits;
  r->results = kl_region_alloc(&r->region, ((size_t)nresults + 1) * sizeof *r->results);
  r->links = kl_region_alloc(&r->region, ((size_t)nlogits + 1) * sizeof *r->links);
  for (int i = 0; i < visible && r->links != NULL; i++) {
    if (results[i]->storage == NULL && results[i]->logits != NULL) {
      r->links[r->visible++] = (link){i, results[i]->logits_op};
    }
  }
  r->visible = visible;
  if (r->results != NULL && r->links != NULL) {
    status = kl_program_make(&p, trace, nresults, results);
  }
  for (; status == KL_OK && r->nresults < nresults; r->nresults++) {
    kl_tensor *t = results[r->nresults];
    int64_t index = t->storage != NULL ? -1 : kl_trace_index(trace, t);
    r->results[r->nresults] =
        index >= 0 ? (source){.kind = FROM_PLAN, .number = index} : source_of(trace, nargs, args, t);
    const kl_tensor *constant = r->results[r->nresults].constant;
    if (constant != NULL && constant->flags & KL_TENSOR_SYMBOLIC) {
      status = kl_fail(KL_EVALUE, "a step that is replayed returned a symbolic tensor, which has no value");
    }
  }
  status = status != KL_OK ? status : capture(r, trace, &p, nargs, args);
  status = status != KL_OK ? status : kl_plan_find(trace, &p, &r->plan);
  if (status == KL_OK) {
    kl_plan_retain(r->plan);
  } else {
    r->plan = NULL;
  }
  kl_program_free(&p);
  status = status != KL_OK ? status : kl_plan_execute(trace, nresults, results);
  if (status != KL_OK) {
    kl_replay_release(r);
    return status;
  }
  *out = r;
  return KL_OK;
}

bool kl_replay_fits(const kl_replay *r, bool by_row, int nargs, kl_tensor *const *args) {
  if (nargs != r->nargs) {
    return false;
  }
  for (int i = 0; i < nargs; i++) {
    const argument *a = &r->arguments[i];
    size_t bytes = sizeof a->strides[0] * (size_t)a->spec.shape.ndim;
    if (args[i]->storage == NULL || args[i]->dtype != a->spec.dtype ||
        args[i]->shape.ndim != a->spec.shape.ndim + by_row ||
        memcmp(args[i]->shape.dim + by_row, a->spec.shape.dim, bytes) != 0 ||
        memcmp(args[i]->strides + by_row, a->strides, bytes) != 0) {
      return false;
    }
  }
  return true;
}

/* Fills the list of externals with references. */
static void bind_externals(kl_replay *r, kl_tensor *const *args) {
  memset(r->program.uses, 0, sizeof *r->program.uses * (size_t)r->program.nvariables);
  for (int64_t i = 0; i < r->program.nexternals; i++) {
    const source *s = &r->externals[i];
    switch (s->kind) {
      case FROM_ARGUMENT:
        r->program.externals[i] = kl_tensor_retain(args[s->number]);
        break;
      case FROM_VARIABLE:
        r->program.externals[i] = kl_tensor_retain(s->variable->value);
        if (s->number >= 0) {
          r->program.uses[s->number]++; /* this reference is not somebody's */
        } /* else the plan does not know that it reads the variable: this reference keeps it from being overwritten */
        break;
      case FROM_DRAW:
        r->program.externals[i] = kl_tensor_retain(r->draws[s->number].key);
        break;
      default:
        r->program.externals[i] = kl_tensor_retain(s->constant);
    }
  }
}

/* Results that the plan does not compute, taken before it runs: of a variable it is the old value, which this keeps
 * from being overwritten. */
static kl_status take_given(const kl_replay *r, kl_tensor *const *args, kl_tensor **out) {
  for (int i = 0; i < r->nresults; i++) {
    const source *s = &r->results[i];
    const kl_tensor *t = s->kind == FROM_ARGUMENT   ? args[s->number]
                         : s->kind == FROM_VARIABLE ? s->variable->value
                         : s->kind == FROM_DRAW     ? r->draws[s->number].key
                                                    : s->constant;
    if (s->kind != FROM_PLAN) {
      KL_TRY(kl_tensor_new_view(t, &t->shape, t->strides, t->offset, &out[i]));
    }
  }
  return KL_OK;
}

static kl_status run(kl_replay *r, kl_tensor *const *args, kl_tensor **out) {
  KL_TRY(take_given(r, args, out));
  bind_externals(r, args);
  kl_status status = kl_plan_run(r->plan, &r->program);
  for (int i = 0; i < r->nresults && status == KL_OK; i++) {
    if (r->results[i].kind == FROM_PLAN) {
      out[i] = kl_tensor_retain(kl_plan_result(r->plan, r->results[i].number));
    }
  }
  kl_plan_finish(r->plan, &r->program);
  for (int64_t i = 0; i < r->program.nexternals; i++) {
    kl_tensor_release(r->program.externals[i]);
  }
  return status;
}

/* Draws into the key of the last run, unless that has left with a result. */
static kl_status draw_again(kl_draw *d) {
  if (d->key->refs > 1 || atomic_load_explicit(&d->key->storage->refs, memory_order_acquire) > 1) {
    kl_tensor *key;
    KL_TRY(kl_tensor_new((kl_dtype)d->key->dtype, &d->key->shape, &key));
    kl_tensor_release(d->key);
    d->key = key;
  }
  return kl_generator_draw(d->generator, d->n, d->key);
}

kl_status kl_replay_run(kl_replay *r, kl_tensor *const *args, kl_tensor **out) {
  kl_status status = KL_OK;
  int64_t drawn = 0;
  for (int i = 0; i < r->nresults; i++) {
    out[i] = NULL;
  }
  while (drawn < r->ndraws && status == KL_OK) {
    status = draw_again(&r->draws[drawn]);
    drawn += status == KL_OK;
  }
  status = status != KL_OK ? status : run(r, args, out);
  for (int64_t i = 0; i < drawn; i++) {
    r->draws[i].generator->counter -= status == KL_OK ? 0 : (uint64_t)r->draws[i].n;
  }
  for (int i = 0; i < r->nresults && status != KL_OK; i++) {
    kl_tensor_release(out[i]);
  }
  for (int i = r->visible; i < r->nresults && status == KL_OK; i++) {
    kl_tensor *owner = out[r->links[i - r->visible].owner];
    kl_tensor_release(owner->logits);
    owner->logits = out[i];
    owner->logits_op = r->links[i - r->visible].op;
  }
  return status;
}

int kl_replay_result_count(const kl_replay *r) { return r->visible; }
int kl_replay_room(const kl_replay *r) { return r->nresults; }
