/* What the program does with Lua: run a file, call a module, report errors. */
#ifndef KL_BIND_PROGRAM_H
#define KL_BIND_PROGRAM_H

#include <lua.h>
#include <stdbool.h>

/* Marks the state as the program's own: a drawn seed is told to the user there. */
void kl_program_mark(lua_State *L);

/* Message handler: the message with the user's frames of the stack behind it, once; kl's own frames are left out. */
int kl_program_traceback(lua_State *L);

/* Calls the function below nargs arguments in protected mode; an error is reported on standard error.
 * Returns the exit status, 0 or 1.  [-(1 + nargs), +nresults or +0] */
int kl_program_call(lua_State *L, int nargs, int nresults);

/* What is done around a script (lua/kl/run.lua). */
typedef struct kl_run_options {
  bool profile;      /* print where the time went */
  const char *trace; /* file for a Chrome trace, or NULL */
  long steps;        /* bound of fit, evaluate and predict; 0: none */
} kl_run_options;

/* Runs a script with its arguments in `arg` and as `...`.  argv[0] is the file. */
int kl_program_run_file(lua_State *L, const char *file, int argc, char **argv, const kl_run_options *options);

/* require(module).print(). */
int kl_program_call_module(lua_State *L, const char *module);

#endif
