/* A journal: what variables and generators were before a stretch of program, so that it can be taken back.
 *
 * While one is in the context, the first assignment to each variable and the first draw from each generator are noted.
 * Holding the old values makes those assignments go into new storage.  The gradients of tapes check their targets: it
 * is fit's steps that are guarded so. */
#ifndef KL_OP_JOURNAL_H
#define KL_OP_JOURNAL_H

#include "op/generator.h"
#include "tensor/variable.h"

typedef struct kl_journal_value {
  kl_variable *variable; /* owned */
  kl_tensor *value;      /* owned */
} kl_journal_value;

typedef struct kl_journal_draw {
  kl_generator *generator; /* owned */
  uint64_t counter;
} kl_journal_draw;

typedef struct kl_journal {
  bool immediate; /* steps inside it run operation by operation */
  kl_journal_value *values;
  int64_t nvalues, values_capacity;
  kl_journal_draw *draws;
  int64_t ndraws, draws_capacity;
} kl_journal;

kl_status kl_journal_note_variable(kl_journal *j, kl_variable *v);
kl_status kl_journal_note_generator(kl_journal *j, kl_generator *g);

/* Everything noted is as it was, and noted no more.  Cannot fail. */
void kl_journal_undo(kl_journal *j);

/* Forgets what was noted; keeps its memory. */
void kl_journal_clear(kl_journal *j);
void kl_journal_free(kl_journal *j);

#endif
