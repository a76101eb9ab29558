/* The thread pool: every block runs once, on any number of threads, and a forked child has a pool of its own. */
#include "device/cpu/pool.h"

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
    check(in_child(0), "in a forked child", threads[i]);
    check(in_child(5), "in a forked child with another number", threads[i]);
    check(run_regions(300), "in the parent afterwards", threads[i]);
  }
  check(kl_pool_set_threads(0) != KL_OK && kl_pool_set_threads(257) != KL_OK && run_regions(10), "bounds", 0);
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}
