/* Event files: the folder, the file, the queue of whole records; and the histograms that go into them. */
#include "io/tfevents.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/size.h"
#include "io/file.h"
#include "io/folder.h"

#define HOST 64 /* bytes of a host's name in a file's */

struct kl_tfevents {
  char path[PATH_MAX];
  int file;
  int64_t written; /* bytes of whole records in the file */
  kl_buffer queue; /* whole records that wait */
  int64_t waiting; /* how many */
  double flushed;  /* when the queue was last empty, monotonic seconds */
  int64_t max_queue;
  double flush_seconds;
};

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double kl_tfevents_now(void) { return seconds(CLOCK_REALTIME); }

const char *kl_tfevents_path(const kl_tfevents *w) { return w->path; }

static kl_status fail(const char *path, const char *what, int error) {
  char name[KL_PATH_TEXT], why[128];
  return kl_fail(KL_EIO, "kl.summary: %s: %s: %s", kl_path_text(path, name), what, strerror_r(error, why, sizeof why));
}

/* Opens a file with a name that nobody has. */
static kl_status open_file(kl_tfevents *w, const char *folder, const char *suffix) {
  static atomic_int counter; /* of the writers of this process */
  char host[HOST];
  if (gethostname(host, sizeof host) != 0 || host[0] == '\0') {
    strcpy(host, "localhost");
  }
  host[sizeof host - 1] = '\0';
  for (char *at = host; *at != '\0'; at++) {
    if (*at == '/') {
      *at = '_';
    }
  }
  do { /* readers take files by name: of those of one second, later ones must be behind */
    int n = snprintf(w->path, sizeof w->path, "%s/events.out.tfevents.%010lld.%s.%ld.%06d%s", folder,
                     (long long)time(NULL), host, (long)getpid(), atomic_fetch_add(&counter, 1), suffix);
    if (n < 0 || (size_t)n >= sizeof w->path) {
      return fail(folder, "the name of the event file is too long", ENAMETOOLONG);
    }
    w->file = open(w->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
  } while (w->file < 0 && errno == EEXIST);
  return w->file < 0 ? fail(folder, "no event file can be made there", errno) : KL_OK;
}

kl_status kl_tfevents_open(const char *folder, const kl_tfevents_options *options, kl_tfevents **out) {
  *out = NULL;
  KL_TRY(kl_folder_make(folder));
  kl_tfevents *w = kl_alloc_zero(sizeof *w);
  if (w == NULL) {
    return KL_ENOMEM;
  }
  w->file = -1;
  w->max_queue = options->max_queue;
  w->flush_seconds = options->flush_seconds;
  w->flushed = seconds(CLOCK_MONOTONIC);
  kl_event version = {.kind = KL_EVENT_VERSION, .wall_time = options->wall_time};
  kl_status status = kl_event_append(&w->queue, &version);
  if (status == KL_OK) {
    status = open_file(w, folder, options->suffix);
  }
  if (status == KL_OK) {
    w->waiting = 1;
    status = kl_tfevents_flush(w);
    if (status != KL_OK) {
      unlink(w->path); /* an empty file: a full disk */
    }
  }
  if (status != KL_OK) {
    w->waiting = 0; /* nothing more is to be written */
    w->queue.size = 0;
    kl_tfevents_close(w);
    return status;
  }
  *out = w;
  return KL_OK;
}

kl_status kl_tfevents_flush(kl_tfevents *w) {
  for (size_t at = 0; at < w->queue.size;) {
    ssize_t n = write(w->file, w->queue.data + at, w->queue.size - at);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      int error = n < 0 ? errno : EIO;
      /* a cut record in the middle would hide everything behind it */
      if (at > 0 && ftruncate(w->file, (off_t)w->written) != 0) {
        w->written += (int64_t)at;
        memmove(w->queue.data, w->queue.data + at, w->queue.size - at);
        w->queue.size -= at;
      }
      return fail(w->path, "not written", error);
    }
    at += (size_t)n;
  }
  w->written += (int64_t)w->queue.size;
  w->queue.size = 0;
  w->waiting = 0;
  w->flushed = seconds(CLOCK_MONOTONIC);
  return KL_OK;
}

kl_status kl_tfevents_append(kl_tfevents *w, const kl_event *event) {
  KL_TRY(kl_event_append(&w->queue, event));
  w->waiting++;
  if (w->waiting >= w->max_queue || seconds(CLOCK_MONOTONIC) - w->flushed >= w->flush_seconds) {
    return kl_tfevents_flush(w);
  }
  return KL_OK;
}

kl_status kl_tfevents_close(kl_tfevents *w) {
  if (w == NULL) {
    return KL_OK;
  }
  kl_status status = w->file >= 0 ? kl_tfevents_flush(w) : KL_OK;
  if (w->file >= 0 && close(w->file) != 0 && errno != EINTR && status == KL_OK) {
    status = fail(w->path, "close", errno);
  }
  kl_buffer_release(&w->queue);
  kl_free(w, sizeof *w);
  return status;
}

/* Histograms */

/* Elements from `at` on, at most `count`, of a contiguous tensor as doubles. */
static void read_doubles(const kl_tensor *t, int64_t at, int64_t count, double *out) {
  const void *data = kl_tensor_data(t);
  for (int64_t i = 0; i < count; i++) {
    switch ((kl_dtype)t->dtype) {
      case KL_FLOAT32:
        out[i] = (double)((const float *)data)[at + i];
        break;
      case KL_FLOAT64:
        out[i] = ((const double *)data)[at + i];
        break;
      default:
        out[i] = (double)kl_tensor_get_int(t, at + i);
    }
  }
}

#define PIECE 512 /* elements converted at a time */

typedef struct extent {
  double least, largest;
  int64_t finite, nonfinite;
} extent;

static extent measure(const kl_tensor *t) {
  extent e = {INFINITY, -INFINITY, 0, 0};
  double values[PIECE];
  int64_t n = kl_tensor_numel(t);
  for (int64_t at = 0; at < n; at += PIECE) {
    int64_t count = kl_min_i64(PIECE, n - at);
    read_doubles(t, at, count, values);
    for (int64_t i = 0; i < count; i++) {
      if (isfinite(values[i])) {
        e.finite++;
        e.least = fmin(e.least, values[i]);
        e.largest = fmax(e.largest, values[i]);
      } else {
        e.nonfinite++;
      }
    }
  }
  return e;
}

/* Counts into the third column. */
static void count_elements(const kl_tensor *t, const extent *e, double scale, double width, int64_t buckets,
                           double *row) {
  double values[PIECE];
  int64_t n = kl_tensor_numel(t);
  for (int64_t at = 0; at < n; at += PIECE) {
    int64_t count = kl_min_i64(PIECE, n - at);
    read_doubles(t, at, count, values);
    for (int64_t i = 0; i < count; i++) {
      if (isfinite(values[i])) {
        double place = floor((values[i] * scale - e->least * scale) / width);
        int64_t bucket = place < (double)buckets ? (int64_t)place : buckets - 1;
        row[3 * bucket + 2] += 1;
      }
    }
  }
}

static void fill_rows(const kl_tensor *t, const extent *e, int64_t buckets, double *row) {
  memset(row, 0, (size_t)buckets * 3 * sizeof *row);
  if (buckets == 0 || e->finite == 0) {
    return;
  }
  double scale = isfinite(e->largest - e->least) ? 1 : 0.5; /* of a range that no double holds, half of it */
  double width = (e->largest * scale - e->least * scale) / (double)buckets;
  for (int64_t i = 0; i < buckets; i++) {
    row[3 * i] = (e->least * scale + (double)i * width) / scale;
    row[3 * i + 1] = (e->least * scale + (double)(i + 1) * width) / scale;
  }
  row[3 * buckets - 2] = e->largest;
  if (width == 0) {
    row[3 * buckets - 1] = (double)e->finite;
  } else {
    count_elements(t, e, scale, width, buckets, row);
  }
}

kl_status kl_tfevents_histogram(const kl_tensor *t, int64_t buckets, kl_tensor **rows, int64_t *nonfinite) {
  kl_shape shape = {.ndim = 2, .dim = {buckets, 3}};
  kl_tensor *packed = NULL;
  *rows = NULL;
  *nonfinite = 0;
  if (!kl_tensor_is_contiguous(t)) {
    KL_TRY(kl_tensor_new((kl_dtype)t->dtype, &t->shape, &packed));
    kl_tensor_copy_out(t, kl_tensor_data(packed));
    t = packed;
  }
  kl_status status = kl_tensor_new(KL_FLOAT64, &shape, rows);
  if (status == KL_OK) {
    extent e = kl_tensor_numel(t) > 0 ? measure(t) : (extent){0, 0, 0, 0};
    *nonfinite = e.nonfinite;
    fill_rows(t, &e, buckets, kl_tensor_data(*rows));
  }
  kl_tensor_release(packed);
  return status;
}
