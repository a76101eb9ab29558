/* The thread pool.  A region is published as a generation number; workers spin on it for about 200 us (kernels.md 1:
 * waking a sleeper costs 30 us), then sleep on a futex.  A forked child has no workers: it finds out by its pid and
 * makes its own. */
#include "device/cpu/pool.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define MAX_THREADS 256
#define SPIN_NANOSECONDS 200000

typedef struct worker {
  pthread_t thread;
  int index;
  _Alignas(64) atomic_uint done; /* generation it has finished */
} worker;

static struct {
  int threads; /* 0: not decided yet */
  int started; /* workers alive: indices 1 .. started */
  pid_t owner;
  worker *workers[MAX_THREADS];
  /* The region. */
  kl_block f;
  void *context;
  int64_t blocks;
  _Alignas(64) atomic_uint generation;
  atomic_int sleepers;
  atomic_bool quit;
} pool;

unsigned kl_pool_set_float(void) {
#if defined(__x86_64__)
  unsigned state = _mm_getcsr();
  if ((state & 0x8040u) != 0x8040u) {
    _mm_setcsr(state | 0x8040u); /* FTZ bit 15, DAZ bit 6 */
  }
  return state;
#else
  return 0;
#endif
}

void kl_pool_restore_float(unsigned state) {
#if defined(__x86_64__)
  if ((state & 0x8040u) != 0x8040u) {
    _mm_setcsr(state);
  }
#else
  (void)state;
#endif
}

static void pause_briefly(void) {
#if defined(__x86_64__)
  _mm_pause();
#else
  sched_yield();
#endif
}

static int64_t nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Waits until *word != seen: spinning first, sleeping if `may_sleep`. */
static void wait_for_change(atomic_uint *word, unsigned seen, bool may_sleep) {
  int64_t start = 0;
  for (unsigned spins = 1;; spins++) {
    if (atomic_load_explicit(word, memory_order_acquire) != seen) {
      return;
    }
    pause_briefly();
    if (spins % 256 == 0) {
      int64_t now = nanoseconds();
      if (start == 0) {
        start = now;
      } else if (now - start > SPIN_NANOSECONDS) {
        break;
      }
    }
  }
  while (atomic_load(word) == seen) {
    if (may_sleep) {
      atomic_fetch_add(&pool.sleepers, 1);
      syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
      atomic_fetch_sub(&pool.sleepers, 1);
    } else {
      sched_yield(); /* the worker may need this core */
    }
  }
}

static void run_share(int index) {
  for (int64_t b = index; b < pool.blocks; b += pool.threads) {
    pool.f(pool.context, b);
  }
}

static void *worker_main(void *argument) {
  worker *self = argument;
  kl_pool_set_float();
  unsigned seen = atomic_load(&self->done);
  for (;;) {
    wait_for_change(&pool.generation, seen, true);
    if (atomic_load(&pool.quit)) {
      return NULL;
    }
    seen = atomic_load(&pool.generation);
    run_share(self->index);
    atomic_store_explicit(&self->done, seen, memory_order_release);
  }
}

static void publish(void) {
  atomic_fetch_add(&pool.generation, 1);
  if (atomic_load(&pool.sleepers) > 0) {
    syscall(SYS_futex, &pool.generation, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
  }
}

static void stop_workers(void) {
  if (pool.owner == getpid() && pool.started > 0) {
    atomic_store(&pool.quit, true);
    publish();
    for (int i = 1; i <= pool.started; i++) {
      pthread_join(pool.workers[i]->thread, NULL);
    }
    atomic_store(&pool.quit, false);
  }
  for (int i = 1; i <= pool.started; i++) {
    free(pool.workers[i]); /* in a forked child: the structures, the threads are not there */
  }
  pool.started = 0;
}

/* Fewer threads than wanted are no error: the work is done all the same. */
static void start_workers(void) {
  static bool registered;
  sigset_t all, before;
  pool.owner = getpid();
  atomic_store(&pool.sleepers, 0);
  if (!registered) {
    registered = true;
    atexit(stop_workers);
  }
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = 0;
  while (pool.started < pool.threads - 1 && error == 0) {
    worker *w = aligned_alloc(64, sizeof *w);
    if (w == NULL) {
      error = ENOMEM;
      break;
    }
    w->index = pool.started + 1;
    atomic_init(&w->done, atomic_load(&pool.generation));
    error = pthread_create(&w->thread, NULL, worker_main, w);
    if (error != 0) {
      free(w);
      break;
    }
    pool.workers[++pool.started] = w;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error != 0) {
    pool.threads = pool.started + 1;
  }
}

static int default_threads(void) {
  cpu_set_t set;
  int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}

int kl_pool_threads(void) {
  if (pool.threads == 0) {
    pool.threads = default_threads();
  }
  return pool.threads;
}

kl_status kl_pool_set_threads(int n) {
  if (n < 1 || n > MAX_THREADS) {
    return kl_fail(KL_EVALUE, "the number of threads must be from 1 to %d, got %d", MAX_THREADS, n);
  }
  stop_workers();
  pool.threads = n; /* they start with the first work for them */
  return KL_OK;
}

void kl_pool_run(int64_t blocks, kl_block f, void *context) {
  if (blocks > 1 && kl_pool_threads() > 1) {
    if (pool.started > 0 && pool.owner != getpid()) {
      stop_workers();
    }
    if (pool.started == 0) {
      start_workers();
    }
  }
  if (blocks <= 1 || pool.started == 0) {
    for (int64_t b = 0; b < blocks; b++) {
      f(context, b);
    }
    return;
  }
  pool.f = f;
  pool.context = context;
  pool.blocks = blocks;
  publish();
  run_share(0);
  unsigned now = atomic_load(&pool.generation);
  for (int i = 1; i <= pool.started; i++) {
    unsigned seen;
    while ((seen = atomic_load_explicit(&pool.workers[i]->done, memory_order_acquire)) != now) {
      wait_for_change(&pool.workers[i]->done, seen, false);
    }
  }
}
