/* Nodes with a foreign gradient rule. */
#include "grad/foreign.h"

#include "op/record.h"

const kl_op kl_op_foreign = {.id = KL_OP_COUNT, .name = "custom_gradient", .doc = "A function with its own gradient."};

kl_status kl_foreign_attach(int nvalues, kl_tensor *const *values, int nargs, kl_tensor *const *args,
                            kl_foreign *foreign, kl_tensor **out) {
  kl_node *node = kl_node_new(&kl_op_foreign, 0, NULL, nargs, args, nvalues);
  if (node == NULL) {
    foreign->release(foreign);
    return KL_ENOMEM;
  }
  node->foreign = foreign;
  kl_status status = KL_OK;
  int made = 0;
  while (made < nvalues && status == KL_OK) {
    status = kl_tensor_new_alias(values[made], &out[made]);
    if (status == KL_OK) {
      out[made]->id = kl_tensor_next_id();
      out[made]->flags &= (uint8_t)~KL_TENSOR_TRAINABLE;
      node->out[made].id = out[made]->id;
      node->out[made].spec = kl_tensor_spec(out[made]);
      made++;
    }
  }
  for (kl_watcher *w = kl_context_now->watchers; w != NULL && status == KL_OK; w = w->outer) {
    if (!w->paused && kl_watcher_sees(w, nargs, args, &status) && status == KL_OK) {
      status = w->keep(w, node);
    }
  }
  kl_node_release(node);
  if (status != KL_OK) {
    while (made > 0) {
      kl_tensor_release(out[--made]);
    }
  }
  return status;
}
