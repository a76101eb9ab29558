/* Lua's own memory that runs out at any allocation inside the binding: an error, no crash, and no tensor left.
 *
 * Each scenario is a Lua function that runs in one state with an allocator that refuses the n-th request and all after
 * it, for n = 1, 2, ... until the function succeeds.  The collector is stopped meanwhile: a finalizer that finds no
 * memory is not tried again (tests/bind/no_memory_spec.lua has core memory). */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bind/bind.h"
#include "bind/modules.h"

static long countdown; /* 0: off; 1: refuse */
static int passed, failed;

static void *allocate(void *data, void *block, size_t old, size_t size) {
  (void)data;
  if (size == 0) {
    free(block);
    return NULL;
  }
  if (countdown > 0 && (block == NULL || size > old)) {
    if (countdown == 1) {
      return NULL;
    }
    countdown--;
  }
  return realloc(block, size);
}

static const struct {
  const char *name, *code;
} scenarios[] = {
    {"an operator", "return function() return a + b * 2 end"},
    {"options", "return function() return kl.sum(a, {axis = 1, keepdims = true}) end"},
    {"a list of results", "return function() return kl.split(a, 2) end"},
    {"a list of operands", "return function() return kl.concatenate({a, b}, {axis = 1}) end"},
    {"a tensor from tables", "return function() return kl.tensor{{1.0, 2.0}, {3.0, 4.0}} end"},
    {"views", "return function() return a[1], a[{{1, 2}, 2}] end"},
    {"reading", "return function() return a:totable(), a.shape, tostring(a), kl.sum(a):item() end"},
    {"a variable", "return function() local v = kl.Variable(a); v:assign_add(b); return v.value end"},
    {"a wrong call",
     "return function() local ok, m = pcall(kl.matmul, a, kl.ones{3}); "
     "if ok or not m:find('inner') then error(m, 0) end end"},
    {"a gradient",
     "return function() local t <close> = kl.GradientTape(); t:watch(a); return t:gradient(kl.exp(a) * b, {a, b}) end"},
    {"a custom gradient",
     "local f = kl.custom_gradient(function(x) return x * 2, function(u) return u end end) "
     "return function() local t <close> = kl.GradientTape(); t:watch(a); return t:gradient(f(a), a) end"},
    {"a coroutine",
     "return function() return coroutine.wrap(function() local t = kl.GradientTape(); t:watch(a); "
     "coroutine.yield(a * b) end)() end"},
    {"a functional graph", "return function() local x = kl.Input{2}; return kl.split(x * 2 + b, 2, {axis = 2}) end"},
    {"a layer", "return function() return kl.layers.Dense{3}(a) end"},
    {"draws", "return function() return kl.random.normal{2, 2} end"},
    {"a training step",
     "local m = kl.Sequential{kl.Input{2}, kl.layers.Dense{2}} m:compile{optimizer = 'adam', loss = 'mse'} "
     "return function() m:train_on_batch{a, b} end"},
    {"a recorded step",
     "return function() local trace = kl.core.trace(); trace:begin(); local ok, m = pcall(function() "
     "return kl.sum(a + b):item() end); trace:finish(); if not ok then error(m, 0) end end"},
};

static void fail(const char *name, long n, const char *what) {
  printf("FAILED: %s, allocation %ld: %s\n", name, n, what);
  failed++;
}

static void collect(lua_State *L) {
  kl_bind_enter(L); /* lets go of the coroutine that ran last */
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCCOLLECT);
}

static lua_State *new_state(void) {
  lua_State *L = lua_newstate(allocate, NULL);
  if (L == NULL) {
    return NULL;
  }
  luaL_openlibs(L);
  kl_bind_open_modules(L);
  return L;
}

/* The function is at index 1. */
static void run_scenario(lua_State *L, const char *name) {
  int before_failures = failed;
  lua_gc(L, LUA_GCRESTART);
  for (int i = 0; i < 2; i++) { /* what is made once and stays */
    lua_pushvalue(L, 1);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
      fail(name, 0, lua_tostring(L, -1));
      return;
    }
  }
  collect(L);
  lua_gc(L, LUA_GCSTOP);
  uint64_t blocks = kl_alloc_get_stats().live_blocks;
  int64_t tensors = kl_tensor_live();
  int status = LUA_ERRMEM;
  long n;
  for (n = 1; status != LUA_OK && n < 100000; n += n < 2000 ? 1 : 11) {
    lua_settop(L, 1);
    lua_pushvalue(L, 1);
    countdown = n;
    status = lua_pcall(L, 0, 0, 0);
    countdown = 0;
    if (status != LUA_OK) {
      const char *message = lua_tostring(L, -1);
      if (message == NULL || strstr(message, "memory") == NULL) {
        fail(name, n, message == NULL ? "no message" : message);
      }
    }
    lua_settop(L, 1);
    collect(L);
    if (kl_tensor_live() != tensors || kl_alloc_get_stats().live_blocks != blocks) {
      fail(name, n, "something is left");
      tensors = kl_tensor_live();
      blocks = kl_alloc_get_stats().live_blocks;
    }
  }
  if (status != LUA_OK || n < 3) {
    fail(name, n, "did not come to an end, or never failed");
  }
  passed += failed == before_failures;
}

static int open_core(lua_State *L) {
  luaL_requiref(L, "kl.core", luaopen_kl_core, 0);
  return 0;
}

/* Loading the binding into a fresh state. */
static void run_opening(void) {
  int before_failures = failed;
  int status = LUA_ERRMEM;
  for (long n = 1; status != LUA_OK; n += 13) {
    lua_State *L = new_state();
    lua_pushcfunction(L, open_core);
    countdown = n;
    status = lua_pcall(L, 0, 0, 0);
    countdown = 0;
    lua_close(L);
    if (kl_tensor_live() != 0) {
      fail("opening", n, "something is left");
    }
  }
  passed += failed == before_failures;
}

int main(void) {
  run_opening();
  lua_State *L = new_state();
  if (luaL_dostring(L, "kl = require 'kl'; kl.set_seed(1); a, b = kl.tensor{{1.0, 2.0}, {3.0, 4.0}}, kl.ones{2, 2}") !=
      LUA_OK) {
    printf("%s\n0 passed, 1 failed\n", lua_tostring(L, -1));
    return 1;
  }
  for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
    lua_settop(L, 0);
    if (luaL_dostring(L, scenarios[i].code) != LUA_OK) {
      fail(scenarios[i].name, 0, lua_tostring(L, -1));
      continue;
    }
    run_scenario(L, scenarios[i].name);
  }
  lua_close(L);
  if (kl_tensor_live() != 0) {
    fail("the end", 0, "something is left");
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}
