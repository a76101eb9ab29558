/* Making folders. */
#include "io/folder.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/file.h"

static kl_status fail(const char *path, const char *part, int error) {
  char text[KL_PATH_TEXT], part_text[KL_PATH_TEXT], why[128];
  if (strcmp(path, part) == 0) {
    return kl_fail(KL_EIO, "%s: the folder cannot be made: %s", kl_path_text(path, text),
                   strerror_r(error, why, sizeof why));
  }
  return kl_fail(KL_EIO, "%s: the folder %s cannot be made: %s", kl_path_text(path, text),
                 kl_path_text(part, part_text), strerror_r(error, why, sizeof why));
}

/* One folder whose parent is there. */
static kl_status make_one(const char *path, const char *part) {
  struct stat st;
  if (mkdir(part, 0777) == 0) {
    return KL_OK;
  }
  int error = errno;
  if (stat(part, &st) == 0) { /* also where it may not be written: what matters is that it is a folder */
    return S_ISDIR(st.st_mode) ? KL_OK : fail(path, part, ENOTDIR);
  }
  return fail(path, part, error);
}

kl_status kl_folder_make(const char *path) {
  char part[PATH_MAX];
  size_t n = strlen(path);
  if (n == 0 || n >= sizeof part) {
    return fail(path, path, n == 0 ? ENOENT : ENAMETOOLONG);
  }
  memcpy(part, path, n + 1);
  for (size_t i = 1; i < n; i++) {
    if (part[i] == '/' && part[i - 1] != '/') {
      part[i] = '\0';
      KL_TRY(make_one(path, part));
      part[i] = '/';
    }
  }
  return make_one(path, part);
}
