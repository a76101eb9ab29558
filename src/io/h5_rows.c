/* Rows that lie in chunks or in the header are read here, with the chunks kept that were read last; where a dataset
 * lies in one piece, rows.c reads it itself. */
#include "io/h5_rows.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "io/h5_internal.h"

#define SMALLEST_CACHE ((size_t)1 << 20)
#define LARGEST_CACHE ((size_t)256 << 20) /* bytes of chunks that are kept, but for a chunk that is larger */

/* A chunk that is kept: number + 1, or 0. */
typedef struct slot {
  size_t number;
  char *bytes;
} slot;

struct kl_h5_rows {
  kl_h5_file file;
  kl_h5_dataset set;
  char path[KL_PATH_TEXT];
  size_t band; /* chunks side by side: all that a row lies in */
  slot *slots; /* chunk i is kept in slot i % slot_count or not at all */
  size_t slot_count;
};

/* The only dataset that can be read. */
static kl_status find_only(kl_h5_rows *r) {
  kl_h5_list list;
  KL_TRY(kl_h5_list_datasets(&r->file, &list));
  kl_status status = KL_OK;
  char names[300] = "";
  size_t at = 0;
  for (size_t i = 0; i < list.count && at < sizeof names - 1; i++) {
    int n = snprintf(names + at, sizeof names - at, "%s%s", at > 0 ? ", " : "", list.items[i].path);
    at = n < 0 || (size_t)n >= sizeof names - at ? sizeof names - 1 : at + (size_t)n;
  }
  if (list.count == 1 && strlen(list.items[0].path) < sizeof r->path) {
    snprintf(r->path, sizeof r->path, "%s", list.items[0].path);
  } else {
    status = kl_fail(KL_EVALUE, "%s: the option dataset = path expected, the file has %zu datasets%s%s", r->file.name,
                     list.count, list.count > 0 ? ": " : "", names);
  }
  kl_h5_list_release(&list);
  return status;
}

/* Room for all chunks that a row lies in, within limits. */
static kl_status make_slots(kl_h5_rows *r) {
  const kl_h5_dataset *d = &r->set;
  if (d->layout != KL_H5_CHUNKED || d->bytes == 0) {
    return KL_OK;
  }
  r->band = d->chunks / (size_t)d->grid[0];
  size_t most = LARGEST_CACHE / d->chunk_bytes, least = SMALLEST_CACHE / d->chunk_bytes;
  size_t count = r->band > least ? r->band : least;
  count = count < most ? count : most;
  count = count < d->chunks ? count : d->chunks;
  r->slot_count = count > 0 ? count : 1;
  r->slots = kl_alloc_zero(r->slot_count * sizeof *r->slots);
  return r->slots == NULL ? KL_ENOMEM : KL_OK;
}

static kl_status open_dataset(kl_h5_rows *r, const char *dataset) {
  if (dataset != NULL) {
    if (strlen(dataset) >= sizeof r->path - 1) {
      return kl_fail(KL_EVALUE, "%s: the path of a dataset of fewer than %zu bytes expected, got %zu", r->file.name,
                     sizeof r->path - 1, strlen(dataset));
    }
    KL_TRY(kl_h5_new_path(r->file.name, dataset, &r->file.only));
    snprintf(r->path, sizeof r->path, "%s", r->file.only);
  }
  KL_TRY(kl_h5_look(&r->file));
  if (dataset == NULL) {
    KL_TRY(find_only(r));
  }
  KL_TRY(kl_h5_find_dataset(&r->file, r->path, &r->set));
  return make_slots(r);
}

kl_status kl_h5_rows_open(const char *name, int file, size_t size, const char *dataset, kl_h5_rows **out) {
  *out = NULL;
  kl_h5_rows *r = kl_alloc_zero(sizeof *r);
  if (r == NULL) {
    return KL_ENOMEM;
  }
  snprintf(r->file.name, sizeof r->file.name, "%s", name);
  r->file.file = file;
  r->file.size = size;
  r->file.compressed = true;
  kl_status status = open_dataset(r, dataset);
  if (status != KL_OK) {
    kl_h5_rows_release(r);
    return status;
  }
  *out = r;
  return KL_OK;
}

void kl_h5_rows_release(kl_h5_rows *r) {
  if (r != NULL) {
    for (size_t i = 0; i < r->slot_count && r->slots != NULL; i++) {
      kl_free(r->slots[i].bytes, r->set.chunk_bytes);
    }
    kl_free(r->slots, r->slot_count * sizeof *r->slots);
    kl_h5_toc_release(&r->file.toc);
    kl_h5_free_path(r->file.only);
    kl_free(r, sizeof *r);
  }
}

kl_element kl_h5_rows_element(const kl_h5_rows *r) { return r->set.element; }

const kl_shape *kl_h5_rows_shape(const kl_h5_rows *r) { return &r->set.shape; }

bool kl_h5_rows_offset(const kl_h5_rows *r, uint64_t *out) {
  *out = r->set.offset;
  return r->set.layout == KL_H5_CONTIGUOUS && r->set.bytes > 0;
}

/* The bytes of a chunk, kept from before or read now. */
static kl_status get_chunk(kl_h5_rows *r, size_t number, const char **out) {
  slot *s = &r->slots[number % r->slot_count];
  if (s->number != number + 1) {
    kl_h5_source source = kl_h5_source_of(&r->file);
    s->number = 0;
    if (s->bytes == NULL) {
      s->bytes = kl_alloc(r->set.chunk_bytes);
    }
    if (s->bytes == NULL) {
      return KL_ENOMEM;
    }
    KL_TRY(kl_h5_read_chunk(&source, r->path, &r->set, number, s->bytes));
    s->number = number + 1;
  }
  *out = s->bytes;
  return KL_OK;
}

kl_status kl_h5_rows_read(kl_h5_rows *r, int64_t first, int64_t count, void *to) {
  const kl_h5_dataset *d = &r->set;
  if (count == 0 || d->bytes == 0) {
    return KL_OK;
  }
  if (d->layout == KL_H5_COMPACT) {
    size_t row = d->bytes / (size_t)d->shape.dim[0];
    memcpy(to, d->bytes_in_header + (size_t)first * row, (size_t)count * row);
    return KL_OK;
  }
  size_t low = (size_t)(first / d->chunk_dim[0]), high = (size_t)((first + count - 1) / d->chunk_dim[0]);
  for (size_t i = low * r->band; i < (high + 1) * r->band; i++) {
    const char *bytes;
    KL_TRY(get_chunk(r, i, &bytes));
    kl_h5_place_chunk(d, i, bytes, first, count, to);
  }
  return KL_OK;
}
