/* Plans: from the lowered step to prepared calls, and running them. */
#include "graph/plan.h"

#include <string.h>

#include "base/alloc.h"
#include "graph/planned.h"

static struct {
  char *bytes;
  size_t size;
} arena; /* of all plans */

static kl_program executed; /* describes the recording that is being executed; keeps its memory */

static uint64_t plans_made; /* ever */

static void add_patch(kl_plan *p, kl_view *view, const kl_value *v) {
  kl_lowered_view(v, view);
  p->patches[p->npatches++] = (kl_patch){view, v->buffer, v->offset * (int64_t)kl_dtype_size(v->spec.dtype)};
}

/* Views, kernel and scratch of one call. */
static kl_status prepare_call(kl_plan *p, const kl_item *item, kl_call *call, size_t *scratch) {
  kl_view *views = kl_region_alloc(&p->l.region, sizeof *views * (size_t)(item->nin + item->nout));
  if (views == NULL) {
    return KL_ENOMEM;
  }
  for (int k = 0; k < item->nin; k++) {
    add_patch(p, &views[k], &item->in[k]);
  }
  for (int k = 0; k < item->nout; k++) {
    add_patch(p, &views[item->nin + k], &item->out[k]);
  }
  *call = (kl_call){.name = item->op->name, .attrs = item->attrs, .nin = item->nin, .nout = item->nout, .in = views};
  call->out = views + item->nin;
  return kl_device_default()->prepare((int)item->op->id, call, scratch);
}

static kl_status make_single(kl_plan *p, kl_plan_call *c, const kl_item *item) {
  KL_TRY(prepare_call(p, item, &c->call, &c->scratch));
  p->scratch = c->scratch > p->scratch ? c->scratch : p->scratch;
  return KL_OK;
}

/* Finds or adds a view of the group; the first noutputs places are taken by outputs already. */
static int view_number(const kl_fused *f, kl_value *const *values, const kl_value *v) {
  for (int i = 0; i < f->nviews; i++) {
    if (kl_value_equal(values[i], v)) {
      return i;
    }
  }
  return -1;
}

static kl_status make_fused(kl_plan *p, kl_plan_call *c, const kl_group *g) {
  kl_lowered *l = &p->l;
  kl_fused *f = &c->joined;
  kl_value *values[KL_FUSED_MAX_VIEWS];
  kl_fused_op *ops = kl_region_alloc(&l->region, sizeof *ops * (size_t)g->count);
  if (ops == NULL) {
    return KL_ENOMEM;
  }
  c->fused = true;
  f->shape = l->items[l->scheduled[g->first]].out[0].spec.shape;
  f->nops = g->count;
  for (int i = 0; i < g->count; i++) {
    kl_item *item = &l->items[l->scheduled[g->first + i]];
    for (int k = 0; k < item->nout; k++) {
      const kl_buffer *b = &l->buffers[item->out[k].buffer];
      if (b->place == KL_PLACE_TILE) {
        f->ntemps = b->number >= f->ntemps ? b->number + 1 : f->ntemps;
      } else {
        values[f->nviews++] = &item->out[k];
      }
    }
  }
  f->noutputs = f->nviews;
  for (int i = 0; i < g->count; i++) {
    kl_item *item = &l->items[l->scheduled[g->first + i]];
    for (int k = 0; k < item->nin; k++) {
      if (l->buffers[item->in[k].buffer].place != KL_PLACE_TILE && view_number(f, values, &item->in[k]) < 0) {
        values[f->nviews++] = &item->in[k];
      }
    }
  }
  kl_view *views = kl_region_alloc(&l->region, sizeof *views * (size_t)f->nviews);
  if (views == NULL) {
    return KL_ENOMEM;
  }
  for (int i = 0; i < f->nviews; i++) {
    add_patch(p, &views[i], values[i]);
    if (l->buffers[values[i]->buffer].place == KL_PLACE_PRODUCT) {
      f->product_view = i;
    }
  }
  for (int i = 0; i < g->count; i++) {
    const kl_item *item = &l->items[l->scheduled[g->first + i]];
    ops[i] = (kl_fused_op){.tile = item->tile, .nin = item->nin, .nout = item->nout};
    for (int k = 0; k < item->nin + item->nout; k++) {
      const kl_value *v = k < item->nin ? &item->in[k] : &item->out[k - item->nin];
      const kl_buffer *b = &l->buffers[v->buffer];
      int number = b->place == KL_PLACE_TILE ? f->nviews + b->number : view_number(f, values, v);
      *(k < item->nin ? &ops[i].in[k] : &ops[i].out[k - item->nin]) = number;
    }
  }
  f->ops = ops;
  f->views = views;
  if (g->product >= 0) {
    size_t unused;
    KL_TRY(prepare_call(p, &l->items[g->product], &c->call, &unused));
    f->product = &c->call;
    c->scratch = c->call.kernel->rows->packed_bytes(&c->call);
    p->scratch = c->scratch > p->scratch ? c->scratch : p->scratch;
  }
  if (g->reduction >= 0) {
    const kl_value *reduced = &l->items[g->reduction].in[0];
    KL_TRY(make_single(p, c, &l->items[g->reduction]));
    f->reduction = &c->call;
    while (values[f->reduced_view]->buffer !=
           reduced->buffer) { /* it is one of the outputs, perhaps of another shape */
      f->reduced_view++;
    }
    f->stored = l->buffers[reduced->buffer].place != KL_PLACE_PIECE;
  }
  return KL_OK;
}

static kl_status make_calls(kl_plan *p) {
  kl_lowered *l = &p->l;
  size_t operands = 0;
  for (int i = 0; i < l->nitems; i++) {
    operands += (size_t)(l->items[i].nin + l->items[i].nout);
  }
  p->calls = kl_region_alloc(&l->region, sizeof *p->calls * (size_t)(l->ngroups + 1));
  p->patches = kl_region_alloc(&l->region, sizeof *p->patches * (operands + 1));
  p->bases = kl_region_alloc(&l->region, sizeof *p->bases * (size_t)(l->nbuffers + 1));
  p->cells = kl_region_alloc(&l->region, sizeof *p->cells * (size_t)(l->nbuffers + 1));
  p->results = kl_region_alloc(&l->region, sizeof *p->results * (size_t)(l->nresult_storages + 1));
  p->whole = kl_region_alloc(&l->region, sizeof *p->whole * (size_t)(l->nresult_storages + 1));
  p->made = kl_region_alloc(&l->region, sizeof *p->made * (size_t)(l->nresult_storages + l->program->nvariables + 1));
  p->recorded = kl_region_alloc(&l->region, sizeof *p->recorded * (size_t)(l->program->nresults + 1));
  p->given = kl_region_alloc(&l->region, sizeof *p->given * (size_t)(l->program->nresults + 1));
  if (p->calls == NULL || p->patches == NULL || p->bases == NULL || p->cells == NULL || p->results == NULL ||
      p->whole == NULL || p->made == NULL || p->recorded == NULL || p->given == NULL) {
    return KL_ENOMEM;
  }
  for (int i = 0; i < l->nresult_storages; i++) {
    p->whole[i] = -1;
  }
  for (; p->nresults < l->program->nresults; p->nresults++) {
    p->recorded[p->nresults] = l->program->results[p->nresults];
    const kl_value *v = &l->values[p->recorded[p->nresults]];
    const kl_buffer *b = &l->buffers[v->buffer];
    if (b->place == KL_PLACE_RESULT && kl_value_is_whole(l, v) && p->whole[b->number] < 0) {
      p->whole[b->number] = p->nresults;
    }
  }
  for (int g = 0; g < l->ngroups; g++) {
    const kl_group *group = &l->groups[g];
    if (group->count == 0) {
      continue;
    }
    kl_plan_call *c = &p->calls[p->ncalls++];
    c->group = g;
    KL_TRY(group->fused ? make_fused(p, c, group) : make_single(p, c, &l->items[l->scheduled[group->first]]));
  }
  for (int b = 0; b < l->nbuffers; b++) {
    if (l->buffers[b].place == KL_PLACE_RESULT) {
      p->results[l->buffers[b].number] = l->buffers[b].bytes;
    }
  }
  p->arena = l->arena_bytes + p->scratch;
  return KL_OK;
}

kl_plan *kl_plan_retain(kl_plan *p) {
  p->refs++;
  return p;
}

void kl_plan_release(kl_plan *p) {
  if (p == NULL || --p->refs > 0) {
    return;
  }
  kl_region region = p->l.region;
  kl_free(p, sizeof *p);
  kl_region_free(&region);
}

kl_status kl_plan_new(const kl_trace *trace, const kl_program *program, kl_plan **out) {
  kl_plan *p = kl_alloc_zero(sizeof *p);
  *out = NULL;
  if (p == NULL) {
    return KL_ENOMEM;
  }
  p->refs = 1;
  p->number = ++plans_made;
  p->step = trace->step;
  p->hash = program->hash;
  p->nwords = program->count;
  p->words = kl_region_alloc(&p->l.region, sizeof *p->words * (size_t)program->count);
  kl_status status = p->words == NULL ? KL_ENOMEM : kl_passes_run(&p->l, trace, program);
  if (status == KL_OK) {
    memcpy(p->words, program->words, sizeof *p->words * (size_t)program->count);
    status = kl_sources_make(&p->sources, &p->l.region, trace);
  }
  if (status == KL_OK) {
    status = make_calls(p);
  }
  if (status != KL_OK) {
    kl_plan_release(p);
    return status;
  }
  *out = p;
  return KL_OK;
}

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
