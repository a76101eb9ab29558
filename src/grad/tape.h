/* GradientTape: remembers the nodes whose inputs it watches (keras-semantics.md 14).
 *
 * A tape records from kl_tape_start until kl_tape_stop, on the context it was started in; it owns its nodes until they
 * are dropped by a gradient (non-persistent), kl_tape_reset or the tape's end.  The watched set holds ids, not tensors.
 */
#ifndef KL_GRAD_TAPE_H
#define KL_GRAD_TAPE_H

#include "op/record.h"

typedef struct kl_tape kl_tape;

kl_status kl_tape_new(bool persistent, bool autowatch, kl_tape **out);
void kl_tape_release(kl_tape *tape); /* stops it first; NULL is allowed */

/* Begins and ends recording.  Starting a started tape or stopping a stopped one does nothing. */
void kl_tape_start(kl_tape *tape);
void kl_tape_stop(kl_tape *tape);
bool kl_tape_is_recording(const kl_tape *tape);

/* Suspends and resumes recording; nests. */
void kl_tape_pause(kl_tape *tape);
void kl_tape_resume(kl_tape *tape);

/* Pauses all tapes that record on the context; the second resumes those of them that still do.  `mark` is what the
 * first returned: tapes started in between are left alone. */
uint64_t kl_tape_pause_all(kl_context *context);
void kl_tape_resume_all(kl_context *context, uint64_t mark);

/* Forgets all nodes and watched tensors; goes on recording. */
void kl_tape_reset(kl_tape *tape);
void kl_tape_drop_nodes(kl_tape *tape);

bool kl_tape_is_persistent(const kl_tape *tape);

/* A non-persistent tape gives one gradient: it is spent after kl_tape_use. */
void kl_tape_use(kl_tape *tape);
bool kl_tape_is_spent(const kl_tape *tape);

kl_status kl_tape_watch(kl_tape *tape, const kl_tensor *t);

/* The nodes in the order they ran. */
int64_t kl_tape_node_count(const kl_tape *tape);
kl_node *kl_tape_node(const kl_tape *tape, int64_t i);

/* Ids of the watched variables in the order of their first reading, for watched_variables(). */
int64_t kl_tape_touched_count(const kl_tape *tape);
uint64_t kl_tape_touched(const kl_tape *tape, int64_t i);

#endif
