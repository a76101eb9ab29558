/* Vectors of float and double for one instruction set.
 *
 * Every kernel file is compiled once per instruction set with KL_ISA_BASELINE, KL_ISA_AVX2 or KL_ISA_AVX512 defined,
 * and names what it exports with KL_K().  Arithmetic uses gcc's vector types, as wide as the machine's registers and
 * never wider (gcc then keeps accumulators in memory: kernels.md 2); only what they lack is an intrinsic here. kl_fma
 * is fused where the instruction set has it and two roundings in the baseline; the compiler never contracts on its own
 * (-ffp-contract=off), so bits do not depend on inlining. */
#ifndef KL_DEVICE_CPU_SIMD_H
#define KL_DEVICE_CPU_SIMD_H

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(KL_ISA_AVX512)
#define KL_LANES 16
#define KL_K(name) kl_avx512_##name
#elif defined(KL_ISA_AVX2)
#define KL_LANES 8
#define KL_K(name) kl_avx2_##name
#else
#define KL_LANES 4
#define KL_K(name) kl_baseline_##name
#endif
#define KL_DLANES (KL_LANES / 2)

typedef float kl_vf __attribute__((vector_size(KL_LANES * 4)));
typedef int32_t kl_vi __attribute__((vector_size(KL_LANES * 4)));
typedef uint32_t kl_vu __attribute__((vector_size(KL_LANES * 4)));
typedef double kl_vd __attribute__((vector_size(KL_DLANES * 8)));
typedef int64_t kl_vl __attribute__((vector_size(KL_DLANES * 8)));
typedef uint64_t kl_vul __attribute__((vector_size(KL_DLANES * 8)));

#define KL_INLINE static inline __attribute__((always_inline, unused))

KL_INLINE kl_vf vf_set(float x) { return x - (kl_vf){0}; }
KL_INLINE kl_vi vi_set(int32_t x) { return x - (kl_vi){0}; }
KL_INLINE kl_vd vd_set(double x) { return x - (kl_vd){0}; }

KL_INLINE kl_vf vf_load(const float *p) {
  kl_vf v;
  memcpy(&v, p, sizeof v);
  return v;
}
KL_INLINE void vf_store(float *p, kl_vf v) { memcpy(p, &v, sizeof v); }
KL_INLINE kl_vd vd_load(const double *p) {
  kl_vd v;
  memcpy(&v, p, sizeof v);
  return v;
}
KL_INLINE void vd_store(double *p, kl_vd v) { memcpy(p, &v, sizeof v); }

/* The first n lanes (0 < n <= KL_LANES); the others are 0, and their memory is not touched. */
#if defined(KL_ISA_AVX512)
KL_INLINE __mmask16 vf_mask(int64_t n) { return (__mmask16)(0xffffu >> (16 - n)); }
KL_INLINE __mmask8 vd_mask(int64_t n) { return (__mmask8)(0xffu >> (8 - n)); }
KL_INLINE kl_vf vf_load_part(const float *p, int64_t n) { return (kl_vf)_mm512_maskz_loadu_ps(vf_mask(n), p); }
KL_INLINE void vf_store_part(float *p, kl_vf v, int64_t n) { _mm512_mask_storeu_ps(p, vf_mask(n), (__m512)v); }
KL_INLINE kl_vd vd_load_part(const double *p, int64_t n) { return (kl_vd)_mm512_maskz_loadu_pd(vd_mask(n), p); }
KL_INLINE void vd_store_part(double *p, kl_vd v, int64_t n) { _mm512_mask_storeu_pd(p, vd_mask(n), (__m512d)v); }
#elif defined(KL_ISA_AVX2)
KL_INLINE __m256i vf_mask(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
KL_INLINE __m256i vd_mask(int64_t n) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}
KL_INLINE kl_vf vf_load_part(const float *p, int64_t n) { return (kl_vf)_mm256_maskload_ps(p, vf_mask(n)); }
KL_INLINE void vf_store_part(float *p, kl_vf v, int64_t n) { _mm256_maskstore_ps(p, vf_mask(n), (__m256)v); }
KL_INLINE kl_vd vd_load_part(const double *p, int64_t n) { return (kl_vd)_mm256_maskload_pd(p, vd_mask(n)); }
KL_INLINE void vd_store_part(double *p, kl_vd v, int64_t n) { _mm256_maskstore_pd(p, vd_mask(n), (__m256d)v); }
#else
KL_INLINE kl_vf vf_load_part(const float *p, int64_t n) {
  kl_vf v = {0};
  memcpy(&v, p, (size_t)n * sizeof *p);
  return v;
}
KL_INLINE void vf_store_part(float *p, kl_vf v, int64_t n) { memcpy(p, &v, (size_t)n * sizeof *p); }
KL_INLINE kl_vd vd_load_part(const double *p, int64_t n) {
  kl_vd v = {0};
  memcpy(&v, p, (size_t)n * sizeof *p);
  return v;
}
KL_INLINE void vd_store_part(double *p, kl_vd v, int64_t n) { memcpy(p, &v, (size_t)n * sizeof *p); }
#endif

/* Bits reinterpreted. */
KL_INLINE kl_vi vi_bits(kl_vf x) { return (kl_vi)x; }
KL_INLINE kl_vf vf_bits(kl_vi x) { return (kl_vf)x; }

/* Lane by lane: mask ? a : b, where a mask lane is all ones or all zeros (what comparisons give). */
KL_INLINE kl_vf vf_select(kl_vi mask, kl_vf a, kl_vf b) { return vf_bits((mask & vi_bits(a)) | (~mask & vi_bits(b))); }
KL_INLINE kl_vi vi_select(kl_vi mask, kl_vi a, kl_vi b) { return (mask & a) | (~mask & b); }
KL_INLINE kl_vd vd_select(kl_vl mask, kl_vd a, kl_vd b) { return (kl_vd)((mask & (kl_vl)a) | (~mask & (kl_vl)b)); }

KL_INLINE kl_vf vf_abs(kl_vf x) { return vf_bits(vi_bits(x) & 0x7fffffff); }
KL_INLINE kl_vf vf_copysign(kl_vf magnitude, kl_vf sign) {
  return vf_bits((vi_bits(magnitude) & 0x7fffffff) | (vi_bits(sign) & INT32_MIN));
}

#if defined(KL_ISA_AVX512)

KL_INLINE kl_vf vf_fma(kl_vf a, kl_vf b, kl_vf c) { return (kl_vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
KL_INLINE kl_vd vd_fma(kl_vd a, kl_vd b, kl_vd c) { return (kl_vd)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
KL_INLINE kl_vf vf_sqrt(kl_vf x) { return (kl_vf)_mm512_sqrt_ps((__m512)x); }
KL_INLINE kl_vd vd_sqrt(kl_vd x) { return (kl_vd)_mm512_sqrt_pd((__m512d)x); }
KL_INLINE kl_vf vf_round(kl_vf x) { return (kl_vf)_mm512_roundscale_ps((__m512)x, 8); }
KL_INLINE kl_vf vf_floor(kl_vf x) { return (kl_vf)_mm512_roundscale_ps((__m512)x, 9); }
KL_INLINE kl_vf vf_ceil(kl_vf x) { return (kl_vf)_mm512_roundscale_ps((__m512)x, 10); }
/* 1/sqrt(x) for normal x > 0 to 1.1 ulp: a 14-bit estimate and one Newton step, which makes NaN of infinity and 0:
 * there the estimate, 0 or infinity, is the result. */
KL_INLINE kl_vf vf_rsqrt(kl_vf x) {
  kl_vf y = (kl_vf)_mm512_rsqrt14_ps((__m512)x);
  kl_vf h = x * y;
  __m512 r = (__m512)vf_fma(y * 0.5f, vf_fma(-h, y, vf_set(1.0f)), y);
  return (kl_vf)_mm512_mask_mov_ps(r, _mm512_cmp_ps_mask(r, r, _CMP_UNORD_Q), (__m512)y);
}
/* 1/x to 14 bits. */
KL_INLINE kl_vf vf_reciprocal_estimate(kl_vf x) { return (kl_vf)_mm512_rcp14_ps((__m512)x); }
/* 1/x to 0.6 ulp for normal x up to 2^125, in the same way.  Beyond, where 1/x is about to leave the normal range, 0
 * may come. */
KL_INLINE kl_vf vf_reciprocal(kl_vf x) {
  kl_vf y = vf_reciprocal_estimate(x);
  __m512 r = (__m512)vf_fma(vf_fma(-x, y, vf_set(1.0f)), y, y);
  return (kl_vf)_mm512_mask_mov_ps(r, _mm512_cmp_ps_mask(r, r, _CMP_UNORD_Q), (__m512)y);
}

#elif defined(KL_ISA_AVX2)

KL_INLINE kl_vf vf_fma(kl_vf a, kl_vf b, kl_vf c) { return (kl_vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
KL_INLINE kl_vd vd_fma(kl_vd a, kl_vd b, kl_vd c) { return (kl_vd)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
KL_INLINE kl_vf vf_sqrt(kl_vf x) { return (kl_vf)_mm256_sqrt_ps((__m256)x); }
KL_INLINE kl_vd vd_sqrt(kl_vd x) { return (kl_vd)_mm256_sqrt_pd((__m256d)x); }
KL_INLINE kl_vf vf_round(kl_vf x) { return (kl_vf)_mm256_round_ps((__m256)x, 8); }
KL_INLINE kl_vf vf_floor(kl_vf x) { return (kl_vf)_mm256_round_ps((__m256)x, 9); }
KL_INLINE kl_vf vf_ceil(kl_vf x) { return (kl_vf)_mm256_round_ps((__m256)x, 10); }
/* 1/sqrt(x) for normal x > 0 to 1.1 ulp: a 12-bit estimate and two Newton steps, which make NaN of infinity and 0:
 * there the estimate, 0 or infinity, is the result. */
KL_INLINE kl_vf vf_rsqrt(kl_vf x) {
  kl_vf y = (kl_vf)_mm256_rsqrt_ps((__m256)x);
  kl_vf z = vf_fma(y * 0.5f, vf_fma(-(x * y), y, vf_set(1.0f)), y);
  __m256 r = (__m256)vf_fma(z * 0.5f, vf_fma(-(x * z), z, vf_set(1.0f)), z);
  return (kl_vf)_mm256_blendv_ps(r, (__m256)y, _mm256_cmp_ps(r, r, _CMP_UNORD_Q));
}
/* 1/x to 22 bits; NaN for 0 and infinity. */
KL_INLINE kl_vf vf_reciprocal_estimate(kl_vf x) {
  kl_vf y = (kl_vf)_mm256_rcp_ps((__m256)x);
  return vf_fma(vf_fma(-x, y, vf_set(1.0f)), y, y);
}
/* 1/x to 0.6 ulp for normal x up to 2^125, in the same way.  Beyond, where 1/x is about to leave the normal range, 0
 * may come. */
KL_INLINE kl_vf vf_reciprocal(kl_vf x) {
  kl_vf y = vf_reciprocal_estimate(x);
  __m256 r = (__m256)vf_fma(vf_fma(-x, y, vf_set(1.0f)), y, y);
  return (kl_vf)_mm256_blendv_ps(r, _mm256_rcp_ps((__m256)x), _mm256_cmp_ps(r, r, _CMP_UNORD_Q));
}

#else

KL_INLINE kl_vf vf_fma(kl_vf a, kl_vf b, kl_vf c) { return a * b + c; }
KL_INLINE kl_vd vd_fma(kl_vd a, kl_vd b, kl_vd c) { return a * b + c; }
#if defined(__x86_64__)
KL_INLINE kl_vf vf_sqrt(kl_vf x) { return (kl_vf)_mm_sqrt_ps((__m128)x); }
KL_INLINE kl_vd vd_sqrt(kl_vd x) { return (kl_vd)_mm_sqrt_pd((__m128d)x); }
#else
KL_INLINE kl_vf vf_sqrt(kl_vf x) {
  for (int i = 0; i < KL_LANES; i++) {
    x[i] = __builtin_sqrtf(x[i]);
  }
  return x;
}
KL_INLINE kl_vd vd_sqrt(kl_vd x) {
  for (int i = 0; i < KL_DLANES; i++) {
    x[i] = __builtin_sqrt(x[i]);
  }
  return x;
}
#endif
/* Without SSE4.1: adding and subtracting 2^23 rounds to nearest even below it; above it every float is whole. */
KL_INLINE kl_vf vf_round(kl_vf x) {
  kl_vf magic = vf_copysign(vf_set(8388608.0f), x);
  kl_vf r = vf_copysign((x + magic) - magic, x);
  return vf_select(vf_abs(x) < 8388608.0f, r, x);
}
KL_INLINE kl_vf vf_floor(kl_vf x) {
  kl_vf r = vf_round(x);
  return vf_copysign(r - vf_select(r > x, vf_set(1.0f), vf_set(0.0f)), x);
}
KL_INLINE kl_vf vf_ceil(kl_vf x) {
  kl_vf r = vf_round(x);
  return vf_copysign(r + vf_select(r < x, vf_set(1.0f), vf_set(0.0f)), x);
}
KL_INLINE kl_vf vf_rsqrt(kl_vf x) { return 1.0f / vf_sqrt(x); }
KL_INLINE kl_vf vf_reciprocal(kl_vf x) { return 1.0f / x; }

#endif

/* Products of the lower 32 bits of each lane, 64 bits wide. */
KL_INLINE kl_vul vul_mul32(kl_vul a, kl_vul b) {
#if defined(KL_ISA_AVX512)
  return (kl_vul)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(KL_ISA_AVX2)
  return (kl_vul)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__x86_64__)
  return (kl_vul)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

/* Masks as the machine likes them, mask registers or lanes of ones: gcc 12 turns a comparison into lanes even where a
 * mask register is wanted.  vf_min and vf_max give b if either is NaN.  vm_odd: lanes whose lowest bit is set. */
#if defined(KL_ISA_AVX512)
typedef __mmask16 kl_vm;
KL_INLINE kl_vf vf_min(kl_vf a, kl_vf b) { return (kl_vf)_mm512_min_ps((__m512)a, (__m512)b); }
KL_INLINE kl_vf vf_max(kl_vf a, kl_vf b) { return (kl_vf)_mm512_max_ps((__m512)a, (__m512)b); }
KL_INLINE kl_vm vm_less(kl_vf a, kl_vf b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ); }
KL_INLINE kl_vm vm_above(kl_vi a, kl_vi b) { return _mm512_cmpgt_epi32_mask((__m512i)a, (__m512i)b); }
KL_INLINE kl_vm vm_odd(kl_vi a) { return _mm512_test_epi32_mask((__m512i)a, _mm512_set1_epi32(1)); }
KL_INLINE int vm_any(kl_vm mask) { return mask != 0; }
KL_INLINE kl_vf vm_select(kl_vm mask, kl_vf a, kl_vf b) {
  return (kl_vf)_mm512_mask_blend_ps(mask, (__m512)b, (__m512)a);
}
/* p * 2^n for whole n, saturating at both ends. */
KL_INLINE kl_vf vf_scale(kl_vf p, kl_vf n) { return (kl_vf)_mm512_scalef_ps((__m512)p, (__m512)n); }
#elif defined(KL_ISA_AVX2)
typedef kl_vi kl_vm;
KL_INLINE kl_vf vf_min(kl_vf a, kl_vf b) { return (kl_vf)_mm256_min_ps((__m256)a, (__m256)b); }
KL_INLINE kl_vf vf_max(kl_vf a, kl_vf b) { return (kl_vf)_mm256_max_ps((__m256)a, (__m256)b); }
KL_INLINE kl_vm vm_less(kl_vf a, kl_vf b) { return a < b; }
KL_INLINE kl_vm vm_above(kl_vi a, kl_vi b) { return a > b; }
KL_INLINE kl_vm vm_odd(kl_vi a) { return a << 31; }
KL_INLINE int vm_any(kl_vm mask) { return _mm256_movemask_ps((__m256)mask) != 0; }
KL_INLINE kl_vf vm_select(kl_vm mask, kl_vf a, kl_vf b) {
  return (kl_vf)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)mask);
}
#else
typedef kl_vi kl_vm;
KL_INLINE kl_vf vf_min(kl_vf a, kl_vf b) { return vf_select(a < b, a, b); }
KL_INLINE kl_vf vf_max(kl_vf a, kl_vf b) { return vf_select(a > b, a, b); }
KL_INLINE kl_vm vm_less(kl_vf a, kl_vf b) { return a < b; }
KL_INLINE kl_vm vm_above(kl_vi a, kl_vi b) { return a > b; }
KL_INLINE kl_vm vm_odd(kl_vi a) { return (a & 1) == 1; }
KL_INLINE int vm_any(kl_vm mask) {
  int any = 0;
  for (int i = 0; i < KL_LANES; i++) {
    any |= mask[i];
  }
  return any;
}
KL_INLINE kl_vf vm_select(kl_vm mask, kl_vf a, kl_vf b) { return vf_select(mask, a, b); }
#endif

/* numpy's rule: a NaN on either side is the result. */
KL_INLINE kl_vf vf_maximum(kl_vf a, kl_vf b) { return vf_select((a > b) | (a != a), a, b); }
KL_INLINE kl_vf vf_minimum(kl_vf a, kl_vf b) { return vf_select((a < b) | (a != a), a, b); }
KL_INLINE kl_vd vd_maximum(kl_vd a, kl_vd b) { return vd_select((a > b) | (a != a), a, b); }
KL_INLINE kl_vd vd_minimum(kl_vd a, kl_vd b) { return vd_select((a < b) | (a != a), a, b); }

/* Sum of the lanes, halving: lane i meets lane i + width/2. */
KL_INLINE float vf_sum(kl_vf v) {
  float a[KL_LANES];
  memcpy(a, &v, sizeof a);
  for (int width = KL_LANES / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; i++) {
      a[i] += a[i + width];
    }
  }
  return a[0];
}
KL_INLINE double vd_sum(kl_vd v) {
  double a[KL_DLANES];
  memcpy(a, &v, sizeof a);
  for (int width = KL_DLANES / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; i++) {
      a[i] += a[i + width];
    }
  }
  return a[0];
}

#endif
