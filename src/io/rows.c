/* Rows by pread() where they lie together, through h5_rows.c where they lie in chunks of HDF5.  What is read is checked
 * against the file's size and time afterwards: whatever changed meanwhile is found then. */
#include "io/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/size.h"
#include "io/file.h"
#include "io/h5_rows.h"
#include "io/idx.h"
#include "io/npy.h"

#define LONGEST_CALL ((size_t)1 << 30) /* bytes per read: Linux gives less than 2 GiB at a time */

struct kl_row_file {
  atomic_int refs;
  int file;
  struct stat opened; /* as it was */
  char name[KL_PATH_TEXT];
  kl_element element;
  kl_shape shape;
  size_t raw_row, row; /* bytes of a row in the file and as it is read */
  uint64_t data;       /* offset of the first row */
  kl_h5_rows *chunks;  /* not NULL: rows are read through it, one thread at a time */
  pthread_mutex_t lock;
};

kl_row_file *kl_row_file_retain(kl_row_file *f) {
  atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
  return f;
}

void kl_row_file_release(kl_row_file *f) {
  if (f != NULL && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1) {
    kl_h5_rows_release(f->chunks);
    if (f->file >= 0) {
      close(f->file);
    }
    pthread_mutex_destroy(&f->lock);
    kl_free(f, sizeof *f);
  }
}

const char *kl_row_file_name(const kl_row_file *f) { return f->name; }
const kl_shape *kl_row_file_shape(const kl_row_file *f) { return &f->shape; }
kl_dtype kl_row_file_dtype(const kl_row_file *f) { return kl_element_dtype(f->element); }
size_t kl_row_file_row_bytes(const kl_row_file *f) { return f->row; }

static kl_status fail_system(const kl_row_file *f, int error) {
  char why[128];
  return kl_fail(KL_EIO, "%s: cannot be read: %s", f->name, strerror_r(error, why, sizeof why));
}

/* Reads up to `size` bytes; *got is less only at the end of the file. */
static kl_status read_at(const kl_row_file *f, uint64_t offset, void *to, size_t size, size_t *got) {
  *got = 0;
  while (*got < size) {
    size_t piece = size - *got < LONGEST_CALL ? size - *got : LONGEST_CALL;
    ssize_t n = pread(f->file, (char *)to + *got, piece, (off_t)(offset + *got));
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return fail_system(f, errno);
    }
    if (n == 0) {
      break;
    }
    *got += (size_t)n;
  }
  return KL_OK;
}

static kl_status check_unchanged(const kl_row_file *f) {
  struct stat now;
  if (fstat(f->file, &now) != 0) {
    return fail_system(f, errno);
  }
  if (now.st_size != f->opened.st_size) {
    return kl_fail(KL_EIO, "%s: the file was changed since it was opened: it had %lld bytes and has %lld", f->name,
                   (long long)f->opened.st_size, (long long)now.st_size);
  }
  if (now.st_mtim.tv_sec != f->opened.st_mtim.tv_sec || now.st_mtim.tv_nsec != f->opened.st_mtim.tv_nsec) {
    return kl_fail(KL_EIO, "%s: the file was changed since it was opened", f->name);
  }
  return KL_OK;
}

/* Opening */

static kl_status check_length(const kl_row_file *f, size_t data, size_t bytes) {
  char text[KL_SHAPE_TEXT];
  size_t size = (size_t)f->opened.st_size;
  return size >= data && size - data == bytes
             ? KL_OK
             : kl_fail(KL_EIO, "%s: shape %s needs %zu bytes of elements from offset %zu on, the file has %zu there",
                       f->name, kl_shape_text(&f->shape, text), bytes, data, size < data ? 0 : size - data);
}

static kl_status open_npy(kl_row_file *f, const char *head, size_t size) {
  kl_npy_header h;
  KL_TRY(kl_npy_read_header(f->name, head, size, &h));
  if (h.fortran && h.shape.ndim > 1) {
    return kl_fail(KL_EIO,
                   "%s: an array in C order expected, found one in Fortran's, whose rows do not lie together; kl.load "
                   "reads it whole, numpy.save(path, numpy.ascontiguousarray(x)) writes it anew",
                   f->name);
  }
  f->element = h.element;
  f->shape = h.shape;
  f->data = h.data;
  return check_length(f, h.data, h.bytes);
}

static kl_status open_idx(kl_row_file *f, const char *head, size_t size) {
  kl_idx_header h;
  KL_TRY(kl_idx_read_header(f->name, head, size, &h));
  f->element = h.element;
  f->shape = h.shape;
  f->data = h.data;
  return check_length(f, h.data, h.bytes);
}

static kl_status open_h5(kl_row_file *f, const char *dataset) {
  KL_TRY(kl_h5_rows_open(f->name, f->file, (size_t)f->opened.st_size, dataset, &f->chunks));
  f->element = kl_h5_rows_element(f->chunks);
  f->shape = *kl_h5_rows_shape(f->chunks);
  if (kl_h5_rows_offset(f->chunks, &f->data)) {
    kl_h5_rows_release(f->chunks);
    f->chunks = NULL;
  }
  return check_unchanged(f); /* while its structure was read */
}

static kl_status open_format(kl_row_file *f, const char *dataset) {
  char head[KL_NPY_PREFIX + KL_NPY_MAX_HEADER];
  size_t size;
  KL_TRY(read_at(f, 0, head, sizeof head, &size));
  bool h5 = size >= 8 && memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0;
  if (dataset != NULL && !h5) {
    return kl_fail(KL_EVALUE, "%s: datasets are in HDF5 files, and this is none", f->name);
  }
  if (h5) {
    return open_h5(f, dataset);
  }
  if (size >= 6 && memcmp(head, "\x93NUMPY", 6) == 0) {
    return open_npy(f, head, size);
  }
  if (size >= 2 && memcmp(head, "\x1f\x8b", 2) == 0) {
    return kl_fail(KL_EIO, "%s: rows cannot be found in a gzipped file; gunzip it, or read it whole by kl.load",
                   f->name);
  }
  if (size >= 4 && head[0] == 0 && head[1] == 0) {
    return open_idx(f, head, size);
  }
  return kl_fail(KL_EIO, "%s: a .npy, HDF5 or IDX file expected, found one that begins otherwise", f->name);
}

static kl_status open_file(kl_row_file *f, const char *path, const char *dataset) {
  kl_path_text(path, f->name);
  f->file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (f->file < 0 || fstat(f->file, &f->opened) != 0) {
    return fail_system(f, errno);
  }
  if (!S_ISREG(f->opened.st_mode)) {
    return kl_fail(KL_EIO, "%s: cannot be read: it is not a regular file", f->name);
  }
  KL_TRY(open_format(f, dataset));
  if (f->shape.ndim == 0) {
    return kl_fail(KL_EIO, "%s: an array with rows expected, found a scalar", f->name);
  }
  f->raw_row = (size_t)f->element.size;
  f->row = kl_dtype_size(kl_element_dtype(f->element));
  for (int i = 1; i < f->shape.ndim; i++) { /* the readers have made sure that all rows fit, but for empty arrays */
    bool fits = kl_mul_size(f->raw_row, (size_t)f->shape.dim[i], &f->raw_row) &&
                kl_mul_size(f->row, (size_t)f->shape.dim[i], &f->row);
    if (!fits) {
      return kl_fail(KL_EIO, "%s: its rows do not fit in memory", f->name);
    }
  }
  return KL_OK;
}

kl_status kl_row_file_open(const char *path, const char *dataset, kl_row_file **out) {
  *out = NULL;
  kl_row_file *f = kl_alloc_zero(sizeof *f);
  if (f == NULL) {
    return KL_ENOMEM;
  }
  atomic_init(&f->refs, 1);
  pthread_mutex_init(&f->lock, NULL);
  f->file = -1;
  kl_status status = open_file(f, path, dataset);
  if (status != KL_OK) {
    kl_row_file_release(f);
    return status;
  }
  *out = f;
  return KL_OK;
}

/* Reading */

static kl_status check_row(const kl_row_file *f, int64_t row) {
  return row >= 0 && row < f->shape.dim[0] ? KL_OK
                                           : kl_fail(KL_EVALUE, "%s: row %lld expected to be from 0 to %lld", f->name,
                                                     (long long)row, (long long)f->shape.dim[0] - 1);
}

static kl_status read_raw(kl_row_file *f, int64_t first, int64_t count, char *to) {
  size_t size = (size_t)count * f->raw_row, got;
  if (f->chunks != NULL) {
    pthread_mutex_lock(&f->lock);
    kl_status status = kl_h5_rows_read(f->chunks, first, count, to);
    pthread_mutex_unlock(&f->lock);
    return status;
  }
  KL_TRY(read_at(f, f->data + (uint64_t)first * f->raw_row, to, size, &got));
  return got == size ? KL_OK
                     : kl_fail(KL_EIO, "%s: the file was cut off since it was opened: %zu bytes of row %lld are gone",
                               f->name, size - got, (long long)first);
}

/* Raw elements are read to the end of their place and converted front to back (io/elements.c). */
static kl_status read_run(kl_row_file *f, int64_t first, int64_t count, char *out) {
  char *raw = out + (size_t)count * (f->row - f->raw_row);
  KL_TRY(read_raw(f, first, count, raw));
  return kl_elements_convert_block(f->name, f->element, raw,
                                   count * (int64_t)(f->row / kl_dtype_size(kl_row_file_dtype(f))), out);
}

kl_status kl_row_file_read_range(kl_row_file *f, int64_t first, int64_t count, void *out) {
  if (count < 0 || first < 0 || count > f->shape.dim[0] || first > f->shape.dim[0] - count) {
    return kl_fail(KL_EVALUE, "%s: %lld rows from %lld on expected to be among its %lld", f->name, (long long)count,
                   (long long)first, (long long)f->shape.dim[0]);
  }
  if (count > 0) {
    KL_TRY(read_run(f, first, count, out));
  }
  return check_unchanged(f);
}

kl_status kl_row_file_read(kl_row_file *f, const int64_t *rows, int64_t count, void *out) {
  for (int64_t i = 0; i < count; i++) {
    KL_TRY(check_row(f, rows[i]));
  }
  for (int64_t i = 0; i < count;) {
    int64_t n = 1;
    while (i + n < count && rows[i + n] == rows[i] + n) {
      n++;
    }
    KL_TRY(read_run(f, rows[i], n, (char *)out + (size_t)i * f->row));
    i += n;
  }
  return check_unchanged(f);
}
