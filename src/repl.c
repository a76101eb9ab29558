/* The prompt: a line is tried as an expression first, then as a statement; an unfinished chunk asks for more.  Errors
 * and Ctrl-C end the evaluation, not the prompt. */
#include "repl.h"

#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bind/program.h"

static lua_State *running;

static void stop(lua_State *L, lua_Debug *frame) {
  (void)frame;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted");
}

/* lua_sethook is the one call of Lua's that a signal handler may make.  The handler is for one signal (SA_RESETHAND):
 * the second, when the first has not come to Lua's notice, ends the program. */
static void on_interrupt(int number) {
  (void)number;
  lua_sethook(running, stop, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

static void catch_interrupts(struct sigaction *before) {
  struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, before);
}

/* One line without its newline, or NULL at the end of input.  [-0, +1 if not NULL] */
static const char *read_line(lua_State *L, const char *prompt) {
  char *line = NULL;
  size_t size = 0;
  if (isatty(STDIN_FILENO)) {
    fputs(prompt, stdout);
    fflush(stdout);
  }
  ssize_t n = getline(&line, &size, stdin);
  if (n < 0) {
    free(line);
    return NULL;
  }
  if (n > 0 && line[n - 1] == '\n') {
    n--;
  }
  lua_pushlstring(L, line, (size_t)n);
  free(line);
  return lua_tostring(L, -1);
}

/* The message of a chunk that merely stops too early ends in <eof>. */
static int is_incomplete(lua_State *L, int status) {
  static const char mark[] = "<eof>";
  size_t n;
  if (status != LUA_ERRSYNTAX) {
    return 0;
  }
  const char *message = lua_tolstring(L, -1, &n);
  return n >= sizeof mark - 1 && strcmp(message + n - (sizeof mark - 1), mark) == 0;
}

static int load_text(lua_State *L, const char *text) { return luaL_loadbufferx(L, text, strlen(text), "=prompt", "t"); }

/* Turns the text at index 1 into a function, reading more lines while it is unfinished.  Leaves the function or a
 * message above it. */
static int load_chunk(lua_State *L) {
  for (;;) {
    lua_pushfstring(L, "return %s", lua_tostring(L, 1));
    int status = load_text(L, lua_tostring(L, -1));
    if (status == LUA_OK) {
      return LUA_OK;
    }
    int incomplete = is_incomplete(L, status);
    lua_settop(L, 1);
    status = load_text(L, lua_tostring(L, 1));
    if (status == LUA_OK || (!incomplete && !is_incomplete(L, status))) {
      return status;
    }
    lua_settop(L, 1);
    if (read_line(L, ">> ") == NULL) {
      return load_text(L, lua_tostring(L, 1));
    }
    lua_pushliteral(L, "\n");
    lua_insert(L, -2);
    lua_concat(L, 3);
  }
}

static void print_results(lua_State *L, int n) {
  if (n > 0) {
    luaL_checkstack(L, LUA_MINSTACK, "too many results");
    lua_getfield(L, LUA_REGISTRYINDEX, "kl.show");
    lua_insert(L, -n - 1);
    kl_program_call(L, n, 0);
  }
}

static int load_kl(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "kl");
  lua_call(L, 1, 1);
  lua_setglobal(L, "kl");
  lua_getglobal(L, "require");
  lua_pushliteral(L, "kl.show");
  lua_call(L, 1, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "kl.show");
  return 0;
}

static int read_and_evaluate(lua_State *L) {
  if (isatty(STDIN_FILENO)) {
    printf("kl: the module is loaded as `kl`; Ctrl-D leaves\n");
  }
  running = L;
  for (;;) {
    lua_settop(L, 0);
    if (read_line(L, "> ") == NULL) {
      if (isatty(STDIN_FILENO)) {
        printf("\n");
      }
      return 0;
    }
    if (load_chunk(L) != LUA_OK) {
      fflush(stdout);
      fprintf(stderr, "kl: %s\n", lua_tostring(L, -1));
      continue;
    }
    lua_replace(L, 1);
    lua_settop(L, 1);
    struct sigaction before;
    catch_interrupts(&before);
    int failed = kl_program_call(L, 0, LUA_MULTRET);
    if (!failed) {
      print_results(L, lua_gettop(L));
    }
    sigaction(SIGINT, &before, NULL);
    lua_sethook(L, NULL, 0, 0);
    fflush(stdout);
  }
}

int kl_repl(lua_State *L) {
  lua_pushcfunction(L, load_kl);
  if (kl_program_call(L, 0, 0) != 0) {
    return 1;
  }
  lua_pushcfunction(L, read_and_evaluate); /* protected as a whole: reading a line may find no memory */
  return kl_program_call(L, 0, 0);
}
