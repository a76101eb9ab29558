/* The binding: libkl as Lua values.  The only folder, with main.c and repl.c, that includes lua.h.
 *
 * A bound function works in this order, because any Lua call may jump away: arguments are read and checked while
 * nothing is owned; the result's userdata is made, empty; the core is called and stores into it; C temporaries are
 * released; only then a failure is raised.  A tensor userdata owns one reference. */
#ifndef KL_BIND_BIND_H
#define KL_BIND_BIND_H

#include <lauxlib.h>
#include <lua.h>

#include "op/op.h"
#include "op/record.h"
#include "tensor/variable.h"

#define KL_TENSOR_TYPE "kl.Tensor"
#define KL_RECORDED_TYPE "kl.Tensor (recorded)" /* a handle without finalizer, valid while its step is recorded */
#define KL_VARIABLE_TYPE "kl.Variable"
#define KL_TAPE_TYPE "kl.GradientTape"

/* state.c: the context of the running coroutine, errors, the collector. */

/* Every bound function that may apply an op or touch a tape calls this first. */
void kl_bind_enter(lua_State *L);

/* Sets a field of the table on top of the stack to a count. */
static inline void kl_bind_set_count(lua_State *L, const char *name, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

/* source.c: where in the user's program an op is applied. */

/* Set while kl_bind_enter is to find out the source of what follows. */
extern bool kl_bind_capturing;
void kl_bind_capture(lua_State *L);

/* Pushes "file:line" of the first frame that is not kl's own, or nothing.  [-0, +(0|1)] */
bool kl_bind_push_line(lua_State *L);

/* Pushes line ("" in a step of kl's own) and layer path of a source; or nothing, if it is not known.  [-0, +(0|2)] */
bool kl_bind_push_source(lua_State *L, uint32_t source);

/* Pushes its line and " (in layer 'a/b')" or the like, for messages; or nothing.  [-0, +(0|2)] */
bool kl_bind_push_place(lua_State *L, uint32_t source);

/* Around the function of a step, at `index` with its arguments behind it: sources are found out if the step may make a
 * new plan.  Gives a hash of the arguments' shapes, which note takes with whether the plan knows its sources now. */
uint64_t kl_bind_begin_sources(lua_State *L, int index);
void kl_bind_capture_sources(void); /* in any case */
void kl_bind_end_sources(void);
void kl_bind_note_sources(lua_State *L, int index, bool known, uint64_t shapes);

void kl_bind_open_source(lua_State *L, int core);

/* Pushes the userdata that holds the running coroutine's context, or nil for the main one's.  [-0, +1] */
void kl_bind_push_context(lua_State *L);

/* Raises the message slot as a Lua error that begins with the file and line of the first frame outside kl. */
int kl_bind_raise(lua_State *L);

/* The same with the string on top of the stack. */
int kl_bind_raise_top(lua_State *L);

/* The same with words of the binding's own. */
int kl_bind_error(lua_State *L, const char *format, ...) KL_PRINTF(2, 3);

/* After a failure for want of memory: collects everything; true if it is worth another try. */
bool kl_bind_retry(lua_State *L, kl_status status);

/* Tells the collector about new tensor bytes. */
void kl_bind_add_debt(lua_State *L, const kl_tensor *t);
void kl_bind_add_bytes(lua_State *L, size_t bytes);

/* Pushes ", did you mean 'x'?" for the nearest of the names (a NULL-terminated list, or the string keys of the table at
 * `names` where list is NULL), or "".  [-0, +1] */
void kl_bind_push_nearest(lua_State *L, const char *wrong, const char *const *list, int names);
/* The same for a tensor's (own: 0) or a variable's methods: what does the same here where the name is known from
 * elsewhere (lua/kl/elsewhere.lua), else the nearest of its own methods, else of those of tensors.  Upvalues or
 * indices.  [-0, +1] */
void kl_bind_push_method_hint(lua_State *L, const char *wrong, int own, int methods);

/* Makes the metatable of a type of userdata, with its metamethods and its methods; NULL for none. */
void kl_bind_new_type(lua_State *L, const char *type, const luaL_Reg *meta, const luaL_Reg *methods);

/* Pushes a table with that __mode.  [-0, +1] */
void kl_bind_new_weak_table(lua_State *L, const char *mode);

void kl_bind_open_state(lua_State *L);

/* handle.c */

/* What is at an index, found by its metatable. */
typedef enum kl_bind_kind { KL_BIND_OTHER, KL_BIND_TENSOR, KL_BIND_RECORDED, KL_BIND_VARIABLE } kl_bind_kind;
kl_bind_kind kl_bind_kind_of(lua_State *L, int index);

/* The payload of a tensor userdata. */
typedef struct kl_bind_handle {
  kl_tensor *t;   /* owned, or in a recorded handle borrowed from the recorder */
  uint64_t scope; /* the recorder's serial */
  int64_t place;  /* in that recording, for the words about a dead handle */
} kl_bind_handle;

/* An empty tensor userdata on the stack; *slot is where its reference goes.  [-0, +1] */
kl_tensor **kl_bind_new_tensor(lua_State *L);

/* The same for what an op returns: a recorded handle, without finalizer, while a step is recorded.  [-0, +1] */
kl_tensor **kl_bind_new_result(lua_State *L);

/* Fills the handle on top of the stack, made by kl_bind_new_result, with a reference that it takes over. */
void kl_bind_fill_result(lua_State *L, kl_tensor **slot, kl_tensor *t);

/* Pushes a symbolic tensor, taking over the reference, with the table at `info` as what it came from: one tensor of a
 * functional graph is one Lua object, and the objects keep each other alive (graph.c).  [-0, +1] */
void kl_bind_push_symbolic(lua_State *L, kl_tensor *t, int info);

/* Turns a recorded handle into an ordinary one that owns its tensor.  Other values are left alone. */
void kl_bind_promote(lua_State *L, int index);

/* Pushes a tensor, taking over the reference even if Lua runs out of memory.  [-0, +1] */
void kl_bind_push_tensor(lua_State *L, kl_tensor *t);

/* The tensor in a userdata, or NULL if the value is something else.  Raises for a closed one. */
kl_tensor *kl_bind_to_tensor(lua_State *L, int index);
kl_tensor *kl_bind_check_tensor(lua_State *L, int index);

/* The same of a tensor or a variable, whose tensor carries its id and shape. */
kl_tensor *kl_bind_to_either(lua_State *L, int index);

/* An argument that can become a tensor, after the first phase: nothing owned. */
typedef struct kl_bind_input {
  enum { KL_INPUT_TENSOR, KL_INPUT_VARIABLE, KL_INPUT_INTEGER, KL_INPUT_NUMBER, KL_INPUT_BOOLEAN, KL_INPUT_TABLE } kind;
  kl_tensor *tensor;
  kl_variable *variable;
  lua_Integer integer;
  lua_Number number;
  int table; /* absolute stack index of nested tables of numbers */
  int index; /* absolute stack index of the value, 0 for a default */
} kl_bind_input;

/* First phase: true if the value can be one. */
bool kl_bind_read_input(lua_State *L, int index, kl_bind_input *in);

/* Second phase: a new reference.  Raises nothing; table errors are in the message slot. */
kl_status kl_bind_make_input(lua_State *L, const kl_bind_input *in, kl_tensor **out);

void kl_bind_set_variable_meta(const void *meta);
void kl_bind_open_handle(lua_State *L, int core);

/* nested.c */

/* A tensor from nested tables, of the given dtype or (dtype < 0) of the one its numbers suggest. */
kl_status kl_bind_tensor_from_table(lua_State *L, int index, int dtype, kl_tensor **out);

/* A tensor with values as nested tables of numbers or booleans, and its element i, in C order.  [-0, +1] */
void kl_bind_push_nested(lua_State *L, const kl_tensor *t);
void kl_bind_push_element(lua_State *L, const kl_tensor *t, int64_t i);

/* tensor.c */

/* A shape as a Lua list (unknown axes are false), and a list or bare integer as a shape.  [-0, +1] and [-0, +0] */
void kl_bind_push_shape(lua_State *L, const kl_shape *shape);

/* The table of the properties that tensors and variables share, shape, dtype and ndim, and the value of the one that
 * the string at index 2 names, by that table at index `properties`; false, with nil on the stack, if it names none of
 * them. */
void kl_bind_new_properties(lua_State *L);
bool kl_bind_push_property(lua_State *L, int properties, const kl_tensor *t);

void kl_bind_open_tensor(lua_State *L, int core);

/* op.c */
void kl_bind_open_ops(lua_State *L, int core);
void kl_bind_open_op_info(lua_State *L, int core); /* op_info.c */

/* A node's op with its attributes on the Lua values in the list at `inputs`; pushes the list of results.  [-0, +1] */
int kl_bind_apply_node(lua_State *L, const kl_node *node, int inputs);

/* variable.c */
kl_variable *kl_bind_to_variable(lua_State *L, int index); /* or NULL */
kl_variable *kl_bind_check_variable(lua_State *L, int index);

/* The value as a tensor of its own.  Tapes that record see that it is read. */
kl_status kl_bind_read_variable(kl_variable *v, kl_tensor **out);

/* Pushes the variable with that id and returns true, or pushes nothing if it is gone. */
bool kl_bind_push_variable_by_id(lua_State *L, uint64_t id);

void kl_bind_open_variable(lua_State *L, int core);

/* tape.c, gradient.c, custom_gradient.c */
int kl_bind_gradient(lua_State *L); /* tape:_gradient: what it calls belongs to the backward phase */
void kl_bind_open_tape(lua_State *L, int core);
void kl_bind_open_gradient(lua_State *L, int core);
void kl_bind_open_custom_gradient(lua_State *L, int core);

/* random.c */
void kl_bind_open_random(lua_State *L, int core);

/* prefetch.c */
void kl_bind_open_prefetch(lua_State *L, int core);
void kl_bind_open_interrupt(lua_State *L, int core);

/* graph.c */
void kl_bind_open_graph(lua_State *L, int core);

/* record.c */
void kl_bind_open_record(lua_State *L, int core);
void kl_bind_open_guard(lua_State *L, int core);
void kl_bind_open_finite_watch(lua_State *L, int core);

/* step.c, replay.c */
int kl_bind_call_step(lua_State *L);
int kl_bind_capture_step(lua_State *L);
void kl_bind_open_step(lua_State *L, int core);
void kl_bind_open_replay(lua_State *L, int core);

/* Whether tables still hold what they held (watch.c). */
void kl_bind_open_watch(lua_State *L, int core);

/* Questions about values, each in one call (query.c). */
void kl_bind_open_query(lua_State *L, int core);

/* io.c, json.c */
void kl_bind_open_io(lua_State *L, int core);
void kl_bind_open_json(lua_State *L, int core);

/* process.c: core.run_program */
void kl_bind_open_process(lua_State *L, int core);

/* summary.c: event files of TensorBoard */
void kl_bind_open_summary(lua_State *L, int core);

/* profile.c */
void kl_bind_open_profile(lua_State *L, int core);

/* core.c: require "kl.core" */
int luaopen_kl_core(lua_State *L);

#endif
