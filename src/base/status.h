/* Status codes and the one message slot.
 *
 * Every function that can fail for a reason outside our own bugs returns kl_status.  The words go to one slot per
 * thread, written by kl_fail at the place that knows them; whoever meets the user (src/bind, src/main.c) reads the
 * slot once.  Nothing below bind prints, exits, aborts or jumps. */
#ifndef KL_BASE_STATUS_H
#define KL_BASE_STATUS_H

#include <stdint.h>

typedef enum kl_status {
  KL_OK = 0,
  KL_ESHAPE,       /* shapes, ranks or axes do not fit */
  KL_EDTYPE,       /* an element type that the operation does not take */
  KL_EVALUE,       /* a value out of its domain: an index, a label, an option */
  KL_ENOMEM,       /* the allocator, or the limit of kl_set_memory_limit, refused */
  KL_EIO,          /* the operating system or a file's content */
  KL_ESTATE,       /* the call is right but not now: a closed tape, a tensor without a value */
  KL_EUNSUPPORTED, /* known and refused: no kernel, no gradient */
} kl_status;

#if defined(__GNUC__)
#define KL_PRINTF(at, first) __attribute__((format(printf, at, first)))
#define KL_LIKELY(x) __builtin_expect(!!(x), 1)
#define KL_UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define KL_PRINTF(at, first)
#define KL_LIKELY(x) (x)
#define KL_UNLIKELY(x) (x)
#endif

/* Stores the message (at most 1023 bytes) and returns `code`, so that it can be written `return kl_fail(...)`.
 * The convention of the words: "kl.<op>: what is wrong: expected, received". */
kl_status kl_fail(kl_status code, const char *format, ...) KL_PRINTF(2, 3);

/* The last message of this thread; never NULL. */
const char *kl_error_message(void);

/* The source (op/record.h) of what the last message is about, where that is not the call which fails: a kernel refuses
 * a value at the end of a step, long after its line.  0: that call.  kl_fail forgets it, so it is set after kl_fail. */
uint32_t kl_error_source(void);
void kl_error_set_source(uint32_t source);

/* Passes a failure on to the caller. */
#define KL_TRY(expression)                     \
  do {                                         \
    kl_status kl_try_status = (expression);    \
    if (KL_UNLIKELY(kl_try_status != KL_OK)) { \
      return kl_try_status;                    \
    }                                          \
  } while (0)

#endif
