/* Rows gathered ahead of their use: a queue of jobs and one thread that does them in order.
 *
 * A job copies rows, given by number, of one or several sources into tensors made for it; or it calls a function, which
 * may read what jobs before it have made.  Sources are tensors, or files with a function that reads.  Everything here
 * but the copying and that call belongs to the thread that made the queue: tensors and jobs are made, referenced and
 * released there; the queue's own thread sees addresses, and a job is not released while it is at it.  After a job has
 * failed the thread does no others.  A queue that is still open when the program exits is closed then. */
#ifndef KL_IO_PREFETCH_H
#define KL_IO_PREFETCH_H

#include "io/rows.h"
#include "tensor/tensor.h"

typedef struct kl_prefetch kl_prefetch;
typedef struct kl_prefetch_job kl_prefetch_job;

typedef struct kl_prefetch_part {
  kl_tensor *source; /* rows in memory, each contiguous; or NULL */
  kl_row_file *file; /* rows of a file */
  kl_tensor *out;    /* contiguous, the rows one behind the other */
} kl_prefetch_part;

/* A queue that takes up to `capacity` jobs that nobody has waited for, and keeps `capacity` + 2 buffers to use again.
 */
kl_status kl_prefetch_new(int capacity, kl_prefetch **out);

/* True if another job may be submitted. */
bool kl_prefetch_has_room(const kl_prefetch *p);

/* A contiguous tensor for a result; its storage may have been that of an earlier one that nobody holds any more. */
kl_status kl_prefetch_buffer(kl_prefetch *p, kl_dtype dtype, const kl_shape *shape, kl_tensor **out);

/* A job for the thread; it retains sources, files and outs, and copies the row numbers, which the caller has checked.
 */
kl_status kl_prefetch_submit(kl_prefetch *p, const kl_prefetch_part *parts, int part_count, const int64_t *rows,
                             int64_t row_count, kl_prefetch_job **out);

/* What a job is to do that does not copy rows. */
typedef struct kl_prefetch_work {
  kl_status (*run)(void *context); /* in the queue's thread */
  void (*release)(void *context);  /* when the job is released */
  void *context;
} kl_prefetch_work;

/* A job that does it, whether there is room or not; it takes over the context, on failure too. */
kl_status kl_prefetch_submit_work(kl_prefetch *p, const kl_prefetch_work *work, kl_prefetch_job **out);

/* Waits until it is done, and gives its status; *done is false if it was not: the queue was closed before it was begun,
 * a job before it has failed, or it is work that has. */
kl_status kl_prefetch_wait(kl_prefetch_job *job, bool *done);

/* Releases a job: at once if it was not begun, else when it is done. */
void kl_prefetch_release_job(kl_prefetch_job *job);

/* Ends the thread when it is done with its present rows; what was not begun is not done.  Jobs stay valid. */
void kl_prefetch_close(kl_prefetch *p);

/* Closes it and lets go of it.  NULL is allowed. */
void kl_prefetch_release(kl_prefetch *p);

#endif
