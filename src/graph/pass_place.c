/* Where buffers lie.
 *
 * A buffer that only ops of its own fused group read, whole and in order, is a tile of it.  Others get an offset in the
 * arena for the groups from their writer to their last reader.  The new value of a variable is written over the old one
 * unless somebody reads the old one later, or a value may still be refused after that (a failed step must leave the
 * variables as they were). */
#include "graph/lowered.h"

#define ALIGNMENT ((size_t)64)

static void find_lifetimes(kl_lowered *l) {
  for (int b = 0; b < l->nbuffers; b++) {
    l->buffers[b].first = l->buffers[b].last = -1;
  }
  for (int i = 0; i < l->nitems; i++) {
    const kl_item *item = &l->items[i];
    if (!item->live) {
      continue;
    }
    for (int k = 0; k < item->nin + item->nout; k++) {
      kl_buffer *b = &l->buffers[k < item->nin ? item->in[k].buffer : item->out[k - item->nin].buffer];
      b->first = k >= item->nin ? item->group : b->first;
      b->last = item->group > b->last ? item->group : b->last;
    }
  }
}

/* True if the items of the group behind its i-th read the buffer whole or not at all. */
static bool is_read_whole(const kl_lowered *l, const kl_group *group, int i, int buffer) {
  for (int k = i + 1; k < group->count; k++) {
    const kl_item *reader = &l->items[l->scheduled[group->first + k]];
    for (int n = 0; n < reader->nin; n++) {
      if (reader->in[n].buffer == buffer && !kl_value_is_whole(l, &reader->in[n])) {
        return false;
      }
    }
  }
  return true;
}

/* Buffers that never leave their group. */
static void find_tiles(kl_lowered *l) {
  for (int g = 0; g < l->ngroups; g++) {
    const kl_group *group = &l->groups[g];
    int next = 0;
    for (int i = 0; i < group->count && group->fused; i++) {
      const kl_item *item = &l->items[l->scheduled[group->first + i]];
      for (int k = 0; k < item->nout; k++) {
        kl_buffer *b = &l->buffers[item->out[k].buffer];
        if (b->place == KL_PLACE_ARENA && b->last == g && is_read_whole(l, group, i, item->out[k].buffer)) {
          b->place = KL_PLACE_TILE;
          b->number = next++;
        }
      }
    }
  }
}

/* True if writing variable v in place would change what a reader of its old value sees. */
static bool old_value_is_read(const kl_lowered *l, int v, const kl_item *writer) {
  for (int i = 0; i < l->nitems; i++) {
    const kl_item *item = &l->items[i];
    for (int k = 0; k < item->nin && item->live; k++) {
      const kl_buffer *b = &l->buffers[item->in[k].buffer];
      if (b->place != KL_PLACE_EXTERNAL || l->program->externals[b->number]->variable != l->program->variables[v]) {
        continue;
      }
      bool before = item->group < writer->group;
      /* in the same walk: element by element, at the same element, and not after the write */
      const kl_value *read = &item->in[k];
      bool together = item->group == writer->group && item->tile != NULL && item->order <= writer->order &&
                      kl_shape_equal(&read->spec.shape, &writer->out[0].spec.shape) && read->offset == 0 &&
                      kl_value_is_dense(read);
      if (!before && !together) {
        return true;
      }
    }
  }
  return false;
}

static void place_variables(kl_lowered *l) {
  int last_check = -1;
  for (int i = 0; i < l->nitems; i++) {
    const kl_item *item = &l->items[i];
    last_check = item->live && item->checks && item->group > last_check ? item->group : last_check;
  }
  for (int i = 0; i < l->nitems; i++) {
    const kl_item *item = &l->items[i];
    for (int k = 0; k < item->nout && item->live; k++) {
      const kl_buffer *b = &l->buffers[item->out[k].buffer];
      if (b->place == KL_PLACE_VARIABLE) {
        l->fresh[b->number] = l->fresh[b->number] || item->group <= last_check || old_value_is_read(l, b->number, item);
      }
    }
  }
}

/* First fit: the lowest offset at which no buffer of an overlapping life lies. */
static void place_in_arena(kl_lowered *l) {
  for (int b = 0; b < l->nbuffers; b++) {
    kl_buffer *buffer = &l->buffers[b];
    if (buffer->place != KL_PLACE_ARENA || buffer->first < 0) {
      continue;
    }
    size_t bytes = (buffer->bytes + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    size_t offset = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (int o = 0; o < b; o++) {
        const kl_buffer *other = &l->buffers[o];
        size_t end = other->offset + ((other->bytes + ALIGNMENT - 1) & ~(ALIGNMENT - 1));
        if (other->place == KL_PLACE_ARENA && other->first >= 0 && other->first <= buffer->last &&
            buffer->first <= other->last && offset < end && other->offset < offset + bytes) {
          offset = end;
          moved = true;
        }
      }
    }
    if (bytes > SIZE_MAX / 2 - offset) { /* no machine has it, but let it be the allocator that says so */
      l->arena_bytes = SIZE_MAX / 2;
      return;
    }
    buffer->offset = offset;
    l->arena_bytes = offset + bytes > l->arena_bytes ? offset + bytes : l->arena_bytes;
  }
}

kl_status kl_pass_place(kl_lowered *l) {
  find_lifetimes(l);
  find_tiles(l);
  place_variables(l);
  place_in_arena(l);
  return KL_OK;
}
