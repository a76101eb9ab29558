/* Where time goes: every kernel call, while a profile is running.
 *
 * Times are counted in rows: one per op and source (op/record.h), and one per kernel (an op, or several joined ones)
 * and source.  The time of a call that runs several ops is divided among them by weight.  A profile's own work is
 * counted apart, so that it can be left out of what is called overhead.  When none runs, a kernel call looks at
 * kl_profiling and does nothing else.  For one thread: the one that calls kernels. */
#ifndef KL_OP_PROFILE_H
#define KL_OP_PROFILE_H

#include "device/device.h"
#include "op/op.h"

extern bool kl_profiling;

/* One op of a call. */
typedef struct kl_profile_part {
  const kl_op *op;
  uint32_t source;
  double flops;  /* one per element for elementwise ops, 2 m n k for products, 0 for ops that only move */
  double weight; /* its share of the call's time and bytes */
} kl_profile_part;

typedef struct kl_profile_row {
  int kernel; /* of an op's row: the op's id */
  uint32_t source;
  uint64_t calls;
  double nanoseconds, flops, bytes;
} kl_profile_row;

/* What happened when, for a trace. */
typedef struct kl_profile_event {
  int64_t begin, nanoseconds; /* begin: since the profile began */
  int kernel;                 /* or -1 - kl_profile_span_kind */
  uint32_t source;
} kl_profile_event;

typedef enum kl_profile_span_kind {
  KL_SPAN_RECORDED, /* a step whose Lua ran */
  KL_SPAN_REPLAYED,
  KL_SPAN_IMMEDIATE, /* a step run operation by operation */
  KL_SPAN_KINDS,
} kl_profile_span_kind;

typedef struct kl_profile_totals {
  int64_t nanoseconds; /* since it began */
  double kernels;      /* nanoseconds in kernels */
  double own;          /* nanoseconds of the profile's own work */
  uint64_t calls;
  uint64_t steps[KL_SPAN_KINDS];
  double step_nanoseconds, step_kernels, step_own; /* inside steps */
  double gap_nanoseconds, gap_kernels, gap_own;    /* from a step's end to the next one's begin */
  int64_t lost;                                    /* events or rows there was no memory for */
} kl_profile_totals;

/* Begins, from zero; events: keep what happened when, too (or from now on: keep_events). */
void kl_profile_start(bool events);
void kl_profile_keep_events(void);
void kl_profile_stop(void);
void kl_profile_clear(void); /* gives the memory back */

int64_t kl_profile_clock(void); /* nanoseconds; never 0 */

/* The number of a kernel made of several ops, by its name; -1 if there is no memory.  Never used for another name. */
int kl_profile_kernel(const char *name);
const char *kl_profile_kernel_name(int kernel); /* also of an op's id */

/* Flops of one op, and bytes that it moves of an operand: a repeated element counts once, and of a table that rows are
 * taken from only so many bytes as are taken. */
double kl_profile_flops(const kl_op *op, int nin, const kl_view *in, const kl_view *out);
double kl_profile_bytes(const kl_op *op, const kl_view *view, const kl_view *out);

/* A kernel call is over; what has passed since its end was the profile's own work. */
void kl_profile_call(int64_t begin, int64_t end, int kernel, int nparts, const kl_profile_part *parts, double bytes);

/* The same for a call that is one op and has ended just now. */
void kl_profile_single(int64_t begin, const kl_op *op, uint32_t source, const kl_call *c);

/* Around a step; steps inside it are part of it. */
typedef struct kl_profile_span {
  int64_t begin; /* 0: no profile was running */
  double kernels, own;
} kl_profile_span;
kl_profile_span kl_profile_begin_step(void);
void kl_profile_end_step(const kl_profile_span *span, kl_profile_span_kind kind);

/* Time since `begin` was the profile's own work. */
void kl_profile_add_own(int64_t begin);

kl_profile_totals kl_profile_get_totals(void);
int64_t kl_profile_rows(bool kernels, const kl_profile_row **rows); /* of kernels, or of ops */
int64_t kl_profile_events(const kl_profile_event **events);

#endif
