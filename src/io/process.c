/* Running other programs. */
#include "io/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { IN, OUT, ERR };

#define PIECE ((size_t)1 << 16) /* bytes per read or write: what a pipe holds */

/* A program that is being run: our end and its end of each of its three streams, -1 once closed. */
typedef struct process {
  const char *name;
  pid_t pid;
  double seconds, end; /* how long it may run, and when that is over; 0: for ever */
  int ours[3], theirs[3];
} process;

static kl_status fail(const process *p, const char *step, int error) {
  char why[128];
  return kl_fail(KL_EIO, "%.200s: %s: %s", p->name, step, strerror_r(error, why, sizeof why));
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static kl_status check_time(const process *p) {
  return p->end > 0 && now() >= p->end ? kl_fail(KL_EIO, "%.200s: still not done after %g s", p->name, p->seconds)
                                       : KL_OK;
}

static void close_end(int *end) {
  if (*end >= 0) {
    close(*end);
    *end = -1;
  }
}

/* A descriptor from 3 on, in place of one that is lower because a standard stream of ours is closed: the program's own
 * streams will be put there. */
static int move_up(int end) {
  if (end > 2) {
    return end;
  }
  int higher = fcntl(end, F_DUPFD_CLOEXEC, 3), error = errno;
  close(end);
  errno = error;
  return higher;
}

static kl_status open_pipes(process *p) {
  for (int i = IN; i <= ERR; i++) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
      return fail(p, "pipe", errno);
    }
    p->ours[i] = move_up(ends[i == IN]);
    int error = errno;
    p->theirs[i] = move_up(ends[i != IN]);
    if (p->ours[i] < 0 || p->theirs[i] < 0 || fcntl(p->ours[i], F_SETFL, O_NONBLOCK) != 0) {
      return fail(p, "pipe", p->ours[i] < 0 ? error : errno);
    }
  }
  return KL_OK;
}

/* Starts it with no signal blocked and SIGPIPE not ignored, whatever holds for this thread. */
static int start(process *p, const char *const *argv) {
  extern char **environ;
  posix_spawn_file_actions_t streams;
  posix_spawnattr_t attributes;
  sigset_t none, reset;
  int error = posix_spawn_file_actions_init(&streams);
  if (error != 0) {
    return error;
  }
  error = posix_spawnattr_init(&attributes);
  if (error != 0) {
    posix_spawn_file_actions_destroy(&streams);
    return error;
  }
  for (int i = IN; i <= ERR && error == 0; i++) {
    error = posix_spawn_file_actions_adddup2(&streams, p->theirs[i], i);
  }
  sigemptyset(&none);
  sigemptyset(&reset);
  sigaddset(&reset, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &reset);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  if (error == 0) {
    error = posix_spawnp(&p->pid, argv[0], &streams, &attributes, (char *const *)argv, environ);
  }
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&streams);
  return error;
}

/* Writes what fits; closes our end after the last byte, or when nobody reads any more. */
static kl_status feed(process *p, const char *input, size_t size, size_t *at) {
  size_t piece = size - *at < PIECE ? size - *at : PIECE;
  ssize_t n = piece == 0 ? 0 : write(p->ours[IN], input + *at, piece);
  if (n < 0 && errno != EPIPE) {
    return errno == EINTR || errno == EAGAIN ? KL_OK : fail(p, "writing its input", errno);
  }
  *at = n < 0 ? size : *at + (size_t)n;
  if (*at == size) {
    close_end(&p->ours[IN]);
  }
  return KL_OK;
}

/* Reads what is there; closes our end at the end. */
static kl_status collect(process *p, int stream, kl_buffer *b) {
  KL_TRY(kl_buffer_reserve(b, b->size + PIECE));
  ssize_t n = read(p->ours[stream], b->data + b->size, PIECE);
  if (n < 0) {
    return errno == EINTR || errno == EAGAIN ? KL_OK : fail(p, "reading its output", errno);
  }
  b->size += (size_t)n;
  if (n == 0) {
    close_end(&p->ours[stream]);
  }
  return KL_OK;
}

static kl_status talk(process *p, const char *input, size_t size, kl_process_result *result) {
  size_t at = 0;
  while (p->ours[IN] >= 0 || p->ours[OUT] >= 0 || p->ours[ERR] >= 0) {
    struct pollfd ends[3];
    for (int i = IN; i <= ERR; i++) {
      ends[i] = (struct pollfd){.fd = p->ours[i], .events = i == IN ? POLLOUT : POLLIN}; /* -1 is passed over */
    }
    KL_TRY(check_time(p));
    if (poll(ends, 3, p->end > 0 ? 100 : -1) < 0) {
      if (errno == EINTR) {
        continue;
      }
      return fail(p, "poll", errno);
    }
    KL_TRY(ends[IN].revents != 0 ? feed(p, input, size, &at) : KL_OK);
    KL_TRY(ends[OUT].revents != 0 ? collect(p, OUT, result->out) : KL_OK);
    KL_TRY(ends[ERR].revents != 0 ? collect(p, ERR, result->errs) : KL_OK);
  }
  return KL_OK;
}

/* Waits for the end of a program that was started and has closed its streams, which comes soon after. */
static kl_status reap(const process *p, kl_process_result *result) {
  int status;
  pid_t got = 0;
  while (got == 0 || (got < 0 && errno == EINTR)) {
    got = waitpid(p->pid, &status, p->end > 0 ? WNOHANG : 0);
    if (got == 0) {
      const struct timespec little = {.tv_nsec = 500000};
      KL_TRY(check_time(p));
      nanosleep(&little, NULL);
    }
  }
  if (got < 0) {
    return fail(p, "waiting for its end", errno);
  }
  result->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return KL_OK;
}

static kl_status run(process *p, const char *const *argv, const char *input, size_t size, kl_process_result *result) {
  KL_TRY(open_pipes(p));
  int error = start(p, argv);
  /* Of a name, EACCES may be that of a folder in PATH, and is reported only when it was found in no other. */
  bool denied = error == EACCES && strchr(argv[0], '/') == NULL;
  result->missing = error == ENOENT || error == ENOTDIR || denied;
  if (error != 0) {
    return result->missing ? KL_OK : fail(p, "cannot be run", error);
  }
  for (int i = IN; i <= ERR; i++) {
    close_end(&p->theirs[i]);
  }
  kl_status status = talk(p, input, size, result);
  if (status == KL_OK) {
    status = reap(p, result);
  }
  if (status != KL_OK) {
    kl_process_result ignored;
    close_end(&p->ours[IN]);
    kill(p->pid, SIGKILL);
    p->end = 0;
    reap(p, &ignored);
  }
  return status;
}

kl_status kl_process_run(const char *const *argv, const void *input, size_t size, double seconds,
                         kl_process_result *result) {
  process p = {.name = argv[0], .ours = {-1, -1, -1}, .theirs = {-1, -1, -1}};
  p.seconds = seconds;
  p.end = seconds > 0 ? now() + seconds : 0;
  sigset_t broken, before, pending;
  result->missing = false;
  result->status = 0;
  /* A write to a program that is gone would end this process.  Only this thread is concerned, and a signal that came
   * from elsewhere before stays pending. */
  sigemptyset(&broken);
  sigaddset(&broken, SIGPIPE);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &broken, &before);
  kl_status status = run(&p, argv, input, size, result);
  if (!sigismember(&pending, SIGPIPE)) {
    const struct timespec at_once = {0};
    while (sigtimedwait(&broken, NULL, &at_once) < 0 && errno == EINTR) {
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  for (int i = IN; i <= ERR; i++) {
    close_end(&p.ours[i]);
    close_end(&p.theirs[i]);
  }
  return status;
}
