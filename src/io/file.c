/* Reading and replacing whole files. */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/size.h"
#include "io/crc32c.h"

#define LONGEST_CALL ((size_t)1 << 30) /* bytes per read or write: Linux takes less than 2 GiB at a time */

const char *kl_path_text(const char *path, char text[KL_PATH_TEXT]) {
  size_t n = strlen(path);
  bool whole = n < KL_PATH_TEXT;
  snprintf(text, KL_PATH_TEXT, "%s%s", whole ? "" : "...", whole ? path : path + n - (KL_PATH_TEXT - 4));
  return text;
}

kl_status kl_source_date(int64_t otherwise, int64_t *out) {
  const char *text = getenv("SOURCE_DATE_EPOCH");
  *out = otherwise;
  if (text == NULL || *text == '\0') {
    return KL_OK;
  }
  char *end;
  errno = 0;
  long long seconds = strtoll(text, &end, 10);
  if (errno != 0 || *end != '\0' || seconds < 0 || seconds > 253402300799) {
    return kl_fail(KL_EVALUE, "SOURCE_DATE_EPOCH=%.40s: seconds since 1970, up to the year 9999, expected", text);
  }
  *out = seconds;
  return KL_OK;
}

/* A file on its way to its name. */
typedef struct target {
  const char *path; /* as the user wrote it */
  const char *name; /* last part of the resolved path */
  size_t size;      /* bytes to write, or written so far */
  int directory;    /* descriptor, or -1 */
  int file;         /* of the temporary file while it is open, or -1 */
  bool exists;      /* a file has the name already */
  mode_t mode;      /* its permissions */
  char temporary[NAME_MAX + 1];
  char resolved[PATH_MAX];
} target;

struct kl_file_writer {
  target target;
  char path[]; /* the target's */
};

static kl_status fail_write(const target *t, const char *step, int error) {
  char path[KL_PATH_TEXT], why[128], space[64] = "";
  struct statvfs fs;
  if (t->directory >= 0 && fstatvfs(t->directory, &fs) == 0) {
    snprintf(space, sizeof space, ", %llu bytes free",
             (unsigned long long)(geteuid() == 0 ? fs.f_bfree : fs.f_bavail) * fs.f_frsize);
  }
  return kl_fail(KL_EIO, "%s: not written: %s: %s (%zu bytes needed%s)", kl_path_text(t->path, path), step,
                 strerror_r(error, why, sizeof why), t->size, space);
}

/* Splits the path into an open directory and a name in it, behind a symbolic link if it is one. */
static kl_status open_target(target *t) {
  struct stat st;
  char *resolved = t->resolved;
  char text[KL_PATH_TEXT];
  kl_path_text(t->path, text);
  if (strlen(t->path) >= PATH_MAX) {
    return fail_write(t, "path", ENAMETOOLONG);
  }
  strcpy(resolved, t->path);
  if (lstat(t->path, &st) == 0) {
    if (S_ISLNK(st.st_mode) && realpath(t->path, resolved) == NULL) {
      return errno == ENOENT
                 ? kl_fail(KL_EIO, "%s: not written: it is a symbolic link to a file that does not exist", text)
                 : fail_write(t, "symbolic link", errno);
    }
  } else if (errno != ENOENT) {
    return fail_write(t, "path", errno);
  }
  char *slash = strrchr(resolved, '/');
  t->name = slash == NULL ? resolved : slash + 1;
  if (*t->name == '\0' || strcmp(t->name, ".") == 0 || strcmp(t->name, "..") == 0) {
    return kl_fail(KL_EIO, "%s: not written: the name of a file expected, not of a directory", text);
  }
  if (slash == NULL) {
    t->directory = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  } else if (slash == resolved) {
    t->directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  } else {
    *slash = '\0';
    t->directory = open(resolved, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  if (t->directory < 0) {
    return fail_write(t, "opening the directory", errno);
  }
  if (fstatat(t->directory, t->name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? KL_OK : fail_write(t, "name", errno);
  }
  if (S_ISDIR(st.st_mode)) {
    return kl_fail(KL_EIO, "%s: not written: it is a directory", text);
  }
  if (!S_ISREG(st.st_mode)) {
    return kl_fail(KL_EIO, "%s: not written: it is not a regular file (a device, pipe or socket)", text);
  }
  /* rename would replace a file that its owner has protected */
  if (faccessat(t->directory, t->name, W_OK, AT_EACCESS) != 0) {
    return fail_write(t, "permission to write", errno);
  }
  t->exists = true;
  t->mode = st.st_mode & 0777;
  return KL_OK;
}

/* `.<name>.<pid>.tmp`; of a name too long for that, its beginning and its CRC. */
static void name_temporary(target *t) {
  char tail[32];
  int room = NAME_MAX - 1 - snprintf(tail, sizeof tail, ".%ld.tmp", (long)getpid());
  size_t length = strlen(t->name);
  if ((int)length <= room) {
    snprintf(t->temporary, sizeof t->temporary, ".%s%s", t->name, tail);
  } else {
    snprintf(t->temporary, sizeof t->temporary, ".%.*s-%08x%s", room - 9, t->name,
             (unsigned)kl_crc32c(0, t->name, length), tail);
  }
}

static kl_status write_all(const target *t, const char *data, size_t size) {
  for (size_t at = 0; at < size;) {
    size_t piece = size - at < LONGEST_CALL ? size - at : LONGEST_CALL;
    ssize_t n = write(t->file, data + at, piece);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return fail_write(t, "writing", n < 0 ? errno : EIO);
    }
    at += (size_t)n;
  }
  return KL_OK;
}

static int flush(int file) {
  int result;
  do {
    result = fsync(file);
  } while (result != 0 && errno == EINTR); /* nothing was tried yet; any other failure is final (S2) */
  return result;
}

/* Opens the directory, and makes the temporary file in it. */
static kl_status begin(target *t) {
  int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  KL_TRY(open_target(t));
  name_temporary(t);
  mode_t mode = t->exists ? t->mode : 0666;
  t->file = openat(t->directory, t->temporary, flags, mode);
  if (t->file < 0 && errno == EEXIST && unlinkat(t->directory, t->temporary, 0) == 0) {
    t->file = openat(t->directory, t->temporary, flags, mode); /* a dead process with our number left it */
  }
  if (t->file < 0) {
    return fail_write(t, "making a temporary file beside it", errno);
  }
  return t->exists && fchmod(t->file, t->mode) != 0 ? fail_write(t, "permissions", errno) : KL_OK;
}

/* Gives the temporary file its name. */
static kl_status commit(target *t) {
  if (flush(t->file) != 0) {
    return fail_write(t, "fsync", errno);
  }
  /* the bytes are on the disk: an interrupted close has closed the file all the same */
  int closed = close(t->file);
  t->file = -1;
  if ((closed != 0 && errno != EINTR) || renameat(t->directory, t->temporary, t->directory, t->name) != 0) {
    kl_status status = fail_write(t, closed != 0 && errno != EINTR ? "close" : "rename", errno);
    unlinkat(t->directory, t->temporary, 0);
    return status;
  }
  /* EINVAL: a file system whose directories cannot be flushed, because they need not be */
  if (flush(t->directory) != 0 && errno != EINVAL) {
    return fail_write(t, "fsync of the directory, after the file was replaced", errno);
  }
  return KL_OK;
}

static void end(target *t) {
  if (t->file >= 0) {
    close(t->file);
    unlinkat(t->directory, t->temporary, 0);
  }
  if (t->directory >= 0) {
    close(t->directory);
  }
}

kl_status kl_file_write(const char *path, const void *data, size_t size) {
  target t = {.path = path, .size = size, .directory = -1, .file = -1};
  kl_status status = begin(&t);
  if (status == KL_OK) {
    status = write_all(&t, data, size);
  }
  if (status == KL_OK) {
    status = commit(&t);
  }
  end(&t);
  return status;
}

kl_status kl_file_writer_new(const char *path, kl_file_writer **out) {
  size_t length = strlen(path) + 1;
  kl_file_writer *w = kl_alloc_zero(sizeof *w + length);
  *out = w;
  if (w == NULL) {
    return KL_ENOMEM;
  }
  memcpy(w->path, path, length);
  w->target.path = w->path;
  w->target.directory = w->target.file = -1;
  kl_status status = begin(&w->target);
  if (status != KL_OK) {
    kl_file_writer_release(w);
    *out = NULL;
  }
  return status;
}

kl_status kl_file_writer_append(kl_file_writer *w, const void *data, size_t size) {
  KL_TRY(write_all(&w->target, data, size));
  w->target.size += size;
  return KL_OK;
}

kl_status kl_file_writer_finish(kl_file_writer *w, const void *head, size_t size) {
  if (lseek(w->target.file, 0, SEEK_SET) != 0) {
    return fail_write(&w->target, "going to its beginning", errno);
  }
  KL_TRY(write_all(&w->target, head, size));
  return commit(&w->target);
}

void kl_file_writer_release(kl_file_writer *w) {
  if (w != NULL) {
    end(&w->target);
    kl_free(w, sizeof *w + strlen(w->path) + 1);
  }
}

static kl_status fail_read(const char *path, int error) {
  char text[KL_PATH_TEXT], why[128];
  return kl_fail(KL_EIO, "%s: cannot be read: %s", kl_path_text(path, text), strerror_r(error, why, sizeof why));
}

static kl_status fail_limit(const char *path, size_t limit, bool known, unsigned long long size) {
  char text[KL_PATH_TEXT], found[48] = "more";
  if (known) {
    snprintf(found, sizeof found, "%llu", size);
  }
  return kl_fail(KL_EIO, "%s: too large: at most %zu bytes expected, %s found", kl_path_text(path, text), limit, found);
}

/* Reads to the end of the file, whatever its size was said to be. */
static kl_status read_all(const char *path, int file, size_t limit, kl_buffer *out) {
  for (;;) {
    if (out->size == out->capacity) {
      KL_TRY(kl_buffer_reserve(out, out->capacity + 1));
    }
    size_t room = out->capacity - out->size;
    ssize_t n = read(file, out->data + out->size, room < LONGEST_CALL ? room : LONGEST_CALL);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return n == 0 ? KL_OK : fail_read(path, errno);
    }
    out->size += (size_t)n;
    if (out->size > limit) {
      return fail_limit(path, limit, false, 0);
    }
  }
}

kl_status kl_file_read(const char *path, size_t limit, kl_buffer *out) {
  struct stat st;
  /* not to wait for the other end of a pipe; regular files do not care */
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) {
    return fail_read(path, errno);
  }
  char text[KL_PATH_TEXT];
  size_t room;
  kl_status status;
  if (fstat(file, &st) != 0) {
    status = fail_read(path, errno);
  } else if (S_ISDIR(st.st_mode)) {
    status = fail_read(path, EISDIR);
  } else if (!S_ISREG(st.st_mode)) {
    status = kl_fail(KL_EIO, "%s: cannot be read: it is not a regular file", kl_path_text(path, text));
  } else if ((uint64_t)st.st_size > limit || !kl_add_size((size_t)st.st_size, 1, &room)) {
    status = fail_limit(path, limit, true, (unsigned long long)st.st_size);
  } else {
    status = kl_buffer_reserve(out, room); /* one more than expected: its absence is the end of the file */
  }
  if (status == KL_OK) {
    status = read_all(path, file, limit, out);
  }
  close(file);
  if (status != KL_OK) {
    kl_buffer_release(out);
  }
  return status;
}
