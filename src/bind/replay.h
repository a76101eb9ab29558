/* What replay.c captures of a step, for prefetch.c. */
#ifndef KL_BIND_REPLAY_H
#define KL_BIND_REPLAY_H

#include "bind/bind.h"
#include "graph/ahead.h"
#include "graph/replay.h"

typedef struct kl_bind_replay {
  kl_replay *replay;
  kl_ahead *ahead; /* NULL: only the thread that captured it may run it */
  bool wants_ahead;
} kl_bind_replay;

const kl_bind_replay *kl_bind_check_replay(lua_State *L, int index);

#endif
