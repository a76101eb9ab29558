/* A step between passes as text. */
#include <inttypes.h>

#include "graph/debug.h"

const char *kl_stage_name(kl_stage stage) {
  static const char *const names[] = {"lowering",   "common subexpressions", "dead code",
                                      "scheduling", "joining products",      "placing"};
  return names[stage];
}

static void print_shape(FILE *to, const kl_spec *spec) {
  char text[KL_SHAPE_TEXT];
  fprintf(to, "%s %s", kl_dtype_name(spec->dtype), kl_shape_text(&spec->shape, text));
}

/* What the buffer is, for readers. */
static void print_source(FILE *to, const kl_lowered *l, int buffer) {
  const kl_buffer *b = &l->buffers[buffer];
  const kl_tensor *t;
  switch (b->place) {
    case KL_PLACE_EXTERNAL:
      t = l->program->externals[b->number];
      if (t->variable != NULL && kl_program_variable(l->program, t->variable) >= 0) {
        fprintf(to, "variable %d", kl_program_variable(l->program, t->variable));
      } else {
        fprintf(to, "input %d", b->number);
      }
      break;
    case KL_PLACE_CELL:
      fprintf(to, "number %d", b->number);
      break;
    default:
      fprintf(to, "%%%d", buffer);
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
static void print_operand(FILE *to, const kl_lowered *l, const kl_value *v) {
  print_source(to, l, v->buffer);
  if (is_all_of_it(l, v)) {
    return;
  }
  fputc('[', to);
  for (int i = 0; i < v->spec.shape.ndim; i++) {
    fprintf(to, "%s%" PRId64 ":%" PRId64, i > 0 ? ", " : "", v->spec.shape.dim[i], v->strides[i]);
  }
  if (v->offset != 0) {
    fprintf(to, " from %" PRId64, v->offset);
  }
  fputc(']', to);
}

static void print_place(FILE *to, const kl_lowered *l, int buffer, kl_stage stage) {
  const kl_buffer *b = &l->buffers[buffer];
  switch (b->place) {
    case KL_PLACE_TILE:
      fprintf(to, "; tile %d", b->number);
      break;
    case KL_PLACE_PRODUCT:
      fputs("; rows as they are needed", to);
      break;
    case KL_PLACE_VARIABLE:
      fprintf(to, "; variable %d", b->number);
      if (stage == KL_STAGE_PLACED) {
        fputs(l->fresh[b->number] ? ", in new storage" : ", in place", to);
      }
      break;
    case KL_PLACE_RESULT:
      fprintf(to, "; result %d", b->number);
      break;
    default:
      if (stage == KL_STAGE_PLACED) {
        fprintf(to, "; arena at %zu, groups %d to %d", b->offset, b->first, b->last);
      }
  }
}

static void print_item(FILE *to, const kl_lowered *l, const kl_item *item, kl_stage stage) {
  fputs("  ", to);
  if (stage >= KL_STAGE_SCHEDULED) {
    fprintf(to, "%d: ", item->group);
  }
  for (int k = 0; k < item->nout; k++) {
    fprintf(to, "%s%%%d ", k > 0 ? ", " : "", item->out[k].buffer);
    print_shape(to, &item->out[k].spec);
  }
  fprintf(to, " = %s(", item->op->name);
  for (int k = 0; k < item->nin; k++) {
    fputs(k > 0 ? ", " : "", to);
    print_operand(to, l, &item->in[k]);
  }
  for (int i = 0; i < kl_op_attr_count(item->op); i++) {
    const kl_attr *a = &item->attrs[i];
    fputs(i > 0 || item->nin > 0 ? ", " : "", to);
    fputs(a->given ? "" : "none", to);
    for (int k = 0; k < a->n && a->given; k++) {
      fprintf(to, "%s%" PRId64, k > 0 ? " " : "", a->v[k]);
    }
  }
  fputc(')', to);
  for (int k = 0; k < item->nout; k++) {
    print_place(to, l, item->out[k].buffer, stage);
  }
  fputs(item->checks ? "; may refuse\n" : "\n", to);
}

void kl_lowered_print(const kl_lowered *l, kl_stage stage, FILE *to) {
  int live = 0;
  for (int i = 0; i < l->nitems; i++) {
    live += l->items[i].live;
  }
  fprintf(to, "plan after %s: %d items", kl_stage_name(stage), stage >= KL_STAGE_LIVE ? live : l->nitems);
  if (stage >= KL_STAGE_SCHEDULED) {
    fprintf(to, " in %d groups", l->ngroups);
  }
  fprintf(to, stage == KL_STAGE_PLACED ? ", %zu bytes of arena\n" : "\n", l->arena_bytes);
  for (int64_t i = 0; i < l->program->nexternals && stage == KL_STAGE_LOWERED; i++) {
    const kl_spec spec = kl_tensor_spec(l->program->externals[i]);
    fputs("  ", to);
    print_source(to, l, l->externals[i].buffer);
    fputs(": ", to);
    print_shape(to, &spec);
    fputc('\n', to);
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
  }
}
