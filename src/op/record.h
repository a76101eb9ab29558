/* Who else hears of an op that passes the door: tapes and recorders, known here only as interfaces.
 *
 * A context holds what is open for one coroutine.  The door reads kl_context_now; the binding switches it when another
 * coroutine runs.  grad/tape.c implements kl_watcher, graph/trace.c implements kl_recorder. */
#ifndef KL_OP_RECORD_H
#define KL_OP_RECORD_H

#include "tensor/node.h"
#include "tensor/variable.h"

struct kl_generator;
struct kl_journal;

/* A tape that is recording. */
typedef struct kl_watcher {
  struct kl_watcher *outer;
  bool paused;
  bool autowatch; /* trainable variables are watched when they are read */
  bool (*watches)(struct kl_watcher *w, uint64_t id);
  kl_status (*watch)(struct kl_watcher *w, uint64_t id);
  kl_status (*keep)(struct kl_watcher *w, kl_node *node); /* retains; watches the node's outputs */
} kl_watcher;

/* True if the watcher watches one of the inputs, after it was told of trainable variables among them.  *status:
 * KL_ENOMEM if it could not be. */
bool kl_watcher_sees(kl_watcher *w, int nin, kl_tensor *const *in, kl_status *status);

/* Takes nodes instead of having them run. */
typedef struct kl_recorder {
  bool no_reads;   /* asking for any value is an error: the step is to be replayed */
  uint64_t serial; /* of the step being recorded, never used again: a handle of another step is dead */
  /* The node, with all inputs kept, and its valueless outputs. */
  kl_status (*record)(struct kl_recorder *r, kl_node *node, kl_tensor *const *out);
  /* Gives a recorded tensor its value: a cut. */
  kl_status (*read)(struct kl_recorder *r, kl_tensor *t);
  /* What the variable holds at this point of the recorded program: a new reference. */
  kl_status (*variable)(struct kl_recorder *r, kl_variable *v, kl_tensor **out);
  /* A generator has given out `key` for a draw of n elements.  NULL: nobody wants to know. */
  kl_status (*draw)(struct kl_recorder *r, struct kl_generator *g, int64_t n, kl_tensor *key);
  /* The variable holds `value` from this point on. */
  kl_status (*assign)(struct kl_recorder *r, kl_variable *v, kl_tensor *value);
} kl_recorder;

/* Where an op comes from: in the low bits a number that the binding gives to a line of the user's program and the
 * layers it runs in (0: not known), in the high bits the phase of a training step. */
#define KL_PHASE_BACKWARD ((uint32_t)1 << 30)
#define KL_PHASE_UPDATE ((uint32_t)2 << 30)
#define KL_SOURCE_NUMBER(source) ((source)&0x3fffffffu)
#define KL_SOURCE_PHASE(source) ((source)&0xc0000000u)

typedef struct kl_context {
  kl_watcher *watchers;       /* innermost first; NULL: none */
  kl_recorder *recorder;      /* NULL: immediate mode */
  int building;               /* > 0 while a functional graph is built: nothing draws, nothing is assigned */
  struct kl_journal *journal; /* of a guarded step (op/journal.h), or NULL */
  uint32_t source;            /* of the ops that pass the door now */
} kl_context;

extern kl_context *kl_context_now;

/* The context of code outside any coroutine. */
extern kl_context kl_context_main;

#endif
