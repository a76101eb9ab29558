/* Zip archives through libzip, behind checks of ours (zip_check.c). */
#include "io/zip.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zip.h>

#include "base/alloc.h"
#include "base/size.h"
#include "io/file.h"
#include "io/utf8.h"
#include "io/zip_check.h"

struct kl_zip {
  char name[KL_PATH_TEXT];
  kl_buffer image;
  size_t limit;
  size_t count;
  zip_stat_t *entries;
  zip_t *archive;
};

static kl_status fail(const char *file, const char *what, zip_error_t *error) {
  if (zip_error_code_zip(error) == ZIP_ER_MEMORY) {
    return kl_fail(KL_ENOMEM, "%s: out of memory in libzip", file);
  }
  return kl_fail(KL_EIO, "%s: %s: %s", file, what, zip_error_strerror(error));
}

static kl_status check_entry(kl_zip *z, size_t i) {
  zip_stat_t *s = &z->entries[i];
  const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  if (zip_stat_index(z->archive, i, ZIP_FL_ENC_RAW, s) != 0) {
    return fail(z->name, "reading the directory", zip_get_error(z->archive));
  }
  if ((s->valid & needed) != needed || s->encryption_method != ZIP_EM_NONE ||
      (s->comp_method != ZIP_CM_STORE && s->comp_method != ZIP_CM_DEFLATE)) {
    return kl_fail(KL_EIO, "%s: entry '%.200s': stored or deflated, not encrypted, expected; found method %d%s",
                   z->name, s->name, s->comp_method, s->encryption_method != ZIP_EM_NONE ? ", encrypted" : "");
  }
  return KL_OK;
}

static kl_status read_directory(kl_zip *z) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t *source = zip_source_buffer_create(z->image.data, z->image.size, 0, &error);
  z->archive = source == NULL ? NULL : zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
  if (z->archive == NULL) {
    zip_source_free(source);
    kl_status status = fail(z->name, "not a whole zip archive", &error);
    zip_error_fini(&error);
    return status;
  }
  zip_error_fini(&error);
  zip_int64_t count = zip_get_num_entries(z->archive, 0);
  if (count < 0 || (size_t)count != z->count) {
    return kl_fail(KL_EIO, "%s: %zu entries expected, %lld found", z->name, z->count, (long long)count);
  }
  for (size_t i = 0; i < z->count; i++) {
    KL_TRY(check_entry(z, i));
  }
  return KL_OK;
}

kl_status kl_zip_open(const char *name, kl_buffer *image, size_t limit, kl_zip **out) {
  *out = NULL;
  kl_zip *z = kl_alloc_zero(sizeof *z);
  if (z == NULL) {
    return KL_ENOMEM;
  }
  kl_path_text(name, z->name);
  z->image = *image;
  z->limit = limit != 0 ? limit : ((size_t)64 << 20) + 4 * image->size;
  kl_status status = kl_zip_check(z->name, image->data, image->size, &z->count);
  if (status == KL_OK) {
    z->entries = kl_alloc(z->count * sizeof *z->entries);
    status = z->entries == NULL ? KL_ENOMEM : read_directory(z);
  }
  if (status != KL_OK) {
    z->image = (kl_buffer){0}; /* still the caller's */
    kl_zip_release(z);
    return status;
  }
  *image = (kl_buffer){0};
  *out = z;
  return KL_OK;
}

void kl_zip_release(kl_zip *z) {
  if (z != NULL) {
    if (z->archive != NULL) {
      zip_discard(z->archive);
    }
    kl_free(z->entries, z->count * sizeof *z->entries);
    kl_buffer_release(&z->image);
    kl_free(z, sizeof *z);
  }
}

size_t kl_zip_count(const kl_zip *z) { return z->count; }
const char *kl_zip_name(const kl_zip *z, size_t i) { return z->entries[i].name; }
uint64_t kl_zip_size(const kl_zip *z, size_t i) { return z->entries[i].size; }

bool kl_zip_find(const kl_zip *z, const char *name, size_t *i) {
  for (*i = 0; *i < z->count; ++*i) {
    if (strcmp(z->entries[*i].name, name) == 0) {
      return true;
    }
  }
  return false;
}

/* Reads the declared bytes, and then the end: only there libzip checks the CRC. */
static kl_status unpack(const kl_zip *z, const zip_stat_t *s, zip_file_t *file, kl_buffer *out) {
  char extra;
  while (out->size < s->size) {
    zip_int64_t n = zip_fread(file, out->data + out->size, s->size - out->size);
    if (n < 0) {
      return fail(z->name, s->name, zip_file_get_error(file));
    }
    if (n == 0) {
      return kl_fail(KL_EIO, "%s: entry '%.200s': %llu bytes expected, %zu found", z->name, s->name,
                     (unsigned long long)s->size, out->size);
    }
    out->size += (size_t)n;
  }
  zip_int64_t more = zip_fread(file, &extra, 1);
  if (more < 0) {
    return fail(z->name, s->name, zip_file_get_error(file));
  }
  return more == 0 ? KL_OK
                   : kl_fail(KL_EIO, "%s: entry '%.200s': %llu bytes expected, more found", z->name, s->name,
                             (unsigned long long)s->size);
}

kl_status kl_zip_read(kl_zip *z, size_t i, kl_buffer *out) {
  const zip_stat_t *s = &z->entries[i];
  if (s->size > z->limit || z->image.size > z->limit - s->size) {
    return kl_fail(KL_EIO, "%s: entry '%.200s' would need %llu bytes: with the archive's %zu at most %zu expected",
                   z->name, s->name, (unsigned long long)s->size, z->image.size, z->limit);
  }
  KL_TRY(kl_buffer_reserve(out, s->size));
  zip_file_t *file = zip_fopen_index(z->archive, i, 0);
  kl_status status = file == NULL ? fail(z->name, s->name, zip_get_error(z->archive)) : unpack(z, s, file, out);
  if (file != NULL) {
    zip_fclose(file);
  }
  if (status != KL_OK) {
    kl_buffer_release(out);
  }
  return status;
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The name that occurs twice in the list, which gets sorted; or NULL. */
static const char *find_duplicate(const char **names, size_t count) {
  if (count > 1) {
    qsort(names, count, sizeof *names, compare_names);
  }
  for (size_t i = 1; i < count; i++) {
    if (strcmp(names[i - 1], names[i]) == 0) {
      return names[i];
    }
  }
  return NULL;
}

static kl_status check_names(const kl_zip_entry *entries, size_t count) {
  const char **names = kl_alloc(count * sizeof *names);
  if (names == NULL) {
    return KL_ENOMEM;
  }
  kl_status status = KL_OK;
  for (size_t i = 0; i < count && status == KL_OK; i++) {
    size_t size = strlen(entries[i].name);
    const char *problem = kl_zip_name_problem(entries[i].name, size);
    problem = problem != NULL                            ? problem
              : size > 65535                             ? "is longer than 65535 bytes"
              : !kl_utf8_is_valid(entries[i].name, size) ? "is not valid UTF-8"
                                                         : NULL;
    if (problem != NULL) {
      status = kl_fail(KL_EVALUE, "zip: the name of the entry '%.200s' %s", entries[i].name, problem);
    }
    names[i] = entries[i].name;
  }
  const char *twice = status == KL_OK ? find_duplicate(names, count) : NULL;
  if (twice != NULL) {
    status = kl_fail(KL_EVALUE, "zip: the name '%.200s' occurs twice", twice);
  }
  kl_free(names, count * sizeof *names);
  return status;
}

/* MS-DOS date and time in UTC; they begin in 1980 and end in 2107. */
static kl_status file_date(zip_uint16_t *day, zip_uint16_t *second) {
  const int64_t first = 315532800, last = 4354819198;
  int64_t seconds;
  struct tm t;
  KL_TRY(kl_source_date(first, &seconds));
  seconds = kl_max_i64(first, kl_min_i64(last, seconds));
  gmtime_r(&(time_t){seconds}, &t);
  *day = (zip_uint16_t)((t.tm_year - 80) << 9 | (t.tm_mon + 1) << 5 | t.tm_mday);
  *second = (zip_uint16_t)(t.tm_hour << 11 | t.tm_min << 5 | t.tm_sec / 2);
  return KL_OK;
}

static kl_status add_entries(zip_t *z, const kl_zip_entry *entries, size_t count) {
  zip_uint16_t day, second;
  KL_TRY(file_date(&day, &second));
  for (size_t i = 0; i < count; i++) {
    zip_source_t *source = zip_source_buffer(z, entries[i].size > 0 ? entries[i].data : NULL, entries[i].size, 0);
    zip_int64_t at = source == NULL ? -1 : zip_file_add(z, entries[i].name, source, ZIP_FL_ENC_UTF_8);
    if (at < 0) {
      zip_source_free(source);
      return fail("zip", entries[i].name, zip_get_error(z));
    }
    if (zip_set_file_compression(z, (zip_uint64_t)at, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(z, (zip_uint64_t)at, second, day, 0) != 0) {
      return fail("zip", entries[i].name, zip_get_error(z));
    }
  }
  return KL_OK;
}

static kl_status copy_archive(zip_source_t *source, kl_buffer *out) {
  if (zip_source_open(source) != 0) {
    return fail("zip", "the archive in memory", zip_source_error(source));
  }
  kl_status status = KL_OK;
  zip_int64_t size = zip_source_seek(source, 0, SEEK_END) == 0 ? zip_source_tell(source) : -1;
  if (size >= 0 && zip_source_seek(source, 0, SEEK_SET) == 0) {
    status = kl_buffer_reserve(out, (size_t)size);
    if (status == KL_OK && zip_source_read(source, out->data, (zip_uint64_t)size) == size) {
      out->size = (size_t)size;
    }
  }
  if (status == KL_OK && (size < 0 || out->size != (size_t)size)) {
    status = fail("zip", "the archive in memory", zip_source_error(source));
  }
  zip_source_close(source);
  return status;
}

static kl_status build(zip_source_t *source, const kl_zip_entry *entries, size_t count, kl_buffer *out) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_keep(source);
  zip_t *z = zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &error);
  if (z == NULL) {
    zip_source_free(source);
    kl_status status = fail("zip", "the archive in memory", &error);
    zip_error_fini(&error);
    return status;
  }
  kl_status status = add_entries(z, entries, count);
  if (status == KL_OK && zip_close(z) != 0) {
    status = fail("zip", "the archive in memory", zip_get_error(z));
  } else if (status == KL_OK) {
    return copy_archive(source, out);
  }
  zip_discard(z);
  return status;
}

kl_status kl_zip_write(const kl_zip_entry *entries, size_t count, kl_buffer *out) {
  KL_TRY(check_names(entries, count));
  if (count == 0) {
    return kl_buffer_append(out, "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22); /* libzip makes no empty archive */
  }
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, &error);
  if (source == NULL) {
    kl_status status = fail("zip", "the archive in memory", &error);
    zip_error_fini(&error);
    return status;
  }
  zip_error_fini(&error);
  kl_status status = build(source, entries, count, out);
  zip_source_free(source);
  if (status != KL_OK) {
    kl_buffer_release(out);
  }
  return status;
}
