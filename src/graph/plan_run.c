/* Running plans: addresses are bound, storages made, calls run, and only then new values of variables adopted. */
#include "base/alloc.h"
#include "graph/plan.h"
#include "graph/planned.h"

static struct {
  char *bytes;
  size_t size;
} arena; /* of all plans */

static kl_program executed; /* describes the recording that is being executed; keeps its memory */

/* True if nobody but the variable and the recording holds its present value. */
static bool may_overwrite(const kl_program *program, int v) {
  const kl_tensor *value = program->variables[v]->value;
  return value->refs == 1 + program->uses[v] && atomic_load_explicit(&value->storage->refs, memory_order_acquire) == 1;
}

/* A result storage as a tensor: as the result that is all of it, or flat. */
static kl_status make_storage(kl_plan *p, const kl_buffer *b) {
  kl_shape shape = {1, {(int64_t)(b->bytes / kl_dtype_size(b->dtype))}};
  int result = p->whole[b->number];
  if (result >= 0) {
    shape = p->l.values[p->recorded[result]].spec.shape;
  }
  return kl_tensor_new(b->dtype, &shape, &p->made[b->number]);
}

/* The tensors that leave: windows into result storages, externals or old values of variables. */
static kl_status make_results(kl_plan *p, const kl_program *program) {
  for (int i = 0; i < p->nresults; i++) {
    const kl_value *v = &p->l.values[p->recorded[i]];
    const kl_buffer *b = &p->l.buffers[v->buffer];
    if (b->place == KL_PLACE_RESULT && p->whole[b->number] == i) {
      p->given[i] = kl_tensor_retain(p->made[b->number]);
      continue;
    }
    const kl_tensor *base = b->place == KL_PLACE_RESULT ? p->made[b->number] : program->externals[b->number];
    KL_TRY(kl_tensor_new_view(base, &v->spec.shape, v->strides, base->offset + v->offset, &p->given[i]));
  }
  return KL_OK;
}

/* The arena holds nothing between runs, so a larger one may take its place. */
static kl_status grow_arena(size_t bytes) {
  if (arena.size >= bytes) {
    return KL_OK;
  }
  kl_free(arena.bytes, arena.size);
  arena.size = 0;
  arena.bytes = kl_alloc(bytes);
  if (arena.bytes == NULL) {
    return KL_ENOMEM;
  }
  arena.size = bytes;
  return KL_OK;
}

/* Everything that needs memory: after the first write to a variable nothing may fail. */
static kl_status make_room(kl_plan *p, const kl_program *program) {
  const kl_lowered *l = &p->l;
  KL_TRY(grow_arena(p->arena));
  for (int b = 0; b < l->nbuffers; b++) {
    const kl_buffer *buffer = &l->buffers[b];
    switch (buffer->place) {
      case KL_PLACE_ARENA:
        p->bases[b] = arena.bytes + buffer->offset;
        break;
      case KL_PLACE_TILE:
      case KL_PLACE_PRODUCT:
      case KL_PLACE_PIECE:
        p->bases[b] = arena.bytes; /* never looked at */
        break;
      case KL_PLACE_EXTERNAL:
        p->bases[b] = kl_tensor_data(program->externals[buffer->number]);
        break;
      case KL_PLACE_CELL: {
        const kl_tensor *t = program->scalars[buffer->number];
        int64_t *cell = &p->cells[buffer->number];
        kl_dtype_store(buffer->dtype, t->weak == KL_WEAK_FLOAT, t->scalar.integer, t->scalar.number, cell);
        p->bases[b] = (char *)cell;
        break;
      }
      case KL_PLACE_RESULT:
        KL_TRY(make_storage(p, buffer));
        p->bases[b] = kl_tensor_data(p->made[buffer->number]);
        break;
      case KL_PLACE_VARIABLE:
        if (!l->fresh[buffer->number] && may_overwrite(program, buffer->number)) {
          p->bases[b] = kl_tensor_data(program->variables[buffer->number]->value);
        } else {
          kl_tensor **made = &p->made[l->nresult_storages + buffer->number];
          KL_TRY(kl_tensor_new(buffer->dtype, &program->variables[buffer->number]->value->shape, made));
          p->bases[b] = kl_tensor_data(*made);
        }
        break;
    }
  }
  return make_results(p, program);
}

static void profile_call(kl_plan *p, kl_plan_call *c, int64_t begin) {
  int64_t end = kl_profile_clock();
  if (c->profiled == NULL) {
    c->profiled = kl_profiled_make(&p->l, &p->l.groups[c->group]);
  }
  if (c->profiled != NULL) {
    kl_profiled_note(c->profiled, &p->sources, begin, end);
  }
}

kl_status kl_plan_run_calls(kl_plan *p, char *bytes, bool profiled) {
  const kl_device *device = kl_device_default();
  for (int i = 0; i < p->npatches; i++) {
    p->patches[i].view->data = p->bases[p->patches[i].buffer] + p->patches[i].offset;
  }
  unsigned state = device->enter();
  kl_status status = KL_OK;
  for (int i = 0; i < p->ncalls && status == KL_OK; i++) {
    kl_plan_call *c = &p->calls[i];
    char *scratch = c->scratch > 0 ? bytes + p->l.arena_bytes : NULL;
    int64_t begin = KL_UNLIKELY(profiled) ? kl_profile_clock() : 0;
    c->call.scratch = scratch;
    if (c->fused) {
      c->joined.packed = scratch;
      device->execute_fused(&c->joined);
    } else {
      status = device->execute(&c->call);
      if (status != KL_OK) { /* a refused value: the line of the op is what the user needs */
        const kl_item *item = &p->l.items[p->l.scheduled[p->l.groups[c->group].first]];
        kl_error_set_source(kl_sources_at(&p->sources, item->recorded).source);
      }
    }
    if (KL_UNLIKELY(begin != 0)) {
      profile_call(p, c, begin);
    }
  }
  device->leave(state);
  return status;
}

static void commit(kl_plan *p, const kl_program *program) {
  for (int64_t v = 0; v < program->nvariables; v++) {
    kl_tensor *made = p->made[p->l.nresult_storages + v];
    if (made != NULL) {
      kl_variable_replace(program->variables[v], made);
    }
  }
}

/* Says what the step needs, where the allocator has said what it was asked for. */
static kl_status refuse_room(const kl_plan *p, const kl_program *program) {
  kl_alloc_stats s = kl_alloc_get_stats();
  size_t results = 0, values = 0;
  for (int i = 0; i < p->l.nresult_storages; i++) {
    results += p->results[i];
  }
  for (int b = 0; b < p->l.nbuffers; b++) {
    const kl_buffer *buffer = &p->l.buffers[b];
    if (buffer->place == KL_PLACE_VARIABLE && (p->l.fresh[buffer->number] || !may_overwrite(program, buffer->number))) {
      values += buffer->bytes;
    }
  }
  return kl_fail(
      KL_ENOMEM,
      "out of memory: this step needs %zu bytes for what it computes on the way, %zu for its results and %zu "
      "for new values of variables; %llu are live, the limit is %llu.  Nothing of the step was done",
      p->arena, results, values, (unsigned long long)s.live_bytes, (unsigned long long)s.limit_bytes);
}

kl_status kl_plan_run(kl_plan *p, const kl_program *program) {
  kl_status room = make_room(p, program);
  if (room != KL_OK) {
    return room == KL_ENOMEM ? refuse_room(p, program) : room;
  }
  KL_TRY(kl_plan_run_calls(p, arena.bytes, kl_profiling));
  p->runs++;
  commit(p, program);
  return KL_OK;
}

kl_tensor *kl_plan_result(const kl_plan *p, int64_t index) {
  int i = 0;
  while (p->recorded[i] != index) {
    i++;
  }
  return p->given[i];
}

void kl_plan_finish(kl_plan *p, const kl_program *program) {
  for (int64_t i = 0; i < p->l.nresult_storages + program->nvariables; i++) {
    kl_tensor_release(p->made[i]);
    p->made[i] = NULL;
  }
  for (int i = 0; i < p->nresults; i++) {
    kl_tensor_release(p->given[i]);
    p->given[i] = NULL;
  }
}

/* Gives the recorded tensors that are wanted, and their aliases, their values. */
static void hand_over(const kl_plan *p, kl_trace *trace, int nresults, kl_tensor *const *results) {
  for (int i = 0; i < nresults; i++) {
    int64_t index = results[i]->storage != NULL ? -1 : kl_trace_index(trace, results[i]);
    if (index < 0) {
      continue;
    }
    if (trace->tensors[index]->storage == NULL) {
      kl_trace_fill(trace->tensors[index], kl_plan_result(p, index));
    }
    kl_trace_fill(results[i], trace->tensors[index]);
  }
}

kl_status kl_plan_execute(kl_trace *trace, int nresults, kl_tensor *const *results) {
  kl_program *program = &executed;
  kl_plan *p = NULL;
  KL_TRY(kl_program_make(program, trace, nresults, results));
  KL_TRY(kl_plan_find(trace, program, &p));
  kl_sources_fill(&p->sources, trace);
  kl_sources_note_run(trace->recorder.serial, p->number);
  trace->sources_known = p->sources.known;
  kl_status status = kl_plan_run(p, program);
  if (status == KL_OK) {
    hand_over(p, trace, nresults, results);
  }
  kl_plan_finish(p, program);
  trace->done = status == KL_OK ? trace->count : trace->done;
  return status;
}

size_t kl_plan_arena_bytes(void) { return arena.size; }

void kl_plan_clear(void) {
  kl_plan_cache_clear();
  kl_free(arena.bytes, arena.size);
  arena.bytes = NULL;
  arena.size = 0;
  kl_program_free(&executed);
}
