/* What a trace holds, for the files of this folder: a plan is made from it. */
#ifndef KL_GRAPH_RECORDING_H
#define KL_GRAPH_RECORDING_H

#include "graph/trace.h"
#include "op/generator.h"

typedef struct kl_step {
  kl_node *node;         /* owned; NULL for an assignment */
  kl_variable *variable; /* owned; of an assignment */
  uint32_t source;       /* of an assignment; a node has its own */
  int64_t first; /* index of the first output in `tensors`; of an assignment, of its value, of that value under the
                  * variable's name, and of a nameless alias (NULL until it is asked for) */
} kl_step;

/* What a variable holds after the assignments recorded so far. */
typedef struct kl_version {
  kl_variable *variable; /* borrowed from its step */
  kl_tensor *value;      /* owned; carries the variable's id */
  int64_t first;         /* of its step */
} kl_version;

/* A generator's draw: a replay makes it again. */
typedef struct kl_draw {
  kl_generator *generator; /* owned */
  int64_t n;
  kl_tensor *key; /* owned */
} kl_draw;

struct kl_trace {
  kl_recorder recorder; /* first: the door's pointer is ours */
  kl_context *context;  /* where it records, or NULL */
  const void *step;     /* stands for the recorded function */
  kl_step *steps;
  int64_t count, capacity, done; /* steps [0, done) have run */
  kl_tensor **tensors;
  int64_t tensor_count, tensor_capacity;
  kl_version *versions;
  int64_t version_count, version_capacity;
  kl_tensor **kept; /* borrowed from `tensors`: those that survive the step whatever it returns */
  int64_t kept_count, kept_capacity;
  kl_draw *draws; /* of generators, in order */
  int64_t draw_count, draw_capacity;
  int64_t draws_done; /* draws [0, draws_done) were made before the last cut */
  int64_t reads;
  bool sources_known; /* the plan that ran it knows the source of every call */
  bool too_long;      /* more than KL_TRACE_MOST_STEPS were to be recorded: what is pending is not to be run */
};

/* The recorded tensor that `t` is, or is an alias of, as an index into `tensors`; -1 if it is none of this trace. */
int64_t kl_trace_index(const kl_trace *trace, const kl_tensor *t);

/* Gives recorded tensor `index`, and its alias `t`, the value of another. */
void kl_trace_fill(kl_tensor *recorded, const kl_tensor *value);

#endif
