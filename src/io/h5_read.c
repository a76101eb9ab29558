/* The reader: a file's table of contents, walked by known paths under F3; its bytes, read by this process itself. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "io/h5_internal.h"

static const char signature[8] = "\x89HDF\r\n\x1a\n";

kl_h5_source kl_h5_source_of(const kl_h5_file *f) {
  return (kl_h5_source){
      .name = f->name, .image = f->image.data, .file = f->file, .size = f->size, .only = f->only, .attributes = false};
}

kl_status kl_h5_look(kl_h5_file *f) {
  kl_h5_source source = kl_h5_source_of(f);
  KL_TRY(kl_h5_toc_make(&source, &f->toc));
  return f->toc.end == f->size ? KL_OK
                               : kl_fail(KL_EIO, "%s: %llu bytes expected by its superblock, %zu found", f->name,
                                         (unsigned long long)f->toc.end, f->size);
}

void kl_h5_accept_compressed(kl_h5_file *f) { f->compressed = true; }

kl_status kl_h5_open(const char *name, kl_buffer *image, const char *only, kl_h5_file **out) {
  char text[KL_PATH_TEXT], *checked = NULL;
  *out = NULL;
  kl_path_text(name, text);
  if (image->size < sizeof signature || memcmp(image->data, signature, sizeof signature) != 0) {
    return kl_fail(KL_EIO, "%s: not an HDF5 file: its signature expected at offset 0 (the file has %zu bytes)", text,
                   image->size);
  }
  if (only != NULL) {
    KL_TRY(kl_h5_new_path(text, only, &checked));
  }
  kl_h5_file *f = kl_alloc_zero(sizeof *f);
  if (f == NULL) {
    kl_h5_free_path(checked);
    return KL_ENOMEM;
  }
  memcpy(f->name, text, sizeof text);
  f->image = *image;
  f->file = -1;
  f->size = image->size;
  f->only = checked;
  kl_status status = kl_h5_look(f);
  if (status != KL_OK) {
    f->image = (kl_buffer){0}; /* still the caller's */
    kl_h5_release(f);
    return status;
  }
  *image = (kl_buffer){0};
  *out = f;
  return KL_OK;
}

void kl_h5_release(kl_h5_file *f) {
  if (f != NULL) {
    kl_h5_toc_release(&f->toc);
    kl_h5_free_path(f->only);
    kl_buffer_release(&f->image);
    kl_free(f, sizeof *f);
  }
}

static kl_status fail_object(const kl_h5_file *f, const char *path, const char *words) {
  return kl_fail(KL_EIO, "%s: %.300s: HDF5: %.300s", f->name, path, words);
}

kl_status kl_h5_follow(const kl_h5_file *f, const kl_h5_link *link, const char *path, const kl_h5_object **out) {
  *out = NULL;
  if (link->kind == KL_H5_BEYOND) {
    return kl_fail(KL_EIO, "%s: at most %d groups and datasets expected, found more", f->name, KL_H5_MAX_OBJECTS);
  }
  if (link->kind != KL_H5_TO_OBJECT) {
    return kl_fail(KL_EIO, "%s: %.300s: a hard link expected, found %s, which kl does not follow", f->name, path,
                   link->kind == KL_H5_SOFT       ? "a soft link"
                   : link->kind == KL_H5_EXTERNAL ? "a link to another file"
                                                  : "a user-defined link");
  }
  const kl_h5_object *o = kl_h5_toc_object(&f->toc, link->object);
  if (o->kind == KL_H5_NOTHING) {
    return o->problem != NULL
               ? fail_object(f, path, o->problem)
               : kl_fail(KL_EIO, "%s: %.300s: a group or dataset expected, found another object", f->name, path);
  }
  *out = o;
  return KL_OK;
}

kl_status kl_h5_find_object(const kl_h5_file *f, const char *path, const kl_h5_object **out) {
  const kl_h5_object *o = kl_h5_toc_object(&f->toc, 0);
  *out = NULL;
  if (o->kind == KL_H5_NOTHING) {
    return fail_object(f, "/", o->problem == NULL ? "no group" : o->problem);
  }
  for (const char *part = path + 1; *part != '\0';) {
    size_t size = strcspn(part, "/");
    const kl_h5_link *link = o->kind == KL_H5_GROUP ? kl_h5_toc_find(&f->toc, o, part, size) : NULL;
    if (link == NULL) {
      bool unknown = o->kind == KL_H5_GROUP && (o->problem != NULL || o->more);
      return unknown ? fail_object(f, path, o->problem == NULL ? "too many names in a group" : o->problem) : KL_OK;
    }
    KL_TRY(kl_h5_follow(f, link, path, &o));
    part += size + (part[size] == '/');
  }
  *out = o;
  return KL_OK;
}

kl_status kl_h5_find(kl_h5_file *f, const char *path, kl_h5_kind *out) {
  char *checked;
  const kl_h5_object *o;
  *out = KL_H5_NOTHING;
  KL_TRY(kl_h5_new_path(f->name, path, &checked));
  kl_status status = kl_h5_find_object(f, checked, &o);
  *out = status == KL_OK && o != NULL ? o->kind : KL_H5_NOTHING;
  kl_h5_free_path(checked);
  return status;
}

/* Whether the helper has told of each chunk that the file's index has, and all of them can be in the file beside each
 * other: what is read of a file is in proportion to its size. */
static bool has_all_chunks(const kl_h5_file *f, const kl_h5_object *o) {
  uint64_t count = 0;
  size_t left = f->size;
  for (size_t i = 0; i < o->chunks; i++) {
    kl_h5_chunk chunk;
    memcpy(&chunk, o->chunk + i * sizeof chunk, sizeof chunk);
    if (chunk.size > left) {
      return false;
    }
    left -= chunk.size;
    count += chunk.size > 0;
  }
  return count == o->written;
}

kl_status kl_h5_check_dataset(const kl_h5_file *f, const char *path, const kl_h5_object *o, kl_h5_dataset *d) {
  kl_h5_source source = kl_h5_source_of(f);
  if (o->problem != NULL) {
    return fail_object(f, path, o->problem);
  }
  KL_TRY(kl_h5_check_facts(&source, f->compressed, path, kl_h5_toc_facts(&f->toc, o), d));
  d->chunk = o->chunk;
  d->bytes_in_header = o->bytes;
  bool whole = d->bytes == 0 || (d->layout != KL_H5_CHUNKED && d->layout != KL_H5_COMPACT) ||
               (d->layout == KL_H5_CHUNKED ? o->chunks == d->chunks && has_all_chunks(f, o) : o->size == d->bytes);
  return whole ? KL_OK : kl_fail(KL_EIO, "%s: %.300s: what says where its data lies is damaged", f->name, path);
}

kl_status kl_h5_find_dataset(const kl_h5_file *f, const char *path, kl_h5_dataset *d) {
  const kl_h5_object *o;
  KL_TRY(kl_h5_find_object(f, path, &o));
  return o != NULL && o->kind == KL_H5_DATASET ? kl_h5_check_dataset(f, path, o, d)
                                               : kl_fail(KL_EIO, "%s: %.300s: a dataset expected, found %s", f->name,
                                                         path, o != NULL ? "a group" : "nothing there");
}

/* Through the filters, chunk by chunk. */
static kl_status read_chunks(const kl_h5_file *f, const char *path, const kl_h5_dataset *d, char *to) {
  kl_h5_source source = kl_h5_source_of(f);
  char *chunk = kl_alloc(d->chunk_bytes);
  kl_status status = chunk == NULL ? KL_ENOMEM : KL_OK;
  for (size_t i = 0; i < d->chunks && status == KL_OK; i++) {
    status = kl_h5_read_chunk(&source, path, d, i, chunk);
    if (status == KL_OK) {
      kl_h5_place_chunk(d, i, chunk, 0, d->shape.dim[0], to);
    }
  }
  kl_free(chunk, d->chunk_bytes);
  return status;
}

/* Elements of a file in memory that lie together; NULL if they do not. */
static const char *bytes_in_memory(const kl_h5_file *f, const kl_h5_dataset *d) {
  return d->layout == KL_H5_COMPACT      ? d->bytes_in_header
         : d->layout == KL_H5_CONTIGUOUS ? f->image.data + d->offset
                                         : NULL;
}

static kl_status read_raw(const kl_h5_file *f, const char *path, const kl_h5_dataset *d, void *to) {
  const char *bytes = bytes_in_memory(f, d);
  if (d->bytes == 0) {
    return KL_OK;
  }
  if (bytes == NULL) {
    return read_chunks(f, path, d, to);
  }
  memcpy(to, bytes, d->bytes);
  return KL_OK;
}

kl_status kl_h5_get_raw(const kl_h5_file *f, const char *path, const kl_h5_dataset *d, kl_buffer *scratch,
                        const void **out) {
  *out = d->bytes == 0 ? "" : bytes_in_memory(f, d);
  if (*out == NULL) {
    KL_TRY(kl_buffer_reserve(scratch, d->bytes));
    KL_TRY(read_raw(f, path, d, scratch->data));
    *out = scratch->data;
  }
  return KL_OK;
}

static kl_status read_dataset(kl_h5_file *f, const char *path, const kl_h5_dataset *d, kl_tensor **out) {
  char what[KL_PATH_TEXT + 304];
  KL_TRY(kl_tensor_new(kl_element_dtype(d->element), &d->shape, out));
  snprintf(what, sizeof what, "%s: %.300s", f->name, path);
  kl_status status = read_raw(f, path, d, kl_elements_place(*out, d->element));
  if (status == KL_OK) {
    status = kl_elements_convert(what, *out, d->element);
  }
  if (status != KL_OK) {
    kl_tensor_release(*out);
    *out = NULL;
  }
  return status;
}

kl_status kl_h5_read(kl_h5_file *f, const char *path, kl_tensor **out) {
  char *checked;
  kl_h5_dataset d;
  *out = NULL;
  KL_TRY(kl_h5_new_path(f->name, path, &checked));
  kl_status status = kl_h5_find_dataset(f, checked, &d);
  if (status == KL_OK) {
    status = read_dataset(f, checked, &d, out);
  }
  kl_h5_free_path(checked);
  return status;
}
