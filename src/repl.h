/* The prompt. */
#ifndef KL_REPL_H
#define KL_REPL_H

#include <lua.h>

/* Reads, evaluates and prints until the end of input; returns the exit status.  On a pipe it shows no prompt. */
int kl_repl(lua_State *L);

#endif
