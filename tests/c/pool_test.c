/* The thread pool: every block runs once, on any number of threads, and a forked child has a pool of its own; a thread
 * that is alone needs nobody. */
#include "device/cpu/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 4096

static _Atomic int times[MOST];
static int passed, failed;

static void count(void *context, int64_t block) {
  (void)context;
  atomic_fetch_add(&times[block], 1);
}

/* True if `regions` regions of growing sizes run each of their blocks exactly once. */
static bool run_regions(int regions) {
  for (int i = 0; i < regions; i++) {
    int blocks = i * 37 % MOST;
    memset(times, 0, sizeof times);
    kl_pool_run(blocks, count, NULL);
    for (int b = 0; b < MOST; b++) {
      if (times[b] != (b < blocks)) {
        return false;
      }
    }
  }
  return true;
}

typedef struct own_blocks {
  pthread_t thread;
  int64_t sum;
  bool ok;
} own_blocks;

static void add(void *context, int64_t block) {
  own_blocks *own = context;
  own->ok = own->ok && pthread_equal(pthread_self(), own->thread);
  own->sum += block;
}

/* Regions of a thread that is alone: it runs their blocks itself. */
static void *run_alone(void *argument) {
  own_blocks *own = argument;
  own->thread = pthread_self();
  own->ok = !kl_pool_set_alone(true) && kl_pool_threads() == 1;
  for (int i = 0; i < 2000; i++) {
    own->sum = 0;
    kl_pool_run(100, add, own);
    own->ok = own->ok && own->sum == 4950;
  }
  return NULL;
}

/* The same while this thread has regions of all. */
static bool beside_another(void) {
  own_blocks own = {0};
  pthread_t thread;
  bool made = pthread_create(&thread, NULL, run_alone, &own) == 0;
  bool ok = run_regions(300);
  return made && pthread_join(thread, NULL) == 0 && own.ok && ok;
}

static void check(bool ok, const char *what, int n) {
  if (ok) {
    passed++;
  } else {
    failed++;
    printf("FAILED: %s, %d threads\n", what, n);
  }
}

/* The child's result is its exit status; it is ended by alarm if it waits for threads that are not there. */
static bool in_child(int threads) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(20);
    bool ok = run_regions(200) && (threads == 0 || kl_pool_set_threads(threads) == KL_OK) && run_regions(200);
    _exit(ok ? 0 : 1);
  }
  int status = -1;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(void) {
  static const int threads[] = {1, 2, 3, 8, 64, 2};
  for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
    check(kl_pool_set_threads(threads[i]) == KL_OK && run_regions(300), "every block once", threads[i]);
    check(beside_another(), "beside a thread that is alone", threads[i]);
    check(in_child(0), "in a forked child", threads[i]);
    check(in_child(5), "in a forked child with another number", threads[i]);
    check(run_regions(300), "in the parent afterwards", threads[i]);
  }
  check(kl_pool_set_threads(0) != KL_OK && kl_pool_set_threads(257) != KL_OK && run_regions(10), "bounds", 0);
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}
