/* The program: kl run FILE, kl info, the prompt.
 *
 * main only reads its own arguments; everything else is Lua, called in protected mode.  Exit status: 0, 1 for an error
 * of the script, 2 for wrong usage, 130 and 143 for scripts that Ctrl-C and SIGTERM ended. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind/lua_heap.h"
#include "bind/modules.h"
#include "bind/program.h"
#include "device/device.h"
#include "repl.h"

static const char help[] =
    "kl: train models written in Lua\n"
    "\n"
    "  kl run [OPTIONS] FILE [ARGUMENTS]   run a script; it finds its arguments in `arg`\n"
    "  kl                                  open a prompt (also on a pipe); `kl` is loaded\n"
    "  kl info                             processor, threads, libraries, data\n"
    "  kl --help, kl --version\n"
    "\n"
    "Options of run:\n"
    "  --threads N    number of threads\n"
    "  --steps N      dry run: fit stops after one epoch of at most N batches, evaluate and predict after N\n"
    "  --profile      print at the end where the time went, by operation and by layer (on standard error)\n"
    "  --trace FILE   write when every kernel ran, for https://ui.perfetto.dev or chrome://tracing\n"
    "\n"
    "Environment: KL_THREADS (number of threads), KL_CPU (baseline, avx2, avx512), KL_DATA_PATH (folders of data "
    "files),\n"
    "KL_EAGER=1 (steps run operation by operation, for finding errors), KL_DEBUG=2 (prints what becomes of a step),\n"
    "KL_LUA_PATH (kl's own Lua files, for its development).\n"
    "Ctrl-C or SIGTERM: fit finishes its step, callbacks keep what they keep, and the script ends; twice: at once.\n"
    "Exit status: 0, 1 if the script failed, 2 if the command line is wrong, 130 or 143 after Ctrl-C or SIGTERM.\n";

static int usage(const char *format, const char *what) {
  fprintf(stderr, "kl: ");
  fprintf(stderr, format, what);
  fprintf(stderr, "\ntry: kl --help\n");
  return 2;
}

/* Lua's warn(), as luaL_newstate makes it: nothing until warn("@on").  `data` is the state. */
static void warn_off(void *data, const char *message, int to_continue);

static void warn_on(void *data, const char *message, int to_continue) {
  static bool continues;
  if (!continues && !to_continue && message[0] == '@') {
    if (strcmp(message, "@off") == 0) {
      lua_setwarnf(data, warn_off, data);
    }
    return;
  }
  fprintf(stderr, "%s%s%s", continues ? "" : "Lua warning: ", message, to_continue ? "" : "\n");
  continues = to_continue;
}

static void warn_off(void *data, const char *message, int to_continue) {
  if (!to_continue && strcmp(message, "@on") == 0) {
    lua_setwarnf(data, warn_on, data);
  }
}

/* Of the program's one state.  It is held here for scripts that end with os.exit(status, true): that closes the state
 * and ends the program without coming back to close_state. */
static kl_lua_heap *heap;

static void free_heap(void) {
  kl_lua_heap_free(heap);
  heap = NULL;
}

static lua_State *new_state(void) {
  heap = kl_lua_heap_new();
  lua_State *L = heap == NULL ? NULL : lua_newstate(kl_lua_heap_allocate, heap);
  if (L == NULL) {
    fprintf(stderr, "kl: no memory for a Lua state\n");
    free_heap();
    return NULL;
  }
  lua_setwarnf(L, warn_off, L);
  luaL_openlibs(L);
  kl_bind_open_modules(L);
  kl_program_mark(L);
  return L;
}

static void close_state(lua_State *L) {
  lua_close(L);
  free_heap();
}

/* The value of an option: of `--name VALUE` or `--name=VALUE` at *i, which then stands at its last word; NULL if there
 * is none. */
static const char *option_value(int argc, char **argv, int *i, const char *name) {
  size_t n = strlen(name);
  if (argv[*i][n] == '=') {
    return argv[*i] + n + 1;
  }
  return *i + 1 < argc ? argv[++*i] : NULL;
}

static bool is_option(const char *argument, const char *name) {
  size_t n = strlen(name);
  return strncmp(argument, name, n) == 0 && (argument[n] == '\0' || argument[n] == '=');
}

/* A whole number from 1; 0 if the text is none. */
static long read_number(const char *text, long most) {
  char *end = NULL;
  long n = text == NULL ? 0 : strtol(text, &end, 10);
  return text == NULL || *text == '\0' || *end != '\0' || n < 1 || n > most ? 0 : n;
}

/* Reads the option at *i, which then stands at its last word; 0, or 2 after a message. */
static int read_option(int argc, char **argv, int *i, kl_run_options *options) {
  const char *argument = argv[*i];
  if (is_option(argument, "--threads")) {
    const char *text = option_value(argc, argv, i, "--threads");
    long n = read_number(text, 100000);
    if (n == 0 || kl_device_set_threads((int)n) != KL_OK) {
      return usage("--threads needs a number of threads, got %s", text == NULL ? "nothing" : text);
    }
    return setenv("KL_THREADS", text, 1) != 0 ? 2 : 0; /* what the module reads when it is loaded */
  }
  if (is_option(argument, "--steps")) {
    const char *text = option_value(argc, argv, i, "--steps");
    options->steps = read_number(text, 1000000000);
    return options->steps > 0 ? 0 : usage("--steps needs a number of steps, got %s", text == NULL ? "nothing" : text);
  }
  if (is_option(argument, "--trace")) {
    options->trace = option_value(argc, argv, i, "--trace");
    bool named = options->trace != NULL && *options->trace != '\0';
    return named ? 0 : usage("--trace needs the name of %s to write", "a file");
  }
  if (strcmp(argument, "--profile") == 0) {
    options->profile = true;
    return 0;
  }
  return usage("unknown option %s", argument);
}

static int run_script(int argc, char **argv) {
  int i = 2;
  kl_run_options options = {0};
  for (; i < argc && argv[i][0] == '-'; i++) {
    if (read_option(argc, argv, &i, &options) != 0) {
      return 2;
    }
  }
  if (i >= argc) {
    return usage("%s needs the name of a script", "run");
  }
  lua_State *L = new_state();
  if (L == NULL) {
    return 1;
  }
  int status = kl_program_run_file(L, argv[i], argc - i, argv + i, &options);
  close_state(L);
  return status;
}

static int run_module(const char *module) {
  lua_State *L = new_state();
  if (L == NULL) {
    return 1;
  }
  int status = kl_program_call_module(L, module);
  close_state(L);
  return status;
}

static int prompt(void) {
  lua_State *L = new_state();
  if (L == NULL) {
    return 1;
  }
  int status = kl_repl(L);
  close_state(L);
  return status;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    return prompt();
  }
  const char *command = argv[1];
  if (strcmp(command, "run") == 0) {
    return run_script(argc, argv);
  }
  if (strcmp(command, "info") == 0) {
    return argc > 2 ? usage("info takes no arguments, got %s", argv[2]) : run_module("kl.info");
  }
  if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 || strcmp(command, "help") == 0) {
    fputs(help, stdout);
    return 0;
  }
  if (strcmp(command, "--version") == 0) {
    return run_module("kl.version");
  }
  return usage(command[0] == '-' ? "unknown option %s" : "unknown command '%s' (to run a script: kl run FILE)",
               command);
}
