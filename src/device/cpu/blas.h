/* OpenBLAS, opened with dlopen at first use and called with one thread.
 *
 * Debian 12's OpenBLAS takes Haswell kernels on AVX-512 processors it does not know, half as fast as its SkylakeX ones;
 * so OPENBLAS_CORETYPE is set, unless the user set it, to what matches the level of our own kernels, before the library
 * is opened.  A process that had it already keeps what it had, and kl_blas_name says so. */
#ifndef KL_DEVICE_CPU_BLAS_H
#define KL_DEVICE_CPU_BLAS_H

#include <stdbool.h>
#include <stdint.h>

/* Opens the library; false if there is none (kl's own kernels serve then). */
bool kl_blas_available(void);

/* Which library and kernels, for `kl info`. */
const char *kl_blas_name(void);

/* C (m x n, row stride ldc) = op(A) op(B), float32 and float64, row-major, alpha 1, beta 0.
 * transposed: the matrix lies as its transpose with that row stride.  Only after kl_blas_available(). */
void kl_blas_sgemm(bool a_transposed, bool b_transposed, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                   const float *b, int64_t ldb, float *c, int64_t ldc);
void kl_blas_dgemm(bool a_transposed, bool b_transposed, int64_t m, int64_t n, int64_t k, const double *a, int64_t lda,
                   const double *b, int64_t ldb, double *c, int64_t ldc);

#endif
