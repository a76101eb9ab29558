/* F3 and F4: what kl takes of what a helper says about a dataset.  The helper asks the same before it looks for chunks;
 * what counts is that this process asks. */
#include "base/size.h"
#include "io/h5_internal.h"

#define MOST_INFLATED 1000 /* times as many bytes as are stored (F4) */

static bool is_element(const kl_h5_facts *f) {
  bool small = f->size == 1 || f->size == 2 || f->size == 4 || f->size == 8;
  return f->big <= 1 && small &&
         (f->kind == KL_ELEMENT_UNSIGNED || f->kind == KL_ELEMENT_SIGNED ||
          (f->kind == KL_ELEMENT_FLOAT && f->size > 1) || (f->kind == KL_ELEMENT_BOOL && f->size == 1));
}

/* Fills in the element. */
static kl_status check_type(const kl_h5_source *s, const char *path, const kl_h5_facts *f, kl_h5_dataset *d) {
  if (f->type == KL_H5_NUMBERS && is_element(f)) {
    d->element = (kl_element){(kl_element_kind)f->kind, (int)f->size, f->big != 0};
    return KL_OK;
  }
  return kl_fail(
      KL_EIO,
      "%s: %.300s: an IEEE float of 16, 32 or 64 bits, an integer of 8 to 64 bits or h5py's bool expected, found %s",
      s->name, path,
      f->type == KL_H5_VARIABLE      ? "data of variable length"
      : f->type == KL_H5_TEXT        ? "strings"
      : f->type == KL_H5_ENUMERATION ? "an enumeration"
      : f->type == KL_H5_COMPOUND    ? "a compound type"
                                     : "another type");
}

/* Fills in shape and bytes. */
static kl_status check_space(const kl_h5_source *s, const char *path, const kl_h5_facts *f, kl_h5_dataset *d) {
  if (f->empty != 0) {
    return kl_fail(KL_EIO, "%s: %.300s: an array expected, found an empty dataspace", s->name, path);
  }
  if (f->ndim > KL_MAX_NDIM) {
    return kl_fail(KL_EIO, "%s: %.300s: at most %d axes expected, found %u", s->name, path, KL_MAX_NDIM, f->ndim);
  }
  d->shape.ndim = (int)f->ndim;
  d->bytes = (size_t)d->element.size;
  bool empty = false, fits = true;
  for (int i = 0; i < d->shape.ndim; i++) {
    fits = fits && f->dim[i] <= INT64_MAX && (f->dim[i] == 0 || kl_mul_size(d->bytes, f->dim[i], &d->bytes));
    d->shape.dim[i] = (int64_t)f->dim[i];
    empty = empty || f->dim[i] == 0;
  }
  fits = fits && d->bytes <= INT64_MAX / 8; /* also of what an element becomes, and where an axis has no elements */
  d->bytes = empty ? 0 : d->bytes;
  return fits ? KL_OK : kl_fail(KL_EIO, "%s: %.300s: the declared shape does not fit in memory", s->name, path);
}

/* A chunk is read whole: it must be in the file whole.  Fills in the grid. */
static kl_status check_chunks(const kl_h5_source *s, bool compressed, const char *path, const kl_h5_facts *f,
                              kl_h5_dataset *d) {
  size_t most = s->size;
  if (compressed) {
    most = most > SIZE_MAX / MOST_INFLATED ? SIZE_MAX : most * MOST_INFLATED;
  }
  if (f->chunk_ndim != f->ndim || f->ndim == 0) {
    return kl_fail(KL_EIO, "%s: %.300s: chunks of %u axes expected, found some of %u", s->name, path, f->ndim,
                   f->chunk_ndim);
  }
  d->chunk_bytes = (size_t)d->element.size;
  d->chunks = 1;
  bool fits = true, few = true;
  for (int i = 0; i < d->shape.ndim && fits; i++) {
    uint64_t size = f->chunk[i];
    fits = size > 0 && size <= INT64_MAX && kl_mul_size(d->chunk_bytes, size, &d->chunk_bytes);
    if (fits) {
      uint64_t along = f->dim[i] / size + (f->dim[i] % size != 0);
      d->chunk_dim[i] = (int64_t)size;
      d->grid[i] = (int64_t)along;
      few = few && kl_mul_size(d->chunks, along, &d->chunks);
    }
  }
  if (!fits || d->chunk_bytes > most) {
    return kl_fail(KL_EIO, "%s: %.300s: chunks of at most %zu bytes, for the file's size, expected, found larger ones",
                   s->name, path, most);
  }
  return few && d->chunks <= s->size
             ? KL_OK
             : kl_fail(KL_EIO, "%s: %.300s: it has more chunks than the file has bytes", s->name, path);
}

/* *factor: how many times as many bytes as are stored there may be. */
static kl_status check_filters(const kl_h5_source *s, bool compressed, const char *path, const kl_h5_facts *f,
                               size_t *factor) {
  if (f->filters > KL_H5_MOST_FILTERS) {
    return kl_fail(KL_EIO, "%s: %.300s: at most %d filters expected, found %u", s->name, path, KL_H5_MOST_FILTERS,
                   f->filters);
  }
  for (uint32_t i = 0; i < f->filters; i++) {
    int filter = f->filter[i];
    bool packs = filter == KL_H5_DEFLATE || filter == KL_H5_SHUFFLE;
    if (filter != KL_H5_FLETCHER32 && !(packs && compressed)) {
      const char *name = filter == KL_H5_DEFLATE ? "deflate" : filter == KL_H5_SHUFFLE ? "shuffle" : f->filter_name;
      return kl_fail(KL_EIO, "%s: %.300s: no filter but Fletcher-32 expected, found filter %d%s%.63s%s%s", s->name,
                     path, filter, *name != '\0' ? " (" : "", name, *name != '\0' ? ")" : "",
                     packs ? "; compressed = true takes it" : "");
    }
    *factor = filter == KL_H5_DEFLATE ? MOST_INFLATED : *factor;
  }
  return KL_OK;
}

/* Layout, filters, other files, and whether the declared bytes are stored. */
static kl_status check_storage(const kl_h5_source *s, bool compressed, const char *path, const kl_h5_facts *f,
                               kl_h5_dataset *d) {
  if (f->layout != KL_H5_CONTIGUOUS && f->layout != KL_H5_CHUNKED && f->layout != KL_H5_COMPACT) {
    return kl_fail(KL_EIO, "%s: %.300s: a contiguous, chunked or compact dataset expected, found a %s one", s->name,
                   path, f->layout == KL_H5_VIRTUAL ? "virtual" : "strange");
  }
  d->layout = (kl_h5_layout)f->layout;
  if (f->external != 0) {
    return kl_fail(KL_EIO, "%s: %.300s: data inside the file expected, found data in another file", s->name, path);
  }
  size_t factor = 1;
  KL_TRY(check_filters(s, compressed, path, f, &factor));
  if (f->layout == KL_H5_CHUNKED) {
    KL_TRY(check_chunks(s, compressed, path, f, d));
  }
  uint64_t stored = d->bytes == 0 ? 0 : f->stored;
  if (d->bytes / factor > stored || d->bytes / factor > s->size) {
    char text[KL_SHAPE_TEXT];
    return kl_fail(KL_EIO, "%s: %.300s: shape %s needs %zu bytes, %llu are stored", s->name, path,
                   kl_shape_text(&d->shape, text), d->bytes, (unsigned long long)stored);
  }
  if (f->layout == KL_H5_CONTIGUOUS && d->bytes > 0 && (f->offset > s->size || d->bytes > s->size - f->offset)) {
    return kl_fail(KL_EIO, "%s: %.300s: %zu bytes expected inside the file, found at offset %lld of %zu", s->name, path,
                   d->bytes, (long long)f->offset, s->size);
  }
  d->offset = f->offset;
  return KL_OK;
}

kl_status kl_h5_check_facts(const kl_h5_source *s, bool compressed, const char *path, const kl_h5_facts *facts,
                            kl_h5_dataset *d) {
  *d = (kl_h5_dataset){.facts = facts};
  KL_TRY(check_type(s, path, facts, d));
  KL_TRY(check_space(s, path, facts, d));
  return check_storage(s, compressed, path, facts, d);
}
