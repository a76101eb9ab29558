/* For step.c: telling of plans. */
#ifndef KL_BIND_PLANS_H
#define KL_BIND_PLANS_H

#include <lua.h>

/* The step that is the function at `index` has needed a new plan; the n-th time is worth a note, once. */
void kl_bind_note_plan(lua_State *L, int index);

void kl_bind_open_plans(lua_State *L, int core);

#endif
