/* Transcendental functions of float vectors, written once for every instruction set of simd.h.
 *
 * What always holds: a lane's result depends on that lane's input only, not on its neighbours or its place.  NaN gives
 * NaN.  Infinities, zeros and domain errors follow C's annex F.  Kernels run with FTZ and DAZ set, so a result below
 * the normal range may be 0, and erf, which is 1.13 x near 0, is 0 for subnormal x; log and log2 take subnormal x as
 * what it is under either setting.  Bits may differ between instruction sets, because the baseline has no fused
 * multiply-add.
 *
 * Polynomials are minimax fits of scripts/dev/minimax.py, evaluated with few dependent steps (Estrin): a core has room
 * for three or four of these vectors at once, which does not hide the latency of Horner's rule.  Where one rounding too
 * many would show, a sum is carried in two parts.  "Error" is the largest over every 997th of the 2^32 inputs, in units
 * in the last place (ulp) of the exact result, for baseline, AVX2 and AVX-512; tests/c/vmath_test.c finds it, and holds
 * it to 2, 1.5 and 1.5 ("vmath_test all": every input).  The road not taken: tables by permutation, fast on AVX-512
 * only, where the rest would need a second method. */
#ifndef KL_DEVICE_CPU_VMATH_H
#define KL_DEVICE_CPU_VMATH_H

#include <math.h>

#include "device/cpu/simd.h"

/* Set where vf_fma rounds once.  Where it does not, a*b + c with c = -fl(a*b) is 0 and finds no rounding error. */
#if defined(KL_ISA_AVX512) || defined(KL_ISA_AVX2)
#define KL_FUSED 1
#else
#define KL_FUSED 0
#endif

/* One step of Horner's rule, p x + c, and four coefficients by Estrin's, x2 = x^2. */
KL_INLINE kl_vf vf_step(kl_vf p, kl_vf x, float c) { return vf_fma(p, x, vf_set(c)); }
KL_INLINE kl_vf vf_cubic(kl_vf x, kl_vf x2, float c3, float c2, float c1, float c0) {
  return vf_fma(vf_step(vf_set(c3), x, c2), x2, vf_step(vf_set(c1), x, c0));
}

/* Adding 1.5 * 2^23 rounds |x| < 2^22 to a whole number, which is then also in the low bits of the sum: shifted left by
 * 23 they are what must be added to a float's bits to multiply it by that power of 2. */
#define KL_ROUNDER 12582912.0f

/* p * 2^n through the exponent bits: p and the product are normal. */
KL_INLINE kl_vf vf_shift_exponent(kl_vf p, kl_vu power) { return vf_bits((kl_vi)((kl_vu)vi_bits(p) + power)); }

/* x = n ln 2 + r with |r| <= ln 2 / 2 for |x| < 2^14.  ln 2 is split (Cody & Waite 1980) into 0.693359375, whose
 * products with n are exact even without FMA, and the rest.  high: x less the first part, exact.  power: the bits to
 * add for a factor 2^n. */
typedef struct kl_vexp {
  kl_vf n, high, r;
  kl_vu power;
} kl_vexp;

KL_INLINE kl_vexp vf_exp_reduce(kl_vf x) {
  kl_vexp e;
  kl_vf t = vf_step(x, vf_set(1.44269504f), KL_ROUNDER);
  e.n = t - KL_ROUNDER;
  e.high = vf_fma(e.n, vf_set(-0.693359375f), x);
  e.r = vf_fma(e.n, vf_set(2.12194442e-4f), e.high);
  e.power = (kl_vu)vi_bits(t) << 23;
  return e;
}

/* (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2, degree 4. */
KL_INLINE kl_vf vf_exp_tail(kl_vf r, kl_vf r2) {
  kl_vf top = vf_fma(vf_set(0.00138842897f), r2, vf_step(vf_set(0.00836601481f), r, 0.0416673012f));
  return vf_fma(top, r2, vf_step(vf_set(0.166665494f), r, 0.49999997f));
}

/* e^r - 1 for |r| <= ln 2 / 2. */
KL_INLINE kl_vf vf_exp_less_1(kl_vf r) {
  kl_vf r2 = r * r;
  return vf_fma(vf_exp_tail(r, r2), r2, r);
}

/* e^x = 2^n e^r, e^r of degree 6.
 * Error: 1.14, 0.86, 0.86. */
KL_INLINE kl_vf vf_exp(kl_vf x) {
#if defined(KL_ISA_AVX512)
  /* The clamps are where the result is 0 or infinity; they let NaN through. */
  kl_vexp e = vf_exp_reduce(vf_max(vf_set(-104.0f), vf_min(vf_set(89.0f), x)));
  kl_vf p = vf_step(vf_step(vf_exp_tail(e.r, e.r * e.r), e.r, 1.0f), e.r, 1.0f);
  return vf_scale(p, e.n);
#else
  /* Whatever comes out from the first x with an infinite result on, or before the first with a normal one, is replaced.
   */
  kl_vexp e = vf_exp_reduce(x);
  kl_vf p = vf_step(vf_step(vf_exp_tail(e.r, e.r * e.r), e.r, 1.0f), e.r, 1.0f);
  kl_vf y = vf_shift_exponent(p, e.power);
  y = vm_select(vm_less(x, vf_set(-87.3365402f)), vf_set(0.0f), y);
  return vm_select(vm_less(x, vf_set(88.7228394f)), y, x * INFINITY);
#endif
}

/* e^x - 1 = 2 ((S - 1/2) + S (r + r^2 Q(r))), S = 2^(n-1), which stays finite for the largest n.  The first two terms
 * are added as h + l without error (Dekker 1971: |S r| <= |S - 1/2| or the latter is 0), so nothing cancels.
 * Error: 1.10, 1.01, 1.01. */
KL_INLINE kl_vf vf_expm1(kl_vf x) {
  kl_vexp e = vf_exp_reduce(vf_max(vf_set(-18.0f), vf_min(vf_set(89.0f), x)));
  kl_vf r2 = e.r * e.r;
  kl_vf low = vf_fma(vf_exp_tail(e.r, r2), r2, e.n * 2.12194442e-4f);
  kl_vf scale = vf_shift_exponent(vf_set(0.5f), e.power), base = scale - 0.5f;
  kl_vf h = vf_fma(scale, e.high, base);
  kl_vf l = vf_fma(scale, e.high, base - h);
  kl_vf y = h + vf_fma(scale, low, l);
  /* Halves of small x would be flushed; this also keeps -0. */
  return vm_select(vm_less(vf_abs(x), vf_set(0x1p-25f)), x, y + y);
}

/* 1 / h for normal h with a normal reciprocal: Newton's step from an estimate. */
KL_INLINE kl_vf vf_reciprocal_normal(kl_vf h) {
#if KL_FUSED
  kl_vf y = vf_reciprocal_estimate(h);
  return vf_fma(vf_fma(h, -y, vf_set(1.0f)), y, y);
#else
  return 1.0f / h;
#endif
}

/* The same of h + l, l a few ulp of h. */
KL_INLINE kl_vf vf_reciprocal_sum(kl_vf h, kl_vf l) {
#if KL_FUSED
  kl_vf y = vf_reciprocal_estimate(h);
  return vf_fma(vf_fma(l, -y, vf_fma(h, -y, vf_set(1.0f))), y, y);
#else
  kl_vf y = 1.0f / h;
  return y - y * l * y;
#endif
}

/* 1 / (1 + e^-x) as a quarter of 1 / (h + l), h + l = 1/4 + S (1 + w), 4 S = 2^n: without the quarter the estimate of
 * the reciprocal would be flushed before the result is below the normal range, where 0 is returned.  lost: what 1/4 + S
 * rounds off while S is the larger; while it is the smaller that does not matter.
 * Error: 1.44, 0.94, 0.94. */
KL_INLINE kl_vf vf_sigmoid(kl_vf x) {
  kl_vexp e = vf_exp_reduce(vf_max(vf_set(-64.0f), -x));
  kl_vf w = vf_exp_less_1(e.r), scale = vf_shift_exponent(vf_set(0.25f), e.power);
  kl_vf base = scale + 0.25f, lost = 0.25f - (base - scale);
  kl_vf h = vf_fma(scale, w, base);
  kl_vf l = vf_fma(scale, w, (base - h) + lost);
  kl_vf y = vf_reciprocal_sum(h, l) * 0.25f;
  return vm_select(vm_less(x, vf_set(-87.3365402f)), vf_set(0.0f), y);
}

/* (log(1 + f) - f) / f^2 on [sqrt 1/2 - 1, sqrt 2 - 1], degree 8; f2 = f^2. */
KL_INLINE kl_vf vf_log_tail(kl_vf f, kl_vf f2) {
  kl_vf f4 = f2 * f2;
  kl_vf top = vf_cubic(f, f2, 0.129140392f, -0.132466495f, 0.141805887f, -0.166084692f);
  top = vf_fma(vf_set(-0.0762536898f), f4, top);
  return vf_fma(top, f4, vf_cubic(f, f2, 0.200020149f, -0.250016093f, 0.333333254f, -0.499999881f));
}

/* log(1 + e^x) = max(x, 0) + log(1 + e), e = e^-|x|.  The last is log(1 + f) with f = e, or for |x| < 0.88, where e is
 * above sqrt 2 - 1, ln 2 + log(1 + f) with f = (e - 1)/2; f is carried with what it lost.
 * Error: 1.28, 1.28, 1.28. */
KL_INLINE kl_vf vf_softplus(kl_vf x) {
  kl_vf size = vf_abs(x), zero = vf_set(0.0f);
  kl_vm near = vm_less(size, vf_set(0.881373587f));
  kl_vexp e = vf_exp_reduce(-size);
  kl_vf w = vf_exp_less_1(e.r);
  kl_vf scale = vf_shift_exponent(vm_select(near, vf_set(0.5f), vf_set(1.0f)), e.power);
  kl_vf half = vm_select(near, vf_set(0.5f), zero), base = scale - half;
  /* Without FMA, scale * w would be flushed before the sum is. */
  kl_vf f = KL_FUSED ? vf_fma(scale, w, base) : scale * (1.0f + w) - half;
  kl_vf f2 = f * f;
  kl_vf y = f + vf_fma(vf_log_tail(f, f2), f2, vf_fma(scale, w, base - f));
  y = vm_select(vm_less(size, vf_set(87.3365479f)), y, zero);
  return vf_max(zero, x) + (vm_select(near, vf_set(0.693147182f), zero) + y);
}

/* x = 2^k m, m in [sqrt 1/2, sqrt 2), for normal x > 0.  power: k << 23. */
typedef struct kl_vlog {
  kl_vf k, m;
  kl_vu power;
} kl_vlog;

KL_INLINE kl_vlog vf_log_reduce(kl_vf x) {
  kl_vlog y;
  kl_vu bits = (kl_vu)vi_bits(x), over = bits - 0x3f3504f3u; /* less the bits of sqrt 1/2 */
  y.power = over & 0xff800000u;
  y.m = vf_bits((kl_vi)(bits - y.power));
  y.k = __builtin_convertvector((kl_vi)over >> 23, kl_vf);
  return y;
}

/* log(1 + f + rest) + k ln 2, rest below an ulp of f. */
KL_INLINE kl_vf vf_log_sum(kl_vf f, kl_vf rest, kl_vf k) {
  kl_vf f2 = f * f;
  rest = vf_fma(k, vf_set(-2.12194442e-4f), rest);
  return vf_fma(k, vf_set(0.693359375f), f + vf_fma(vf_log_tail(f, f2), f2, rest));
}

/* log2(1 + f) + k = k + (f + f P(f)), P of degree 9: log2 e - 1 is the constant of P, so f is not rounded. */
KL_INLINE kl_vf vf_log2_sum(kl_vf f, kl_vf k) {
  kl_vf f2 = f * f, f4 = f2 * f2;
  kl_vf top = vf_cubic(f, f2, 0.18691428f, -0.188254923f, 0.204151064f, -0.239951342f);
  top = vf_fma(vf_set(-0.116463266f), f4, top);
  kl_vf p = vf_fma(top, f4, vf_cubic(f, f2, 0.288618952f, -0.360682607f, 0.480896503f, -0.721347511f));
  p = vf_step(p, f, 0.442695051f);
  return k + vf_fma(f, p, f);
}

/* Lanes that are not in [2^-126, 2^(128 - headroom)), the range of vf_log_reduce: by their bits as integers, which DAZ
 * does not touch. */
KL_INLINE kl_vm vf_log_outside(kl_vf x, uint32_t headroom) {
  kl_vu from_least = (kl_vu)vi_bits(x) - 0x00800000u;
  uint32_t last = 0x7effffffu - (headroom << 23);
  return vm_above((kl_vi)(from_least ^ 0x80000000u), vi_set((int32_t)(last ^ 0x80000000u)));
}

/* log or log2 of the lanes outside: a subnormal is 2^-149 times its bits as an integer; y for the rest. */
KL_INLINE kl_vf vf_log_special(kl_vf x, kl_vf subnormal, kl_vf y) {
  kl_vi bits = vi_bits(x);
  y = vf_select((bits < 0x00800000) & (bits > 0), subnormal, y);
  y = vf_select((bits & INT32_MAX) == 0, vf_set(-INFINITY), y);
  y = vf_select((bits < 0) & ((bits & INT32_MAX) != 0), vf_set(NAN), y);
  return vf_select(((bits & INT32_MAX) > 0x7f800000) | (bits == 0x7f800000), x, y);
}

/* log x = k ln 2 + log m.
 * Error: 0.86, 0.82, 0.82. */
KL_INLINE kl_vf vf_log(kl_vf x) {
  kl_vlog a = vf_log_reduce(x);
  kl_vf y = vf_log_sum(a.m - 1.0f, vf_set(0.0f), a.k);
  if (__builtin_expect(vm_any(vf_log_outside(x, 0)), 0)) {
    kl_vlog b = vf_log_reduce(__builtin_convertvector(vi_bits(x), kl_vf));
    y = vf_log_special(x, vf_log_sum(b.m - 1.0f, vf_set(0.0f), b.k - 149.0f), y);
  }
  return y;
}

/* log2 x = k + log2 m.
 * Error: 1.10, 1.00, 1.00. */
KL_INLINE kl_vf vf_log2(kl_vf x) {
  kl_vlog a = vf_log_reduce(x);
  kl_vf y = vf_log2_sum(a.m - 1.0f, a.k);
  if (__builtin_expect(vm_any(vf_log_outside(x, 0)), 0)) {
    kl_vlog b = vf_log_reduce(__builtin_convertvector(vi_bits(x), kl_vf));
    y = vf_log_special(x, vf_log2_sum(b.m - 1.0f, b.k - 149.0f), y);
  }
  return y;
}

/* log(1 + x) = k ln 2 + log(1 + f): k is that of the rounded 1 + x, but f = (2^-k - 1) + 2^-k x comes from x itself, so
 * that small x (k = 0) is not rounded at all.  2^-k would be subnormal in the last two octaves; there 1 + x is
 * x.
 * Error: 1.01, 0.89, 0.89. */
KL_INLINE kl_vf vf_log1p(kl_vf x) {
  kl_vf sum = 1.0f + x;
  kl_vlog a = vf_log_reduce(sum);
  kl_vf scale = vf_bits((kl_vi)(0x3f800000u - a.power));
  kl_vf base = scale - 1.0f, f = vf_fma(scale, x, base);
  kl_vf y = vf_copysign(vf_log_sum(f, vf_fma(scale, x, base - f), a.k), x);
  kl_vm outside = vf_log_outside(sum, 2);
  if (__builtin_expect(vm_any(outside), 0)) {
    y = vm_select(outside, vf_log(sum), y);
  }
  return y;
}

/* tanh x = x + x^3 P(x^2) up to 0.75, P of degree 4; then 1 - 2 / (1 + e^2x).
 * Error: 1.16, 1.15, 1.15. */
KL_INLINE kl_vf vf_tanh(kl_vf x) {
  /* At the clamp the result is 1 already. */
  kl_vf a = vf_min(vf_set(9.5f), vf_abs(x)), z = a * a;
  kl_vf p = vf_set(-0.00476991618f);
  p = vf_step(p, z, 0.0196655951f);
  p = vf_step(p, z, -0.0533906445f);
  p = vf_step(p, z, 0.133265302f);
  p = vf_step(p, z, -0.333330691f);
  kl_vf near = vf_fma(a * z, p, a);
  kl_vexp e = vf_exp_reduce(a + a);
  kl_vf scale = vf_shift_exponent(vf_set(1.0f), e.power);
  kl_vf sum = vf_fma(scale, vf_exp_less_1(e.r), 1.0f + scale);
  kl_vf far = vf_step(vf_reciprocal_normal(sum), vf_set(-2.0f), 1.0f);
  return vf_copysign(vm_select(vm_less(a, vf_set(0.75f)), near, far), x);
}

/* erf x = x + x P(x^2) up to 0.875, P of degree 5; then 1 - 2^-h(x), h a polynomial of degree 6 fitted to -log2 erfc,
 * 2^-h = 2^-n 2^r with h = n - r and 2^r of degree 6.
 * Error: 1.38, 1.28, 1.28. */
KL_INLINE kl_vf vf_erf(kl_vf x) {
  /* At the clamp the result is 1 already. */
  kl_vf a = vf_min(vf_set(3.93f), vf_abs(x)), z = a * a;
  kl_vf p = vf_step(vf_set(-0.000602049113f), z, 0.00499892794f), z2 = z * z;
  p = vf_fma(p, z2, vf_step(vf_set(-0.0267704856f), z, 0.112819217f));
  p = vf_fma(p, z2, vf_step(vf_set(-0.376125038f), z, 0.128379151f));
  /* Without FMA, a p would be flushed before erf a is. */
  kl_vf up = a * 0x1p24f;
  kl_vf near = KL_FUSED ? vf_fma(a, p, a) : (up + up * p) * 0x1p-24f;
  kl_vf h = vf_fma(vf_set(0.000288396521f), z, vf_step(vf_set(-0.00444636913f), a, 0.0322889388f));
  h = vf_fma(h, z2, vf_cubic(a, z, -0.150401115f, -0.918738127f, -1.62720037f, -0.000208061829f));
  kl_vf t = h + KL_ROUNDER;
  kl_vf r = h - (t - KL_ROUNDER), r2 = r * r;
  kl_vf q = vf_step(vf_set(0.000153809524f), r, 0.00133914279f);
  q = vf_fma(q, r2 * r2, vf_cubic(r, r2, 0.00961831678f, 0.0555035882f, 0.240226492f, 0.693147182f));
  q = vf_step(q, r, 1.0f);
  kl_vf far = vf_step(q, vf_shift_exponent(vf_set(-1.0f), (kl_vu)vi_bits(t) << 23), 1.0f);
  return vf_copysign(vm_select(vm_less(a, vf_set(0.875f)), near, far), x);
}

/* Up to here sin and cos reduce their argument in float; beyond, a lane is handed to libm in double. */
#define KL_TRIG_LIMIT 10000.0f

/* x = n pi/2 + (r + low) for |x| <= KL_TRIG_LIMIT (Cody & Waite 1980), |r| <= pi/4.  turns: n in the low bits.
 * pi/2 is the sum of three floats with FMA; without, of three of 11 bits, whose products with n < 2^13 are exact, and
 * one float.  Everything but r is exact, and low is what r lost. */
typedef struct kl_vtrig {
  kl_vf r, low;
  kl_vi turns;
} kl_vtrig;

KL_INLINE kl_vtrig vf_trig_reduce(kl_vf x) {
  kl_vtrig y;
  kl_vf t = vf_step(x, vf_set(0.636619747f), KL_ROUNDER);
  kl_vf n = t - KL_ROUNDER;
  y.turns = vi_bits(t);
#if KL_FUSED
  kl_vf high = vf_fma(n, vf_set(-0x1.921fb6p+0f), x);
  y.r = high + n * 0x1.777a5cp-25f; /* two roundings, so that high - r is exact */
  y.low = vf_fma(n, vf_set(0x1.777a5cp-25f), high - y.r);
  y.low = vf_fma(n, vf_set(0x1.ee59dap-50f), y.low);
#else
  kl_vf high = (x - n * 0x1.92p+0f) - n * 0x1.fb4p-12f, third = n * 0x1.444p-24f;
  y.r = high - third;
  y.low = (high - y.r) - third;
  y.low = y.low - n * 0x1.68c234p-39f;
#endif
  return y;
}

/* sin(r + low) = r + (low + r^3 P(r^2)), P of degree 2. */
KL_INLINE kl_vf vf_trig_sin(kl_vtrig a, kl_vf z) {
  kl_vf p = vf_set(-0.000195178975f);
  p = vf_step(p, z, 0.00833218731f);
  p = vf_step(p, z, -0.166666552f);
  return a.r + vf_fma(a.r * z, p, a.low);
}

/* cos(r + low) = 1 - r^2/2 + r^4 P(r^2) - r low, P of degree 2; what 1 - r^2/2 loses is put back. */
KL_INLINE kl_vf vf_trig_cos(kl_vtrig a, kl_vf z) {
  kl_vf p = vf_set(2.44323273e-05f);
  p = vf_step(p, z, -0.00138873095f);
  p = vf_step(p, z, 0.0416666456f);
  kl_vf half = z * 0.5f, h = 1.0f - half;
  return h + (((1.0f - h) - half) + vf_fma(z * z, p, -(a.r * a.low)));
}

/* The lanes beyond the limit, by libm in double: NaN for infinities.  Out of line, to keep the common path small. */
static __attribute__((noinline, cold, unused)) kl_vf vf_trig_far(kl_vf x, kl_vf y, double (*function)(double)) {
  for (int i = 0; i < KL_LANES; i++) {
    if (fabsf(x[i]) > KL_TRIG_LIMIT) {
      y[i] = (float)function((double)x[i]);
    }
  }
  return y;
}

/* sin x: a quarter turn chooses between sin and cos of the rest, a half turn the sign; |x| is taken to keep -0.
 * Error: 0.82, 0.83, 0.83. */
KL_INLINE kl_vf vf_sin(kl_vf x) {
  kl_vf size = vf_abs(x);
  kl_vtrig a = vf_trig_reduce(size);
  kl_vf z = a.r * a.r;
  kl_vf y = vm_select(vm_odd(a.turns), vf_trig_cos(a, z), vf_trig_sin(a, z));
  y = vf_bits(vi_bits(y) ^ (((a.turns << 30) ^ vi_bits(x)) & INT32_MIN));
  if (__builtin_expect(vm_any(vm_less(vf_set(KL_TRIG_LIMIT), size)), 0)) {
    y = vf_trig_far(x, y, sin);
  }
  return y;
}

/* cos x = sin(x + pi/2), by the same parts.
 * Error: 0.81, 0.78, 0.78. */
KL_INLINE kl_vf vf_cos(kl_vf x) {
  kl_vtrig a = vf_trig_reduce(x);
  kl_vf z = a.r * a.r;
  kl_vf y = vm_select(vm_odd(a.turns), vf_trig_sin(a, z), vf_trig_cos(a, z));
  y = vf_bits(vi_bits(y) ^ ((kl_vi)(((kl_vu)a.turns + 1) << 30) & INT32_MIN));
  if (__builtin_expect(vm_any(vm_less(vf_set(KL_TRIG_LIMIT), vf_abs(x))), 0)) {
    y = vf_trig_far(x, y, cos);
  }
  return y;
}

#endif
