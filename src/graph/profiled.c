/* Joined calls and their parts.
 *
 * Nobody can time the ops of a joined call apart, so they share its time by what each has to do: an elementwise op by
 * its elements, a product by an eighth of its multiply-adds, a reduction by what it reads, about what they cost on the
 * processors kl was measured on. */
#include "graph/profiled.h"

#include <stdio.h>
#include <string.h>

#define SHOWN_OPS 4 /* in a joined call's name */

static void make_name(const kl_lowered *l, const kl_group *g, char *name, size_t size) {
  int used = snprintf(name, size, "fused(");
  const char *separator = "";
  if (g->product >= 0) {
    used += snprintf(name + used, size - (size_t)used, "%s", l->items[g->product].op->name);
    separator = ",";
  }
  for (int i = 0; i < g->count && i < SHOWN_OPS; i++) {
    used +=
        snprintf(name + used, size - (size_t)used, "%s%s", separator, l->items[l->scheduled[g->first + i]].op->name);
    separator = ",";
  }
  if (g->count > SHOWN_OPS) {
    used += snprintf(name + used, size - (size_t)used, ",%d more", g->count - SHOWN_OPS);
  }
  if (g->reduction >= 0) {
    used += snprintf(name + used, size - (size_t)used, "%s%s", separator, l->items[g->reduction].op->name);
  }
  snprintf(name + used, size - (size_t)used, ")");
}

/* Bytes of an operand, if it passes through memory and no item before, nor an operand before of this one, has it. */
static double bytes_of(const kl_lowered *l, const kl_group *g, int upto, const kl_item *item, int operand) {
  const kl_value *v = operand < item->nin ? &item->in[operand] : &item->out[operand - item->nin];
  if (kl_buffer_stays_inside(&l->buffers[v->buffer])) {
    return 0;
  }
  for (int i = 0; i <= upto; i++) {
    const kl_item *other = &l->items[l->scheduled[g->first + i]];
    int n = other == item ? operand : other->nin + other->nout;
    for (int k = 0; k < n; k++) {
      const kl_value *w = k < other->nin ? &other->in[k] : &other->out[k - other->nin];
      if (w->buffer == v->buffer && w->offset == v->offset) {
        return 0;
      }
    }
  }
  kl_view view, out;
  kl_lowered_view(v, &view);
  kl_lowered_view(&item->out[0], &out);
  return kl_profile_bytes(item->op, &view, &out);
}

static kl_profile_part part_of(const kl_item *item) {
  kl_view views[KL_MAX_INPUTS + KL_MAX_OUTPUTS];
  kl_call call;
  kl_lowered_call(item, views, &call);
  double flops = kl_profile_flops(item->op, call.nin, call.in, call.out);
  int64_t elements = kl_shape_numel(&call.out[0].shape), read = call.nin > 0 ? kl_shape_numel(&call.in[0].shape) : 0;
  double weight = item->op->id == KL_OP_matmul ? flops / 16 : (double)(read > elements ? read : elements);
  return (kl_profile_part){item->op, 0, flops, weight};
}

kl_profiled *kl_profiled_make(kl_lowered *l, const kl_group *g) {
  kl_profiled *p = kl_region_alloc(&l->region, sizeof *p);
  size_t most = (size_t)g->count + 2;
  kl_profile_part *parts = kl_region_alloc(&l->region, most * sizeof *parts);
  int64_t *recorded = kl_region_alloc(&l->region, most * sizeof *recorded);
  if (p == NULL || parts == NULL || recorded == NULL) {
    return NULL;
  }
  p->parts = parts;
  p->recorded = recorded;
  if (g->product >= 0) {
    const kl_item *product = &l->items[g->product];
    recorded[p->nparts] = product->recorded;
    parts[p->nparts++] = part_of(product);
    for (int k = 0; k < product->nin; k++) {
      kl_view view;
      kl_lowered_view(&product->in[k], &view);
      p->bytes += kl_profile_bytes(product->op, &view, &view);
    }
  }
  for (int i = 0; i < g->count; i++) {
    const kl_item *item = &l->items[l->scheduled[g->first + i]];
    for (int k = 0; k < item->nin + item->nout; k++) {
      p->bytes += bytes_of(l, g, i, item, k);
    }
    recorded[p->nparts] = item->recorded;
    parts[p->nparts++] = part_of(item);
  }
  if (g->reduction >= 0) {
    recorded[p->nparts] = l->items[g->reduction].recorded;
    parts[p->nparts++] = part_of(&l->items[g->reduction]);
  }
  p->kernel = (int)parts[0].op->id;
  if (p->nparts > 1) {
    char name[256];
    make_name(l, g, name, sizeof name);
    p->kernel = kl_profile_kernel(name);
  }
  return p->kernel < 0 ? NULL : p;
}

void kl_profiled_note(kl_profiled *p, const kl_sources *sources, int64_t begin, int64_t end) {
  if (!p->sources_known) {
    for (int i = 0; i < p->nparts; i++) {
      p->parts[i].source = kl_sources_at(sources, p->recorded[i]).source;
    }
    p->sources_known = sources->known;
  }
  kl_profile_call(begin, end, p->kernel, p->nparts, p->parts, p->bytes);
}
