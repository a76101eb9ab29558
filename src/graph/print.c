/* A step between passes as text. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "graph/debug.h"

/* A line that is being put together. */
typedef struct line {
  kl_debug_write *write;
  size_t used;
  char text[1024]; /* what is longer is cut */
} line;

static void say(line *to, const char *format, ...) KL_PRINTF(2, 3);
static void say(line *to, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(to->text + to->used, sizeof to->text - to->used, format, arguments);
  va_end(arguments);
  size_t room = sizeof to->text - 1 - to->used;
  to->used += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room;
}

static void end_line(line *to) {
  to->text[to->used] = '\0';
  to->write(to->text);
  to->used = 0;
}

const char *kl_stage_name(kl_stage stage) {
  static const char *const names[] = {"lowering",         "common subexpressions", "dead code", "scheduling",
                                      "joining products", "joining reductions",    "placing"};
  return names[stage];
}

static void print_shape(line *to, const kl_spec *spec) {
  char text[KL_SHAPE_TEXT];
  say(to, "%s %s", kl_dtype_name(spec->dtype), kl_shape_text(&spec->shape, text));
}

/* What the buffer is, for readers. */
static void print_source(line *to, const kl_lowered *l, int buffer) {
  const kl_buffer *b = &l->buffers[buffer];
  const kl_tensor *t;
  switch (b->place) {
    case KL_PLACE_EXTERNAL:
      t = l->program->externals[b->number];
      if (t->variable != NULL && kl_program_variable(l->program, t->variable) >= 0) {
        say(to, "variable %d", kl_program_variable(l->program, t->variable));
      } else {
        say(to, "input %d", b->number);
      }
      break;
    case KL_PLACE_CELL:
      say(to, "number %d", b->number);
      break;
    default:
      say(to, "%%%d", buffer);
  }
}

static bool is_all_of_it(const kl_lowered *l, const kl_value *v) {
  const kl_buffer *b = &l->buffers[v->buffer];
  if (b->place == KL_PLACE_EXTERNAL) {
    const kl_spec spec = kl_tensor_spec(l->program->externals[b->number]);
    return v->offset == 0 && kl_shape_equal(&v->spec.shape, &spec.shape) && kl_value_is_dense(v);
  }
  return b->place == KL_PLACE_CELL || kl_value_is_whole(l, v);
}

/* A window is shown by length and step of each axis, in elements, and where it begins. */
static void print_operand(line *to, const kl_lowered *l, const kl_value *v) {
  print_source(to, l, v->buffer);
  if (is_all_of_it(l, v)) {
    return;
  }
  say(to, "[");
  for (int i = 0; i < v->spec.shape.ndim; i++) {
    say(to, "%s%" PRId64 ":%" PRId64, i > 0 ? ", " : "", v->spec.shape.dim[i], v->strides[i]);
  }
  if (v->offset != 0) {
    say(to, " from %" PRId64, v->offset);
  }
  say(to, "]");
}

static void print_place(line *to, const kl_lowered *l, int buffer, kl_stage stage) {
  const kl_buffer *b = &l->buffers[buffer];
  switch (b->place) {
    case KL_PLACE_TILE:
      say(to, "; tile %d", b->number);
      break;
    case KL_PLACE_PRODUCT:
      say(to, "; rows as they are needed");
      break;
    case KL_PLACE_PIECE:
      say(to, "; pieces as they are needed");
      break;
    case KL_PLACE_VARIABLE:
      say(to, "; variable %d", b->number);
      if (stage == KL_STAGE_PLACED) {
        say(to, "%s", l->fresh[b->number] ? ", in new storage" : ", in place");
      }
      break;
    case KL_PLACE_RESULT:
      say(to, "; result %d", b->number);
      break;
    default:
      if (stage == KL_STAGE_PLACED) {
        say(to, "; arena at %zu, groups %d to %d", b->offset, b->first, b->last);
      }
  }
}

static void print_item(line *to, const kl_lowered *l, const kl_item *item, kl_stage stage) {
  say(to, "  ");
  if (stage >= KL_STAGE_SCHEDULED) {
    say(to, "%d: ", item->group);
  }
  for (int k = 0; k < item->nout; k++) {
    say(to, "%s%%%d ", k > 0 ? ", " : "", item->out[k].buffer);
    print_shape(to, &item->out[k].spec);
  }
  say(to, " = %s(", item->op->name);
  for (int k = 0; k < item->nin; k++) {
    say(to, "%s", k > 0 ? ", " : "");
    print_operand(to, l, &item->in[k]);
  }
  for (int i = 0; i < kl_op_attr_count(item->op); i++) {
    const kl_attr *a = &item->attrs[i];
    say(to, "%s", i > 0 || item->nin > 0 ? ", " : "");
    say(to, "%s", a->given ? "" : "none");
    for (int k = 0; k < a->n && a->given; k++) {
      say(to, "%s%" PRId64, k > 0 ? " " : "", a->v[k]);
    }
  }
  say(to, ")");
  for (int k = 0; k < item->nout; k++) {
    print_place(to, l, item->out[k].buffer, stage);
  }
  say(to, "%s", item->checks ? "; may refuse" : "");
  end_line(to);
}

void kl_lowered_print(const kl_lowered *l, kl_stage stage, kl_debug_write *write) {
  line at = {.write = write}, *to = &at;
  int live = 0;
  for (int i = 0; i < l->nitems; i++) {
    live += l->items[i].live;
  }
  say(to, "plan after %s: %d items", kl_stage_name(stage), stage >= KL_STAGE_LIVE ? live : l->nitems);
  if (stage >= KL_STAGE_SCHEDULED) {
    say(to, " in %d groups", l->ngroups);
  }
  if (stage == KL_STAGE_PLACED) {
    say(to, ", %zu bytes of arena", l->arena_bytes);
  }
  end_line(to);
  for (int64_t i = 0; i < l->program->nexternals && stage == KL_STAGE_LOWERED; i++) {
    const kl_spec spec = kl_tensor_spec(l->program->externals[i]);
    say(to, "  ");
    print_source(to, l, l->externals[i].buffer);
    say(to, ": ");
    print_shape(to, &spec);
    end_line(to);
  }
  if (stage < KL_STAGE_SCHEDULED) {
    for (int i = 0; i < l->nitems; i++) {
      if (stage < KL_STAGE_LIVE || l->items[i].live) {
        print_item(to, l, &l->items[i], stage);
      }
    }
    return;
  }
  for (int g = 0; g < l->ngroups; g++) {
    const kl_group *group = &l->groups[g];
    if (stage >= KL_STAGE_JOINED && group->product >= 0) {
      print_item(to, l, &l->items[group->product], stage);
    }
    for (int i = 0; i < group->count; i++) {
      print_item(to, l, &l->items[l->scheduled[group->first + i]], stage);
    }
    if (stage >= KL_STAGE_REDUCED && group->reduction >= 0) {
      print_item(to, l, &l->items[group->reduction], stage);
    }
  }
}
