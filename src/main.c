/* The program: kl run FILE, kl info, the prompt.
 *
 * main only reads its own arguments; everything else is Lua, called in protected mode.  Exit status: 0, 1 for an error
 * of the script, 2 for wrong usage. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind/modules.h"
#include "bind/program.h"
#include "device/device.h"
#include "repl.h"

static const char help[] =
    "kl: train models written in Lua\n"
    "\n"
    "  kl run [--threads N] FILE [ARGUMENTS]   run a script; it finds its arguments in `arg`\n"
    "  kl                                      open a prompt (also on a pipe); `kl` is loaded\n"
    "  kl info                                 processor, threads, libraries, data\n"
    "  kl --help, kl --version\n"
    "\n"
    "Environment: KL_THREADS (number of threads), KL_CPU (baseline, avx2, avx512), KL_DATA_PATH (folders of data "
    "files),\n"
    "KL_EAGER=1 (steps run operation by operation, for finding errors), KL_DEBUG=2 (prints what becomes of a step),\n"
    "KL_LUA_PATH (kl's own Lua files, for its development).\n"
    "Exit status: 0, 1 if the script failed, 2 if the command line is wrong.\n";

static int usage(const char *format, const char *what) {
  fprintf(stderr, "kl: ");
  fprintf(stderr, format, what);
  fprintf(stderr, "\ntry: kl --help\n");
  return 2;
}

static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  if (L == NULL) {
    fprintf(stderr, "kl: no memory for a Lua state\n");
    return NULL;
  }
  luaL_openlibs(L);
  kl_bind_open_modules(L);
  kl_program_mark(L);
  return L;
}

/* Reads --threads N (or --threads=N); returns the number of arguments it took, or -1 after a message. */
static int read_threads(int argc, char **argv, int i) {
  const char *text = NULL;
  int taken = 1;
  if (strncmp(argv[i], "--threads=", 10) == 0) {
    text = argv[i] + 10;
  } else if (i + 1 < argc) {
    text = argv[i + 1];
    taken = 2;
  }
  char *end = NULL;
  long n = text == NULL ? 0 : strtol(text, &end, 10);
  if (text == NULL || *text == '\0' || *end != '\0' || n < 1 || n > 100000 || kl_device_set_threads((int)n) != KL_OK) {
    usage("--threads needs a number of threads, got %s", text == NULL ? "nothing" : text);
    return -1;
  }
  if (setenv("KL_THREADS", text, 1) != 0) { /* what the module reads when it is loaded */
    return -1;
  }
  return taken;
}

static int run_script(int argc, char **argv) {
  int i = 2;
  while (i < argc && argv[i][0] == '-') {
    if (strncmp(argv[i], "--threads", 9) == 0 && (argv[i][9] == '\0' || argv[i][9] == '=')) {
      int taken = read_threads(argc, argv, i);
      if (taken < 0) {
        return 2;
      }
      i += taken;
    } else {
      return usage("unknown option %s", argv[i]);
    }
  }
  if (i >= argc) {
    return usage("%s needs the name of a script", "run");
  }
  lua_State *L = new_state();
  if (L == NULL) {
    return 1;
  }
  int status = kl_program_run_file(L, argv[i], argc - i, argv + i);
  lua_close(L);
  return status;
}

static int run_module(const char *module) {
  lua_State *L = new_state();
  if (L == NULL) {
    return 1;
  }
  int status = kl_program_call_module(L, module);
  lua_close(L);
  return status;
}

static int prompt(void) {
  lua_State *L = new_state();
  if (L == NULL) {
    return 1;
  }
  int status = kl_repl(L);
  lua_close(L);
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
