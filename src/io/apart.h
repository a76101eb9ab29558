/* Work on bytes that may be made to do harm, in a process of its own: a crash, a hang or a bomb there is an answer
 * here.
 *
 * The process is a fork of this one, so it sees the same memory and needs no program of its own; it costs less than
 * starting one, and works in whatever program has loaded kl.so.  It gets a copy of this thread only.  So the work may
 * call what the C library keeps usable after a fork (malloc, but not kl_alloc, whose lock another thread may have held)
 * and libraries whose functions only this thread calls.  It has no standard streams and no files but those named here,
 * no signal of the terminal reaches it, its memory and its time are limited, and it dies with this process. */
#ifndef KL_IO_APART_H
#define KL_IO_APART_H

#include <stdbool.h>

#include "io/buffer.h"

typedef struct kl_apart_limits {
  size_t memory;  /* bytes of address space beyond what this process has */
  size_t answer;  /* bytes */
  int processor;  /* seconds of processor time */
  double seconds; /* of time */
} kl_apart_limits;

typedef struct kl_apart_result {
  kl_buffer answer; /* what it said; the caller's to release, and to distrust */
  int killed;       /* the signal that ended it, or 0 */
  bool late;        /* it was ended because its time was over */
  bool talks;       /* it was ended because its answer was too long */
} kl_apart_result;

/* What the work says, and where to read what was given along. */
typedef struct kl_apart {
  int out, file;
  size_t said, at; /* bytes written, bytes waiting */
  char waiting[1 << 14];
} kl_apart;

/* Runs work(process, data) apart and collects what it says.  `file` is a descriptor that it may read as
 * process->file, or -1.  Nothing of the process is left when this returns, whatever it returns.
 * Errors: KL_EIO if the system starts no process, beginning with `what`; KL_ENOMEM. */
kl_status kl_apart_run(const char *what, void (*work)(kl_apart *process, void *data), void *data, int file,
                       const kl_apart_limits *limits, kl_apart_result *out);

/* Says bytes.  Only inside of the work. */
void kl_apart_say(kl_apart *process, const void *data, size_t size);

/* For tests: what goes wrong in the processes from now on. */
typedef enum kl_apart_fault {
  KL_APART_WELL,
  KL_APART_KILLED,  /* ends itself by signal number `value` */
  KL_APART_HANGS,   /* says nothing and does not end; its time is value / 1000 seconds */
  KL_APART_SPINS,   /* the same, and busy; its processor time is `value` seconds */
  KL_APART_HOGS,    /* takes memory until there is no more, and goes on */
  KL_APART_SILENT,  /* ends without a word */
  KL_APART_CHANGES, /* says its answer with a bit changed: bit value % 8 of byte value / 8 */
  KL_APART_CUTS,    /* says only the first `value` bytes */
} kl_apart_fault;
void kl_apart_set_fault(kl_apart_fault fault, long value);

#endif
