/* What always holds of a step between passes, checked. */
#include <stdarg.h>
#include <stdio.h>

#include "graph/debug.h"

typedef struct check {
  const kl_lowered *l;
  kl_stage stage;
  kl_status status; /* of the first complaint */
} check;

static void complain(check *c, const char *format, ...) KL_PRINTF(2, 3);
static void complain(check *c, const char *format, ...) {
  char text[512];
  va_list arguments;
  if (c->status != KL_OK) {
    return;
  }
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  c->status = kl_fail(KL_ESTATE, "a plan is wrong after %s (an error of kl's): %s", kl_stage_name(c->stage), text);
}

/* Items come after those they read, each buffer is written by the item it names, windows lie inside their buffers. */
static void check_operand(check *c, int index, const kl_value *v, bool reads) {
  const kl_lowered *l = c->l;
  if (v->buffer < 0 || v->buffer >= l->nbuffers) {
    complain(c, "item %d has operand %d of %d buffers", index, v->buffer, l->nbuffers);
    return;
  }
  const kl_buffer *b = &l->buffers[v->buffer];
  bool computed = b->place != KL_PLACE_EXTERNAL && b->place != KL_PLACE_CELL;
  if (computed != (b->writer >= 0)) {
    complain(c, "buffer %d has writer %d", v->buffer, b->writer);
  } else if (!reads && b->writer != index) {
    complain(c, "items %d and %d write buffer %d", index, b->writer, v->buffer);
  } else if (reads && computed) {
    const kl_item *reader = &l->items[index], *writer = &l->items[b->writer];
    if (b->writer >= index) {
      complain(c, "item %d reads buffer %d, which item %d writes", index, v->buffer, b->writer);
    } else if (c->stage >= KL_STAGE_LIVE && !writer->live) {
      complain(c, "item %d reads what the dead item %d writes", index, b->writer);
    } else if (c->stage >= KL_STAGE_SCHEDULED && writer->group > reader->group) {
      complain(c, "item %d of group %d reads what item %d of group %d writes", index, reader->group, b->writer,
               writer->group);
    } else if (c->stage == KL_STAGE_SCHEDULED && writer->order >= reader->order) {
      complain(c, "item %d runs before item %d, whose result it reads", index, b->writer);
    }
  }
  int64_t low = v->offset;
  int64_t high = low;
  for (int i = 0; i < v->spec.shape.ndim; i++) {
    int64_t extent = v->strides[i] * (v->spec.shape.dim[i] - 1);
    *(extent < 0 ? &low : &high) += extent;
  }
  if (computed && kl_shape_numel(&v->spec.shape) > 0 &&
      (low < 0 || ((size_t)high + 1) * kl_dtype_size(v->spec.dtype) > b->bytes)) {
    complain(c, "a window on elements %lld to %lld of buffer %d of %zu bytes", (long long)low, (long long)high,
             v->buffer, b->bytes);
  }
}

static void check_items(check *c) {
  for (int i = 0; i < c->l->nitems && c->status == KL_OK; i++) {
    const kl_item *item = &c->l->items[i];
    if (c->stage >= KL_STAGE_LIVE && !item->live) {
      if (item->checks) {
        complain(c, "item %d checks and is dead", i);
      }
      continue;
    }
    for (int k = 0; k < item->nin; k++) {
      check_operand(c, i, &item->in[k], true);
    }
    for (int k = 0; k < item->nout; k++) {
      check_operand(c, i, &item->out[k], false);
    }
  }
}

/* Each live item is scheduled once; what is joined has one shape and tile functions, and reads of its own group whole
 * results only. */
static void check_group(check *c, int g, int *taken) {
  const kl_lowered *l = c->l;
  const kl_group *group = &l->groups[g];
  if (!group->fused && group->count > 1) {
    complain(c, "group %d is not joined and has %d items", g, group->count);
  }
  for (int i = 0; i < group->count && c->status == KL_OK; i++) {
    int index = l->scheduled[group->first + i];
    const kl_item *item = &l->items[index];
    ++*taken;
    if (!item->live || item->group != g) {
      complain(c, "item %d, %s and of group %d, runs in group %d", index, item->live ? "live" : "dead", item->group, g);
    }
    if (group->fused &&
        (item->tile == NULL ||
         !kl_shape_equal(&item->out[0].spec.shape, &l->items[l->scheduled[group->first]].out[0].spec.shape))) {
      complain(c, "item %d cannot be joined with group %d", index, g);
    }
    for (int k = 0; k < item->nin && group->fused; k++) {
      int writer = l->buffers[item->in[k].buffer].writer;
      if (writer >= 0 && l->items[writer].group == g && !kl_value_is_whole(l, &item->in[k])) {
        complain(c, "item %d reads a window on a result of its own group %d", index, g);
      }
    }
  }
}

static void check_schedule(check *c) {
  int taken = 0, live = 0;
  for (int g = 0; g < c->l->ngroups; g++) {
    check_group(c, g, &taken);
    taken += c->stage >= KL_STAGE_JOINED && c->l->groups[g].product >= 0;
    taken += c->stage >= KL_STAGE_REDUCED && c->l->groups[g].reduction >= 0;
  }
  for (int i = 0; i < c->l->nitems; i++) {
    live += c->l->items[i].live;
  }
  if (taken != live) {
    complain(c, "%d items are live, %d are scheduled", live, taken);
  }
}

/* Tiles, products and pieces stay in their group. */
static void check_local(check *c) {
  const kl_lowered *l = c->l;
  for (int i = 0; i < l->nitems; i++) {
    const kl_item *item = &l->items[i];
    for (int k = 0; k < item->nin && item->live; k++) {
      const kl_buffer *b = &l->buffers[item->in[k].buffer];
      if (b->place == KL_PLACE_TILE && item->tile == NULL) {
        complain(c, "item %d is not elementwise and reads the tile %d", i, item->in[k].buffer);
      }
      if (kl_buffer_stays_inside(b) && l->items[b->writer].group != item->group) {
        complain(c, "item %d reads buffer %d, which stays in group %d", i, item->in[k].buffer,
                 l->items[b->writer].group);
      }
    }
  }
}

static void check_arena(check *c) {
  const kl_lowered *l = c->l;
  for (int a = 0; a < l->nbuffers; a++) {
    const kl_buffer *x = &l->buffers[a];
    if (x->place != KL_PLACE_ARENA || x->first < 0) {
      continue;
    }
    if (x->offset + x->bytes > l->arena_bytes) {
      complain(c, "buffer %d ends at %zu of %zu bytes", a, x->offset + x->bytes, l->arena_bytes);
    }
    for (int b = 0; b < a; b++) {
      const kl_buffer *y = &l->buffers[b];
      if (y->place == KL_PLACE_ARENA && y->first >= 0 && x->first <= y->last && y->first <= x->last &&
          x->offset < y->offset + y->bytes && y->offset < x->offset + x->bytes) {
        complain(c, "buffers %d and %d live at once and overlap", b, a);
      }
    }
  }
}

/* What is written over an old value can no longer be refused, and nobody reads that value later. */
static void check_variables(check *c) {
  const kl_lowered *l = c->l;
  int last_check = -1;
  for (int i = 0; i < l->nitems; i++) {
    const kl_item *item = &l->items[i];
    last_check = item->live && item->checks && item->group > last_check ? item->group : last_check;
  }
  for (int b = 0; b < l->nbuffers; b++) {
    const kl_buffer *written = &l->buffers[b];
    if (written->place != KL_PLACE_VARIABLE || l->fresh[written->number]) {
      continue;
    }
    const kl_item *writer = &l->items[written->writer];
    int group = writer->group;
    if (group <= last_check) {
      complain(c, "variable %d is written in group %d and a value may be refused in %d", written->number, group,
               last_check);
    }
    for (int i = 0; i < l->nitems; i++) {
      const kl_item *item = &l->items[i];
      for (int k = 0; k < item->nin && item->live; k++) {
        const kl_buffer *read = &l->buffers[item->in[k].buffer];
        /* in one walk: no later than the write, and at the same element */
        bool late = item->group > group ||
                    (item->group == group && (item->tile == NULL || item->order > writer->order ||
                                              item->in[k].offset != 0 || !kl_value_is_dense(&item->in[k])));
        if (late && read->place == KL_PLACE_EXTERNAL &&
            l->program->externals[read->number]->variable == l->program->variables[written->number]) {
          complain(c, "item %d reads the old value of variable %d after it is gone", i, written->number);
        }
      }
    }
  }
}

kl_status kl_lowered_verify(const kl_lowered *l, kl_stage stage) {
  check c = {l, stage, KL_OK};
  check_items(&c);
  if (stage >= KL_STAGE_SCHEDULED) {
    check_schedule(&c);
  }
  if (stage >= KL_STAGE_PLACED) {
    check_local(&c);
    check_arena(&c);
    check_variables(&c);
  }
  return c.status;
}
