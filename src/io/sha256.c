/* The standard's constants are the first 32 bits of the fractions of roots of primes: computed, not listed. */
#include "io/sha256.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct constants {
  uint32_t k[64], begin[8];
} constants;

static uint32_t fraction(long double x) { return (uint32_t)((x - floorl(x)) * 0x1p32L); }

static void make_constants(constants *c) {
  int found = 0;
  for (int n = 2; found < 64; n++) {
    int d = 2;
    while (d * d <= n && n % d != 0) {
      d++;
    }
    if (d * d > n) {
      if (found < 8) {
        c->begin[found] = fraction(sqrtl((long double)n));
      }
      c->k[found++] = fraction(cbrtl((long double)n));
    }
  }
}

static uint32_t turn(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void take_block(const constants *c, uint32_t h[8], const unsigned char *p) {
  uint32_t w[64], s[8];
  for (int i = 0; i < 16; i++, p += 4) {
    w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
  }
  for (int i = 16; i < 64; i++) {
    uint32_t a = w[i - 15], b = w[i - 2];
    w[i] = w[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + w[i - 7] + (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
  }
  memcpy(s, h, sizeof s);
  for (int i = 0; i < 64; i++) {
    uint32_t e = s[4], a = s[0];
    uint32_t t = s[7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & s[5]) ^ (~e & s[6])) + c->k[i] + w[i];
    uint32_t u = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
    memmove(s + 1, s, 7 * sizeof *s);
    s[4] += t;
    s[0] = t + u;
  }
  for (int i = 0; i < 8; i++) {
    h[i] += s[i];
  }
}

void kl_sha256(const void *data, size_t size, char text[65]) {
  constants c;
  uint32_t h[8];
  unsigned char last[128] = {0};
  make_constants(&c);
  memcpy(h, c.begin, sizeof h);
  const unsigned char *p = data;
  size_t left = size;
  for (; left >= 64; left -= 64, p += 64) {
    take_block(&c, h, p);
  }
  if (left > 0) {
    memcpy(last, p, left);
  }
  last[left] = 0x80;
  size_t blocks = left < 56 ? 1 : 2;
  for (int i = 0; i < 8; i++) {
    last[blocks * 64 - 1 - (size_t)i] = (unsigned char)((uint64_t)size * 8 >> 8 * i);
  }
  for (size_t i = 0; i < blocks; i++) {
    take_block(&c, h, last + 64 * i);
  }
  for (int i = 0; i < 8; i++) {
    snprintf(text + 8 * i, 9, "%08x", (unsigned)h[i]);
  }
}
