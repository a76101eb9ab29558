/* /kl/manifest: what a checkpoint must contain.  Its JSON names every dataset with dtype, shape and CRC-32C, sorted by
 * path; its last member is the CRC of the text before, so that a damaged manifest is known as such. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "io/crc32c.h"
#include "io/h5_internal.h"
#include "io/json.h"

static const char seal[] = "\"manifest_crc32c\":\""; /* then eight digits, then: */
static const char end[] = "\"}";
#define SEAL_SIZE (sizeof seal - 1 + 8 + sizeof end - 1)

static kl_status write_entry(kl_buffer *out, const kl_h5_entry *e, bool first) {
  kl_buffer scratch = {0};
  const void *bytes;
  KL_TRY(kl_h5_tensor_bytes(e->tensor, &scratch, &bytes));
  const kl_shape *shape = &e->tensor->shape;
  kl_dtype stored = kl_element_dtype(kl_element_of((kl_dtype)e->tensor->dtype));
  uint32_t crc = kl_crc32c(0, bytes, (size_t)kl_tensor_numel(e->tensor) * kl_dtype_size(stored));
  kl_buffer_release(&scratch);
  KL_TRY(kl_buffer_format(out, "%s\n{\"path\":", first ? "" : ","));
  KL_TRY(kl_json_write_string(out, e->path, strlen(e->path)));
  KL_TRY(kl_buffer_format(out, ",\"dtype\":\"%s\",\"shape\":[", kl_dtype_name(stored)));
  for (int i = 0; i < shape->ndim; i++) {
    KL_TRY(kl_buffer_format(out, "%s%lld", i == 0 ? "" : ",", (long long)shape->dim[i]));
  }
  return kl_buffer_format(out, "],\"crc32c\":\"%08" PRIx32 "\"}", crc);
}

kl_status kl_h5_write_manifest(const kl_h5_entry *entries, size_t count, const char *members, kl_buffer *out) {
  int64_t seconds;
  struct tm date;
  char created[32];
  KL_TRY(kl_source_date(time(NULL), &seconds));
  strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&(time_t){seconds}, &date));
  KL_TRY(kl_buffer_format(out, "{\"format\":\"%s\",\"format_version\":%d,\"kl\":\"%s\",\"created\":\"%s\",",
                          KL_H5_FORMAT, KL_H5_FORMAT_VERSION, KL_VERSION, created));
  if (members != NULL && *members != '\0') {
    KL_TRY(kl_buffer_append(out, members, strlen(members)));
    KL_TRY(kl_buffer_append(out, ",", 1));
  }
  KL_TRY(kl_buffer_format(out, "\n\"datasets\":["));
  bool first = true;
  for (size_t i = 0; i < count; i++) {
    if (entries[i].tensor != NULL) {
      KL_TRY(write_entry(out, &entries[i], first));
      first = false;
    }
  }
  KL_TRY(kl_buffer_format(out, "],\n%s", seal));
  return kl_buffer_format(out, "%08" PRIx32 "%s", kl_crc32c(0, out->data, out->size), end);
}

kl_status kl_h5_has_manifest(kl_h5_file *f, bool *out) {
  kl_h5_kind kind;
  *out = false;
  KL_TRY(kl_h5_find(f, KL_H5_MANIFEST, &kind));
  *out = kind == KL_H5_DATASET;
  return KL_OK;
}

static kl_status fail(const kl_h5_file *f, const char *what) {
  return kl_fail(KL_EIO, "%s: %s: the manifest is damaged: %s", f->name, KL_H5_MANIFEST, what);
}

/* The seal, then the JSON and its version. */
static kl_status parse(const kl_h5_file *f, const kl_tensor *t, kl_json *out) {
  const char *text = kl_tensor_data(t);
  size_t size = (size_t)kl_tensor_numel(t);
  char expected[16];
  if (t->dtype != KL_UINT8 || t->shape.ndim != 1 || size < SEAL_SIZE ||
      memcmp(text + size - SEAL_SIZE, seal, sizeof seal - 1) != 0) {
    return fail(f, "text with a CRC at its end expected");
  }
  uint32_t crc = kl_crc32c(0, text, size - sizeof end + 1 - 8);
  snprintf(expected, sizeof expected, "%08" PRIx32 "%s", crc, end);
  if (memcmp(text + size - strlen(expected), expected, strlen(expected)) != 0) {
    return kl_fail(KL_EIO, "%s: %s: the manifest is damaged: CRC-32C %.8s expected, %08" PRIx32 " found", f->name,
                   KL_H5_MANIFEST, text + size - strlen(expected), crc);
  }
  KL_TRY(kl_json_parse(f->name, text, size, out));
  const cJSON *format = kl_json_get(out->root, "format"), *kl = kl_json_get(out->root, "kl");
  kl_json_number version;
  if (!cJSON_IsString(format) || strcmp(format->valuestring, KL_H5_FORMAT) != 0 ||
      !kl_json_read_number(kl_json_get(out->root, "format_version"), &version) || !version.is_integer) {
    return fail(f, "format \"" KL_H5_FORMAT "\" and a format_version expected");
  }
  if (version.integer > KL_H5_FORMAT_VERSION) {
    return kl_fail(KL_EIO, "%s: written by kl %.40s in format version %lld: this kl (%s) reads versions up to %d",
                   f->name, cJSON_IsString(kl) ? kl->valuestring : "of an unknown version", (long long)version.integer,
                   KL_VERSION, KL_H5_FORMAT_VERSION);
  }
  return KL_OK;
}

/* One line of the manifest that is being read. */
typedef struct line {
  const char *path, *dtype, *crc;
  kl_shape shape;
} line;

static const char *string_member(const cJSON *object, const char *name) {
  const cJSON *item = kl_json_get(object, name);
  return cJSON_IsString(item) ? item->valuestring : NULL;
}

static bool read_line(const cJSON *item, line *out) {
  const cJSON *shape = kl_json_get(item, "shape");
  out->path = string_member(item, "path");
  out->dtype = string_member(item, "dtype");
  out->crc = string_member(item, "crc32c");
  out->shape.ndim = 0;
  if (out->path == NULL || out->dtype == NULL || out->crc == NULL || !cJSON_IsArray(shape)) {
    return false;
  }
  for (const cJSON *length = shape->child; length != NULL; length = length->next) {
    kl_json_number n;
    if (out->shape.ndim == KL_MAX_NDIM || !kl_json_read_number(length, &n) || !n.is_integer) {
      return false;
    }
    out->shape.dim[out->shape.ndim++] = n.integer;
  }
  return true;
}

static kl_status compare_content(kl_h5_file *f, const line *expected) {
  kl_h5_dataset d;
  kl_buffer scratch = {0};
  const void *bytes;
  kl_status status = kl_h5_find_dataset(f, expected->path, &d);
  if (status == KL_OK) {
    status = kl_h5_get_raw(f, expected->path, &d, &scratch, &bytes);
  }
  if (status == KL_OK) {
    char found[16];
    snprintf(found, sizeof found, "%08" PRIx32, kl_crc32c(0, bytes, d.bytes));
    if (strcmp(found, expected->crc) != 0) {
      status = kl_fail(KL_EIO, "%s: %.300s: the data is damaged: CRC-32C %.8s expected by the manifest, %s found",
                       f->name, expected->path, expected->crc, found);
    }
  }
  kl_buffer_release(&scratch);
  return status;
}

static kl_status compare_line(kl_h5_file *f, const line *expected, const kl_h5_item *found) {
  if (found->problem != NULL) {
    return kl_fail(KL_EIO, "%s", found->problem); /* it names the file itself */
  }
  if (strcmp(expected->dtype, kl_dtype_name(found->dtype)) != 0 || !kl_shape_equal(&expected->shape, &found->shape)) {
    char a[KL_SHAPE_TEXT], b[KL_SHAPE_TEXT];
    return kl_fail(KL_EIO, "%s: %.300s: %.20s of shape %s expected by the manifest, %s of shape %s found", f->name,
                   found->path, expected->dtype, kl_shape_text(&expected->shape, a), kl_dtype_name(found->dtype),
                   kl_shape_text(&found->shape, b));
  }
  return compare_content(f, expected);
}

/* Both lists are sorted by path: one pass finds what is missing and what is too much. */
static kl_status compare(kl_h5_file *f, const cJSON *datasets, const kl_h5_list *list) {
  if (!cJSON_IsArray(datasets)) {
    return fail(f, "a list of datasets expected");
  }
  size_t at = 0;
  const char *last = "";
  for (const cJSON *item = datasets->child; item != NULL; item = item->next) {
    line expected;
    if (!read_line(item, &expected)) {
      return fail(f, "path, dtype, shape and crc32c of each dataset expected");
    }
    if (strcmp(last, expected.path) >= 0) {
      return fail(f, "datasets sorted by path expected");
    }
    last = expected.path;
    at += at < list->count && strcmp(list->items[at].path, KL_H5_MANIFEST) == 0;
    int order = at == list->count ? 1 : strcmp(list->items[at].path, expected.path);
    if (order > 0) {
      return kl_fail(KL_EIO, "%s: %.300s: %.20s expected by the manifest, nothing found", f->name, expected.path,
                     expected.dtype);
    }
    if (order < 0) {
      break;
    }
    KL_TRY(compare_line(f, &expected, &list->items[at]));
    at++;
  }
  at += at < list->count && strcmp(list->items[at].path, KL_H5_MANIFEST) == 0;
  return at == list->count
             ? KL_OK
             : kl_fail(KL_EIO, "%s: %.300s: a dataset that the manifest does not list", f->name, list->items[at].path);
}

kl_status kl_h5_check_manifest(kl_h5_file *f) {
  bool has;
  kl_tensor *text = NULL;
  kl_json json = {0};
  kl_h5_list list = {0};
  KL_TRY(kl_h5_has_manifest(f, &has));
  if (!has) {
    return kl_fail(KL_EIO, "%s: a dataset %s expected, found none: no kl checkpoint, or not a whole one", f->name,
                   KL_H5_MANIFEST);
  }
  kl_status status = kl_h5_read(f, KL_H5_MANIFEST, &text);
  if (status == KL_OK) {
    status = parse(f, text, &json);
  }
  if (status == KL_OK) {
    status = kl_h5_list_datasets(f, &list);
  }
  if (status == KL_OK) {
    status = compare(f, kl_json_get(json.root, "datasets"), &list);
  }
  kl_h5_list_release(&list);
  kl_json_release(&json);
  kl_tensor_release(text);
  return status == KL_EVALUE ? KL_EIO : status;
}
