/* The trace: a list of steps, each a node with its outputs or an assignment. */
#include "graph/recording.h"

#include <string.h>

#include "base/alloc.h"
#include "op/apply.h"
#include "op/assign.h"

/* Room for one more step. */
static kl_status grow_steps(kl_trace *t) {
  if (t->count == KL_TRACE_MOST_STEPS) {
    t->too_long = true;
    return kl_fail(KL_ESTATE,
                   "this step has recorded %d operations, the most there can be: has a loop in it no end?  Nothing of "
                   "the step was done.  A long loop is better outside the step, around it",
                   KL_TRACE_MOST_STEPS);
  }
  return kl_alloc_grow((void **)&t->steps, sizeof *t->steps, t->count + 1, &t->capacity);
}

static kl_status record(kl_recorder *r, kl_node *node, kl_tensor *const *out) {
  kl_trace *t = (kl_trace *)r;
  KL_TRY(grow_steps(t));
  KL_TRY(kl_alloc_grow((void **)&t->tensors, sizeof *t->tensors, t->tensor_count + node->nout, &t->tensor_capacity));
  node->mark = t->tensor_count;
  t->steps[t->count++] = (kl_step){.node = kl_node_retain(node), .first = t->tensor_count};
  for (int i = 0; i < node->nout; i++) {
    t->tensors[t->tensor_count++] = kl_tensor_retain(out[i]);
  }
  return KL_OK;
}

int64_t kl_trace_index(const kl_trace *trace, const kl_tensor *t) {
  if (t->node == NULL || t->flags & KL_TENSOR_SYMBOLIC) {
    return -1;
  }
  int64_t index = t->node->mark + t->index;
  bool own = index >= 0 && index < trace->tensor_count && trace->tensors[index] != NULL &&
             trace->tensors[index]->node == t->node;
  return own ? index : -1;
}

void kl_trace_fill(kl_tensor *recorded, const kl_tensor *value) {
  if (recorded->storage == NULL) {
    memcpy(recorded->strides, value->strides, sizeof value->strides);
    recorded->offset = value->offset;
    recorded->storage = kl_storage_retain(value->storage);
  }
}

/* An alias made while nothing had run takes the value from the tensor it stands for. */
static void resolve(kl_trace *t, kl_tensor *tensor) {
  if (tensor->storage == NULL && tensor->weak == KL_STRONG) {
    int64_t index = kl_trace_index(t, tensor);
    if (index >= 0 && t->tensors[index]->storage != NULL) {
      kl_trace_fill(tensor, t->tensors[index]);
    }
  }
}

static kl_status read_value(kl_recorder *r, kl_tensor *tensor) {
  kl_trace *t = (kl_trace *)r;
  t->reads++;
  KL_TRY(kl_trace_run(t));
  resolve(t, tensor);
  return tensor->storage != NULL ? KL_OK : kl_fail(KL_ESTATE, "this tensor belongs to a finished step");
}

static kl_version *find_version(kl_trace *t, const kl_variable *v) {
  for (int64_t i = 0; i < t->version_count; i++) {
    if (t->versions[i].variable == v) {
      return &t->versions[i];
    }
  }
  return NULL;
}

static kl_status variable_value(kl_recorder *r, kl_variable *v, kl_tensor **out) {
  kl_trace *t = (kl_trace *)r;
  const kl_version *found = find_version(t, v);
  kl_tensor *value = found != NULL ? found->value : v->value;
  if (found != NULL && kl_context_now->watchers == NULL) {
    /* Read where no tape records it is a plain tensor, to tapes made later too. */
    kl_tensor **plain = &t->tensors[found->first + 2];
    if (*plain == NULL) {
      KL_TRY(kl_tensor_new_alias(value, plain));
      (*plain)->id = kl_tensor_next_id();
      (*plain)->flags &= (uint8_t)~KL_TENSOR_TRAINABLE;
    }
    value = *plain;
  }
  *out = kl_tensor_retain(value);
  return KL_OK;
}

/* The recorded tensor under the variable's name. */
static kl_status name_after(const kl_tensor *value, kl_variable *v, kl_tensor **out) {
  KL_TRY(kl_tensor_new_alias(value, out));
  (*out)->id = v->id;
  (*out)->variable = v;
  (*out)->flags = v->trainable ? KL_TENSOR_TRAINABLE : 0;
  return KL_OK;
}

static kl_status assign(kl_recorder *r, kl_variable *v, kl_tensor *value) {
  kl_trace *t = (kl_trace *)r;
  KL_TRY(grow_steps(t));
  KL_TRY(kl_alloc_grow((void **)&t->tensors, sizeof *t->tensors, t->tensor_count + 3, &t->tensor_capacity));
  KL_TRY(kl_alloc_grow((void **)&t->versions, sizeof *t->versions, t->version_count + 1, &t->version_capacity));
  kl_tensor *named;
  KL_TRY(name_after(value, v, &named));
  kl_version *found = find_version(t, v);
  if (found == NULL) {
    found = &t->versions[t->version_count++];
    *found = (kl_version){.variable = v};
  }
  /* The value that is given up is a plain tensor to tapes made from now on; that of before the step until the step has
   * ended, however it ends. */
  kl_tensor *before = found->value != NULL ? found->value : v->value;
  before->flags &= (uint8_t)~KL_TENSOR_TRAINABLE;
  kl_tensor_release(found->value);
  found->value = named;
  found->first = t->tensor_count;
  t->steps[t->count++] =
      (kl_step){.variable = kl_variable_retain(v), .source = kl_context_now->source, .first = t->tensor_count};
  t->tensors[t->tensor_count++] = kl_tensor_retain(value);
  t->tensors[t->tensor_count++] = kl_tensor_retain(named);
  t->tensors[t->tensor_count++] = NULL;
  return KL_OK;
}

static kl_status draw(kl_recorder *r, kl_generator *g, int64_t n, kl_tensor *key) {
  kl_trace *t = (kl_trace *)r;
  KL_TRY(kl_alloc_grow((void **)&t->draws, sizeof *t->draws, t->draw_count + 1, &t->draw_capacity));
  t->draws[t->draw_count++] = (kl_draw){kl_generator_retain(g), n, kl_tensor_retain(key)};
  return KL_OK;
}

kl_status kl_trace_new(kl_trace **out) {
  kl_trace *t = kl_alloc_zero(sizeof *t);
  *out = t;
  if (t == NULL) {
    return KL_ENOMEM;
  }
  t->recorder =
      (kl_recorder){.record = record, .read = read_value, .variable = variable_value, .draw = draw, .assign = assign};
  return KL_OK;
}

void kl_trace_begin(kl_trace *t, const void *step) {
  static uint64_t next_serial = 1;
  t->recorder.serial = next_serial++;
  t->step = step;
  t->context = kl_context_now;
  t->context->recorder = &t->recorder;
}

void kl_trace_end(kl_trace *t) {
  if (t->context != NULL) {
    t->context->recorder = NULL;
    t->context = NULL;
  }
}

bool kl_trace_is_open(const kl_trace *t) { return t->context != NULL; }

void kl_trace_clear(kl_trace *t) {
  for (int64_t i = 0; i < t->version_count; i++) {
    kl_variable_set_trainable(t->versions[i].variable, t->versions[i].variable->trainable);
    kl_tensor_release(t->versions[i].value);
  }
  for (int64_t i = 0; i < t->draw_count; i++) {
    kl_generator_release(t->draws[i].generator);
    kl_tensor_release(t->draws[i].key);
  }
  t->draw_count = t->draws_done = 0;
  for (int64_t i = 0; i < t->count; i++) {
    const kl_step *s = &t->steps[i];
    int n = s->node != NULL ? s->node->nout : 3;
    for (int k = 0; k < n; k++) {
      kl_tensor *tensor = t->tensors[s->first + k];
      if (tensor != NULL && (s->node != NULL || k > 0)) { /* made here; what was assigned may be anybody's */
        /* One that lives on must not keep the step's nodes alive, and may outlive the variable whose name it has. */
        kl_tensor_forget_origin(tensor);
        tensor->variable = NULL;
        tensor->flags &= (uint8_t)~KL_TENSOR_TRAINABLE;
      }
      kl_tensor_release(tensor);
    }
    kl_node_release(s->node);
    kl_variable_release(s->variable);
  }
  t->sources_known = false;
  t->count = t->done = t->tensor_count = t->version_count = t->kept_count = t->reads = 0;
  t->recorder.no_reads = t->too_long = false;
}

void kl_trace_release(kl_trace *t) {
  if (t == NULL) {
    return;
  }
  kl_trace_end(t);
  kl_trace_clear(t);
  kl_free(t->steps, (size_t)t->capacity * sizeof *t->steps);
  kl_free(t->tensors, (size_t)t->tensor_capacity * sizeof *t->tensors);
  kl_free(t->versions, (size_t)t->version_capacity * sizeof *t->versions);
  kl_free(t->draws, (size_t)t->draw_capacity * sizeof *t->draws);
  kl_free(t->kept, (size_t)t->kept_capacity * sizeof *t->kept);
  kl_free(t, sizeof *t);
}

static kl_status run_node(kl_trace *t, const kl_step *s) {
  kl_tensor *in[KL_MAX_INPUTS], *out[KL_MAX_OUTPUTS];
  for (int i = 0; i < s->node->nin; i++) {
    in[i] = s->node->in[i].value;
    resolve(t, in[i]);
  }
  KL_TRY(kl_apply_all(s->node, in, out));
  for (int i = 0; i < s->node->nout; i++) {
    kl_trace_fill(t->tensors[s->first + i], out[i]);
    kl_tensor_release(out[i]);
  }
  return KL_OK;
}

kl_status kl_trace_run(kl_trace *t) {
  kl_context *context = kl_context_now;
  kl_context plain = {.journal = context->journal};
  kl_status status = KL_OK;
  kl_context_now = &plain;
  while (t->done < t->count && status == KL_OK) {
    const kl_step *s = &t->steps[t->done];
    if (s->node != NULL) {
      plain.source = s->node->source;
      status = run_node(t, s);
      if (status != KL_OK) {
        kl_error_set_source(plain.source);
      }
    } else {
      kl_tensor *value = t->tensors[s->first], *named = t->tensors[s->first + 1];
      resolve(t, value);
      kl_trace_fill(named, value);
      if (t->tensors[s->first + 2] != NULL) {
        kl_trace_fill(t->tensors[s->first + 2], value);
      }
      status = kl_variable_assign(s->variable, value);
    }
    t->done += status == KL_OK;
  }
  kl_context_now = context;
  t->draws_done = t->draw_count;
  return status;
}

void kl_trace_abandon(kl_trace *t) {
  for (; t->done < t->count && t->draw_count > t->draws_done; t->draw_count--) {
    kl_draw *d = &t->draws[t->draw_count - 1];
    d->generator->counter -= (uint64_t)d->n;
    kl_generator_release(d->generator);
    kl_tensor_release(d->key);
  }
}

void kl_trace_fail(kl_trace *t) {
  if (t->too_long) {
    kl_trace_abandon(t);
  } else {
    kl_trace_run(t);
  }
}

kl_status kl_trace_keep(kl_trace *t, kl_tensor *tensor) {
  KL_TRY(kl_alloc_grow((void **)&t->kept, sizeof *t->kept, t->kept_count + 1, &t->kept_capacity));
  t->kept[t->kept_count++] = tensor;
  return KL_OK;
}

void kl_trace_refuse_reads(kl_trace *t) { t->recorder.no_reads = true; }

uint64_t kl_trace_serial(const kl_trace *t) { return t->recorder.serial; }
int64_t kl_trace_kept_count(const kl_trace *t) { return t->kept_count; }
kl_tensor *kl_trace_kept(const kl_trace *t, int64_t i) { return t->kept[i]; }

int64_t kl_trace_count(const kl_trace *t) { return t->count; }
int64_t kl_trace_reads(const kl_trace *t) { return t->reads; }
bool kl_trace_sources_known(const kl_trace *t) { return t->sources_known; }
