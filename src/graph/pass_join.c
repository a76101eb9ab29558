/* Products joined with the elementwise group that reads them, row by row: a gradient's product and the update of the
 * weight, a layer's product and its bias and activation.
 *
 * A product goes into the group that reads it if nobody else does, if the group's other operands are whole, one
 * repeated row or one repeated element, and if its trip through memory costs something.  Its inputs then live until the
 * group has run. */
#include "graph/lowered.h"

#define LEAST_ELEMENTS 32768 /* of a product: smaller ones are still in the caches */
#define LEAST_ROWS 32
#define MOST_COLUMNS (KL_PRODUCT_BLOCK / 8)

/* One row or element, or everything: what a walk by rows finds without copying. */
static bool suits_rows(const kl_value *v) {
  int last = v->spec.shape.ndim - 1;
  bool repeated = true;
  for (int i = 0; i < last; i++) {
    repeated = repeated && (v->strides[i] == 0 || v->spec.shape.dim[i] == 1);
  }
  return kl_value_is_dense(v) ||
         (repeated && (v->strides[last] == 0 || v->strides[last] == 1 || v->spec.shape.dim[last] == 1));
}

/* The fused group that is the product's only reader, or -1. */
static int only_reader(const kl_lowered *l, const kl_item *product) {
  int group = -1;
  for (int i = 0; i < l->nitems; i++) {
    const kl_item *item = &l->items[i];
    for (int k = 0; k < item->nin && item->live; k++) {
      if (item->in[k].buffer != product->out[0].buffer) {
        continue;
      }
      if ((group >= 0 && group != item->group) || item->tile == NULL || !kl_value_is_whole(l, &item->in[k])) {
        return -1;
      }
      group = item->group;
    }
  }
  return group;
}

static bool group_allows(const kl_lowered *l, const kl_group *g, const kl_item *product) {
  if (g->product >= 0) {
    return false;
  }
  for (int i = 0; i < g->count; i++) {
    const kl_item *item = &l->items[l->scheduled[g->first + i]];
    if (!kl_shape_equal(&item->out[0].spec.shape, &product->out[0].spec.shape)) {
      return false;
    }
    for (int k = 0; k < item->nin; k++) {
      if (!suits_rows(&item->in[k])) {
        return false;
      }
    }
  }
  return true;
}

/* True if the kernel gives this product by rows, and that is worth it. */
static bool can_be_had_by_rows(const kl_item *item) {
  kl_view views[KL_MAX_INPUTS + KL_MAX_OUTPUTS];
  kl_call call;
  kl_lowered_call(item, views, &call);
  size_t scratch;
  if (kl_device_default()->prepare((int)item->op->id, &call, &scratch) != KL_OK || call.kernel->rows == NULL ||
      call.kernel->rows->packed_bytes(&call) == 0) {
    return false;
  }
  const kl_shape *shape = &item->out[0].spec.shape;
  return shape->dim[1] <= MOST_COLUMNS && (call.kernel->rows->in_parts(&call) ||
                                           (shape->dim[0] >= LEAST_ROWS && kl_shape_numel(shape) >= LEAST_ELEMENTS));
}

kl_status kl_pass_join(kl_lowered *l) {
  for (int g = 0; g < l->ngroups; g++) {
    l->groups[g].product = -1;
  }
  for (int i = 0; i < l->nitems; i++) {
    kl_item *item = &l->items[i];
    if (!item->live || item->op->id != KL_OP_matmul || l->buffers[item->out[0].buffer].place != KL_PLACE_ARENA ||
        item->out[0].spec.shape.ndim != 2) {
      continue;
    }
    int group = only_reader(l, item);
    if (group >= 0 && group_allows(l, &l->groups[group], item) && can_be_had_by_rows(item)) {
      l->groups[item->group].count = 0;
      l->groups[group].product = i;
      l->groups[group].fused = true;
      l->buffers[item->out[0].buffer].place = KL_PLACE_PRODUCT;
      item->group = group;
      item->order = l->items[l->scheduled[l->groups[group].first]].order;
    }
  }
  return KL_OK;
}
