/* The order of items, and which are joined.
 *
 * Items are taken in program order as soon as what they read is there.  Around an elementwise item every other
 * elementwise item of the same shape that is ready joins its group, the group's own results counting as there: a chain
 * becomes one walk, and so do chains side by side (the updates of an optimizer).
 *
 * An item that writes a variable waits until everything that may refuse a value has run, so that it may write over the
 * old value (pass_place.c); it waits no longer than something else can be done. */
#include <string.h>

#include "graph/lowered.h"

typedef struct state {
  kl_lowered *l;
  int *missing; /* per item: how many of its inputs are not there yet; -1: done */
  int *readers; /* items that read an item's results, once per operand: of item i from `begin[i]` on */
  int *begin;
  int nscheduled;
  int first;  /* items before it are done */
  int checks; /* items that may refuse a value and are not done */
} state;

static bool writes_a_variable(const kl_lowered *l, const kl_item *item) {
  for (int k = 0; k < item->nout; k++) {
    if (l->buffers[item->out[k].buffer].place == KL_PLACE_VARIABLE) {
      return true;
    }
  }
  return false;
}

/* True if the item is to be left for later. */
static bool waits(const state *s, const kl_item *item) { return s->checks > 0 && writes_a_variable(s->l, item); }

/* The first item whose inputs are there and that need not wait; if all wait, the first of them. */
static int next_item(const state *s) {
  int waiting = s->first;
  for (int i = s->l->nitems - 1; i >= s->first && s->checks > 0; i--) {
    waiting = s->missing[i] == 0 ? i : waiting;
  }
  for (int i = s->first; i < s->l->nitems; i++) {
    if (s->missing[i] == 0 && !waits(s, &s->l->items[i])) {
      return i;
    }
  }
  return waiting;
}

static int count_missing(const kl_lowered *l, const kl_item *item) {
  int missing = 0;
  for (int k = 0; k < item->nin; k++) {
    missing += l->buffers[item->in[k].buffer].writer >= 0;
  }
  return missing;
}

/* Takes an item: those that read its outputs miss one input less. */
static void take(state *s, int index, int group) {
  kl_lowered *l = s->l;
  kl_item *item = &l->items[index];
  item->group = group;
  item->order = s->nscheduled;
  l->scheduled[s->nscheduled++] = index;
  s->missing[index] = -1;
  s->checks -= item->checks;
  for (int i = s->begin[index]; i < s->begin[index + 1]; i++) {
    s->missing[s->readers[i]] -= s->missing[s->readers[i]] > 0; /* dead ones stay at -1 */
  }
  while (s->first < l->nitems && s->missing[s->first] < 0) {
    s->first++;
  }
}

/* Who reads what. */
static kl_status list_readers(state *s) {
  const kl_lowered *l = s->l;
  size_t total = 0;
  for (int i = 0; i < l->nitems; i++) {
    total += (size_t)l->items[i].nin;
  }
  s->begin = kl_region_alloc(&s->l->region, ((size_t)l->nitems + 2) * sizeof *s->begin);
  s->readers = kl_region_alloc(&s->l->region, (total + 1) * sizeof *s->readers);
  if (s->begin == NULL || s->readers == NULL) {
    return KL_ENOMEM;
  }
  /* begin[w + 2] counts, then begin[w + 1] is where the next reader of w goes, and in the end where those of w + 1
   * begin */
  for (int pass = 0; pass < 2; pass++) {
    for (int i = 0; i < l->nitems; i++) {
      for (int k = 0; k < l->items[i].nin; k++) {
        int writer = l->buffers[l->items[i].in[k].buffer].writer;
        if (writer >= 0 && pass == 0) {
          s->begin[writer + 2]++;
        } else if (writer >= 0) {
          s->readers[s->begin[writer + 1]++] = i;
        }
      }
    }
    for (int i = 2; i < l->nitems + 2 && pass == 0; i++) {
      s->begin[i] += s->begin[i - 1];
    }
  }
  return KL_OK;
}

static int operands(const kl_item *item) { return item->nin + item->nout; }

/* True if what the item reads of the group's own results it reads element by element: a flipped or repeated window on
 * one would look at elements that the walk has not written yet. */
static bool can_join(const kl_lowered *l, const kl_item *item, int group) {
  for (int k = 0; k < item->nin; k++) {
    int writer = l->buffers[item->in[k].buffer].writer;
    if (writer >= 0 && l->items[writer].live && l->items[writer].group == group &&
        !kl_value_is_whole(l, &item->in[k])) {
      return false;
    }
  }
  return true;
}

/* Adds every ready item of that shape, in order; one may make another ready, so until nothing changes. */
static void fill_group(state *s, kl_group *g, int group, const kl_shape *shape, int used, int outputs) {
  for (int i = s->first; i < s->l->nitems; i++) {
    const kl_item *item = &s->l->items[i];
    if (s->missing[i] != 0 || item->tile == NULL || !kl_shape_equal(&item->out[0].spec.shape, shape) ||
        !can_join(s->l, item, group) || waits(s, item)) {
      continue;
    }
    if (outputs + item->nout > KL_FUSED_MAX_TEMPS || used + operands(item) > KL_FUSED_MAX_VIEWS) {
      return;
    }
    used += operands(item);
    outputs += item->nout;
    take(s, i, group);
    g->count++;
  }
}

kl_status kl_pass_schedule(kl_lowered *l) {
  state s = {.l = l};
  s.missing = kl_region_alloc(&l->region, ((size_t)l->nitems + 1) * sizeof *s.missing);
  if (s.missing == NULL) {
    return KL_ENOMEM;
  }
  KL_TRY(list_readers(&s));
  for (int i = 0; i < l->nitems; i++) {
    s.checks += l->items[i].live && l->items[i].checks;
    s.missing[i] = l->items[i].live ? count_missing(l, &l->items[i]) : -1;
  }
  while (s.first < l->nitems && s.missing[s.first] < 0) {
    s.first++;
  }
  while (s.first < l->nitems) {
    int next = next_item(&s); /* there is one: items are in program order, so the first that is not done is ready */
    kl_group *g = &l->groups[l->ngroups];
    *g = (kl_group){.first = s.nscheduled, .count = 1};
    const kl_item *item = &l->items[next];
    int used = operands(item);
    take(&s, next, l->ngroups);
    if (item->tile != NULL) {
      fill_group(&s, g, l->ngroups, &item->out[0].spec.shape, used, item->nout);
      g->fused = g->count > 1;
    }
    l->ngroups++;
  }
  return KL_OK;
}
