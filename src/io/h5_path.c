/* Our rules for names and paths in HDF5 files. */
#include <string.h>

#include "base/alloc.h"
#include "io/h5_internal.h"
#include "io/utf8.h"

const char *kl_h5_name_problem(const char *name, size_t size) {
  return size == 0                                                             ? "is empty"
         : size > KL_H5_MAX_NAME                                               ? "is longer than 1024 bytes"
         : (size <= 2 && memcmp(name, "..", size) == 0)                        ? "is '.' or '..'"
         : memchr(name, '/', size) != NULL || memchr(name, '\0', size) != NULL ? "contains '/' or NUL"
         : !kl_utf8_is_valid(name, size)                                       ? "is not valid UTF-8"
                                                                               : NULL;
}

void kl_h5_make_printable(char *text, size_t size) {
  for (size_t i = 0; i < size; i++) {
    text[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
  }
}

char *kl_h5_new_text(const char *text, size_t size) {
  char *copy = kl_alloc(size + 1);
  if (copy != NULL) {
    memcpy(copy, text, size);
    copy[size] = '\0';
  }
  return copy;
}

kl_status kl_h5_new_path(const char *what, const char *path, char **out) {
  *out = NULL;
  const char *part = path + (*path == '/');
  int depth = 0;
  for (bool more = *part != '\0'; more;) {
    size_t size = strcspn(part, "/");
    const char *problem = kl_h5_name_problem(part, size);
    if (problem != NULL) {
      return kl_fail(KL_EVALUE, "%s: the path '%.300s' cannot be: a name in it %s", what, path, problem);
    }
    if (++depth > KL_H5_MAX_DEPTH) {
      return kl_fail(KL_EVALUE, "%s: the path '%.300s' is more than %d names deep", what, path, KL_H5_MAX_DEPTH);
    }
    more = part[size] == '/';
    part += size + more;
  }
  size_t size = strlen(path);
  char *copy = kl_alloc(size + 1 + (*path != '/'));
  if (copy == NULL) {
    return KL_ENOMEM;
  }
  *copy = '/';
  memcpy(copy + (*path != '/'), path, size + 1);
  *out = copy;
  return KL_OK;
}

void kl_h5_free_path(char *path) {
  if (path != NULL) {
    kl_free(path, strlen(path) + 1);
  }
}
