/* What the binding keeps per Lua state: the context of each coroutine, errors with the user's line, the collector's
 * debt.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bind/bind.h"

/* Key of the registry table coroutine -> context (a userdata); weak in its keys. */
static const char contexts_key = 0;

/* Key of `current` in the registry. */
static const char current_key = 0;

/* The coroutine kl_context_now belongs to.  The registry holds it too, for otherwise it could die and another one get
 * its address. */
static lua_State *current;

static size_t debt; /* bytes of new tensors the collector has not heard of */

#define YOUNG_BYTES ((size_t)2 << 20)    /* bytes of new tensors between two young collections */
#define SLACK_BYTES ((uint64_t)32 << 20) /* by which live bytes may grow until everything is collected, at least */

/* A coroutine's context goes: another coroutine may get the same address, so nothing may remember it. */
static int close_context(lua_State *L) {
  if (kl_context_now == lua_touserdata(L, 1)) {
    kl_context_now = &kl_context_main;
    current = NULL;
  }
  return 0;
}

static void switch_context(lua_State *L) {
  bool is_main = lua_pushthread(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &current_key);
  if (is_main) {
    lua_pop(L, 1);
    kl_context_now = &kl_context_main;
  } else {
    luaL_checkstack(L, 5, "coroutine context");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &contexts_key);
    lua_pushvalue(L, -2);
    if (lua_rawget(L, -2) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_pushvalue(L, -2);
      kl_context *context = lua_newuserdatauv(L, sizeof *context, 0);
      memset(context, 0, sizeof *context);
      lua_getfield(L, LUA_REGISTRYINDEX, "kl.context_meta");
      lua_setmetatable(L, -2);
      lua_rawset(L, -3);
      kl_context_now = context;
      lua_pop(L, 2);
    } else {
      kl_context_now = lua_touserdata(L, -1);
      lua_pop(L, 3);
    }
  }
  current = L;
}

void kl_bind_enter(lua_State *L) {
  if (L != current) {
    switch_context(L);
  }
  if (KL_UNLIKELY(kl_bind_capturing)) {
    kl_bind_capture(L);
  }
}

void kl_bind_push_context(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &contexts_key);
  lua_pushthread(L);
  lua_rawget(L, -2);
  lua_remove(L, -2);
}

/* Pushes "file:line: " of the first frame that is not kl's own, or "".  [-0, +1] */
static void push_where(lua_State *L) {
  if (kl_bind_push_line(L)) {
    lua_pushliteral(L, ": ");
    lua_concat(L, 2);
  } else {
    lua_pushliteral(L, "");
  }
}

/* Raises the string on top of the stack, with the user's line in front and the layer path behind. */
int kl_bind_raise_top(lua_State *L) {
  luaL_checkstack(L, 6, "error");
  push_where(L);
  lua_insert(L, -2);
  lua_concat(L, 2);
  if (lua_getfield(L, LUA_REGISTRYINDEX, "kl.error_context") == LUA_TFUNCTION) {
    if (lua_pcall(L, 0, 1, 0) == LUA_OK && lua_type(L, -1) == LUA_TSTRING) {
      lua_concat(L, 2);
      return lua_error(L);
    }
  }
  lua_pop(L, 1);
  return lua_error(L);
}

int kl_bind_raise(lua_State *L) {
  uint32_t source = kl_error_source();
  luaL_checkstack(L, 6, "error");
  if (source != 0 && kl_bind_push_place(L, source)) { /* not here: where the op was recorded */
    if (lua_rawlen(L, -2) == 0) {
      push_where(L);
    } else {
      lua_pushfstring(L, "%s: ", lua_tostring(L, -2));
    }
    lua_pushfstring(L, "%s%s%s", lua_tostring(L, -1), kl_error_message(), lua_tostring(L, -2));
    return lua_error(L);
  }
  lua_pushstring(L, kl_error_message());
  return kl_bind_raise_top(L);
}

int kl_bind_error(lua_State *L, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  lua_pushstring(L, text);
  return kl_bind_raise_top(L);
}

bool kl_bind_retry(lua_State *L, kl_status status) {
  if (status != KL_ENOMEM || lua_gc(L, LUA_GCCOUNT) < 0) {
    return false;
  }
  lua_gc(L, LUA_GCCOLLECT);
  return true;
}

/* Lua cannot see tensor bytes, so they are counted here.  Every YOUNG_BYTES of new tensors a young collection frees
 * those that died meanwhile, at a cost that does not grow with the heap; their memory is used again while the caches
 * still have it, which is worth a factor of two on a training step (docs/experiments.md, 4).  A tensor that two young
 * collections found alive is old, and is found dead only when everything is collected: when live bytes have grown by
 * half, by SLACK_BYTES, or by the size of the Lua heap, whichever is most, since that was done last.  So dead tensors
 * hold at most about that much, and the cost per byte stays bounded too. */
void kl_bind_add_debt(lua_State *L, const kl_tensor *t) {
  if (t->storage == NULL || atomic_load_explicit(&t->storage->refs, memory_order_relaxed) > 1) {
    return; /* counted once per storage: a view costs nothing */
  }
  kl_bind_add_bytes(L, t->storage->bytes);
}

void kl_bind_add_bytes(lua_State *L, size_t bytes) {
  static uint64_t limit = SLACK_BYTES; /* of live bytes, until everything is collected */
  debt += bytes;
  if (debt < YOUNG_BYTES) {
    return;
  }
  debt = 0;
  if (lua_gc(L, LUA_GCISRUNNING) <= 0) { /* stopped, or -1: called by a finalizer */
    return;
  }
  lua_gc(L, LUA_GCSTEP, 0);
  if (kl_alloc_get_stats().live_bytes > limit) {
    lua_gc(L, LUA_GCCOLLECT);
    uint64_t live = kl_alloc_get_stats().live_bytes, heap = (uint64_t)lua_gc(L, LUA_GCCOUNT) * 1024;
    uint64_t slack = heap > SLACK_BYTES ? heap : SLACK_BYTES;
    limit = live + (live / 2 > slack ? live / 2 : slack);
  }
}

/* Edits from a to b, at most `limit`: a letter put in, left out or replaced, or two neighbours exchanged. */
static int distance(const char *a, const char *b, int limit) {
  int rows[3][64]; /* of the last, the one before and the new one, by turns */
  int n = (int)strlen(b);
  if (n >= 63) {
    return limit;
  }
  for (int j = 0; j <= n; j++) {
    rows[0][j] = j;
  }
  int i = 1;
  for (; a[i - 1] != '\0'; i++) {
    int *row = rows[i % 3];
    const int *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
    row[0] = i;
    for (int j = 1; j <= n; j++) {
      int cost = last[j - 1] + (a[i - 1] != b[j - 1]);
      cost = last[j] + 1 < cost ? last[j] + 1 : cost;
      cost = row[j - 1] + 1 < cost ? row[j - 1] + 1 : cost;
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < cost) {
        cost = before[j - 2] + 1;
      }
      row[j] = cost;
    }
  }
  int result = rows[(i - 1) % 3][n];
  return result < limit ? result : limit;
}

void kl_bind_push_nearest(lua_State *L, const char *wrong, const char *const *list, int names) {
  int limit = (int)strlen(wrong) / 2 + 1;
  if (limit > 4) {
    limit = 4;
  }
  char best[64] = "";
  if (list != NULL) {
    for (; *list != NULL; list++) {
      int d = distance(wrong, *list, limit);
      if (d < limit) {
        limit = d;
        snprintf(best, sizeof best, "%s", *list);
      }
    }
  } else {
    names = lua_absindex(L, names);
    for (lua_pushnil(L); lua_next(L, names) != 0; lua_pop(L, 1)) {
      if (lua_type(L, -2) == LUA_TSTRING) {
        const char *name = lua_tostring(L, -2);
        int d = distance(wrong, name, limit + 1); /* else what is further away would look like an equal */
        /* pairs has no order: among equals the smaller name, so that messages do not change from run to run */
        if (d < limit || (d == limit && best[0] != '\0' && strcmp(name, best) < 0)) {
          limit = d;
          snprintf(best, sizeof best, "%s", name);
        }
      }
    }
  }
  if (best[0] == '\0') {
    lua_pushliteral(L, "");
  } else {
    lua_pushfstring(L, "; did you mean '%s'?", best);
  }
}

void kl_bind_new_type(lua_State *L, const char *type, const luaL_Reg *meta, const luaL_Reg *methods) {
  luaL_newmetatable(L, type);
  if (meta != NULL) {
    luaL_setfuncs(L, meta, 0);
  }
  if (methods != NULL) {
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
  }
  lua_pop(L, 1);
}

void kl_bind_push_method_hint(lua_State *L, const char *wrong, int own, int methods) {
  lua_getfield(L, methods, "__elsewhere");
  if (lua_isfunction(L, -1)) {
    lua_pushstring(L, wrong);
    lua_call(L, 1, 1);
  }
  if (lua_type(L, -1) == LUA_TSTRING) {
    return;
  }
  lua_pop(L, 1);
  if (own != 0) {
    kl_bind_push_nearest(L, wrong, NULL, own);
    if (lua_rawlen(L, -1) > 0) {
      return;
    }
    lua_pop(L, 1);
  }
  kl_bind_push_nearest(L, wrong, NULL, methods);
}

void kl_bind_new_weak_table(lua_State *L, const char *mode) {
  lua_newtable(L);
  lua_newtable(L);
  lua_pushstring(L, mode);
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
}

void kl_bind_open_state(lua_State *L) {
  lua_gc(L, LUA_GCGEN, 0, 0); /* see kl_bind_add_debt; a script may choose otherwise */
  kl_bind_new_weak_table(L, "k");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &contexts_key);
  lua_pushboolean(L, false); /* the entry is there: setting it later needs no memory */
  lua_rawsetp(L, LUA_REGISTRYINDEX, &current_key);
  lua_newtable(L);
  lua_pushcfunction(L, close_context);
  lua_setfield(L, -2, "__gc");
  lua_setfield(L, LUA_REGISTRYINDEX, "kl.context_meta");
  current = NULL;
}
