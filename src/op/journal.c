/* Journals: lists of first sightings. */
#include "op/journal.h"

#include "base/alloc.h"

kl_status kl_journal_note_variable(kl_journal *j, kl_variable *v) {
  for (int64_t i = 0; i < j->nvalues; i++) {
    if (j->values[i].variable == v) {
      return KL_OK;
    }
  }
  KL_TRY(kl_alloc_grow((void **)&j->values, sizeof *j->values, j->nvalues + 1, &j->values_capacity));
  j->values[j->nvalues++] = (kl_journal_value){kl_variable_retain(v), kl_tensor_retain(v->value)};
  return KL_OK;
}

kl_status kl_journal_note_generator(kl_journal *j, kl_generator *g) {
  for (int64_t i = 0; i < j->ndraws; i++) {
    if (j->draws[i].generator == g) {
      return KL_OK;
    }
  }
  KL_TRY(kl_alloc_grow((void **)&j->draws, sizeof *j->draws, j->ndraws + 1, &j->draws_capacity));
  j->draws[j->ndraws++] = (kl_journal_draw){kl_generator_retain(g), g->counter};
  return KL_OK;
}

void kl_journal_undo(kl_journal *j) {
  for (int64_t i = 0; i < j->nvalues; i++) {
    if (j->values[i].variable->value != j->values[i].value) {
      kl_variable_replace(j->values[i].variable, j->values[i].value);
    }
  }
  for (int64_t i = 0; i < j->ndraws; i++) {
    j->draws[i].generator->counter = j->draws[i].counter;
  }
  kl_journal_clear(j);
}

void kl_journal_clear(kl_journal *j) {
  for (int64_t i = 0; i < j->nvalues; i++) {
    kl_tensor_release(j->values[i].value);
    kl_variable_release(j->values[i].variable);
  }
  for (int64_t i = 0; i < j->ndraws; i++) {
    kl_generator_release(j->draws[i].generator);
  }
  j->nvalues = j->ndraws = 0;
}

void kl_journal_free(kl_journal *j) {
  kl_journal_clear(j);
  kl_free(j->values, (size_t)j->values_capacity * sizeof *j->values);
  kl_free(j->draws, (size_t)j->draws_capacity * sizeof *j->draws);
  *j = (kl_journal){0};
}
