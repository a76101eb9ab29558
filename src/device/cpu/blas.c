/* The door to OpenBLAS. */
#include "device/cpu/blas.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/device.h"

/* The cblas interface, from its published standard. */
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };
typedef void sgemm_function(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
                            const float *b, int ldb, float beta, float *c, int ldc);
typedef void dgemm_function(int order, int ta, int tb, int m, int n, int k, double alpha, const double *a, int lda,
                            const double *b, int ldb, double beta, double *c, int ldc);

static struct {
  bool tried;
  sgemm_function *sgemm;
  dgemm_function *dgemm;
  char name[320];
} blas = {.name = "not opened yet"};

static void *symbol(void *library, const char *name) { return library == NULL ? NULL : dlsym(library, name); }

static void open_library(void) {
  static const char *const files[] = {"libopenblas.so.0", "libopenblas.so"};
  const char *level = kl_device_cpu_level();
  void *library = NULL;
  bool had_it = false;
  for (size_t i = 0; i < 2 && library == NULL; i++) {
    library = dlopen(files[i], RTLD_NOW | RTLD_NOLOAD);
    had_it = library != NULL;
  }
  if (!had_it) {
    const char *core = strcmp(level, "avx512") == 0 ? "SKYLAKEX" : strcmp(level, "avx2") == 0 ? "HASWELL" : "NEHALEM";
    setenv("OPENBLAS_CORETYPE", core, 0);
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    for (size_t i = 0; i < 2 && library == NULL; i++) {
      library = dlopen(files[i], RTLD_NOW | RTLD_LOCAL);
    }
  }
  *(void **)&blas.sgemm = symbol(library, "cblas_sgemm");
  *(void **)&blas.dgemm = symbol(library, "cblas_dgemm");
  if (blas.sgemm == NULL || blas.dgemm == NULL) {
    blas.sgemm = NULL;
    snprintf(blas.name, sizeof blas.name, "none (libopenblas.so.0 not found: kl's own kernels are used)");
    return;
  }
  void (*set_threads)(int);
  char *(*corename)(void), *(*config)(void);
  *(void **)&set_threads = symbol(library, "openblas_set_num_threads");
  *(void **)&corename = symbol(library, "openblas_get_corename");
  *(void **)&config = symbol(library, "openblas_get_config");
  if (set_threads != NULL) {
    set_threads(1);
  }
  snprintf(blas.name, sizeof blas.name, "%s, kernels %s%s", config == NULL ? "OpenBLAS" : config(),
           corename == NULL ? "unknown" : corename(),
           had_it ? " (the process had it open already: its core type could not be chosen)" : "");
}

bool kl_blas_available(void) {
  if (!blas.tried) {
    blas.tried = true;
    open_library();
  }
  return blas.sgemm != NULL;
}

const char *kl_blas_name(void) {
  kl_blas_available();
  return blas.name;
}

void kl_blas_sgemm(bool a_transposed, bool b_transposed, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                   const float *b, int64_t ldb, float *c, int64_t ldc) {
  blas.sgemm(ROW_MAJOR, a_transposed ? TRANS : NO_TRANS, b_transposed ? TRANS : NO_TRANS, (int)m, (int)n, (int)k, 1.0f,
             a, (int)lda, b, (int)ldb, 0.0f, c, (int)ldc);
}

void kl_blas_dgemm(bool a_transposed, bool b_transposed, int64_t m, int64_t n, int64_t k, const double *a, int64_t lda,
                   const double *b, int64_t ldb, double *c, int64_t ldc) {
  blas.dgemm(ROW_MAJOR, a_transposed ? TRANS : NO_TRANS, b_transposed ? TRANS : NO_TRANS, (int)m, (int)n, (int)k, 1.0,
             a, (int)lda, b, (int)ldb, 0.0, c, (int)ldc);
}
