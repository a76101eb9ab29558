/* Dead code: an item lives if something that leaves the step needs it, or if it may refuse a value (immediate mode
 * would have refused it too). */
#include "graph/lowered.h"

kl_status kl_pass_live(kl_lowered *l) {
  for (int i = l->nitems - 1; i >= 0; i--) {
    kl_item *item = &l->items[i];
    item->live = item->live || item->checks;
    for (int k = 0; k < item->nout; k++) {
      kl_place place = l->buffers[item->out[k].buffer].place;
      item->live = item->live || place == KL_PLACE_RESULT || place == KL_PLACE_VARIABLE;
    }
    for (int k = 0; k < item->nin && item->live; k++) {
      int writer = l->buffers[item->in[k].buffer].writer;
      if (writer >= 0) {
        l->items[writer].live = true;
      }
    }
  }
  return KL_OK;
}
