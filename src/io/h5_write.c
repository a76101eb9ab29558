/* The writer: what to write, kept sorted by path. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "io/h5_image.h"
#include "io/h5_internal.h"
#include "io/utf8.h"

static kl_h5_entry *entry_at(const kl_h5_writer *w, size_t i) { return (kl_h5_entry *)(void *)w->entries.data + i; }

static kl_h5_value *value_at(const kl_h5_writer *w, size_t i) { return (kl_h5_value *)(void *)w->values.data + i; }

/* Index of the entry with that path (of `size` bytes), or of the first one after it. */
static size_t find_entry(const kl_h5_writer *w, const char *path, size_t size, bool *found) {
  size_t low = 0, high = kl_h5_entry_count(w);
  while (low < high) {
    size_t middle = (low + high) / 2;
    const char *other = entry_at(w, middle)->path;
    int order = strncmp(other, path, size);
    order = order != 0 ? order : other[size] != '\0';
    if (order == 0) {
      *found = true;
      return middle;
    }
    low = order < 0 ? middle + 1 : low;
    high = order < 0 ? high : middle;
  }
  *found = false;
  return low;
}

/* Inserts an entry at `at`; the path is copied, the tensor taken over on success. */
static kl_status insert_entry(kl_h5_writer *w, size_t at, const char *path, size_t size, kl_tensor *tensor) {
  size_t count = kl_h5_entry_count(w);
  if (count == KL_H5_MAX_OBJECTS) {
    return kl_fail(KL_EVALUE, "kl.save: an HDF5 file of at most %d groups and datasets expected", KL_H5_MAX_OBJECTS);
  }
  kl_h5_entry entry = {kl_h5_new_text(path, size), tensor};
  kl_status status = entry.path == NULL ? KL_ENOMEM : kl_buffer_append(&w->entries, &entry, sizeof entry);
  if (status != KL_OK) {
    kl_h5_free_path(entry.path);
    return status;
  }
  memmove(entry_at(w, at + 1), entry_at(w, at), (count - at) * sizeof entry);
  *entry_at(w, at) = entry;
  return KL_OK;
}

/* Makes the groups above a path that is checked. */
static kl_status add_parents(kl_h5_writer *w, const char *path) {
  for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    bool found;
    size_t size = (size_t)(slash - path), at = find_entry(w, path, size, &found);
    if (found && entry_at(w, at)->tensor != NULL) {
      return kl_fail(KL_EVALUE, "kl.save: %.300s: a group expected at %.300s, but it is a dataset", path,
                     entry_at(w, at)->path);
    }
    if (!found) {
      KL_TRY(insert_entry(w, at, path, size, NULL));
    }
  }
  return KL_OK;
}

/* Adds a dataset (the tensor is taken over on success) or, with NULL, a group. */
static kl_status add_entry(kl_h5_writer *w, const char *path, kl_tensor *tensor) {
  if (path[1] == '\0') {
    return tensor == NULL ? KL_OK : kl_fail(KL_EVALUE, "kl.save: the path of a dataset expected, got '/'");
  }
  KL_TRY(add_parents(w, path));
  bool found;
  size_t size = strlen(path), at = find_entry(w, path, size, &found);
  if (!found) {
    return insert_entry(w, at, path, size, tensor);
  }
  bool is_group = entry_at(w, at)->tensor == NULL;
  return tensor == NULL && is_group
             ? KL_OK
             : kl_fail(KL_EVALUE, "kl.save: %.300s: there is a %s already", path, is_group ? "group" : "dataset");
}

kl_status kl_h5_writer_new(kl_h5_writer **out) {
  *out = kl_alloc_zero(sizeof **out);
  return *out == NULL ? KL_ENOMEM : KL_OK;
}

static void release_value(kl_h5_value *v) {
  kl_h5_free_path(v->path);
  kl_h5_free_path(v->name);
  kl_buffer_release(&v->text);
}

void kl_h5_writer_release(kl_h5_writer *w) {
  if (w == NULL) {
    return;
  }
  for (size_t i = 0; i < kl_h5_entry_count(w); i++) {
    kl_h5_free_path(entry_at(w, i)->path);
    kl_tensor_release(entry_at(w, i)->tensor);
  }
  for (size_t i = 0; i < kl_h5_value_count(w); i++) {
    release_value(value_at(w, i));
  }
  kl_buffer_release(&w->entries);
  kl_buffer_release(&w->values);
  kl_free(w, sizeof *w);
}

kl_status kl_h5_writer_group(kl_h5_writer *w, const char *path) {
  char *checked;
  KL_TRY(kl_h5_new_path("kl.save", path, &checked));
  kl_status status = add_entry(w, checked, NULL);
  kl_h5_free_path(checked);
  return status;
}

kl_status kl_h5_writer_dataset(kl_h5_writer *w, const char *path, const kl_tensor *t) {
  char *checked;
  kl_tensor *view;
  KL_TRY(kl_h5_new_path("kl.save", path, &checked));
  kl_status status = KL_OK;
  if (t->storage == NULL) {
    status = kl_fail(KL_ESTATE, "kl.save: %.300s: a tensor with a value expected", checked);
  }
  if (status == KL_OK) {
    /* a view of our own: while it lives, no variable writes into the storage in place */
    status = kl_tensor_new_view(t, &t->shape, t->strides, t->offset, &view);
  }
  if (status == KL_OK) {
    status = add_entry(w, checked, view);
    if (status != KL_OK) {
      kl_tensor_release(view);
    }
  }
  kl_h5_free_path(checked);
  return status;
}

kl_status kl_h5_writer_bytes(kl_h5_writer *w, const char *path, const void *data, size_t size) {
  kl_tensor *t;
  kl_shape shape = {1, {(int64_t)size}};
  KL_TRY(kl_tensor_new(KL_UINT8, &shape, &t));
  if (size > 0) {
    memcpy(kl_tensor_data(t), data, size);
  }
  kl_status status = kl_h5_writer_dataset(w, path, t);
  kl_tensor_release(t);
  return status;
}

/* Puts *v (taken over on success) in place of an attribute of that name, or behind the others. */
static kl_status set_value(kl_h5_writer *w, kl_h5_value *v) {
  for (size_t i = 0; i < kl_h5_value_count(w); i++) {
    kl_h5_value *old = value_at(w, i);
    if (strcmp(old->path, v->path) == 0 && strcmp(old->name, v->name) == 0) {
      release_value(old);
      *old = *v;
      return KL_OK;
    }
  }
  return kl_buffer_append(&w->values, v, sizeof *v);
}

/* Adds an attribute whose payload is filled in; the payload is taken over. */
static kl_status add_value(kl_h5_writer *w, const char *path, const char *name, kl_h5_value v) {
  const char *problem = kl_h5_name_problem(name, strlen(name));
  kl_status status = problem == NULL ? KL_OK
                                     : kl_fail(KL_EVALUE, "kl.save: the name of the attribute '%.200s' of %.300s %s",
                                               name, path, problem);
  if (status == KL_OK) {
    status = kl_h5_new_path("kl.save", path, &v.path);
  }
  if (status == KL_OK) {
    v.name = kl_h5_new_text(name, strlen(name));
    status = v.name == NULL ? KL_ENOMEM : KL_OK;
  }
  if (status == KL_OK) {
    bool found = v.path[1] == '\0';
    if (!found) {
      find_entry(w, v.path, strlen(v.path), &found);
    }
    status = found ? KL_OK : add_entry(w, v.path, NULL);
  }
  if (status == KL_OK) {
    status = set_value(w, &v);
  }
  if (status != KL_OK) {
    release_value(&v);
  }
  return status;
}

kl_status kl_h5_writer_attribute_integer(kl_h5_writer *w, const char *path, const char *name, int64_t value) {
  return add_value(w, path, name, (kl_h5_value){.kind = KL_H5_INTEGER, .integer = value});
}

static kl_status check_string(const char *path, const char *name, kl_h5_string s) {
  return kl_utf8_is_valid(s.text, s.size) && memchr(s.text, '\0', s.size) == NULL
             ? KL_OK
             : kl_fail(KL_EVALUE, "kl.save: attribute '%.200s' of %.300s: valid UTF-8 without NUL expected", name,
                       path);
}

kl_status kl_h5_writer_attribute_string(kl_h5_writer *w, const char *path, const char *name, kl_h5_string value) {
  KL_TRY(check_string(path, name, value));
  kl_h5_value v = {.kind = KL_H5_STRING, .count = 1, .width = value.size > 0 ? value.size : 1};
  KL_TRY(kl_buffer_append(&v.text, value.size > 0 ? value.text : "", v.width));
  return add_value(w, path, name, v);
}

/* One attribute of values[0 .. count), each padded to `width` bytes. */
static kl_status add_strings(kl_h5_writer *w, const char *path, const char *name, const kl_h5_string *values,
                             size_t count, size_t width) {
  kl_h5_value v = {.kind = KL_H5_STRINGS, .count = count, .width = width};
  size_t bytes;
  if (!kl_mul_size(count, width, &bytes)) {
    return kl_fail(KL_EVALUE, "kl.save: attribute '%.200s' of %.300s: %zu strings of %zu bytes are too many", name,
                   path, count, width);
  }
  KL_TRY(kl_buffer_reserve(&v.text, bytes));
  if (bytes > 0) {
    memset(v.text.data, 0, bytes);
  }
  v.text.size = bytes;
  for (size_t i = 0; i < count; i++) {
    memcpy(v.text.data + i * width, values[i].text, values[i].size);
  }
  return add_value(w, path, name, v);
}

kl_status kl_h5_writer_attribute_strings(kl_h5_writer *w, const char *path, const char *name,
                                         const kl_h5_string *values, size_t count) {
  size_t width = 1;
  for (size_t i = 0; i < count; i++) {
    KL_TRY(check_string(path, name, values[i]));
    width = values[i].size > width ? values[i].size : width;
  }
  if (width > KL_H5_MAX_ATTRIBUTE) {
    return kl_fail(KL_EVALUE, "kl.save: attribute '%.200s' of %.300s: strings of at most %d bytes expected, got %zu",
                   name, path, KL_H5_MAX_ATTRIBUTE, width);
  }
  size_t pieces = 1;
  while ((count + pieces - 1) / pieces * width > KL_H5_MAX_ATTRIBUTE) {
    pieces++;
  }
  if (pieces == 1) {
    return add_strings(w, path, name, values, count, width);
  }
  for (size_t i = 0, at = 0; i < pieces; i++) { /* as evenly as numpy.array_split: the first ones are longer */
    char numbered[KL_H5_MAX_NAME + 24];
    size_t length = count / pieces + (i < count % pieces);
    snprintf(numbered, sizeof numbered, "%.*s%zu", KL_H5_MAX_NAME, name, i);
    KL_TRY(add_strings(w, path, numbered, values + at, length, width));
    at += length;
  }
  return KL_OK;
}

/* Adds the manifest, with the datasets as they are now, and takes it out again afterwards. */
static kl_status finish_with_manifest(kl_h5_writer *w, const char *members, kl_buffer *out) {
  static const kl_h5_string format = {KL_H5_FORMAT, sizeof KL_H5_FORMAT - 1};
  kl_buffer text = {0};
  KL_TRY(kl_h5_writer_attribute_string(w, "/kl", "format", format));
  KL_TRY(kl_h5_writer_attribute_integer(w, "/kl", "format_version", KL_H5_FORMAT_VERSION));
  kl_status status = kl_h5_write_manifest((kl_h5_entry *)(void *)w->entries.data, kl_h5_entry_count(w), members, &text);
  if (status == KL_OK) {
    status = kl_h5_writer_bytes(w, KL_H5_MANIFEST, text.data, text.size);
  }
  kl_buffer_release(&text);
  if (status != KL_OK) {
    return status;
  }
  status = kl_h5_build_image(w, true, false, out);
  bool found;
  size_t at = find_entry(w, KL_H5_MANIFEST, strlen(KL_H5_MANIFEST), &found);
  kl_h5_entry manifest = *entry_at(w, at);
  w->entries.size -= sizeof manifest;
  memmove(entry_at(w, at), entry_at(w, at + 1), (kl_h5_entry_count(w) - at) * sizeof manifest);
  kl_h5_free_path(manifest.path);
  kl_tensor_release(manifest.tensor);
  return status;
}

kl_status kl_h5_writer_finish(kl_h5_writer *w, const kl_h5_write_options *options, kl_buffer *out) {
  return options->manifest ? finish_with_manifest(w, options->members, out)
                           : kl_h5_build_image(w, options->checksums, options->bools, out);
}
