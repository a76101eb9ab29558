/* The beginning and the end of a recorded step, for step.c and replay.c. */
#ifndef KL_BIND_STEP_H
#define KL_BIND_STEP_H

#include "bind/bind.h"
#include "graph/trace.h"

/* False inside a step: a function is part of it there; and under a tape that is recording already: the function runs at
 * once, so that the tape sees values. */
bool kl_bind_may_record(void);

/* Opens a recording of the step that is that function. */
kl_trace *kl_bind_begin_step(lua_State *L, const void *function);

/* How a step ends whose function has returned: executes the recording.  Raises, or fails with a message. */
typedef kl_status kl_bind_step_end(lua_State *L, kl_trace *trace);

/* Calls `end` on the values at [first, top], which it may replace, as all that is on its stack; in protected mode, so
 * that a Lua without memory leaves no trace behind.  Then the trace is gone.  `function` is the index of the step's.  A
 * status of Lua's.  *known: the plan that ran knows its sources. */
int kl_bind_end_step(lua_State *L, kl_trace *trace, int first, int function, kl_bind_step_end *end, bool *known);

/* The end of a step whose function has raised: runs what was recorded before, and the trace is gone. */
void kl_bind_fail_step(kl_trace *trace);

/* Calls visit for every tensor handle in the values at [first, last], through tables; the handle is on top of the
 * stack.  With NULL for one that is dead: of an earlier step than the one that is ending, or closed. */
typedef void kl_bind_visitor(lua_State *L, kl_bind_handle *handle, void *context);
void kl_bind_walk_handles(lua_State *L, int first, int last, kl_bind_visitor *visit, void *context);

/* The handles in them leave the step: they own their tensors from now on. */
void kl_bind_promote_handles(lua_State *L, int first, int last);

#endif
