/* Reductions joined with the elementwise group that makes their input, piece by piece: the mean of a loss, a norm.
 *
 * A reduction goes into the group if the kernel takes its input in pieces and there is enough of it that its trip
 * through memory costs something.  If nobody outside the group reads the input, it is never in memory as a whole. */
#include "graph/lowered.h"

#define LEAST_ELEMENTS 16384 /* of the input: fewer are still in L1 when a pass of its own begins */

static bool takes_pieces(const kl_item *item) {
  kl_view views[KL_MAX_INPUTS + KL_MAX_OUTPUTS];
  kl_call call;
  kl_lowered_call(item, views, &call);
  size_t scratch;
  return kl_device_default()->prepare((int)item->op->id, &call, &scratch) == KL_OK && call.kernel->reduction != NULL &&
         call.kernel->reduction->takes(&call);
}

/* True if nobody reads the buffer but the reduction and the group, whose items read it piece by piece too. */
static bool stays_inside(const kl_lowered *l, int buffer, int group, const kl_item *reduction) {
  for (int i = 0; i < l->nitems; i++) {
    const kl_item *item = &l->items[i];
    for (int k = 0; k < item->nin && item->live; k++) {
      if (item->in[k].buffer == buffer && item->group != group && item != reduction) {
        return false;
      }
    }
  }
  return true;
}

kl_status kl_pass_reduce(kl_lowered *l) {
  for (int g = 0; g < l->ngroups; g++) {
    l->groups[g].reduction = -1;
  }
  for (int i = 0; i < l->nitems; i++) {
    kl_item *item = &l->items[i];
    if (!item->live || item->nin != 1 || item->nout != 1 || item->tile != NULL || item->op->view != NULL ||
        kl_shape_numel(&item->in[0].spec.shape) < LEAST_ELEMENTS || !kl_value_is_whole(l, &item->in[0])) {
      continue;
    }
    kl_buffer *read = &l->buffers[item->in[0].buffer];
    const kl_item *writer = read->writer >= 0 ? &l->items[read->writer] : NULL;
    kl_group *g = writer != NULL ? &l->groups[writer->group] : NULL;
    if (g == NULL || writer->tile == NULL || g->product >= 0 || g->reduction >= 0 || !takes_pieces(item)) {
      continue;
    }
    if (read->place == KL_PLACE_ARENA && stays_inside(l, item->in[0].buffer, writer->group, item)) {
      read->place = KL_PLACE_PIECE;
    }
    l->groups[item->group].count = 0;
    g->reduction = i;
    g->fused = true;
    item->group = writer->group;
    item->order = l->items[l->scheduled[g->first + g->count - 1]].order;
  }
  return KL_OK;
}
