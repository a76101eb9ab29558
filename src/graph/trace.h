/* A recorder that stores nodes: the first half of a recorded step.
 *
 * Between kl_trace_begin and kl_trace_end, on the context it was begun in, ops are appended instead of run, and so are
 * assignments; kl_trace_run executes what is pending in order, exactly as immediate mode would have.  The trace owns
 * the nodes and a reference to every tensor made in it, so handles need not. */
#ifndef KL_GRAPH_TRACE_H
#define KL_GRAPH_TRACE_H

#include "op/record.h"

typedef struct kl_trace kl_trace;

#define KL_TRACE_MOST_STEPS 100000 /* operations and assignments of one step */

kl_status kl_trace_new(kl_trace **out);
void kl_trace_release(kl_trace *trace); /* ends it first; NULL is allowed */

/* step: what stands for the function that is recorded, only to be told from others, or NULL. */
void kl_trace_begin(kl_trace *trace, const void *step);
void kl_trace_end(kl_trace *trace);
bool kl_trace_is_open(const kl_trace *trace);

/* Until the trace is cleared, asking for a value is an error: the step is to be replayed. */
void kl_trace_refuse_reads(kl_trace *trace);

/* Runs the pending nodes and assignments in program order. */
kl_status kl_trace_run(kl_trace *trace);

/* The pending part of the step does not happen: its draws are taken back. */
void kl_trace_abandon(kl_trace *trace);

/* What becomes of a step that a Lua error has ended: its pending part is run, for what was written before the error is
 * done; but is abandoned if the error is that the step has no end. */
void kl_trace_fail(kl_trace *trace);

/* Forgets all nodes, tensors and versions; keeps its memory for the next recording. */
void kl_trace_clear(kl_trace *trace);

/* The tensor, one of this trace, gets its value at the end of the step even if the step does not return it. */
kl_status kl_trace_keep(kl_trace *trace, kl_tensor *tensor);

uint64_t kl_trace_serial(const kl_trace *trace); /* of the step that was begun last */
int64_t kl_trace_kept_count(const kl_trace *trace);
kl_tensor *kl_trace_kept(const kl_trace *trace, int64_t i);

/* How many nodes and assignments were recorded, and how many values were asked for while recording. */
int64_t kl_trace_count(const kl_trace *trace);
int64_t kl_trace_reads(const kl_trace *trace);

/* True if the plan that ran the recording knows the source of its calls: recording the same again need not find out. */
bool kl_trace_sources_known(const kl_trace *trace);

#endif
