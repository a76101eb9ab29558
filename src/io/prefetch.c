/* The queue of kl_prefetch and its thread. */
#include "io/prefetch.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/size.h"

#define MESSAGE 512       /* bytes */
#define PIECE 256         /* rows copied or read between two looks at whether the queue was closed */
#define MOST_AHEAD 4096   /* bytes of the next row that are asked for early */
#define MOST_CAPACITY 256 /* jobs */

typedef enum job_state { JOB_WAITING, JOB_RUNNING, JOB_DONE, JOB_CANCELLED } job_state;

struct kl_prefetch_job {
  kl_prefetch *queue;
  kl_prefetch_job *next; /* behind this one */
  job_state state;
  bool was_waited_for;
  kl_status status;
  char message[MESSAGE];
  kl_prefetch_work work; /* run is NULL where rows are copied */
  int part_count;
  int64_t row_count;
  int64_t *rows;
  kl_prefetch_part parts[];
};

struct kl_prefetch {
  int refs; /* of the owner and of each job */
  int capacity, outstanding;
  pid_t owner;
  bool started, closed;
  pthread_t thread;
  pthread_mutex_t lock; /* over the list, the jobs' states, `quit` and `failed` */
  pthread_cond_t work, done;
  kl_prefetch_job *first, *last;
  bool quit, failed;
  kl_prefetch *next, *previous; /* of all open queues, for the end of the program */
  int buffer_count, oldest;
  kl_tensor *buffers[]; /* capacity + 2 */
};

static kl_prefetch *open_queues;

static size_t queue_bytes(int capacity) { return sizeof(kl_prefetch) + ((size_t)capacity + 2) * sizeof(kl_tensor *); }

static size_t job_bytes(int part_count) {
  return sizeof(kl_prefetch_job) + (size_t)part_count * sizeof(kl_prefetch_part);
}

static bool must_quit(kl_prefetch *p) {
  pthread_mutex_lock(&p->lock);
  bool quit = p->quit;
  pthread_mutex_unlock(&p->lock);
  return quit;
}

static void copy_rows(const kl_tensor *source, const int64_t *rows, int64_t count, size_t row_bytes, char *to) {
  const char *from = kl_tensor_data(source);
  int64_t stride = source->strides[0] * (int64_t)kl_dtype_size((kl_dtype)source->dtype);
  for (int64_t i = 0; i < count; i++) {
    if (i + 1 < count) {
      const char *next = from + rows[i + 1] * stride;
      for (size_t at = 0; at < row_bytes && at < MOST_AHEAD; at += 64) {
        __builtin_prefetch(next + at);
      }
    }
    memcpy(to + (size_t)i * row_bytes, from + rows[i] * stride, row_bytes);
  }
}

static kl_status run_job(kl_prefetch_job *job, bool may_quit) {
  if (job->work.run != NULL) {
    return job->work.run(job->work.context);
  }
  for (int k = 0; k < job->part_count; k++) {
    const kl_prefetch_part *part = &job->parts[k];
    size_t row_bytes = kl_dtype_size((kl_dtype)part->out->dtype);
    for (int axis = 1; axis < part->out->shape.ndim; axis++) {
      row_bytes *= (size_t)part->out->shape.dim[axis];
    }
    for (int64_t i = 0; i < job->row_count; i += PIECE) {
      int64_t count = kl_min_i64(PIECE, job->row_count - i);
      char *to = (char *)kl_tensor_data(part->out) + (size_t)i * row_bytes;
      if (may_quit && must_quit(job->queue)) {
        return KL_OK; /* nobody will look */
      }
      if (part->source != NULL) {
        copy_rows(part->source, job->rows + i, count, row_bytes, to);
      } else {
        KL_TRY(kl_row_file_read(part->file, job->rows + i, count, to));
      }
    }
  }
  return KL_OK;
}

/* By the thread, or by the owner where there is none: the state that the job is in then. */
static job_state do_job(kl_prefetch_job *job, bool may_quit) {
  job->status = run_job(job, may_quit);
  if (job->status != KL_OK) { /* the message is this thread's */
    snprintf(job->message, sizeof job->message, "%s", kl_error_message());
  }
  return job->status != KL_OK && job->work.run != NULL ? JOB_CANCELLED : JOB_DONE;
}

static void *thread_main(void *argument) {
  kl_prefetch *p = argument;
  pthread_mutex_lock(&p->lock);
  for (;;) {
    while (!p->quit && p->first == NULL) {
      pthread_cond_wait(&p->work, &p->lock);
    }
    if (p->quit) {
      break;
    }
    kl_prefetch_job *job = p->first;
    p->first = job->next;
    job_state state = JOB_CANCELLED;
    if (!p->failed) {
      job->state = JOB_RUNNING;
      pthread_mutex_unlock(&p->lock);
      state = do_job(job, true);
      pthread_mutex_lock(&p->lock);
      p->failed = job->status != KL_OK;
    }
    job->state = p->quit ? JOB_CANCELLED : state;
    pthread_cond_broadcast(&p->done);
  }
  pthread_mutex_unlock(&p->lock);
  return NULL;
}

/* No queue's thread may be at work while what it reads is taken down. */
static void close_all(void) {
  while (open_queues != NULL) {
    kl_prefetch_close(open_queues);
  }
}

kl_status kl_prefetch_new(int capacity, kl_prefetch **out) {
  static bool registered;
  *out = NULL;
  if (capacity < 1 || capacity > MOST_CAPACITY) {
    capacity = capacity < 1 ? 1 : MOST_CAPACITY;
  }
  kl_prefetch *p = kl_alloc_zero(queue_bytes(capacity));
  if (p == NULL) {
    return KL_ENOMEM;
  }
  if (!registered) {
    registered = true;
    atexit(close_all);
  }
  p->refs = 1;
  p->capacity = capacity;
  p->owner = getpid();
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->work, NULL);
  pthread_cond_init(&p->done, NULL);
  p->next = open_queues;
  if (open_queues != NULL) {
    open_queues->previous = p;
  }
  open_queues = p;
  *out = p;
  return KL_OK;
}

/* A forked child has no thread, and the lock may be held for ever. */
static bool is_open(const kl_prefetch *p) { return !p->closed && p->owner == getpid(); }

bool kl_prefetch_has_room(const kl_prefetch *p) { return is_open(p) && p->outstanding < p->capacity; }

/* The next buffer of these bytes that nobody else holds; NULL if there is none. */
static kl_tensor *free_buffer(const kl_prefetch *p, size_t bytes) {
  for (int i = 0; i < p->buffer_count; i++) {
    const kl_storage *storage = p->buffers[i]->storage;
    if (storage->bytes == bytes && atomic_load_explicit(&storage->refs, memory_order_acquire) == 1) {
      return p->buffers[i];
    }
  }
  return NULL;
}

kl_status kl_prefetch_buffer(kl_prefetch *p, kl_dtype dtype, const kl_shape *shape, kl_tensor **out) {
  *out = NULL;
  KL_TRY(kl_shape_check_size("prefetch", shape, kl_dtype_size(dtype)));
  kl_tensor *spare = free_buffer(p, (size_t)kl_shape_numel(shape) * kl_dtype_size(dtype));
  if (spare == NULL) {
    KL_TRY(kl_tensor_new(dtype, shape, &spare));
    int at = p->buffer_count < p->capacity + 2 ? p->buffer_count++ : p->oldest++ % (p->capacity + 2);
    kl_tensor_release(p->buffers[at]);
    p->buffers[at] = spare;
  }
  int64_t strides[KL_MAX_NDIM];
  kl_shape_contiguous(shape, strides);
  KL_TRY(kl_tensor_new_view(spare, shape, strides, 0, out));
  (*out)->dtype = (uint8_t)dtype; /* the buffer may have held another one */
  return KL_OK;
}

static void start_thread(kl_prefetch *p) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  p->started = pthread_create(&p->thread, NULL, thread_main, p) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Gives a job to the thread. */
static void hand_in(kl_prefetch *p, kl_prefetch_job *job) {
  job->queue = p;
  p->refs++;
  if (!is_open(p)) {
    job->state = JOB_CANCELLED;
    return;
  }
  if (!p->started) {
    start_thread(p);
  }
  if (!p->started) { /* no thread to be had: it is done now */
    job->state = p->failed ? JOB_CANCELLED : do_job(job, false);
    p->failed = p->failed || job->status != KL_OK;
    return;
  }
  pthread_mutex_lock(&p->lock);
  if (p->first == NULL) {
    p->first = job;
  } else {
    p->last->next = job;
  }
  p->last = job;
  pthread_cond_signal(&p->work);
  pthread_mutex_unlock(&p->lock);
}

kl_status kl_prefetch_submit(kl_prefetch *p, const kl_prefetch_part *parts, int part_count, const int64_t *rows,
                             int64_t row_count, kl_prefetch_job **out) {
  *out = NULL;
  kl_prefetch_job *job = kl_alloc_zero(job_bytes(part_count));
  if (job == NULL) {
    return KL_ENOMEM;
  }
  job->rows = kl_alloc((size_t)row_count * sizeof *rows);
  if (job->rows == NULL) {
    kl_free(job, job_bytes(part_count));
    return KL_ENOMEM;
  }
  memcpy(job->rows, rows, (size_t)row_count * sizeof *rows);
  job->part_count = part_count;
  job->row_count = row_count;
  for (int k = 0; k < part_count; k++) {
    job->parts[k] = parts[k];
    kl_tensor_retain(parts[k].out);
    if (parts[k].source != NULL) {
      kl_tensor_retain(parts[k].source);
    } else {
      kl_row_file_retain(parts[k].file);
    }
  }
  p->outstanding++;
  hand_in(p, job);
  *out = job;
  return KL_OK;
}

kl_status kl_prefetch_submit_work(kl_prefetch *p, const kl_prefetch_work *work, kl_prefetch_job **out) {
  kl_prefetch_job *job = kl_alloc_zero(job_bytes(0));
  *out = job;
  if (job == NULL) {
    work->release(work->context);
    return KL_ENOMEM;
  }
  job->work = *work;
  job->was_waited_for = true; /* it takes no place in the queue */
  hand_in(p, job);
  return KL_OK;
}

static void note_waited(kl_prefetch_job *job) {
  if (!job->was_waited_for) {
    job->was_waited_for = true;
    job->queue->outstanding--;
  }
}

kl_status kl_prefetch_wait(kl_prefetch_job *job, bool *done) {
  kl_prefetch *p = job->queue;
  note_waited(job);
  if (p->owner == getpid()) {
    pthread_mutex_lock(&p->lock);
    while (job->state == JOB_WAITING || job->state == JOB_RUNNING) {
      pthread_cond_wait(&p->done, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
  }
  *done = job->state == JOB_DONE;
  return *done && job->status != KL_OK ? kl_fail(job->status, "%s", job->message) : KL_OK;
}

static void remove_from_list(kl_prefetch *p, kl_prefetch_job *job) {
  kl_prefetch_job *before = NULL;
  for (kl_prefetch_job *j = p->first; j != NULL; before = j, j = j->next) {
    if (j == job) {
      if (before == NULL) {
        p->first = job->next;
      } else {
        before->next = job->next;
      }
      if (p->last == job) {
        p->last = before;
      }
      return;
    }
  }
}

static void drop_queue(kl_prefetch *p) {
  if (--p->refs > 0) {
    return;
  }
  pthread_mutex_destroy(&p->lock);
  pthread_cond_destroy(&p->work);
  pthread_cond_destroy(&p->done);
  kl_free(p, queue_bytes(p->capacity));
}

void kl_prefetch_release_job(kl_prefetch_job *job) {
  kl_prefetch *p = job->queue;
  note_waited(job);
  if (p->owner == getpid()) {
    pthread_mutex_lock(&p->lock);
    if (job->state == JOB_WAITING) {
      remove_from_list(p, job);
    }
    while (job->state == JOB_RUNNING) {
      pthread_cond_wait(&p->done, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
  }
  for (int k = 0; k < job->part_count; k++) {
    kl_tensor_release(job->parts[k].out);
    kl_tensor_release(job->parts[k].source);
    kl_row_file_release(job->parts[k].file);
  }
  if (job->work.run != NULL) {
    job->work.release(job->work.context);
  }
  kl_free(job->rows, (size_t)job->row_count * sizeof *job->rows);
  kl_free(job, job_bytes(job->part_count));
  drop_queue(p);
}

void kl_prefetch_close(kl_prefetch *p) {
  if (p->closed) {
    return;
  }
  p->closed = true;
  if (p->previous != NULL) {
    p->previous->next = p->next;
  } else {
    open_queues = p->next;
  }
  if (p->next != NULL) {
    p->next->previous = p->previous;
  }
  if (p->started && p->owner == getpid()) {
    pthread_mutex_lock(&p->lock);
    p->quit = true;
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
  }
  for (kl_prefetch_job *job = p->first; job != NULL; job = job->next) {
    job->state = JOB_CANCELLED;
  }
  p->first = p->last = NULL;
  for (int i = 0; i < p->buffer_count; i++) {
    kl_tensor_release(p->buffers[i]);
  }
  p->buffer_count = 0;
}

void kl_prefetch_release(kl_prefetch *p) {
  if (p != NULL) {
    kl_prefetch_close(p);
    drop_queue(p);
  }
}
