/* Other programs: run one, feed it, collect what it writes.
 *
 * No shell is involved: what is given as an argument arrives as that argument.  Both streams are read while the input
 * is written, so no amount of any of the three can block the others; a program that ends without reading its input does
 * not end this one (SIGPIPE).  Nothing of the program is left when the call returns, whatever it returns. */
#ifndef KL_IO_PROCESS_H
#define KL_IO_PROCESS_H

#include <stdbool.h>

#include "io/buffer.h"

typedef struct kl_process_result {
  bool missing;          /* there is no such program; nothing was run */
  int status;            /* what it exited with, or minus the number of the signal that killed it */
  kl_buffer *out, *errs; /* given by the caller, empty: what it wrote to its standard output and standard error */
} kl_process_result;

/* Runs argv[0] (looked for in PATH, unless it has a slash) with the arguments up to a NULL, waits for its end,
 * at most so many seconds (0: for ever).
 * Errors: KL_EIO if the system does not let it run, or its time is over: it was killed; KL_ENOMEM if its output does
 * not fit: the program was killed. */
kl_status kl_process_run(const char *const *argv, const void *input, size_t size, double seconds,
                         kl_process_result *result);

#endif
