/* Why a step needs a plan of its own: two lists of words read side by side, up to the first difference. */
#include <stdio.h>
#include <string.h>

#include "graph/planned.h"

typedef struct reader {
  const uint64_t *words;
  int64_t at, end; /* end: where the list of results begins */
  int nexternals;
} reader;

/* What one word or description stands for. */
typedef struct operand {
  uint64_t word;
  int variable; /* of an external at its first use: number + 1, or 0 */
  kl_spec spec;
  int64_t strides[KL_MAX_NDIM];
  bool described;
} operand;

static reader reader_of(const uint64_t *words, int64_t count) {
  int64_t nresults = count > 0 ? (int64_t)words[count - 1] : 0;
  return (reader){.words = words, .end = count - 1 - nresults};
}

static bool is_assignment(uint64_t word) { return word > UINT64_MAX / 2; }

static operand read_operand(reader *r) {
  operand o = {.word = r->words[r->at++]};
  if (KL_OPERAND_KIND(o.word) == KL_OPERAND_SCALAR) {
    o.spec.dtype = (kl_dtype)(r->words[r->at++] >> 8);
  } else if (KL_OPERAND_KIND(o.word) == KL_OPERAND_EXTERNAL && KL_OPERAND_NUMBER(o.word) == r->nexternals) {
    uint64_t head = r->words[r->at++];
    r->nexternals++;
    o.described = true;
    o.spec.dtype = (kl_dtype)(head & 0xff);
    o.spec.shape.ndim = (int)(head >> 8 & 0xff);
    o.variable = (int)(head >> 16);
    for (int i = 0; i < o.spec.shape.ndim; i++) {
      o.spec.shape.dim[i] = (int64_t)r->words[r->at++];
      o.strides[i] = (int64_t)r->words[r->at++];
    }
  }
  return o;
}

static bool is_same_operand(const operand *a, const operand *b) {
  return a->word == b->word && a->spec.dtype == b->spec.dtype && a->variable == b->variable &&
         kl_shape_equal(&a->spec.shape, &b->spec.shape) &&
         memcmp(a->strides, b->strides, sizeof a->strides[0] * (size_t)a->spec.shape.ndim) == 0;
}

static void say_operand(char text[KL_REASON_TEXT], const char *where, const operand *now, const operand *before) {
  char shape[KL_SHAPE_TEXT], old[KL_SHAPE_TEXT];
  bool both = now->described && before->described;
  const char *what = now->variable > 0 ? "a variable" : "an input";
  if (both && (now->spec.dtype != before->spec.dtype || !kl_shape_equal(&now->spec.shape, &before->spec.shape))) {
    snprintf(text, KL_REASON_TEXT, "%s reads %s of %s %s, before it was %s %s", where, what,
             kl_dtype_name(now->spec.dtype), kl_shape_text(&now->spec.shape, shape), kl_dtype_name(before->spec.dtype),
             kl_shape_text(&before->spec.shape, old));
  } else if (both && now->variable == before->variable) {
    snprintf(text, KL_REASON_TEXT, "%s reads %s that lies in memory in another way (a transposed or cut view)", where,
             what);
  } else {
    snprintf(text, KL_REASON_TEXT, "%s takes something else", where);
  }
}

/* Both readers stand behind the head of a node of that op.  True if they differ. */
static bool compare_nodes(char text[KL_REASON_TEXT], const kl_op *op, int nin, reader *now, reader *before) {
  char where[96];
  for (int i = 0; i < kl_op_attr_count(op); i++) {
    uint64_t a = now->words[now->at++], b = before->words[before->at++];
    int64_t n = (int64_t)(a & 0xffffffffu);
    if (a != b || memcmp(now->words + now->at, before->words + before->at, sizeof a * (size_t)n) != 0) {
      snprintf(text, KL_REASON_TEXT, "another option of kl.%s (a shape, an axis, ...)", op->name);
      return true;
    }
    now->at += n;
    before->at += n;
  }
  for (int i = 0; i < nin; i++) {
    operand a = read_operand(now), b = read_operand(before);
    if (!is_same_operand(&a, &b)) {
      snprintf(where, sizeof where, "kl.%s", op->name);
      say_operand(text, where, &a, &b);
      return true;
    }
  }
  return false;
}

void kl_program_difference(const kl_program *p, const uint64_t *older, int64_t nolder, char text[KL_REASON_TEXT]) {
  reader now = reader_of(p->words, p->count), before = reader_of(older, nolder);
  for (int n = 1; now.at < now.end && before.at < before.end; n++) {
    uint64_t a = now.words[now.at++], b = before.words[before.at++];
    if (is_assignment(a) && is_assignment(b)) {
      operand x = read_operand(&now), y = read_operand(&before);
      if (a != b) {
        snprintf(text, KL_REASON_TEXT, "operation %d assigns to another variable", n);
        return;
      }
      if (!is_same_operand(&x, &y)) {
        say_operand(text, "an assignment", &x, &y);
        return;
      }
      continue;
    }
    if (a != b) {
      const char *one = is_assignment(a) ? "an assignment" : kl_ops[a & 0xffff]->name;
      const char *other = is_assignment(b) ? "an assignment" : kl_ops[b & 0xffff]->name;
      snprintf(text, KL_REASON_TEXT, "operation %d is %s, before it was %s%s", n, one, other,
               one == other ? " of another number of tensors" : "");
      return;
    }
    if (compare_nodes(text, kl_ops[a & 0xffff], (int)(a >> 16 & 0xffff), &now, &before)) {
      return;
    }
  }
  if (now.at < now.end || before.at < before.end) {
    snprintf(text, KL_REASON_TEXT, "%s operations", now.at < now.end ? "more" : "fewer");
  } else {
    snprintf(text, KL_REASON_TEXT, "other results");
  }
}
