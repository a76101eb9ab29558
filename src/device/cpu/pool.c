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
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define MAX_THREADS 256
#define SPIN_NANOSECONDS 200000

/* The blocks of one owner that nobody has claimed: generation in the high half, number left in the low half.  A thread
 * that comes late to a region finds another generation, or nothing left. */
typedef struct claims {
  _Alignas(64) _Atomic uint64_t state;
} claims;

static struct {
  int threads; /* 0: not decided yet */
  int started; /* workers alive: indices 1 .. started */
  pid_t owner;
  pthread_t workers[MAX_THREADS];
  /* The region; written only while no block of the last one is left. */
  kl_block f;
  void *context;
  int64_t blocks;
  claims claimed[MAX_THREADS];
  _Alignas(64) _Atomic int64_t finished; /* blocks done */
  _Alignas(64) atomic_uint generation;
  atomic_int sleepers;
  atomic_bool quit;
} pool;

static _Thread_local bool is_alone;

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

/* Waits until the generation is another than `seen`: spinning first, then asleep. */
static void wait_for_region(unsigned seen) {
  int64_t start = 0;
  for (unsigned spins = 1;; spins++) {
    if (atomic_load_explicit(&pool.generation, memory_order_acquire) != seen) {
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
  while (atomic_load(&pool.generation) == seen) {
    atomic_fetch_add(&pool.sleepers, 1);
    syscall(SYS_futex, &pool.generation, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_fetch_sub(&pool.sleepers, 1);
  }
}

/* The first block that an owner has, of so many. */
static int64_t first_block(int64_t blocks, int owner) { return blocks * owner / pool.threads; }

/* Claims a block of `owner` in that generation; -1 if there is none left.  A claimed block keeps the region current
 * until it is done, so the region's fields may be read after the claim, and must not before. */
static int64_t claim(int owner, unsigned generation) {
  _Atomic uint64_t *state = &pool.claimed[owner].state;
  uint64_t seen = atomic_load_explicit(state, memory_order_acquire);
  while ((unsigned)(seen >> 32) == generation && (uint32_t)seen != 0) {
    if (atomic_compare_exchange_weak_explicit(state, &seen, seen - 1, memory_order_acq_rel, memory_order_acquire)) {
      return first_block(pool.blocks, owner + 1) - (int64_t)(uint32_t)seen;
    }
  }
  return -1;
}

/* Own blocks first, then those that others have not begun. */
static void work(int index, unsigned generation) {
  int64_t done = 0;
  int threads = pool.threads;
  for (int i = 0; i < threads; i++) {
    int owner = (index + i) % threads;
    int64_t block;
    while ((block = claim(owner, generation)) >= 0) {
      pool.f(pool.context, block);
      done++;
    }
  }
  if (done > 0) {
    atomic_fetch_add_explicit(&pool.finished, done, memory_order_release);
  }
}

static void *worker_main(void *argument) {
  int index = (int)(intptr_t)argument;
  kl_pool_set_float();
  unsigned seen = 0;
  for (;;) {
    wait_for_region(seen);
    if (atomic_load(&pool.quit)) {
      return NULL;
    }
    seen = atomic_load_explicit(&pool.generation, memory_order_acquire);
    work(index, seen);
  }
}

static unsigned publish(void) {
  unsigned generation = atomic_fetch_add(&pool.generation, 1) + 1;
  if (atomic_load(&pool.sleepers) > 0) {
    syscall(SYS_futex, &pool.generation, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
  }
  return generation;
}

static void stop_workers(void) {
  if (pool.owner == getpid() && pool.started > 0) {
    atomic_store(&pool.quit, true);
    publish();
    for (int i = 1; i <= pool.started; i++) {
      pthread_join(pool.workers[i], NULL);
    }
    atomic_store(&pool.quit, false);
  }
  pool.started = 0; /* in a forked child: the threads are not there */
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
  while (pool.started < pool.threads - 1) {
    int index = pool.started + 1;
    if (pthread_create(&pool.workers[index], NULL, worker_main, (void *)(intptr_t)index) != 0) {
      pool.threads = index;
      break;
    }
    pool.started = index;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static int default_threads(void) {
  cpu_set_t set;
  int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}

bool kl_pool_set_alone(bool alone) {
  bool before = is_alone;
  is_alone = alone;
  return before;
}

int kl_pool_threads(void) {
  if (KL_UNLIKELY(is_alone)) {
    return 1;
  }
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
  if (blocks <= 1 || is_alone || pool.started == 0) {
    for (int64_t b = 0; b < blocks; b++) {
      f(context, b);
    }
    return;
  }
  unsigned next = atomic_load(&pool.generation) + 1;
  pool.f = f;
  pool.context = context;
  pool.blocks = blocks;
  atomic_store_explicit(&pool.finished, 0, memory_order_relaxed);
  for (int i = 0; i < pool.threads; i++) {
    uint64_t left = (uint64_t)(first_block(blocks, i + 1) - first_block(blocks, i));
    atomic_store_explicit(&pool.claimed[i].state, (uint64_t)next << 32 | left, memory_order_release);
  }
  work(0, publish());
  for (unsigned spins = 1; atomic_load_explicit(&pool.finished, memory_order_acquire) != blocks; spins++) {
    pause_briefly();
    if (spins % 4096 == 0) {
      sched_yield(); /* somebody holds the last block and may need this core */
    }
  }
}
