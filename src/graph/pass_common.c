/* Common subexpressions: of two items with one op, equal attributes and the same windows as operands only the first
 * stays; what reads the second reads the first.  Same kernel, same bits.
 *
 * Items whose result has a place of its own (a variable's new value, a result) stay, but serve as firsts.  Numbers of
 * the script are never the same: a plan does not know their values.  Variables need no thought: each version of one is
 * another buffer. */
#include <string.h>

#include "base/hash.h"
#include "graph/lowered.h"

typedef struct table {
  int *slots; /* items + 1; 0: empty */
  size_t mask;
} table;

static uint64_t hash_item(const kl_item *item) {
  uint64_t h = kl_hash_mix(KL_HASH_BEGIN, item->op->id);
  for (int k = 0; k < item->nin; k++) {
    const kl_value *v = &item->in[k];
    h = kl_hash_mix(kl_hash_mix(h, (uint64_t)v->buffer), (uint64_t)v->offset);
    for (int axis = 0; axis < v->spec.shape.ndim; axis++) {
      h = kl_hash_mix(kl_hash_mix(h, (uint64_t)v->spec.shape.dim[axis]), (uint64_t)v->strides[axis]);
    }
  }
  return h;
}

static bool is_equal(const kl_item *a, const kl_item *b) {
  if (a->op != b->op || a->nin != b->nin || a->nout != b->nout) {
    return false;
  }
  for (int i = 0; i < kl_op_attr_count(a->op); i++) {
    const kl_attr *x = &a->attrs[i], *y = &b->attrs[i];
    if (x->n != y->n || x->given != y->given || memcmp(x->v, y->v, sizeof x->v[0] * (size_t)x->n) != 0) {
      return false;
    }
  }
  for (int k = 0; k < a->nin; k++) {
    if (!kl_value_equal(&a->in[k], &b->in[k])) {
      return false;
    }
  }
  return true;
}

/* The first item equal to this one, or -1 after adding it. */
static int find_or_add(table *t, const kl_lowered *l, int index) {
  size_t at = hash_item(&l->items[index]) & t->mask;
  for (; t->slots[at] != 0; at = (at + 1) & t->mask) {
    if (is_equal(&l->items[t->slots[at] - 1], &l->items[index])) {
      return t->slots[at] - 1;
    }
  }
  t->slots[at] = index + 1;
  return -1;
}

static bool may_go(const kl_lowered *l, const kl_item *item) {
  for (int k = 0; k < item->nout; k++) {
    if (l->buffers[item->out[k].buffer].place != KL_PLACE_ARENA) {
      return false;
    }
  }
  return true;
}

kl_status kl_pass_common(kl_lowered *l) {
  table t = {.mask = 15};
  while (t.mask < 2 * (size_t)l->nitems) {
    t.mask = t.mask * 2 + 1;
  }
  t.slots = kl_region_alloc(&l->region, (t.mask + 1) * sizeof *t.slots);
  int *instead = kl_region_alloc(&l->region, ((size_t)l->nbuffers + 1) * sizeof *instead);
  if (t.slots == NULL || instead == NULL) {
    return KL_ENOMEM;
  }
  for (int b = 0; b < l->nbuffers; b++) {
    instead[b] = b;
  }
  for (int i = 0; i < l->nitems; i++) {
    kl_item *item = &l->items[i];
    for (int k = 0; k < item->nin; k++) {
      item->in[k].buffer = instead[item->in[k].buffer];
    }
    int first = item->op->flags & KL_RANDOM ? -1 : find_or_add(&t, l, i);
    if (first < 0 || !may_go(l, item)) {
      continue;
    }
    for (int k = 0; k < item->nout; k++) {
      instead[item->out[k].buffer] = l->items[first].out[k].buffer;
    }
    item->checks = false; /* the first one checks */
  }
  return KL_OK;
}
