/* Walking a zip archive's central directory (APPNOTE 4.3, 4.5.3).  libzip turns a NUL in a name into a space and skips
 * bytes before and after the archive; the rules of F6 and F9 need to see them. */
#include "io/zip_check.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

typedef struct archive {
  const char *file;
  const unsigned char *data;
  size_t size;
  size_t count, begin, end; /* the central directory: entries, offsets */
} archive;

static uint64_t load(const unsigned char *p, int size) {
  uint64_t value = 0;
  for (int i = size - 1; i >= 0; i--) {
    value = value << 8 | p[i];
  }
  return value;
}

static kl_status damaged(const archive *a, const char *expected, uint64_t at) {
  return kl_fail(KL_EIO, "%s: not a whole zip archive: %s expected at offset %llu of %zu", a->file, expected,
                 (unsigned long long)at, a->size);
}

/* `size` bytes that begin with a signature are at `at`. */
static bool has(const archive *a, uint64_t at, size_t size, const char *signature) {
  return at <= a->size && size <= a->size - at && memcmp(a->data + at, signature, 4) == 0;
}

const char *kl_zip_name_problem(const char *name, size_t size) {
  if (size == 0 || memchr(name, '\0', size) != NULL) {
    return size == 0 ? "is empty" : "contains NUL";
  }
  if (name[0] == '/' || memchr(name, '\\', size) != NULL) {
    return name[0] == '/' ? "is absolute" : "contains a backslash";
  }
  for (const char *part = name, *end = name + size; part != NULL;) {
    const char *slash = memchr(part, '/', (size_t)(end - part));
    if ((slash == NULL ? end : slash) - part == 2 && memcmp(part, "..", 2) == 0) {
      return "contains '..'";
    }
    part = slash == NULL ? NULL : slash + 1;
  }
  return NULL;
}

static kl_status find_directory(archive *a) {
  size_t at = a->size < 22 ? 0 : a->size - 22, lowest = at > 65535 ? at - 65535 : 0;
  while (a->size >= 22 && at > lowest &&
         !(has(a, at, 22, "PK\5\6") && load(a->data + at + 20, 2) == a->size - at - 22)) {
    at--;
  }
  if (!has(a, at, 22, "PK\5\6") || load(a->data + at + 20, 2) != a->size - at - 22) {
    return damaged(a, "an end-of-directory record that ends with the file", at);
  }
  const unsigned char *p = a->data + at;
  uint64_t count = load(p + 10, 2), size = load(p + 12, 4), begin = load(p + 16, 4), end = at;
  if (count == 0xFFFF || size == 0xFFFFFFFF || begin == 0xFFFFFFFF) {
    if (at < 20 || !has(a, at - 20, 20, "PK\6\7")) {
      return damaged(a, "a zip64 locator", at < 20 ? 0 : at - 20);
    }
    end = load(a->data + at - 20 + 8, 8);
    if (!has(a, end, 56, "PK\6\6")) {
      return damaged(a, "a zip64 end-of-directory record", end);
    }
    count = load(a->data + end + 32, 8);
    size = load(a->data + end + 40, 8);
    begin = load(a->data + end + 48, 8);
  }
  if (begin > end || size != end - begin) {
    return damaged(a, "the end of the directory", begin);
  }
  if (count > KL_ZIP_MAX_ENTRIES) {
    return kl_fail(KL_EIO, "%s: at most %d entries expected, found %llu", a->file, KL_ZIP_MAX_ENTRIES,
                   (unsigned long long)count);
  }
  a->count = count;
  a->begin = begin;
  a->end = end;
  return KL_OK;
}

/* Puts the 64-bit values of the zip64 extra field in place of the 32-bit ones that are all ones. */
static bool read_zip64(const unsigned char *extra, size_t size, uint64_t *const values[3]) {
  while (size >= 4) {
    uint64_t id = load(extra, 2), length = load(extra + 2, 2);
    extra += 4;
    size -= 4;
    if (length > size) {
      return false;
    }
    for (int i = 0; i < 3 && id == 1; i++) {
      if (*values[i] == 0xFFFFFFFF) {
        if (length < 8) {
          return false;
        }
        *values[i] = load(extra, 8);
        extra += 8;
        length -= 8;
        size -= 8;
      }
    }
    extra += length;
    size -= length;
  }
  return true;
}

static kl_status check_entry(const archive *a, size_t *at) {
  if (!has(a, *at, 46, "PK\1\2")) {
    return damaged(a, "an entry of the directory", *at);
  }
  const unsigned char *p = a->data + *at;
  size_t name_size = load(p + 28, 2), extra = load(p + 30, 2), comment = load(p + 32, 2);
  if (46 + name_size + extra + comment > a->end - *at) {
    return damaged(a, "a whole entry of the directory", *at);
  }
  const char *name = (const char *)p + 46;
  const char *problem = kl_zip_name_problem(name, name_size);
  if (problem != NULL) {
    return kl_fail(KL_EIO, "%s: the name of the entry '%.*s' %s", a->file, name_size < 200 ? (int)name_size : 200, name,
                   problem);
  }
  uint64_t packed = load(p + 20, 4), unpacked = load(p + 24, 4), local = load(p + 42, 4);
  uint64_t *const values[3] = {&unpacked, &packed, &local};
  if (!read_zip64(p + 46 + name_size, extra, values) || !has(a, local, 30, "PK\3\4")) {
    return damaged(a, "a local header", local);
  }
  const unsigned char *q = a->data + local;
  size_t head = 30 + name_size + load(q + 28, 2);
  if (load(q + 26, 2) != name_size || head > a->begin || local > a->begin - head ||
      memcmp(q + 30, name, name_size) != 0 || load(q + 8, 2) != load(p + 10, 2)) {
    return kl_fail(KL_EIO, "%s: the local header of '%.*s' differs from the directory", a->file,
                   name_size < 200 ? (int)name_size : 200, name);
  }
  if (packed > a->begin - head - local) {
    return damaged(a, "all of an entry", local);
  }
  *at += 46 + name_size + extra + comment;
  return KL_OK;
}

/* The name of an entry of the directory, inside the archive. */
typedef struct entry_name {
  const unsigned char *text;
  size_t size;
} entry_name;

static int compare_names(const void *a, const void *b) {
  const entry_name *x = a, *y = b;
  int order = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);
  return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

/* After every entry has been checked. */
static kl_status check_duplicates(const archive *a) {
  entry_name *names = kl_alloc(a->count * sizeof *names);
  if (names == NULL) {
    return KL_ENOMEM;
  }
  const unsigned char *p = a->data + a->begin;
  for (size_t i = 0; i < a->count; i++) {
    names[i] = (entry_name){p + 46, load(p + 28, 2)};
    p += 46 + names[i].size + load(p + 30, 2) + load(p + 32, 2);
  }
  if (a->count > 1) {
    qsort(names, a->count, sizeof *names, compare_names);
  }
  kl_status status = KL_OK;
  for (size_t i = 1; i < a->count && status == KL_OK; i++) {
    if (compare_names(&names[i - 1], &names[i]) == 0) {
      status = kl_fail(KL_EIO, "%s: the name '%.*s' occurs twice", a->file,
                       names[i].size < 200 ? (int)names[i].size : 200, (const char *)names[i].text);
    }
  }
  kl_free(names, a->count * sizeof *names);
  return status;
}

kl_status kl_zip_check(const char *file, const char *image, size_t size, size_t *count) {
  archive a = {.file = file, .data = (const unsigned char *)image, .size = size};
  KL_TRY(find_directory(&a));
  size_t at = a.begin;
  for (size_t i = 0; i < a.count; i++) {
    KL_TRY(check_entry(&a, &at));
  }
  *count = a.count;
  return at == a.end ? check_duplicates(&a) : damaged(&a, "the end of the directory", at);
}
