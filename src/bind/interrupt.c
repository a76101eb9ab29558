/* The handlers only set variables of their own and call lua_sethook, the one call of Lua's that a handler may make. */
#include "bind/interrupt.h"

#include <lauxlib.h>
#include <signal.h>

#include "bind/bind.h"

static lua_State *volatile script; /* NULL: it has ended */
static volatile sig_atomic_t received;
static volatile sig_atomic_t watchers; /* how many look at `received` between their steps */

static void stop(lua_State *L, lua_Debug *frame) {
  (void)frame;
  lua_sethook(L, NULL, 0, 0);
  kl_bind_error(L, "interrupted by %s", received == SIGTERM ? "SIGTERM" : "Ctrl-C");
}

static void on_signal(int number) {
  if (script == NULL) {
    signal(number, SIG_DFL);
    raise(number); /* it waits for the end of this handler */
    return;
  }
  if (received != 0 || watchers == 0) {
    signal(SIGINT, SIG_DFL); /* whatever the script is doing, the next one ends it */
    signal(SIGTERM, SIG_DFL);
    lua_sethook(script, stop, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
  }
  received = number;
}

void kl_interrupt_let_go(void) { script = NULL; }

static int let_go(lua_State *L) {
  (void)L;
  kl_interrupt_let_go();
  return 0;
}

/* Lets go before the state is gone, whichever way the program ends: os.exit(status, true) closes it. */
static void let_go_at_close(lua_State *L) {
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, let_go);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  luaL_ref(L, LUA_REGISTRYINDEX);
}

void kl_interrupt_catch(lua_State *L) {
  static const int numbers[] = {SIGINT, SIGTERM};
  let_go_at_close(L);
  script = L;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    /* as a shell's `&` or nohup left it */
    if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
      sigaction(numbers[i], &action, NULL);
    }
  }
}

int kl_interrupt_received(void) { return (int)received; }

/* core.interrupted() -> "Ctrl-C", "SIGTERM" or nothing */
static int interrupted(lua_State *L) {
  if (received == 0) {
    return 0;
  }
  lua_pushstring(L, received == SIGTERM ? "SIGTERM" : "Ctrl-C");
  return 1;
}

static int end_watch(lua_State *L) {
  (void)L;
  watchers--;
  return 0;
}

/* local _ <close> = core.watch_interrupts(): until it is closed, its caller looks at core.interrupted(). */
static int watch_interrupts(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  watchers++;
  return 1;
}

void kl_bind_open_interrupt(lua_State *L, int core) {
  lua_pushcfunction(L, interrupted);
  lua_setfield(L, core, "interrupted");
  lua_newtable(L); /* what all watches are: only its end counts */
  lua_newtable(L);
  lua_pushcfunction(L, end_watch);
  lua_setfield(L, -2, "__close");
  lua_setmetatable(L, -2);
  lua_pushcclosure(L, watch_interrupts, 1);
  lua_setfield(L, core, "watch_interrupts");
}
