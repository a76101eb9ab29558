/* What SIGINT (Ctrl-C) and SIGTERM do to a script that `kl run` runs.
 *
 * Where somebody looks between steps (fit does), the first only asks him to stop; the next, or the first elsewhere, is
 * a Lua error "interrupted" at the next Lua instruction, so that no plan and no save is cut; one more ends the program.
 */
#ifndef KL_BIND_INTERRUPT_H
#define KL_BIND_INTERRUPT_H

#include <lua.h>

/* Catches both signals for the script that L will run. */
void kl_interrupt_catch(lua_State *L);

/* The script has ended, and its state is about to: both signals end the program. */
void kl_interrupt_let_go(void);

/* The signal that came last; 0: none. */
int kl_interrupt_received(void);

#endif
