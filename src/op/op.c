/* The table of rows, expanded from the list. */
#include "op/op.h"

#include <string.h>

const kl_op *const kl_ops[KL_OP_COUNT] = {
#define KL_OP(name) &kl_op_##name,
#include "op/op_list.h"
#undef KL_OP
};

const kl_op *kl_op_find(const char *name) {
  for (int i = 0; i < KL_OP_COUNT; i++) {
    if (strcmp(kl_ops[i]->name, name) == 0) {
      return kl_ops[i];
    }
  }
  return NULL;
}

int kl_op_attr_count(const kl_op *op) {
  static signed char counts[KL_OP_COUNT]; /* count + 1; 0: not counted yet */
  if (counts[op->id] == 0) {
    int n = 0;
    for (const kl_param *p = op->params; p->name != NULL; p++) {
      n += !kl_param_is_input(p);
    }
    counts[op->id] = (signed char)(n + 1);
  }
  return counts[op->id] - 1;
}
