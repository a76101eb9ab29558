/* What is open for a coroutine, and what a tape sees of an op. */
#include "op/record.h"

kl_context kl_context_main;
kl_context *kl_context_now = &kl_context_main;

bool kl_watcher_sees(kl_watcher *w, int nin, kl_tensor *const *in, kl_status *status) {
  bool seen = false;
  for (int i = 0; i < nin && *status == KL_OK; i++) {
    if (in[i]->flags & KL_TENSOR_TRAINABLE && w->autowatch) {
      *status = w->watch(w, in[i]->id);
      seen = true;
    } else if (!seen && in[i]->weak == KL_STRONG) {
      seen = w->watches(w, in[i]->id);
    }
  }
  return seen;
}
