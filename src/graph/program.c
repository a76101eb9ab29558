/* Recorded steps as words. */
#include "graph/program.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "op/op.h"

static uint64_t next_walk = 1; /* marks of different programs must not be mistaken for each other */

static kl_status put(kl_program *p, uint64_t word) {
  KL_TRY(kl_alloc_grow((void **)&p->words, sizeof word, p->count + 1, &p->capacity));
  p->words[p->count++] = word;
  return KL_OK;
}

static kl_status add_variable(kl_program *p, kl_variable *v, int *number) {
  if (v->marked_by != p->walk) {
    KL_TRY(kl_alloc_grow((void **)&p->variables, sizeof v, p->nvariables + 1, &p->variables_capacity));
    KL_TRY(kl_alloc_grow((void **)&p->uses, sizeof *p->uses, p->nvariables + 1, &p->uses_capacity));
    v->marked_by = p->walk;
    v->mark = (int32_t)p->nvariables;
    p->variables[p->nvariables] = v;
    p->uses[p->nvariables++] = 0;
  }
  *number = v->mark;
  return KL_OK;
}

/* Describes a tensor with a value: once, at its first use. */
static kl_status add_external(kl_program *p, kl_tensor *t) {
  int variable = -1;
  if (t->variable != NULL && t->variable->value == t) {
    KL_TRY(add_variable(p, t->variable, &variable));
    p->uses[variable]++;
  }
  if (t->marked_by == p->walk) {
    return put(p, KL_OPERAND_EXTERNAL | (uint64_t)(uint32_t)t->mark);
  }
  KL_TRY(kl_alloc_grow((void **)&p->externals, sizeof t, p->nexternals + 1, &p->externals_capacity));
  t->marked_by = p->walk;
  t->mark = (int32_t)p->nexternals;
  p->externals[p->nexternals++] = t;
  KL_TRY(put(p, KL_OPERAND_EXTERNAL | (uint64_t)(uint32_t)t->mark));
  KL_TRY(put(p, (uint64_t)t->dtype | (uint64_t)t->shape.ndim << 8 | (uint64_t)(uint32_t)(variable + 1) << 16));
  for (int i = 0; i < t->shape.ndim; i++) {
    KL_TRY(put(p, (uint64_t)t->shape.dim[i]));
    KL_TRY(put(p, (uint64_t)t->strides[i]));
  }
  return KL_OK;
}

static kl_status add_operand(kl_program *p, const kl_trace *trace, kl_tensor *t, kl_dtype dtype) {
  if (t->weak != KL_STRONG) {
    KL_TRY(kl_alloc_grow((void **)&p->scalars, sizeof t, p->nscalars + 1, &p->scalars_capacity));
    p->scalars[p->nscalars] = t;
    KL_TRY(put(p, KL_OPERAND_SCALAR | (uint64_t)p->nscalars++));
    return put(p, (uint64_t)t->weak | (uint64_t)dtype << 8);
  }
  if (t->storage != NULL) {
    return add_external(p, t);
  }
  int64_t index = kl_trace_index(trace, t);
  if (index < 0) {
    return kl_fail(KL_ESTATE, "this tensor belongs to a finished step and has no value any more");
  }
  if (trace->tensors[index]->storage != NULL) { /* an alias made before a cut */
    return add_external(p, trace->tensors[index]);
  }
  return put(p, KL_OPERAND_RECORDED | (uint64_t)index);
}

uint64_t kl_program_operand(const kl_program *p, const kl_trace *trace, const kl_tensor *t) {
  (void)p;
  if (t->storage != NULL) {
    return KL_OPERAND_EXTERNAL | (uint64_t)(uint32_t)t->mark;
  }
  int64_t index = kl_trace_index(trace, t);
  const kl_tensor *recorded = trace->tensors[index];
  return recorded->storage != NULL ? KL_OPERAND_EXTERNAL | (uint64_t)(uint32_t)recorded->mark
                                   : KL_OPERAND_RECORDED | (uint64_t)index;
}

static kl_status add_node(kl_program *p, const kl_trace *trace, const kl_node *node) {
  KL_TRY(put(p, (uint64_t)node->op->id | (uint64_t)node->nin << 16 | (uint64_t)node->nout << 32));
  for (int i = 0; i < node->nattrs; i++) {
    const kl_attr *a = &node->attrs[i];
    KL_TRY(put(p, (uint64_t)a->n | (uint64_t)a->given << 32));
    for (int k = 0; k < a->n; k++) {
      KL_TRY(put(p, (uint64_t)a->v[k]));
    }
  }
  for (int i = 0; i < node->nin; i++) {
    KL_TRY(add_operand(p, trace, node->in[i].value, node->in[i].spec.dtype));
  }
  return KL_OK;
}

static kl_status make(kl_program *p, kl_trace *trace, int nresults, kl_tensor *const *results) {
  for (int64_t i = trace->done; i < trace->count; i++) {
    const kl_step *s = &trace->steps[i];
    if (s->node != NULL) {
      KL_TRY(add_node(p, trace, s->node));
      continue;
    }
    int number;
    KL_TRY(add_variable(p, s->variable, &number));
    KL_TRY(put(p, UINT64_MAX - (uint64_t)number));
    KL_TRY(add_operand(p, trace, trace->tensors[s->first], (kl_dtype)trace->tensors[s->first]->dtype));
  }
  for (int i = 0; i < nresults; i++) {
    int64_t index = results[i]->storage != NULL ? -1 : kl_trace_index(trace, results[i]);
    bool known = index < 0 || trace->tensors[index]->storage != NULL;
    for (int64_t k = 0; k < p->nresults && !known; k++) {
      known = p->results[k] == index;
    }
    if (!known) {
      KL_TRY(kl_alloc_grow((void **)&p->results, sizeof index, p->nresults + 1, &p->results_capacity));
      p->results[p->nresults++] = index;
      KL_TRY(put(p, (uint64_t)index));
    }
  }
  return KL_OK;
}

/* FNV-1a over words, mixed: 100 nodes are about 1500 words. */
static uint64_t hash_words(const uint64_t *words, int64_t count) {
  uint64_t h = KL_HASH_BEGIN;
  for (int64_t i = 0; i < count; i++) {
    h = kl_hash_mix(h, words[i]);
  }
  return h;
}

kl_status kl_program_make(kl_program *p, kl_trace *trace, int nresults, kl_tensor *const *results) {
  p->count = p->nexternals = p->nscalars = p->nvariables = p->nresults = 0;
  p->walk = next_walk++;
  KL_TRY(make(p, trace, nresults, results));
  KL_TRY(put(p, (uint64_t)p->nresults));
  p->hash = hash_words(p->words, p->count);
  return KL_OK;
}

int kl_program_variable(const kl_program *p, const kl_variable *v) {
  return v->mark >= 0 && v->mark < p->nvariables && p->variables[v->mark] == v ? v->mark : -1;
}

void kl_program_free(kl_program *p) {
  kl_free(p->words, (size_t)p->capacity * sizeof *p->words);
  kl_free(p->externals, (size_t)p->externals_capacity * sizeof *p->externals);
  kl_free(p->scalars, (size_t)p->scalars_capacity * sizeof *p->scalars);
  kl_free(p->variables, (size_t)p->variables_capacity * sizeof *p->variables);
  kl_free(p->uses, (size_t)p->uses_capacity * sizeof *p->uses);
  kl_free(p->results, (size_t)p->results_capacity * sizeof *p->results);
  *p = (kl_program){0};
}
