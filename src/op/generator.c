/* Generators. */
#include "op/generator.h"

#include "base/alloc.h"
#include "op/journal.h"
#include "op/record.h"

static uint64_t mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9u;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

static uint64_t hash_number(uint64_t hash, uint64_t number) {
  for (int i = 0; i < 8; i++) {
    hash = (hash ^ ((number >> (8 * i)) & 0xff)) * 1099511628211u;
  }
  return hash;
}

uint64_t kl_generator_key(uint64_t seed, const char *path, uint64_t n) {
  uint64_t hash = hash_number(14695981039346656037u, seed);
  for (; *path != '\0'; path++) {
    hash = (hash ^ (unsigned char)*path) * 1099511628211u;
  }
  return mix(hash_number(hash_number(hash, 0xff), n));
}

kl_status kl_generator_new(uint64_t key, uint64_t counter, bool transient, kl_generator **out) {
  kl_generator *g = kl_alloc(sizeof *g);
  *out = g;
  if (g == NULL) {
    return KL_ENOMEM;
  }
  *g = (kl_generator){.refs = 1, .key = key, .counter = counter, .transient = transient};
  return KL_OK;
}

kl_generator *kl_generator_retain(kl_generator *g) {
  g->refs++;
  return g;
}

void kl_generator_release(kl_generator *g) {
  if (g != NULL && --g->refs == 0) {
    kl_free(g, sizeof *g);
  }
}

kl_status kl_generator_draw(kl_generator *g, int64_t n, kl_tensor *key) {
  kl_recorder *recorder = kl_context_now->recorder;
  int64_t *words = kl_tensor_data(key);
  words[0] = (int64_t)g->key;
  words[1] = (int64_t)g->counter;
  if (kl_context_now->building > 0) {
    return KL_OK;
  }
  if (kl_context_now->journal != NULL) {
    KL_TRY(kl_journal_note_generator(kl_context_now->journal, g));
  }
  if (recorder != NULL && recorder->draw != NULL && !g->transient) {
    KL_TRY(recorder->draw(recorder, g, n, key));
  }
  g->counter += (uint64_t)n;
  return KL_OK;
}

kl_status kl_generator_next(kl_generator *g, int64_t n, kl_tensor **key) {
  kl_shape shape = {1, {2}};
  KL_TRY(kl_tensor_new(KL_INT64, &shape, key));
  kl_status status = kl_generator_draw(g, n, *key);
  if (status != KL_OK) {
    kl_tensor_release(*key);
    *key = NULL;
  }
  return status;
}
