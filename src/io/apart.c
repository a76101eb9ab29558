/* Processes for work that may go wrong. */
#include "io/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIECE ((size_t)1 << 16) /* bytes per read: what a pipe holds */

enum { OUT = 3, FILE_IN = 4, FILES = 8 }; /* descriptors in the process, and how many it may have */

static struct {
  kl_apart_fault kind;
  long value;
} fault;

void kl_apart_set_fault(kl_apart_fault kind, long value) {
  fault.kind = kind;
  fault.value = value;
}

/* In the process */

static void flush(kl_apart *p) {
  for (size_t done = 0; done < p->at;) {
    ssize_t n = write(p->out, p->waiting + done, p->at - done);
    if (n < 0 && errno != EINTR) {
      _exit(1);
    }
    done += n < 0 ? 0 : (size_t)n;
  }
  p->said += p->at;
  p->at = 0;
}

static void change(kl_apart *p, size_t size) {
  size_t byte = (size_t)fault.value / 8, from = p->said + p->at - size;
  if (fault.kind == KL_APART_CHANGES && byte >= from && byte - from < size) {
    p->waiting[p->at - size + (byte - from)] ^= (char)(1 << fault.value % 8);
  }
  if (fault.kind == KL_APART_CUTS && p->said + p->at >= (size_t)fault.value) {
    p->at = (size_t)fault.value > p->said ? (size_t)fault.value - p->said : 0;
    flush(p);
    _exit(0);
  }
}

void kl_apart_say(kl_apart *p, const void *data, size_t size) {
  for (size_t done = 0; done < size;) {
    size_t room = sizeof p->waiting - p->at, piece = size - done < room ? size - done : room;
    memcpy(p->waiting + p->at, (const char *)data + done, piece);
    p->at += piece;
    done += piece;
    if (fault.kind != KL_APART_WELL) {
      change(p, piece);
    }
    if (p->at == sizeof p->waiting) {
      flush(p);
    }
  }
}

static void go_wrong(void) {
  if (fault.kind == KL_APART_KILLED) {
    signal((int)fault.value, SIG_DFL);
    raise((int)fault.value);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
  }
  while (fault.kind == KL_APART_HANGS) {
    pause();
  }
  for (volatile long i = 0; fault.kind == KL_APART_SPINS; i++) {
  }
  if (fault.kind == KL_APART_HOGS) {
    for (volatile char *block; (block = malloc(1 << 20)) != NULL;) {
      *block = 1;
    }
  }
  if (fault.kind == KL_APART_SILENT) {
    _exit(0);
  }
}

static void limit(unsigned resource, rlim_t most) {
  struct rlimit now;
  if (getrlimit(resource, &now) == 0 && (now.rlim_max == RLIM_INFINITY || now.rlim_max > most)) {
    now = (struct rlimit){most, most};
    setrlimit(resource, &now);
  }
}

/* Bytes of address space that the process has; 0 if the system does not tell. */
static rlim_t address_space(void) {
  char text[64] = "";
  int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  ssize_t n = file < 0 ? 0 : read(file, text, sizeof text - 1);
  close(file);
  return n <= 0 ? 0 : (rlim_t)strtoul(text, NULL, 10) * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* Leaves the process the two descriptors that it needs. */
static void take_files(int out, int file) {
  out = fcntl(out, F_DUPFD, FILES);
  file = file < 0 ? -1 : fcntl(file, F_DUPFD, FILES);
  int null = open("/dev/null", O_RDWR);
  for (int i = 0; i < OUT; i++) {
    if (null < 0 || dup2(null, i) < 0) {
      close(i);
    }
  }
  if (dup2(out, OUT) < 0 || (file >= 0 && dup2(file, FILE_IN) < 0)) {
    _exit(1);
  }
#ifdef SYS_close_range
  syscall(SYS_close_range, file >= 0 ? FILE_IN + 1U : OUT + 1U, ~0U, 0U); /* an older system leaves them open */
#endif
}

static void live(kl_apart *p, pid_t parent, int out, int file, const kl_apart_limits *limits) {
  /* What ends a process ends this one: no handler of the program's is called, no dump is written. */
  const int ends[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
  for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
    signal(ends[i], SIG_DFL);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) {
    _exit(1);
  }
  take_files(out, file);
  rlim_t present = address_space();
  if (present > 0) {
    limit(RLIMIT_AS, present + limits->memory);
  }
  limit(RLIMIT_CPU, (rlim_t)(fault.kind == KL_APART_SPINS ? fault.value : limits->processor));
  limit(RLIMIT_FSIZE, 0);
  limit(RLIMIT_NOFILE, FILES);
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  p->out = OUT;
  p->file = FILE_IN;
  go_wrong();
}

/* In this process */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static kl_status fail(const char *what, int error) {
  char why[128];
  return kl_fail(KL_EIO, "%s: cannot be read: no process for it: %s", what, strerror_r(error, why, sizeof why));
}

/* Reads until the process closes its end, which it does by ending. */
static kl_status collect(const char *what, int in, const kl_apart_limits *limits, kl_apart_result *r) {
  double end = now() + (fault.kind == KL_APART_HANGS ? (double)fault.value / 1000 : limits->seconds);
  for (;;) {
    double left = end - now();
    struct pollfd ready = {.fd = in, .events = POLLIN};
    r->late = left <= 0;
    r->talks = r->answer.size > limits->answer;
    if (r->late || r->talks) {
      return KL_OK;
    }
    int count = poll(&ready, 1, (int)(left * 1000) + 1);
    if (count < 0 && errno != EINTR) {
      return fail(what, errno);
    }
    if (count <= 0) {
      continue;
    }
    KL_TRY(kl_buffer_reserve(&r->answer, r->answer.size + PIECE));
    ssize_t n = read(in, r->answer.data + r->answer.size, PIECE);
    if (n == 0) {
      return KL_OK;
    }
    if (n < 0 && errno != EINTR) {
      return fail(what, errno);
    }
    r->answer.size += n < 0 ? 0 : (size_t)n;
  }
}

/* Ends the process, if it has not ended, and says by which signal it had. */
static int reap(pid_t pid) {
  int status;
  pid_t got;
  kill(pid, SIGKILL); /* of no effect on one that is ending */
  do {
    got = waitpid(pid, &status, 0);
  } while (got < 0 && errno == EINTR);
  return got == pid && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

kl_status kl_apart_run(const char *what, void (*work)(kl_apart *process, void *data), void *data, int file,
                       const kl_apart_limits *limits, kl_apart_result *r) {
  int ends[2];
  sigset_t all, before;
  *r = (kl_apart_result){0};
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return fail(what, errno);
  }
  pid_t parent = getpid();
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* in the process they stay blocked */
  pid_t pid = fork();
  if (pid == 0) {
    static kl_apart process;
    live(&process, parent, ends[1], file, limits);
    work(&process, data);
    flush(&process);
    _exit(0);
  }
  int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  close(ends[1]);
  kl_status status = pid < 0 ? fail(what, error) : collect(what, ends[0], limits, r);
  close(ends[0]);
  if (pid > 0) {
    r->killed = reap(pid);
  }
  if (status != KL_OK) {
    kl_buffer_release(&r->answer);
  }
  return status;
}
