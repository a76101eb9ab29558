/* Profiles for lua/kl/profile: switching them on, and their numbers as tables. */
#include "op/profile.h"

#include "bind/bind.h"
#include "device/device.h"

static int running; /* profiles that are open: an inner one reads the counters of the outer */

/* core.profile_start(events): counts from zero, or goes on where a profile is running already. */
static int start(lua_State *L) {
  bool events = lua_toboolean(L, 1);
  kl_bind_enter(L);
  if (kl_context_now->recorder != NULL) {
    return kl_bind_error(L, "kl.profile: a profile cannot begin inside a step: begin it outside of fit and kl.jit");
  }
  if (running++ == 0) {
    kl_profile_start(events);
    kl_bind_capturing = true;
  } else if (events) {
    kl_profile_keep_events();
  }
  return 0;
}

/* core.profile_stop(): the numbers stay until the next start. */
static int stop(lua_State *L) {
  (void)L;
  if (running > 0 && --running == 0) {
    kl_profile_stop();
    kl_bind_end_sources();
  }
  return 0;
}

static void set_number(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

/* Pushes line, layer ("" where they are not known) and phase of a source.  [-0, +3] */
static void push_source(lua_State *L, uint32_t source) {
  if (!kl_bind_push_source(L, source)) {
    lua_pushliteral(L, "");
    lua_pushliteral(L, "");
  }
  uint32_t phase = KL_SOURCE_PHASE(source);
  lua_pushstring(L, phase == KL_PHASE_BACKWARD ? "backward" : phase == KL_PHASE_UPDATE ? "update" : "forward");
}

/* core.profile_rows(kernels): a list of {name, line, layer, phase, calls, seconds, flops, bytes}, of ops or of kernels.
 */
static int rows(lua_State *L) {
  const kl_profile_row *list;
  int64_t n = kl_profile_rows(lua_toboolean(L, 1), &list);
  lua_createtable(L, (int)n, 0);
  for (int64_t i = 0; i < n; i++) {
    const kl_profile_row *row = &list[i];
    lua_createtable(L, 0, 8);
    lua_pushstring(L, kl_profile_kernel_name(row->kernel));
    lua_setfield(L, -2, "name");
    push_source(L, row->source);
    lua_setfield(L, -4, "phase");
    lua_setfield(L, -3, "layer");
    lua_setfield(L, -2, "line");
    kl_bind_set_count(L, "calls", row->calls);
    set_number(L, "seconds", row->nanoseconds * 1e-9);
    set_number(L, "flops", row->flops);
    set_number(L, "bytes", row->bytes);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* core.profile_totals(): seconds and counts since the profile began. */
static int totals(lua_State *L) {
  kl_profile_totals t = kl_profile_get_totals();
  lua_createtable(L, 0, 15);
  set_number(L, "seconds", (double)t.nanoseconds * 1e-9);
  set_number(L, "kernel_seconds", t.kernels * 1e-9);
  set_number(L, "own_seconds", t.own * 1e-9);
  set_number(L, "step_seconds", t.step_nanoseconds * 1e-9);
  set_number(L, "step_kernel_seconds", t.step_kernels * 1e-9);
  set_number(L, "step_own_seconds", t.step_own * 1e-9);
  set_number(L, "gap_seconds", t.gap_nanoseconds * 1e-9);
  set_number(L, "gap_kernel_seconds", t.gap_kernels * 1e-9);
  set_number(L, "gap_own_seconds", t.gap_own * 1e-9);
  kl_bind_set_count(L, "calls", t.calls);
  kl_bind_set_count(L, "recorded_steps", t.steps[KL_SPAN_RECORDED]);
  kl_bind_set_count(L, "replayed_steps", t.steps[KL_SPAN_REPLAYED]);
  kl_bind_set_count(L, "immediate_steps", t.steps[KL_SPAN_IMMEDIATE]);
  kl_bind_set_count(L, "lost", (uint64_t)t.lost);
  const kl_profile_event *events;
  kl_bind_set_count(L, "events", (uint64_t)kl_profile_events(&events));
  return 1;
}

/* core.profile_event(i): name, category ("kernel" or "step"), begin and duration in microseconds, line, layer, phase.
 */
static int event(lua_State *L) {
  static const char *const spans[] = {"step", "step (replayed)", "step (immediate)"};
  const kl_profile_event *events;
  lua_Integer i = luaL_checkinteger(L, 1);
  if (i < 1 || i > kl_profile_events(&events)) {
    return 0;
  }
  const kl_profile_event *e = &events[i - 1];
  lua_pushstring(L, e->kernel < 0 ? spans[-1 - e->kernel] : kl_profile_kernel_name(e->kernel));
  lua_pushstring(L, e->kernel < 0 ? "step" : "kernel");
  lua_pushnumber(L, (double)e->begin * 1e-3);
  lua_pushnumber(L, (double)e->nanoseconds * 1e-3);
  push_source(L, e->source);
  return 7;
}

/* core.machine_peak(): float32 operations and bytes read per second, measured once for a number of threads. */
static int machine_peak(lua_State *L) {
  static kl_peak peak;
  static int threads;
  if (threads != kl_device_threads()) {
    peak = kl_device_measure_peak();
    threads = kl_device_threads();
  }
  lua_pushnumber(L, peak.flops);
  lua_pushnumber(L, peak.bandwidth);
  return 2;
}

void kl_bind_open_profile(lua_State *L, int core) {
  static const luaL_Reg functions[] = {
      {"profile_start", start}, {"profile_stop", stop},         {"profile_rows", rows}, {"profile_totals", totals},
      {"profile_event", event}, {"machine_peak", machine_peak}, {NULL, NULL},
  };
  running = 0;
  kl_profile_clear();
  lua_pushvalue(L, core);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
