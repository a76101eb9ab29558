/* Making plans: from the lowered step to prepared calls. */
#include <string.h>

#include "base/alloc.h"
#include "graph/planned.h"

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

/* The number of the view that is that value, or -1. */
static int view_number(const kl_fused *f, kl_value *const *values, const kl_value *v) {
  for (int i = 0; i < f->nviews; i++) {
    if (kl_value_equal(values[i], v)) {
      return i;
    }
  }
  return -1;
}

/* Lists the views of a group, outputs before inputs, and counts its tiles. */
static void list_views(kl_lowered *l, const kl_group *g, kl_fused *f, kl_value **values) {
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
}

static kl_status make_views(kl_plan *p, kl_fused *f, kl_value *const *values) {
  kl_view *views = kl_region_alloc(&p->l.region, sizeof *views * (size_t)f->nviews);
  if (views == NULL) {
    return KL_ENOMEM;
  }
  for (int i = 0; i < f->nviews; i++) {
    add_patch(p, &views[i], values[i]);
    if (p->l.buffers[values[i]->buffer].place == KL_PLACE_PRODUCT) {
      f->product_view = i;
    }
  }
  f->views = views;
  return KL_OK;
}

/* The ops of a group with their operands as numbers: of views, and behind them of tiles. */
static kl_status make_ops(kl_lowered *l, const kl_group *g, kl_fused *f, kl_value *const *values) {
  kl_fused_op *ops = kl_region_alloc(&l->region, sizeof *ops * (size_t)g->count);
  if (ops == NULL) {
    return KL_ENOMEM;
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
  f->nops = g->count;
  return KL_OK;
}

/* The product whose rows the group reads. */
static kl_status make_product(kl_plan *p, kl_plan_call *c, const kl_item *product) {
  size_t unused;
  KL_TRY(prepare_call(p, product, &c->call, &unused));
  c->joined.product = &c->call;
  c->scratch = c->call.kernel->rows->packed_bytes(&c->call);
  p->scratch = c->scratch > p->scratch ? c->scratch : p->scratch;
  return KL_OK;
}

/* The reduction of what the group writes: of one of its outputs, perhaps in another shape. */
static kl_status make_reduction(kl_plan *p, kl_plan_call *c, const kl_item *reduction, kl_value *const *values) {
  kl_fused *f = &c->joined;
  int reduced = reduction->in[0].buffer;
  KL_TRY(make_single(p, c, reduction));
  f->reduction = &c->call;
  while (values[f->reduced_view]->buffer != reduced) {
    f->reduced_view++;
  }
  f->stored = p->l.buffers[reduced].place != KL_PLACE_PIECE;
  return KL_OK;
}

static kl_status make_fused(kl_plan *p, kl_plan_call *c, const kl_group *g) {
  kl_lowered *l = &p->l;
  kl_fused *f = &c->joined;
  kl_value *values[KL_FUSED_MAX_VIEWS];
  c->fused = true;
  f->shape = l->items[l->scheduled[g->first]].out[0].spec.shape;
  list_views(l, g, f, values);
  KL_TRY(make_views(p, f, values));
  KL_TRY(make_ops(l, g, f, values));
  if (g->product >= 0) {
    KL_TRY(make_product(p, c, &l->items[g->product]));
  }
  return g->reduction >= 0 ? make_reduction(p, c, &l->items[g->reduction], values) : KL_OK;
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
