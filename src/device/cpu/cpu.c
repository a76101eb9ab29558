/* The CPU as a device: which instruction set, and running one kernel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "device/cpu/blas.h"
#include "device/cpu/kernels.h"
#include "device/cpu/peak.h"
#include "device/cpu/pool.h"
#include "device/cpu/tiles.h"
#include "device/device.h"

typedef struct level {
  const char *name;
  const kl_kernel *const *kernels;
  const kl_peak_kernels *peak;
} level;

static const level levels[] = {
    {"baseline", kl_baseline_kernels, &kl_baseline_peak},
#if defined(__x86_64__)
    {"avx2", kl_avx2_kernels, &kl_avx2_peak},
    {"avx512", kl_avx512_kernels, &kl_avx512_peak},
#endif
};

static const level *chosen;

static bool supported(const char *name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (strcmp(name, "avx512") == 0) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
  }
  if (strcmp(name, "avx2") == 0) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  }
#endif
  return strcmp(name, "baseline") == 0;
}

kl_status kl_device_cpu_choose(const char *name) {
  const level *best = &levels[0];
  for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
    bool can = supported(levels[i].name);
    if (name != NULL && strcmp(name, levels[i].name) == 0) {
      if (!can) {
        return kl_fail(KL_EVALUE, "KL_CPU=%s: this processor does not have it", name);
      }
      chosen = &levels[i];
      return KL_OK;
    }
    if (can) {
      best = &levels[i];
    }
  }
  if (name != NULL && *name != '\0') {
    return kl_fail(KL_EVALUE, "KL_CPU=%s is unknown: use baseline, avx2 or avx512", name);
  }
  chosen = best;
  return KL_OK;
}

static const level *current(void) {
  if (chosen == NULL) {
    kl_device_cpu_choose(NULL);
  }
  return chosen;
}

const char *kl_device_cpu_name(void) {
  static char name[128];
  char line[256];
  FILE *f = name[0] != '\0' ? NULL : fopen("/proc/cpuinfo", "re");
  while (f != NULL && fgets(line, sizeof line, f) != NULL) {
    const char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
      snprintf(name, sizeof name, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
      break;
    }
  }
  if (f != NULL) {
    fclose(f);
  }
  return name[0] != '\0' ? name : "unknown";
}

const char *kl_device_cpu_level(void) { return current()->name; }
const char *kl_device_blas_name(void) { return kl_blas_name(); }
kl_peak kl_device_measure_peak(void) { return kl_peak_measure(current()->peak); }
int kl_device_threads(void) { return kl_pool_threads(); }
kl_status kl_device_set_threads(int n) { return kl_pool_set_threads(n); }

static kl_status prepare(int op, kl_call *c, size_t *scratch) {
  c->kernel = current()->kernels[op];
  if (c->kernel == NULL) {
    return kl_fail(KL_EUNSUPPORTED, "kl.%s has no kernel on the CPU", c->name);
  }
  *scratch = c->kernel->scratch == NULL ? 0 : c->kernel->scratch(c);
  return KL_OK;
}

static kl_status execute(const kl_call *c) { return c->kernel->run(c); }

static kl_tile tile(int op, const kl_call *c) {
  const kl_kernel *kernel = current()->kernels[op];
  if (kernel == NULL || (kernel->tiles == NULL && kernel->tile == NULL)) {
    return NULL;
  }
  return kernel->tile != NULL ? kernel->tile(c) : kernel->tiles[c->in[c->nin - 1].dtype];
}

static kl_status run(int op, const kl_call *given) {
  kl_call c = *given;
  size_t scratch = 0;
  KL_TRY(prepare(op, &c, &scratch));
  if (scratch > 0) {
    c.scratch = kl_alloc(scratch);
    if (c.scratch == NULL) {
      return KL_ENOMEM;
    }
  }
  unsigned state = kl_pool_set_float();
  kl_status status = c.kernel->run(&c);
  kl_pool_restore_float(state);
  kl_free(c.scratch, scratch);
  return status;
}

static void synchronize(void) {}

const kl_device *kl_device_default(void) {
  static const kl_device cpu = {
      .name = "cpu",
      .run = run,
      .prepare = prepare,
      .execute = execute,
      .tile = tile,
      .execute_fused = kl_tiles_run_fused,
      .enter = kl_pool_set_float,
      .leave = kl_pool_restore_float,
      .set_alone = kl_pool_set_alone,
      .synchronize = synchronize,
  };
  return &cpu;
}
